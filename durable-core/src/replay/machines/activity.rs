//! Calling activities: called → (failed → delayed → called again)* → done | dropped.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use super::Op;
use super::attempt::{Attempts, CallAttempt, Predicate, Retries};
use super::result::typed;
use crate::ids::{Name, QueueName};
use crate::limits;
use crate::model::event::ActivityScheduled;
use crate::model::{Failure, FailureKind, RetryPolicy};
use crate::payload::{Payload, encode};
use crate::replay::action::{Action, ActivityOptions};
use crate::replay::core::Core;
use crate::replay::refs::ActivityRef;
use crate::replay::task_error::{TaskError, UserError};

/// How to call an activity. Made by
/// [`OrchestrationContext::activity`](crate::replay::OrchestrationContext::activity).
#[must_use = "an activity is called by `.call(input)`"]
pub struct ActivityBuilder<A> {
    core: Core,
    activity: A,
    options: ActivityOptions,
    policy: Option<RetryPolicy>,
    predicate: Option<Predicate>,
}

impl<A> std::fmt::Debug for ActivityBuilder<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ActivityBuilder")
            .field("options", &self.options)
            .field("retry", &self.policy)
            .finish_non_exhaustive()
    }
}

impl<A: ActivityRef> ActivityBuilder<A> {
    pub(in crate::replay) fn new(core: Core, activity: A) -> Self {
        Self { core, activity, options: ActivityOptions::default(), policy: None, predicate: None }
    }

    /// Tries again after failures, with durable delays in between.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.policy = Some(policy);
        self
    }

    /// Tries again only after errors that this accepts. It must decide by the error alone.
    pub fn retry_if(
        mut self,
        wanted: impl Fn(&TaskError<A::Error>) -> bool + Send + 'static,
    ) -> Self {
        self.predicate =
            Some(Box::new(move |failure| wanted(&TaskError::from_failure(failure.clone()))));
        self
    }

    /// Longest time of one run; then it counts as failed with
    /// [`TimedOut`](FailureKind::TimedOut) and its context says it is cancelled.
    pub fn start_to_close(mut self, limit: Duration) -> Self {
        self.options.start_to_close = Some(limit);
        self
    }

    /// Longest time between two heartbeats of the activity.
    pub fn heartbeat_timeout(mut self, limit: Duration) -> Self {
        self.options.heartbeat = Some(limit);
        self
    }

    /// Which activity queue, and so which pool of workers, runs it.
    pub fn queue(mut self, queue: QueueName) -> Self {
        self.options.queue = queue;
        self
    }

    /// Calls it, now: the action is recorded with this turn whether or not the answer is
    /// awaited. Dropping the answer cancels the activity.
    pub fn call(self, input: A::Input) -> ActivityCall<A::Output, A::Error> {
        self.call_ref(&input)
    }

    /// As [`call`](Self::call), from a reference.
    pub fn call_ref(self, input: &A::Input) -> ActivityCall<A::Output, A::Error> {
        let name = self.activity.activity_name();
        let retries = self.policy.map(|policy| Retries { policy, predicate: self.predicate });
        let state = match checked_input(input, &format_args!("activity `{name}`")) {
            Ok(input) => {
                let call_attempt = call_attempt(name.clone(), input, self.options);
                CallState::Called(Attempts::begin(&self.core, retries, call_attempt))
            }
            Err(failure) => CallState::Failed(Some(failure)),
        };
        ActivityCall { state, name, types: PhantomData }
    }
}

/// Encodes an input and enforces the payload limit.
pub(super) fn checked_input<T: serde::Serialize>(
    input: &T,
    what: &dyn std::fmt::Display,
) -> Result<Option<Payload>, Failure> {
    let payload = encode(input).map_err(|error| {
        Failure::of_kind(FailureKind::Conversion, format!("input of {what}: {error}"))
    })?;
    if payload.len() > limits::PAYLOAD_BYTES_MAX {
        let text = format!(
            "input of {what} is {} bytes; the limit is {} (DT0005): store it elsewhere and pass a reference",
            payload.len(),
            limits::PAYLOAD_BYTES_MAX
        );
        return Err(Failure::of_kind(FailureKind::LimitExceeded, text));
    }
    Ok(Some(payload))
}

fn call_attempt(name: Name, input: Option<Payload>, options: ActivityOptions) -> CallAttempt {
    Box::new(move |core, attempt, call| {
        let id = {
            let mut state = core.lock();
            let id = state.take_id();
            let event = ActivityScheduled {
                id,
                name: name.clone(),
                input: input.clone(),
                call: if call == 0 { id } else { call },
                attempt,
            };
            state.issued.push_back(Action::Activity { event, options: options.clone() });
            id
        };
        (Op::open(core, id, None), id)
    })
}

enum CallState {
    Called(Attempts),
    Failed(Option<Failure>),
}

/// The answer of an activity. Dropping it cancels the activity; see
/// [`detach`](Self::detach).
#[must_use = "dropping the answer cancels the activity; await it or detach it"]
pub struct ActivityCall<O, E> {
    state: CallState,
    name: Name,
    types: PhantomData<fn() -> (O, E)>,
}

impl<O, E> std::fmt::Debug for ActivityCall<O, E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ActivityCall").field("name", &self.name).finish_non_exhaustive()
    }
}

impl<O, E> ActivityCall<O, E> {
    /// Lets the activity run although nobody waits for it. Its result is not recorded and a
    /// failure is not retried.
    pub fn detach(self) {
        if let CallState::Called(attempts) = self.state {
            attempts.detach();
        }
    }
}

impl<O: serde::de::DeserializeOwned, E: UserError> Future for ActivityCall<O, E> {
    type Output = Result<O, TaskError<E>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let result = match &mut self.state {
            CallState::Called(attempts) => std::task::ready!(Pin::new(attempts).poll(cx)),
            CallState::Failed(failure) => match failure.take() {
                Some(failure) => Err(failure),
                None => return Poll::Pending,
            },
        };
        Poll::Ready(typed(result, &format_args!("activity `{}`", self.name)))
    }
}
