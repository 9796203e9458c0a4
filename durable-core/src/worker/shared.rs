//! What all loops of one worker share.

use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use foldhash::fast::RandomState;
use tokio::sync::{Notify, watch};

use super::excuses::Excuses;
use super::options::WorkerOptions;
use super::pace::Pace;
use super::session_cache::SessionCache;
use super::tracking_dispatcher::TrackingSink;
use crate::backend::{Backend, BackendError, Envelope, Retry};
use crate::env::{BoxFuture, SharedEnv, timeout};
use crate::ids::{InstanceId, MessageId, Name, WorkerId};
use crate::model::Message;
use crate::model::wire;
use crate::registry::Registry;
use crate::replay::Handlers;

/// The common ground of a worker's loops.
pub(super) struct Shared {
    pub(super) env: SharedEnv,
    pub(super) backend: Arc<dyn Backend>,
    pub(super) registry: Arc<Registry>,
    pub(super) handlers: Arc<dyn Handlers>,
    pub(super) options: WorkerOptions,
    pub(super) sinks: Vec<Arc<dyn TrackingSink>>,
    pub(super) worker: WorkerId,
    pub(super) hub: Arc<str>,
    pub(super) sessions: SessionCache,
    paces: HashMap<Name, Arc<Pace>, RandomState>,
    pub(super) excuses: Excuses<InstanceId>,
    pub(super) task_excuses: Excuses<MessageId>,
    stop: watch::Sender<bool>,
    order: AtomicU64,
    tasks: AtomicUsize,
    idle: Notify,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("worker", &self.worker).finish_non_exhaustive()
    }
}

/// How a fetch ended.
pub(super) enum Fetched<T> {
    /// As usual.
    Work(T),
    /// The worker stops; what the fetch still brought has to be given back.
    Stop(Option<T>),
}

/// How long a fetch is waited for when the worker stops.
const LAST_FETCH: Duration = Duration::from_millis(100);

/// Counts a task as running while it lives.
struct TaskGuard(Arc<Shared>);

impl Drop for TaskGuard {
    fn drop(&mut self) {
        if self.0.tasks.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.idle.notify_waiters();
        }
    }
}

impl Shared {
    pub(super) fn new(
        env: SharedEnv,
        backend: Arc<dyn Backend>,
        registry: Registry,
        options: WorkerOptions,
        sinks: Vec<Arc<dyn TrackingSink>>,
        hub: Arc<str>,
    ) -> Arc<Self> {
        let registry = Arc::new(registry);
        Arc::new(Self {
            worker: WorkerId(env.random_u128()),
            handlers: Arc::clone(&registry) as Arc<dyn Handlers>,
            paces: registry.served_activities().map(|n| (n.clone(), Arc::default())).collect(),
            registry,
            sessions: SessionCache::new(options.sticky_bytes),
            excuses: Excuses::default(),
            task_excuses: Excuses::default(),
            options,
            sinks,
            hub,
            stop: watch::Sender::new(false),
            order: AtomicU64::new(0),
            tasks: AtomicUsize::new(0),
            idle: Notify::new(),
            env,
            backend,
        })
    }

    /// Whether activities are run.
    pub(super) fn serves_activities(&self) -> bool {
        self.registry.has_activities() && self.options.activities_max > 0
    }

    /// Whether tracking records are wanted by anybody.
    pub(super) fn tracks(&self) -> bool {
        !self.sinks.is_empty() || !self.backend.capabilities().indexes_itself
    }

    /// A number that rises with every call, close to the time in microseconds so that it
    /// also rises from one process to its successor.
    pub(super) fn order_key(&self) -> u64 {
        let now = self.env.now().as_micros();
        let before = self.order.fetch_max(now, Ordering::Relaxed);
        if before < now { now } else { self.order.fetch_add(1, Ordering::Relaxed) + 1 }
    }

    pub(super) fn spawn(self: &Arc<Self>, task: BoxFuture<'static, ()>) {
        self.tasks.fetch_add(1, Ordering::AcqRel);
        let guard = TaskGuard(Arc::clone(self));
        self.env.spawn(Box::pin(async move {
            let _guard = guard;
            task.await;
        }));
    }

    /// Takes a task as far as it goes at once; the rest goes on in the background. Saves the
    /// way through the scheduler for what needs no waiting.
    pub(super) async fn begin(self: &Arc<Self>, mut task: BoxFuture<'static, ()>) {
        let waits = poll_fn(|cx| Poll::Ready(task.as_mut().poll(cx).is_pending())).await;
        if waits {
            self.spawn(task);
        }
    }

    /// What is known of an activity's pace.
    pub(super) fn pace(&self, name: &Name) -> Arc<Pace> {
        self.paces.get(name).cloned().unwrap_or_default()
    }

    pub(super) fn request_stop(&self) {
        self.stop.send_replace(true);
    }

    pub(super) fn stopping(&self) -> bool {
        *self.stop.borrow()
    }

    /// Completes when the worker is to stop.
    pub(super) async fn stopped(&self) {
        let mut stop = self.stop.subscribe();
        // The sender lives as long as `self`.
        let _ = stop.wait_for(|stop| *stop).await;
    }

    /// Waits for what a fetch brings, or until the worker stops. A store across a network may
    /// just be handing out work then: it is waited for a little, so that it can be given back
    /// instead of being on loan until its lease ends.
    pub(super) async fn fetch<T>(&self, fetch: impl Future<Output = T>) -> Fetched<T> {
        let mut fetch = pin!(fetch);
        tokio::select! {
            biased;
            fetched = &mut fetch => return Fetched::Work(fetched),
            () = self.stopped() => {}
        }
        if !self.backend.capabilities().multi_process {
            return Fetched::Stop(None);
        }
        Fetched::Stop(timeout(&*self.env, LAST_FETCH, fetch).await.ok())
    }

    /// Completes when no task runs any more.
    pub(super) async fn all_tasks_ended(&self) {
        loop {
            let idle = self.idle.notified();
            if self.tasks.load(Ordering::Acquire) == 0 {
                return;
            }
            idle.await;
        }
    }

    /// Sleeps as a failed call advises, or until the worker stops.
    pub(super) async fn pause_after(&self, error: &BackendError, default: Duration) {
        let delay = match error.advice() {
            Retry::After(delay) => delay,
            Retry::Never => default,
        };
        tokio::select! {
            biased;
            () = self.stopped() => {}
            () = self.env.sleep(delay) => {}
        }
    }

    /// Makes an instance take a turn although nothing happened to it.
    pub(super) fn poke(self: &Arc<Self>, instance: InstanceId) {
        let shared = Arc::clone(self);
        self.spawn(Box::pin(async move {
            let id = MessageId::random(shared.env.random_u128());
            let body = wire::encode_message(&Message::Poke);
            let mut envelope = Envelope::new(id, instance, shared.order_key(), body);
            envelope.control = true;
            for sent in shared.backend.send(vec![envelope]).await {
                if let Err(error) = sent {
                    tracing::warn!(%error, "could not report a foreign wake-up");
                }
            }
        }));
    }
}
