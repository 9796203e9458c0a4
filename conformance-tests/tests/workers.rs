//! What workers owe to their work when they stop, are dropped, or the store is out for long.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;
use conformance_tests::ManualEnv;
use conformance_tests::tamper::{Tamper, Tampered};
use durable_core::activity::ActivityContext;
use durable_core::backend::{
    AbandonOutcome, ActivityCommit, ActivityLease, Backend, BackendError, BackendErrorKind,
    BackendResult, CommitOutcome, OrchestrationStatus, TurnCommit,
};
use durable_core::client::{Client, InstanceHandle};
use durable_core::memory::{MemoryBackend, MemoryStore};
use durable_core::model::Failure;
use durable_core::replay::{NamedActivity, NamedOrchestration, OrchestrationContext};
use durable_core::worker::{Worker, WorkerBuilder, WorkerOptions};

struct World {
    env: Arc<ManualEnv>,
    hub: Arc<MemoryBackend>,
    client: Client,
}

impl World {
    fn new() -> Self {
        let env = Arc::new(ManualEnv::new(1));
        let hub = MemoryStore::new(Arc::clone(&env) as _).hub(&"test".parse().unwrap());
        let client = Client::with_env(Arc::clone(&hub) as _, Arc::clone(&env) as _);
        Self { env, hub, client }
    }

    /// A worker whose orchestration `main` returns what the activity `work` does.
    fn worker(&self, backend: Arc<dyn Backend>) -> WorkerBuilder {
        let mut options = WorkerOptions::default();
        options.lease = Duration::from_secs(10);
        options.drain = Duration::from_secs(20);
        Worker::builder(backend).env(Arc::clone(&self.env) as _).options(options).orchestration_fn(
            "main",
            |ctx: OrchestrationContext, (): ()| async move {
                let work: NamedActivity<(), u32, Failure> = NamedActivity::new("work").unwrap();
                ctx.call(work, ()).await
            },
        )
    }

    async fn start(&self) -> InstanceHandle<u32, Failure> {
        let main: NamedOrchestration<(), u32, Failure> = NamedOrchestration::new("main").unwrap();
        self.client.start(main, ()).id("a").send().await.unwrap()
    }

    /// Lets time run until the future ends; a test that waits in vain ends here.
    async fn get<F: Future>(&self, what: &str, future: F) -> F::Output {
        let mut future = pin!(future);
        for _ in 0..20_000 {
            if let Poll::Ready(done) = futures_util::poll!(future.as_mut()) {
                return done;
            }
            self.env.advance(Duration::from_millis(50));
            tokio::task::yield_now().await;
        }
        panic!("waited in vain for {what}");
    }

    async fn result(&self, handle: &InstanceHandle<u32, Failure>) -> Result<u32, String> {
        self.get("the result", handle.result()).await.map_err(|error| error.to_string())
    }

    async fn begun(&self, begun: &AtomicBool) {
        let begun = poll_fn(|_| match begun.load(Ordering::SeqCst) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        });
        self.get("the activity to begin", begun).await;
    }
}

/// A worker that was dropped renewed the lease of an activity that never ends, for ever: nobody
/// else got the activity.
#[tokio::test]
async fn what_a_dropped_worker_does_not_end_comes_back() {
    let world = World::new();
    let begun = Arc::new(AtomicBool::new(false));
    let noted = Arc::clone(&begun);
    let hangs = world.worker(Arc::clone(&world.hub) as _).activity_fn("work", move |_, (): ()| {
        noted.store(true, Ordering::SeqCst);
        std::future::pending::<Result<u32, Failure>>()
    });
    let hangs = hangs.start().await.unwrap();
    let handle = world.start().await;
    world.begun(&begun).await;
    drop(hangs);
    let other = world.worker(Arc::clone(&world.hub) as _);
    let other = other.activity_fn("work", |_, (): ()| async { Ok::<_, Failure>(7) });
    let _other = other.start().await.unwrap();
    assert_eq!(world.result(&handle).await, Ok(7));
}

/// Takes its time to take activities back.
struct SlowAbandoning;

#[async_trait]
impl Tamper for SlowAbandoning {
    async fn abandon_activities(
        &self,
        inner: &dyn Backend,
        leases: Vec<ActivityLease>,
        delay: Duration,
    ) -> Vec<BackendResult<AbandonOutcome>> {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        inner.abandon_activities(leases, delay).await
    }
}

