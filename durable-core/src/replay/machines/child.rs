//! Child orchestrations: started → (failed → delayed → started again)* → done | dropped.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::Op;
use super::activity::checked_input;
use super::attempt::{Attempts, CallAttempt, Predicate, Retries};
use super::result::typed;
use crate::ids::{InstanceId, Name, check_version};
use crate::limits;
use crate::model::event::ChildScheduled;
use crate::model::{Failure, FailureKind, RetryPolicy, check_tags};
use crate::payload::Payload;
use crate::replay::action::Action;
use crate::replay::core::Core;
use crate::replay::refs::OrchestrationRef;
use crate::replay::task_error::{TaskError, UserError};

/// How to start a child. Made by
/// [`OrchestrationContext::child`](crate::replay::OrchestrationContext::child).
#[must_use = "a child is started by `.call(input)` or `.start_detached(input)`"]
pub struct ChildBuilder<R> {
    core: Core,
    orchestration: R,
    instance: Option<InstanceId>,
    version: Option<String>,
    tags: Vec<(String, String)>,
    policy: Option<RetryPolicy>,
    predicate: Option<Predicate>,
}

impl<R> std::fmt::Debug for ChildBuilder<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChildBuilder")
            .field("instance", &self.instance)
            .field("retry", &self.policy)
            .finish_non_exhaustive()
    }
}

impl<R: OrchestrationRef> ChildBuilder<R> {
    pub(in crate::replay) fn new(core: Core, orchestration: R) -> Self {
        Self {
            core,
            orchestration,
            instance: None,
            version: None,
            tags: Vec::new(),
            policy: None,
            predicate: None,
        }
    }

    /// The child's instance id. Without it, one is derived from this execution and the number
    /// of the action. A terminal instance of that id is started afresh; a live one makes the
    /// call fail with [`AlreadyExists`](crate::model::FailureKind::AlreadyExists).
    pub fn id(mut self, instance: InstanceId) -> Self {
        self.instance = Some(instance);
        self
    }

    /// The version to start.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = Some(version.into());
        self
    }

    /// Adds a label to the child.
    pub fn tag(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.tags.push((key.into(), value.into()));
        self
    }

    /// Starts it again after failures, with durable delays in between.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.policy = Some(policy);
        self
    }

    /// Starts it again only after errors that this accepts. It must decide by the error alone.
    pub fn retry_if(
        mut self,
        wanted: impl Fn(&TaskError<R::Error>) -> bool + Send + 'static,
    ) -> Self {
        self.predicate =
            Some(Box::new(move |failure| wanted(&TaskError::from_failure(failure.clone()))));
        self
    }

    /// Starts it, now, and answers with its result. Dropping the answer leaves the child
    /// running; its result is then ignored.
    pub fn call(self, input: R::Input) -> ChildCall<R::Output, R::Error> {
        let name = self.orchestration.orchestration_name();
        let retries = self.policy.map(|policy| Retries { policy, predicate: self.predicate });
        let version =
            self.version.unwrap_or_else(|| self.orchestration.orchestration_version().to_owned());
        let checked = checked_start(&name, &version, &self.tags)
            .and_then(|()| checked_input(&input, &format_args!("child `{name}`")));
        let state = match checked {
            Ok(input) => {
                let start = Start {
                    name: name.clone(),
                    version,
                    input,
                    instance: self.instance,
                    tags: self.tags,
                };
                CallState::Called(Attempts::begin(&self.core, retries, start.into_attempt()))
            }
            Err(failure) => CallState::Failed(Some(failure)),
        };
        ChildCall { state, name, types: PhantomData }
    }

    /// Starts it, now, as an independent instance whose end is not reported back. Answers
    /// with its id.
    ///
    /// # Errors
    /// A [`Failure`] when the input cannot be encoded, or input, version or labels are too large.
    pub fn start_detached(self, input: R::Input) -> Result<InstanceId, Failure> {
        let name = self.orchestration.orchestration_name();
        let version =
            self.version.unwrap_or_else(|| self.orchestration.orchestration_version().to_owned());
        checked_start(&name, &version, &self.tags)?;
        let input = checked_input(&input, &format_args!("child `{name}`"))?;
        let start = Start { name, version, input, instance: self.instance, tags: self.tags };
        Ok(start.issue(&self.core, true).1)
    }
}

/// Enforces the limits of what is said about a child besides its input.
fn checked_start(name: &Name, version: &str, tags: &[(String, String)]) -> Result<(), Failure> {
    let version = check_version(version).map_err(|error| error.to_string());
    version.and_then(|()| check_tags(tags)).map_err(|error| {
        Failure::of_kind(FailureKind::LimitExceeded, format!("child `{name}`: {error}"))
    })
}

struct Start {
    name: Name,
    version: String,
    input: Option<Payload>,
    instance: Option<InstanceId>,
    tags: Vec<(String, String)>,
}

impl Start {
    /// Records the action; answers with its number and the child's id.
    fn issue(&self, core: &Core, detached: bool) -> (u64, InstanceId) {
        let mut state = core.lock();
        let id = state.take_id();
        let instance = self
            .instance
            .clone()
            .unwrap_or_else(|| derived_id(&state.instance, state.execution.0, id));
        let event = ChildScheduled {
            id,
            instance: instance.clone(),
            name: self.name.clone(),
            version: self.version.clone(),
            input: self.input.clone(),
            detached,
        };
        state.issued.push_back(Action::Child { event, tags: self.tags.clone() });
        (id, instance)
    }

    fn into_attempt(self) -> CallAttempt {
        Box::new(move |core, _attempt, _call| {
            let (id, instance) = self.issue(core, false);
            (Op::open(core, id, Some(instance)), id)
        })
    }
}

/// An id that no other action of any execution has. Begins with the parent's id, so that a
/// listing by prefix shows children next to their parent.
fn derived_id(parent: &InstanceId, execution: u128, id: u64) -> InstanceId {
    let suffix = format!(":{:016x}:{id}", (execution >> 64) as u64 ^ execution as u64);
    let mut text = parent.as_str().to_owned();
    let mut room = limits::INSTANCE_ID_BYTES_MAX - suffix.len();
    if text.len() > room {
        while !text.is_char_boundary(room) {
            room -= 1;
        }
        text.truncate(room);
    }
    text.push_str(&suffix);
    InstanceId::new(&text).unwrap_or_else(|_| parent.clone())
}

enum CallState {
    Called(Attempts),
    Failed(Option<Failure>),
}

/// The result of a child orchestration.
#[must_use = "the child runs anyway; to ignore its result, start it with `.start_detached(input)`"]
pub struct ChildCall<O, E> {
    state: CallState,
    name: Name,
    types: PhantomData<fn() -> (O, E)>,
}

impl<O, E> std::fmt::Debug for ChildCall<O, E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChildCall").field("name", &self.name).finish_non_exhaustive()
    }
}

impl<O: serde::de::DeserializeOwned, E: UserError> Future for ChildCall<O, E> {
    type Output = Result<O, TaskError<E>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let result = match &mut self.state {
            CallState::Called(attempts) => std::task::ready!(Pin::new(attempts).poll(cx)),
            CallState::Failed(failure) => match failure.take() {
                Some(failure) => Err(failure),
                None => return Poll::Pending,
            },
        };
        Poll::Ready(typed(result, &format_args!("child `{}`", self.name)))
    }
}
