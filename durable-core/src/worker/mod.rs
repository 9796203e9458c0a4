//! The worker: the only module with loops.
//!
//! `orchestration_dispatcher` runs turns; `activity_dispatcher` fetches activities,
//! `activity_run` runs one, `activity_commit` stores what they answered;
//! `lease_keeper` keeps the leases of long activities, `tracking_dispatcher` applies tracking
//! records, `session_cache` keeps suspended orchestrations in memory, `commit_builder` turns
//! decisions into commits.

mod activity_commit;
mod activity_dispatcher;
mod activity_run;
pub(crate) mod commit_builder;
mod excuses;
mod lease_keeper;
mod options;
mod orchestration_dispatcher;
mod pace;
mod paranoid;
mod session;
mod session_cache;
mod shared;
mod tracking_dispatcher;

use std::any::Any;
use std::future::Future;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::join;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::activity::{Activity, ActivityContext};
use crate::backend::Backend;
use crate::env::{BoxFuture, SharedEnv, TokioEnv};
use crate::error::{Error, ErrorKind};
use crate::registry::{Orchestration, Registry};
use crate::replay::{OrchestrationContext, UserError};
use crate::telemetry;

use lease_keeper::Running;
pub use options::WorkerOptions;
use shared::Shared;
pub use tracking_dispatcher::TrackingSink;

/// Collects code and settings for a [`Worker`].
#[must_use = "a worker begins with `.start().await`"]
pub struct WorkerBuilder {
    backend: Arc<dyn Backend>,
    env: SharedEnv,
    registry: Registry,
    options: WorkerOptions,
    sinks: Vec<Arc<dyn TrackingSink>>,
}

impl std::fmt::Debug for WorkerBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WorkerBuilder")
            .field("registry", &self.registry)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl WorkerBuilder {
    /// Serves an activity.
    pub fn activity<A: Activity>(mut self, activity: A) -> Self {
        self.registry.activity(activity);
        self
    }

    /// Serves an orchestration.
    pub fn orchestration<R: Orchestration>(mut self, orchestration: R) -> Self {
        self.registry.orchestration(orchestration);
        self
    }

    /// Serves a closure as an activity.
    pub fn activity_fn<I, O, E, F, Fut>(mut self, name: &str, run: F) -> Self
    where
        I: DeserializeOwned + Send + 'static,
        O: Serialize + Send + 'static,
        E: UserError,
        F: Fn(ActivityContext, I) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<O, E>> + Send + 'static,
    {
        self.registry.activity_fn(name, run);
        self
    }

    /// Serves a closure as an orchestration.
    pub fn orchestration_fn<I, O, E, F, Fut>(mut self, name: &str, run: F) -> Self
    where
        I: DeserializeOwned + Send + 'static,
        O: Serialize + Send + 'static,
        E: UserError,
        F: Fn(OrchestrationContext, I) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<O, E>> + Send + 'static,
    {
        self.registry.orchestration_fn(name, "", run);
        self
    }

    /// Gives activities a value that they get with [`ActivityContext::data`]: a connection pool,
    /// a client, settings. One value per type; an `Arc` of it is shared.
    ///
    /// ```
    /// # use durable_core::{env::TokioEnv, ids::HubName, memory::MemoryStore, model::Failure, worker::Worker};
    /// struct Prices(u64);
    /// # let backend = MemoryStore::new(TokioEnv::shared()).hub(&HubName::default());
    /// let worker = Worker::builder(backend).data(Prices(300)).activity_fn(
    ///     "total",
    ///     |ctx, quantity: u64| async move { Ok::<_, Failure>(ctx.data::<Prices>()?.0 * quantity) },
    /// );
    /// ```
    pub fn data<T: Any + Send + Sync>(mut self, value: impl Into<Arc<T>>) -> Self {
        self.registry.data::<T>(value);
        self
    }

    /// Replaces what has been registered so far.
    pub fn registry(mut self, registry: Registry) -> Self {
        self.registry = registry;
        self
    }

    /// Replaces the settings.
    pub fn options(mut self, options: WorkerOptions) -> Self {
        self.options = options;
        self
    }

    /// Hands tracking records to a sink.
    pub fn tracking_sink(mut self, sink: Arc<dyn TrackingSink>) -> Self {
        self.sinks.push(sink);
        self
    }

    /// Replaces clock, randomness, spawn and sleep, e.g. by a simulator's.
    pub fn env(mut self, env: SharedEnv) -> Self {
        self.env = env;
        self
    }

    /// Checks the registrations and begins to work in background tasks.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] when a name is invalid or registered twice, when a
    /// setting makes no sense, or when there is nothing to serve.
    pub async fn start(self) -> Result<Worker, Error> {
        let mut problems = self.registry.problems().to_vec();
        problems.extend(self.options.problems(self.registry.has_activities()));
        if !problems.is_empty() {
            let text = problems.join("; ");
            return Err(Error::new(
                ErrorKind::InvalidArgument,
                format!("the worker cannot start: {text}"),
            ));
        }
        if !self.registry.has_orchestrations()
            && !self.registry.has_activities()
            && self.sinks.is_empty()
        {
            let text = "the worker has nothing to serve: register orchestrations or activities";
            return Err(Error::new(ErrorKind::InvalidArgument, text));
        }
        let hub = Arc::from(self.backend.hub().as_str());
        let shared =
            Shared::new(self.env, self.backend, self.registry, self.options, self.sinks, hub);
        let running = Arc::new(Running::default());
        for dispatcher in dispatchers(&shared, &running) {
            shared.spawn(dispatcher);
        }
        if shared.serves_activities() {
            // Not counted as running work: it ends after everything else has.
            let keeper = lease_keeper::run(Arc::clone(&shared), Arc::clone(&running));
            shared.env.spawn(Box::pin(keeper));
        }
        if shared.tracks() {
            shared.spawn(Box::pin(tracking_dispatcher::run(Arc::clone(&shared))));
        }
        tracing::info!(worker = %shared.worker, hub = %shared.hub, "{}", telemetry::WORKER_STARTED);
        Ok(Worker { shared, running })
    }
}

