//! Which code serves which name and version.

use std::any::{Any, type_name};
use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;

use foldhash::fast::RandomState;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::activity::{Activity, ActivityContext, ActivityHandler, Data};
use crate::env::BoxFuture;
use crate::ids::{Name, check_version};
use crate::limits;
use crate::model::{Failure, FailureKind};
use crate::payload::{Payload, decode, encode};
use crate::replay::{
    HandlerResult, Handlers, OrchestrationContext, OrchestrationHandler, OrchestrationRef,
    UserError,
};

/// Orchestration code: a reference that can also be run.
pub trait Orchestration:
    OrchestrationRef<Input: DeserializeOwned + Send, Output: Serialize + Send> + Send + Sync + 'static
{
    /// The future of one execution.
    fn run(
        &self,
        ctx: OrchestrationContext,
        input: Self::Input,
    ) -> BoxFuture<'static, Result<Self::Output, Self::Error>>;
}

/// Names and versions with their code.
#[derive(Default)]
pub struct Registry {
    activities: HashMap<Name, Arc<dyn ActivityHandler>, RandomState>,
    orchestrations: HashMap<Name, BTreeMap<String, Arc<dyn OrchestrationHandler>>, RandomState>,
    data: Data,
    problems: Vec<String>,
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry")
            .field("activities", &self.activity_names())
            .field("orchestrations", &self.orchestration_names())
            .finish_non_exhaustive()
    }
}

impl Registry {
    /// Adds an activity.
    pub fn activity<A: Activity>(&mut self, activity: A) {
        self.add_activity(activity.activity_name(), Arc::new(TypedActivity(activity)));
    }

    /// Adds an orchestration.
    pub fn orchestration<R: Orchestration>(&mut self, orchestration: R) {
        let name = orchestration.orchestration_name();
        let version = orchestration.orchestration_version().to_owned();
        self.add_orchestration(name, version, Arc::new(TypedOrchestration(orchestration)));
    }

    /// Adds a closure as an activity.
    pub fn activity_fn<I, O, E, F, Fut>(&mut self, name: &str, run: F)
    where
        I: DeserializeOwned + Send + 'static,
        O: Serialize + Send + 'static,
        E: UserError,
        F: Fn(ActivityContext, I) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<O, E>> + Send + 'static,
    {
        match Name::new(name) {
            Ok(name) => self.add_activity(name, Arc::new(FnActivity { run, types: PhantomData })),
            Err(error) => self.problems.push(format!("activity {:?}: {error}", shown(name))),
        }
    }

    /// Adds a closure as an orchestration; an empty version is the unversioned one.
    pub fn orchestration_fn<I, O, E, F, Fut>(&mut self, name: &str, version: &str, run: F)
    where
        I: DeserializeOwned + Send + 'static,
        O: Serialize + Send + 'static,
        E: UserError,
        F: Fn(OrchestrationContext, I) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<O, E>> + Send + 'static,
    {
        match Name::new(name) {
            Ok(name) => {
                self.add_orchestration(
                    name,
                    version.to_owned(),
                    Arc::new(FnOrchestration { run, types: PhantomData }),
                );
            }
            Err(error) => self.problems.push(format!("orchestration {:?}: {error}", shown(name))),
        }
    }

    /// Adds a value for [`ActivityContext::data`]; one per type.
    pub fn data<T: Any + Send + Sync>(&mut self, value: impl Into<Arc<T>>) {
        if !self.data.add::<T>(value.into()) {
            self.problems.push(format!("data of type `{}` is given twice", type_name::<T>()));
        }
    }

    /// The values given with [`data`](Self::data).
    pub(crate) fn values(&self) -> Data {
        self.data.clone()
    }

    fn add_activity(&mut self, name: Name, handler: Arc<dyn ActivityHandler>) {
        if self.activities.insert(name.clone(), handler).is_some() {
            self.problems.push(format!("activity `{name}` is registered twice"));
        }
    }

    fn add_orchestration(
        &mut self,
        name: Name,
        version: String,
        handler: Arc<dyn OrchestrationHandler>,
    ) {
        if let Err(error) = check_version(&version) {
            self.problems.push(format!("orchestration `{name}`: {error}"));
            return;
        }
        let versions = self.orchestrations.entry(name.clone()).or_default();
        if versions.insert(version.clone(), handler).is_some() {
            self.problems
                .push(format!("orchestration `{name}` version `{version}` is registered twice"));
        }
    }

    /// What is wrong with the registrations, one sentence each.
    pub fn problems(&self) -> &[String] {
        &self.problems
    }

    /// Whether no orchestration is registered.
    pub fn has_orchestrations(&self) -> bool {
        !self.orchestrations.is_empty()
    }

    /// Whether any activity is registered.
    pub fn has_activities(&self) -> bool {
        !self.activities.is_empty()
    }

    /// The code of an activity.
    pub fn find_activity(&self, name: &Name) -> Option<Arc<dyn ActivityHandler>> {
        self.activities.get(name).cloned()
    }

