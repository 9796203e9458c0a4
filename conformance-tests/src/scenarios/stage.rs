//! Where scenarios play: a hub, a client, workers, and a clock that runs.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use durable_core::activity::ActivityContext;
use durable_core::backend::{Backend, OrchestrationStatus};
use durable_core::client::{Client, InstanceHandle, InstanceStatus};
use durable_core::env::{SharedEnv, TokioEnv};
use durable_core::model::Failure;
use durable_core::replay::{NamedActivity, NamedOrchestration};
use durable_core::worker::{Worker, WorkerBuilder, WorkerOptions};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::check::{self, Checked};
use crate::driver::Hub;

/// How much faster the clock goes when leases have to end.
const HURRY: u32 = 5;

/// One performance of a scenario.
pub(super) struct Stage {
    pub(super) hub: Hub,
    pub(super) client: Client,
    pub(super) options: WorkerOptions,
    pub(super) env: SharedEnv,
    /// How often the activity `inc` ran.
    pub(super) runs: Arc<AtomicU64>,
    hurries: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Events that begin and end an activity, a child, a timer.
pub(super) const ACTIVITIES: (&str, &str) = ("ActivityScheduled", "ActivityCompleted");
pub(super) const CHILDREN: (&str, &str) = ("ChildScheduled", "ChildCompleted");
pub(super) const TIMERS: (&str, &str) = ("TimerCreated", "TimerFired");

pub(super) fn act<I, O>(name: &str) -> NamedActivity<I, O, Failure>
where
    I: Serialize,
    O: DeserializeOwned,
{
    named(NamedActivity::new(name))
}

pub(super) fn orch<I, O>(name: &str) -> NamedOrchestration<I, O, Failure>
where
    I: Serialize,
    O: DeserializeOwned,
{
    named(NamedOrchestration::new(name))
}

/// The names of scenarios are valid.
fn named<T, E: std::fmt::Display>(name: Result<T, E>) -> T {
    name.unwrap_or_else(|error| std::panic::panic_any(error.to_string()))
}

impl Stage {
    pub(super) fn new(hub: Hub, options: WorkerOptions) -> Self {
        let env = hub.env();
        let client = Client::with_env(hub.shared_backend(), Arc::clone(&env));
        let (stop, hurries) = (Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
        if hub.capabilities().injected_clock {
            let (hub, stop, real) = (hub.clone(), Arc::clone(&stop), TokioEnv::shared());
            let hurries = Arc::clone(&hurries);
            let ticking = Arc::clone(&real);
            ticking.spawn(Box::pin(async move {
                while !stop.load(Ordering::Relaxed) {
                    real.sleep(Duration::from_millis(1)).await;
                    let times = if hurries.load(Ordering::Relaxed) { HURRY } else { 1 };
                    hub.pass(hub.timings().tick * times).await;
                }
            }));
        }
        Self { hub, client, options, env, runs: Arc::default(), hurries, stop }
    }

    /// Lets the clock run faster, for scenarios in which leases have to end.
    pub(super) fn hurry(&self) {
        self.hurries.store(true, Ordering::Relaxed);
    }

    /// A worker with the activities that all scenarios know.
    pub(super) fn worker(&self) -> WorkerBuilder {
        self.worker_on(self.hub.shared_backend())
    }

    pub(super) fn worker_on(&self, backend: Arc<dyn Backend>) -> WorkerBuilder {
        let runs = Arc::clone(&self.runs);
        Worker::builder(backend)
            .env(Arc::clone(&self.env))
            .options(self.options.clone())
            .activity_fn("inc", move |_ctx, n: u64| {
                runs.fetch_add(1, Ordering::SeqCst);
                async move { Ok::<_, Failure>(n + 1) }
            })
            .activity_fn("say", |_ctx, text: String| async move { Ok::<_, Failure>(text) })
            .activity_fn(
                "fail",
                |_ctx, text: String| async move { Err::<u64, _>(Failure::new(text)) },
            )
            .activity_fn("third", |ctx: ActivityContext, n: u64| async move {
                if ctx.attempt() < 3 { Err(Failure::new("too early")) } else { Ok(n) }
            })
    }

    pub(super) fn runs(&self) -> u64 {
        self.runs.load(Ordering::SeqCst)
    }

    /// What comes of something that must end soon.
    pub(super) async fn get<T>(
        &self,
        what: &str,
        future: impl Future<Output = Result<T, durable_core::error::Error>>,
    ) -> Checked<T> {
        Ok(self.hub.soon(what, future).await??)
    }

    pub(super) async fn start<I, O>(
        &self,
        name: &str,
        id: &str,
        input: I,
    ) -> Checked<InstanceHandle<O, Failure>>
    where
        I: Serialize,
        O: DeserializeOwned,
    {
        Ok(self.client.start(orch::<I, O>(name), input).id(id).send().await?)
    }

    /// Starts an instance and waits for its result.
    pub(super) async fn run<I, O>(&self, name: &str, id: &str, input: I) -> Checked<O>
    where
        I: Serialize,
        O: DeserializeOwned,
    {
        let handle = self.start(name, id, input).await?;
        self.get("the result", handle.result()).await
    }

    /// Starts the instance `a` and waits for its result.
    pub(super) async fn run_a<I, O>(
        &self,
        name: &str,
        input: I,
    ) -> Checked<(InstanceHandle<O, Failure>, O)>
    where
        I: Serialize,
        O: DeserializeOwned,
    {
        let handle = self.start(name, "a", input).await?;
        let out = self.result(&handle).await?;
        Ok((handle, out))
    }

    pub(super) async fn result<O: DeserializeOwned>(
        &self,
        handle: &InstanceHandle<O, Failure>,
    ) -> Checked<O> {
        self.get("the result", handle.result()).await
    }

    /// The failure with which an instance must end.
    pub(super) async fn failure<O: DeserializeOwned>(
        &self,
        handle: &InstanceHandle<O, Failure>,
    ) -> Checked<Failure> {
        match self.hub.soon("the end", handle.result()).await? {
            Ok(_) => Err(check::Failure::new("completed where it had to fail")),
            Err(error) => {
                let failure = error.failure().cloned();
                failure.ok_or_else(|| check::Failure::new(format!("no failure but {error}")))
            }
        }
    }

    pub(super) async fn status<O>(
        &self,
        handle: &InstanceHandle<O, Failure>,
        wanted: OrchestrationStatus,
    ) -> Checked<InstanceStatus> {
        let reached = handle.wait_until(|s| s.status() == wanted);
        self.get(&format!("the status {wanted:?}"), reached).await
    }

    /// The kinds of the events of a history.
    pub(super) async fn kinds<O>(
        &self,
        handle: &InstanceHandle<O, Failure>,
    ) -> Checked<Vec<&'static str>> {
        Ok(handle.history().collect().await?.iter().map(|e| e.event.kind()).collect())
    }

    /// Insists that all things of one kind were begun before the first of them ended, and that each
    /// has one end.
    pub(super) async fn side_by_side<O>(
        &self,
        handle: &InstanceHandle<O, Failure>,
        (begun, ended): (&str, &str),
        count: usize,
    ) -> Checked {
        let kinds = self.kinds(handle).await?;
        let number = |wanted| kinds.iter().filter(|kind| **kind == wanted).count();
        ensure_eq!(number(begun), count, "{begun} in history");
        ensure_eq!(number(ended), count, "{ended} in history");
        let last = kinds.iter().rposition(|kind| *kind == begun);
        let first = kinds.iter().position(|kind| *kind == ended);
        ensure!(last < first, "the last {begun} comes after the first {ended}");
        Ok(())
    }

    /// Waits until a condition of the status holds.
    pub(super) async fn until<O>(
        &self,
        handle: &InstanceHandle<O, Failure>,
        wanted: impl Fn(&InstanceStatus) -> bool,
    ) -> Checked {
        let look = async {
            loop {
                match handle.status().await {
                    Ok(status) if wanted(&status) => return Ok(()),
                    Ok(_) => self.hub.instant().await,
                    Err(error) => return Err(error),
                }
            }
        };
        self.get("a status", look).await
    }
}