/// An activity that ended with an error because its worker told it to stop had that error
/// recorded as its result.
#[tokio::test]
async fn an_activity_that_is_told_to_stop_is_run_by_another_worker() {
    let world = World::new();
    let begun = Arc::new(AtomicBool::new(false));
    let noted = Arc::clone(&begun);
    let slow = Tampered::new(Arc::clone(&world.hub) as _, Box::new(SlowAbandoning));
    let obeys =
        world.worker(Arc::new(slow)).activity_fn("work", move |ctx: ActivityContext, (): ()| {
            noted.store(true, Ordering::SeqCst);
            async move {
                ctx.cancelled().await;
                Err::<u32, _>(Failure::new("told to stop"))
            }
        });
    let obeys = obeys.start().await.unwrap();
    let handle = world.start().await;
    world.begun(&begun).await;
    let ended = world.get("the worker to stop", obeys.shutdown()).await;
    assert!(!ended, "it did not end by itself");
    let other = world.worker(Arc::clone(&world.hub) as _);
    let other = other.activity_fn("work", |_, (): ()| async { Ok::<_, Failure>(7) });
    let _other = other.start().await.unwrap();
    assert_eq!(world.result(&handle).await, Ok(7));
}

/// The status no longer told for when an instance had been started, once it ran.
#[tokio::test]
async fn the_wished_start_time_stays_visible() {
    let world = World::new();
    let worker = world.worker(Arc::clone(&world.hub) as _);
    let worker = worker.activity_fn("work", |_, (): ()| async { Ok::<_, Failure>(7) });
    let _worker = worker.start().await.unwrap();
    let main: NamedOrchestration<(), u32, Failure> = NamedOrchestration::new("main").unwrap();
    let at = conformance_tests::manual_env::START + Duration::from_secs(60);
    let handle = world.client.start(main, ()).id("a").at(at).send().await.unwrap();
    assert_eq!(handle.status().await.unwrap().start_at(), Some(at));
    assert_eq!(world.result(&handle).await, Ok(7));
    let status = handle.status().await.unwrap();
    assert_eq!((status.status(), status.start_at()), (OrchestrationStatus::Completed, Some(at)));
}

/// Refuses so many commits of turns and so many of activities, and hands out all the same.
struct Outage {
    turns: AtomicU32,
    activities: AtomicU32,
}

impl Outage {
    fn around(world: &World, turns: u32, activities: u32) -> Arc<dyn Backend> {
        let (turns, activities) = (AtomicU32::new(turns), AtomicU32::new(activities));
        let outage = Box::new(Self { turns, activities });
        Arc::new(Tampered::new(Arc::clone(&world.hub) as _, outage))
    }
}

fn refused<T>(left: &AtomicU32, items: usize) -> Option<Vec<BackendResult<T>>> {
    let refuses = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
    refuses.ok()?;
    let full = || Err(BackendError::new(BackendErrorKind::StorageFull, "commit", "full"));
    Some((0..items).map(|_| full()).collect())
}

#[async_trait]
impl Tamper for Outage {
    async fn commit_turns(
        &self,
        inner: &dyn Backend,
        commits: Vec<TurnCommit>,
    ) -> Vec<BackendResult<CommitOutcome>> {
        match refused(&self.turns, commits.len()) {
            Some(refused) => refused,
            None => inner.commit_turns(commits).await,
        }
    }

    async fn commit_activities(
        &self,
        inner: &dyn Backend,
        commits: Vec<ActivityCommit>,
    ) -> Vec<BackendResult<CommitOutcome>> {
        match refused(&self.activities, commits.len()) {
            Some(refused) => refused,
            None => inner.commit_activities(commits).await,
        }
    }
}

async fn after_an_outage(turns: u32, activities: u32, workers: usize) {
    let world = World::new();
    let backend = Outage::around(&world, turns, activities);
    let mut running = Vec::new();
    for _ in 0..workers {
        let worker = world.worker(Arc::clone(&backend));
        let worker = worker.activity_fn("work", |_, (): ()| async { Ok::<_, Failure>(7) });
        running.push(worker.start().await.unwrap());
    }
    let handle = world.start().await;
    assert_eq!(world.result(&handle).await, Ok(7));
}

/// Activities whose results the store did not take were ended as poison.
#[tokio::test]
async fn an_activity_is_not_poison_because_the_store_was_out_for_long() {
    after_an_outage(0, 400, 1).await;
}

/// Each worker knew only of its own failed commits, and counted those of the others as crashes.
#[tokio::test]
async fn an_instance_is_not_poison_because_several_workers_met_an_outage() {
    after_an_outage(100, 0, 4).await;
}

#[tokio::test]
async fn an_activity_is_not_poison_because_several_workers_met_an_outage() {
    after_an_outage(0, 400, 4).await;
}