/// The loops, each to be run as a task.
fn dispatchers(shared: &Arc<Shared>, running: &Arc<Running>) -> Vec<BoxFuture<'static, ()>> {
    let together = !shared.backend.capabilities().multi_process;
    let wanted = shared.options.turn_loops.unwrap_or(if together { 1 } else { 2 });
    let count = if shared.registry.has_orchestrations() { wanted } else { 0 };
    let turns = |_| Box::pin(orchestration_dispatcher::run(Arc::clone(shared))) as BoxFuture<_>;
    let mut loops: Vec<_> = (0..count).map(turns).collect();
    if shared.serves_activities() {
        let activities = activity_dispatcher::run(Arc::clone(shared), Arc::clone(running));
        // Where nothing waits for a network, the two keep each other busy: as one task they
        // stay on one core, with what they share in its cache and no lock to wait for.
        let partner = if together { loops.pop() } else { None };
        loops.push(match partner {
            Some(turns) => Box::pin(join(turns, activities).map(drop)),
            None => Box::pin(activities),
        });
    }
    loops
}

/// Runs orchestrations and activities of one task hub in background tasks.
///
/// Dropping it asks the loops to stop without waiting; what still runs after
/// [`WorkerOptions::drain`] is told to stop and comes back. Prefer [`shutdown`](Self::shutdown).
#[derive(Debug)]
pub struct Worker {
    shared: Arc<Shared>,
    running: Arc<Running>,
}

impl Worker {
    /// A worker on a hub.
    pub fn builder(backend: Arc<dyn Backend>) -> WorkerBuilder {
        WorkerBuilder {
            backend,
            env: TokioEnv::shared(),
            registry: Registry::default(),
            options: WorkerOptions::default(),
            sinks: Vec::new(),
        }
    }

    /// Takes no more work, waits up to [`WorkerOptions::drain`] for what runs, then tells the
    /// remaining activities to stop and gives them back for others. Answers whether everything
    /// ended by itself.
    ///
    /// Cancel safety: dropping the future leaves the worker stopping.
    pub async fn shutdown(self) -> bool {
        self.shared.request_stop();
        let drained = lease_keeper::drain(&self.shared, &self.running).await;
        tracing::info!(worker = %self.shared.worker, drained, "{}", telemetry::WORKER_STOPPED);
        drained
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.shared.request_stop();
    }
}
