//! Defects that the simulation has found, each as small as it can be told.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use conformance_tests::tamper::{Tamper, Tampered};
use conformance_tests::{Fault, FaultPlan, FaultyBackend, ManualEnv};
use durable_core::backend::{
    Backend, BackendError, BackendErrorKind, BackendResult, CommitOutcome, OrchestrationStatus,
    TurnCommit,
};
use durable_core::client::Client;
use durable_core::env::{Env as _, TokioEnv};
use durable_core::error::ErrorKind;
use durable_core::memory::MemoryStore;
use durable_core::model::{Failure, HistoryEvent};
use durable_core::replay::{NamedOrchestration, OrchestrationContext};
use durable_core::worker::{Worker, WorkerBuilder, WorkerOptions};

/// The read that looks for the instance failed, and the event was sent as if it existed: the
/// caller was told that there is no such instance, although he asked to keep the event for it.
#[tokio::test]
async fn a_buffered_event_reports_that_the_store_failed() {
    let hub = MemoryStore::default().hub(&"test".parse().unwrap());
    let plan = FaultPlan::at([(0, Fault::FailBefore)]);
    let faulty = Arc::new(FaultyBackend::new(hub, TokioEnv::shared(), plan));
    let client = Client::new(faulty);
    let later = client.instance("later").unwrap();
    let refused = later.raise_event("e", &1).buffer_before_start().send().await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Backend, "{refused}");
    assert!(refused.is_retryable());
    later.raise_event("e", &1).buffer_before_start().send().await.unwrap();
}

fn clock_worker(backend: Arc<dyn Backend>, env: &Arc<ManualEnv>) -> WorkerBuilder {
    let mut options = WorkerOptions::default();
    options.turn_loops = Some(1);
    options.lease = Duration::from_secs(1);
    Worker::builder(backend).env(Arc::clone(env) as _).options(options).orchestration_fn(
        "clock",
        |ctx: OrchestrationContext, (): ()| async move {
            let began = ctx.now().as_micros();
            ctx.event::<u64>("go").await?;
            Ok::<_, Failure>(began)
        },
    )
}

/// Two workers ran the same turn, and each kept its own version of it in memory. The one whose
/// commit came too late went on with its version, because the histories are of one length.
#[tokio::test]
async fn a_worker_does_not_go_on_with_a_turn_that_another_committed() {
    let env = Arc::new(ManualEnv::new(1));
    let hub = MemoryStore::new(Arc::clone(&env) as _).hub(&"test".parse().unwrap());
    // Its calls: fetch, next fetch, commit, one more fetch. The commit stands still for long, and
    // the worker gets nothing else until another one has run the turn.
    let faults = [(1, Fault::FailBefore), (2, Fault::StallBefore), (3, Fault::FailBefore)];
    let plan = FaultPlan::at(faults).with_stall(Duration::from_secs(1_000));
    let slow = FaultyBackend::new(Arc::clone(&hub) as _, Arc::clone(&env) as _, plan);
    let slow = Arc::new(slow);
    let client = Client::with_env(Arc::clone(&hub) as _, Arc::clone(&env) as _);
    let code: NamedOrchestration<(), u64, Failure> = NamedOrchestration::new("clock").unwrap();
    let handle = client.start(code, ()).id("a").send().await.unwrap();
    let late = clock_worker(Arc::clone(&slow) as _, &env).start().await.unwrap();
    while slow.injected().len() < 2 {
        tokio::task::yield_now().await;
    }
    env.advance(Duration::from_millis(1_100));
    while slow.injected().len() < 3 {
        tokio::task::yield_now().await;
    }
    let other = clock_worker(Arc::clone(&hub) as _, &env).start().await.unwrap();
    while handle.status().await.unwrap().events() == 0 {
        tokio::task::yield_now().await;
    }
    assert!(other.shutdown().await);
    handle.raise_event("go", &1).send().await.unwrap();
    env.advance(Duration::from_millis(100));
    let began = handle.result().await.unwrap();
    let recorded =
        handle.history().collect().await.unwrap().into_iter().find_map(|e| match e.event {
            HistoryEvent::TurnStarted(turn) => Some(turn.at.as_micros()),
            _ => None,
        });
    assert_eq!(Some(began), recorded, "the code saw another time than history tells");
    drop(late);
}

/// Refuses the first commits, as a full disk does.
struct FullDisk(AtomicU32);

#[async_trait]
impl Tamper for FullDisk {
    async fn commit_turns(
        &self,
        inner: &dyn Backend,
        commits: Vec<TurnCommit>,
    ) -> Vec<BackendResult<CommitOutcome>> {
        if self.0.fetch_add(1, Ordering::Relaxed) < 40 {
            let full = || BackendError::new(BackendErrorKind::StorageFull, "commit_turns", "full");
            return commits.iter().map(|_| Err(full())).collect();
        }
        inner.commit_turns(commits).await
    }
}

/// Commits that failed because the store was in trouble were counted as if the instance had
/// crashed its workers: when the disk had room again, all busy instances were set aside.
#[tokio::test]
async fn an_instance_is_not_set_aside_for_the_troubles_of_the_store() {
    let env = Arc::new(ManualEnv::new(1));
    let hub = MemoryStore::new(Arc::clone(&env) as _).hub(&"test".parse().unwrap());
    let full = Tampered::new(Arc::clone(&hub) as _, Box::new(FullDisk(AtomicU32::new(0))));
    let client = Client::with_env(Arc::clone(&hub) as _, Arc::clone(&env) as _);
    let code: NamedOrchestration<(), u64, Failure> = NamedOrchestration::new("clock").unwrap();
    let handle = client.start(code, ()).id("a").send().await.unwrap();
    let worker = clock_worker(Arc::new(full), &env).start().await.unwrap();
    loop {
        env.advance(Duration::from_millis(200));
        tokio::task::yield_now().await;
        match handle.status().await.unwrap().status() {
            OrchestrationStatus::Running => break,
            OrchestrationStatus::Pending => {}
            other => panic!("the instance is {other:?}"),
        }
    }
    drop(worker);
}

/// Whoever waited for an instance that was purged, or that a store lost with its power, waited for
/// ever.
#[tokio::test]
async fn waiting_for_an_instance_that_goes_away_ends() {
    let env = Arc::new(ManualEnv::new(1));
    let hub = MemoryStore::new(Arc::clone(&env) as _).hub(&"test".parse().unwrap());
    let client = Client::with_env(Arc::clone(&hub) as _, Arc::clone(&env) as _);
    let code: NamedOrchestration<(), u64, Failure> = NamedOrchestration::new("clock").unwrap();
    let handle = client.start(code, ()).id("a").send().await.unwrap();
    let worker = clock_worker(hub, &env).start().await.unwrap();
    handle.raise_event("go", &1).send().await.unwrap();
    handle.result().await.unwrap();
    let waiter = handle.clone();
    let (ended, mut end) = tokio::sync::oneshot::channel();
    env.spawn(Box::pin(async move {
        let _ = ended.send(waiter.wait_until(|_| false).await);
    }));
    tokio::task::yield_now().await;
    handle.purge().await.unwrap();
    for _ in 0..1_000 {
        env.advance(Duration::from_secs(1));
        tokio::task::yield_now().await;
    }
    let waited = end.try_recv().expect("it waits on");
    assert_eq!(waited.unwrap_err().kind(), ErrorKind::NotFound);
    drop(worker);
}