    /// The activities served, in no order.
    pub fn served_activities(&self) -> impl Iterator<Item = &Name> {
        self.activities.keys()
    }

    /// The activities served, sorted, for people.
    pub fn activity_names(&self) -> Vec<String> {
        let mut names: Vec<_> = self.activities.keys().map(ToString::to_string).collect();
        names.sort_unstable();
        names
    }
}

impl Handlers for Registry {
    fn orchestration(&self, name: &Name, version: &str) -> Option<Arc<dyn OrchestrationHandler>> {
        self.orchestrations.get(name)?.get(version).cloned()
    }

    fn orchestration_names(&self) -> Vec<String> {
        let mut names: Vec<_> = self
            .orchestrations
            .iter()
            .flat_map(|(name, versions)| {
                versions.keys().map(move |v| {
                    if v.is_empty() { name.to_string() } else { format!("{name} {v}") }
                })
            })
            .collect();
        names.sort_unstable();
        names
    }
}

/// As much of a text as belongs into an error.
fn shown(text: &str) -> &str {
    text.char_indices().nth(40).map_or(text, |(end, _)| &text[..end])
}

/// Decodes an input. An absent one reads as `null`.
fn input<I: DeserializeOwned>(payload: Option<Payload>, what: &str) -> Result<I, Failure> {
    let payload = payload.unwrap_or_else(|| Payload::new(&b"null"[..]));
    decode(&payload).map_err(|error| {
        Failure::of_kind(FailureKind::Conversion, format!("input of this {what} (DT0014): {error}"))
    })
}

/// Encodes what user code ended with, and enforces the payload limit.
fn output<O: Serialize, E: UserError>(result: Result<O, E>, what: &str) -> HandlerResult {
    let value = result.map_err(UserError::into_failure)?;
    let payload = encode(&value).map_err(|error| {
        Failure::of_kind(FailureKind::Conversion, format!("output of this {what}: {error}"))
    })?;
    if payload.len() > limits::PAYLOAD_BYTES_MAX {
        let text = format!(
            "output of this {what} is {} bytes; the limit is {} (DT0005): store it elsewhere and return a reference",
            payload.len(),
            limits::PAYLOAD_BYTES_MAX
        );
        return Err(Failure::of_kind(FailureKind::LimitExceeded, text));
    }
    Ok(Some(payload))
}

/// Decodes the input, runs, encodes the output. Code whose input does not decode never runs.
fn run<I, O, E, Fut>(
    payload: Option<Payload>,
    what: &'static str,
    call: impl FnOnce(I) -> Fut,
) -> BoxFuture<'static, HandlerResult>
where
    I: DeserializeOwned,
    O: Serialize,
    E: UserError,
    Fut: Future<Output = Result<O, E>> + Send + 'static,
{
    match input(payload, what) {
        Ok(value) => {
            let run = call(value);
            Box::pin(async move { output(run.await, what) })
        }
        Err(failure) => Box::pin(std::future::ready(Err(failure))),
    }
}

const ACTIVITY: &str = "activity";
const ORCHESTRATION: &str = "orchestration";

struct TypedActivity<A>(A);

impl<A: Activity> ActivityHandler for TypedActivity<A> {
    fn run(
        &self,
        ctx: ActivityContext,
        payload: Option<Payload>,
    ) -> BoxFuture<'static, HandlerResult> {
        run(payload, ACTIVITY, |value| self.0.run(ctx, value))
    }
}

struct TypedOrchestration<R>(R);

impl<R: Orchestration> OrchestrationHandler for TypedOrchestration<R> {
    fn run(
        &self,
        ctx: OrchestrationContext,
        payload: Option<Payload>,
    ) -> BoxFuture<'static, HandlerResult> {
        run(payload, ORCHESTRATION, |value| self.0.run(ctx, value))
    }
}

struct FnActivity<F, I> {
    run: F,
    types: PhantomData<fn(I)>,
}

impl<F, I, O, E, Fut> ActivityHandler for FnActivity<F, I>
where
    I: DeserializeOwned + Send + 'static,
    O: Serialize + Send + 'static,
    E: UserError,
    F: Fn(ActivityContext, I) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<O, E>> + Send + 'static,
{
    fn run(
        &self,
        ctx: ActivityContext,
        payload: Option<Payload>,
    ) -> BoxFuture<'static, HandlerResult> {
        run(payload, ACTIVITY, |value| (self.run)(ctx, value))
    }
}

struct FnOrchestration<F, I> {
    run: F,
    types: PhantomData<fn(I)>,
}

impl<F, I, O, E, Fut> OrchestrationHandler for FnOrchestration<F, I>
where
    I: DeserializeOwned + Send + 'static,
    O: Serialize + Send + 'static,
    E: UserError,
    F: Fn(OrchestrationContext, I) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<O, E>> + Send + 'static,
{
    fn run(
        &self,
        ctx: OrchestrationContext,
        payload: Option<Payload>,
    ) -> BoxFuture<'static, HandlerResult> {
        run(payload, ORCHESTRATION, |value| (self.run)(ctx, value))
    }
}
