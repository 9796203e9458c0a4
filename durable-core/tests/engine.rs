//! The whole engine over the memory backend.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use durable_core::backend::{Backend, InstanceQuery, OrchestrationStatus, ReusePolicy};
use durable_core::client::Client;
use durable_core::error::ErrorKind;
use durable_core::memory::MemoryStore;
use durable_core::model::{Failure, FailureKind, RetryPolicy};
use durable_core::replay::{NamedActivity, NamedOrchestration, OrchestrationContext, TaskError};
use durable_core::worker::{Worker, WorkerBuilder, WorkerOptions};

const LONG: Duration = Duration::from_secs(20);

fn act(name: &str) -> NamedActivity<u32, u32, Failure> {
    NamedActivity::new(name).unwrap()
}

fn orch(name: &str) -> NamedOrchestration<u32, u32, Failure> {
    NamedOrchestration::new(name).unwrap()
}

fn hub() -> Arc<dyn Backend> {
    MemoryStore::default().hub(&"test".parse().unwrap())
}

fn paranoid() -> WorkerOptions {
    let mut options = WorkerOptions::default();
    options.paranoid = true;
    options.blocked_retry = Duration::from_millis(50);
    options
}

async fn start(worker: WorkerBuilder) -> Worker {
    worker
        .options(paranoid())
        .activity_fn("inc", |_ctx, n: u32| async move { Ok::<_, Failure>(n + 1) })
        .start()
        .await
        .unwrap()
}

#[tokio::test]
async fn five_activities_in_a_row() {
    let backend = hub();
    let worker = Worker::builder(backend.clone()).orchestration_fn(
        "main",
        |ctx: OrchestrationContext, n: u32| async move {
            let mut n = n;
            for _ in 0..5 {
                n = ctx.call(act("inc"), n).await?;
            }
            Ok::<_, Failure>(n)
        },
    );
    let worker = start(worker).await;
    let client = Client::new(backend);
    let handle = client.start(orch("main"), 1).id("a").send().await.unwrap();
    assert_eq!(handle.result_within(LONG).await.unwrap(), 6);
    let again = client.start(orch("main"), 1).id("a").send().await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::AlreadyExists);
    let replaced = client
        .start(orch("main"), 5)
        .id("a")
        .reuse(ReusePolicy::ReplaceTerminal)
        .send()
        .await
        .unwrap();
    assert_eq!(replaced.result_within(LONG).await.unwrap(), 10);
    assert!(worker.shutdown().await);
}

#[tokio::test]
async fn children_events_timers_and_continue_as_new() {
    let backend = hub();
    let worker = Worker::builder(backend.clone())
        .orchestration_fn("child", |ctx: OrchestrationContext, n: u32| async move {
            ctx.sleep(Duration::from_millis(5)).await;
            Ok::<_, Failure>(ctx.call(act("inc"), n).await?)
        })
        .orchestration_fn("main", |ctx: OrchestrationContext, left: u32| async move {
            let first = ctx.call_child(orch("child"), left);
            let second = ctx.call_child(orch("child"), 100);
            let event = ctx.event::<u32>("go").await?;
            let sum = first.await? + second.await? + event;
            if left > 0 {
                return ctx.continue_as_new(&(left - 1)).await;
            }
            Ok::<_, Failure>(sum)
        });
    let worker = start(worker).await;
    let client = Client::new(backend);
    let handle = client.start(orch("main"), 3).send().await.unwrap();
    for n in 0..4_u32 {
        handle.raise_event("go", &n).send().await.unwrap();
    }
    assert_eq!(handle.result_within(LONG).await.unwrap(), 1 + 101 + 3);
    assert_eq!(handle.status().await.unwrap().generation(), 4);
    assert!(worker.shutdown().await);
}

#[tokio::test]
async fn failures_retries_and_panics() {
    let backend = hub();
    let tries = Arc::new(AtomicU32::new(0));
    let counted = tries.clone();
    let worker = Worker::builder(backend.clone())
        .activity_fn("flaky", move |ctx: durable_core::activity::ActivityContext, n: u32| {
            let counted = counted.clone();
            async move {
                counted.fetch_add(1, Ordering::SeqCst);
                if ctx.attempt() < 3 { Err(Failure::new("not yet")) } else { Ok(n) }
            }
        })
        .activity_fn("panics", |_ctx, n: u32| async move {
            assert!(n > 1_000, "boom {n}");
            Ok::<_, Failure>(n)
        })
        .orchestration_fn("main", |ctx: OrchestrationContext, n: u32| async move {
            let policy = RetryPolicy::new(5).first_interval(Duration::from_millis(1));
            let n = ctx.activity(act("flaky")).retry(policy).call(n).await?;
            match ctx.call(act("panics"), n).await {
                Err(TaskError::Engine(f)) if f.kind() == FailureKind::Panicked => {}
                other => return Err(Failure::new(format!("{other:?}"))),
            }
            match ctx.call(act("nobody"), n).await {
                Err(TaskError::Engine(f)) if f.kind() == FailureKind::NotRegistered => Ok(n),
                other => Err(Failure::new(format!("{other:?}"))),
            }
        });
    let worker = start(worker).await;
    let client = Client::new(backend);
    let handle = client.start(orch("main"), 7).send().await.unwrap();
    assert_eq!(handle.result_within(LONG).await.unwrap(), 7);
    assert_eq!(tries.load(Ordering::SeqCst), 3);
    assert!(worker.shutdown().await);
}

#[tokio::test]
async fn suspend_resume_terminate_purge() {
    let backend = hub();
    let worker = Worker::builder(backend.clone())
        .orchestration_fn("child", |ctx: OrchestrationContext, _: u32| async move {
            ctx.event::<u32>("x").await
        })
        .orchestration_fn("main", |ctx: OrchestrationContext, n: u32| async move {
            let a: u32 = ctx.event("a").await?;
            ctx.set_custom_status(&a)?;
            Ok::<_, Failure>(ctx.child(orch("child")).id("kid".parse()?).call(n).await?)
        });
    let worker = start(worker).await;
    let client = Client::new(backend);
    let handle = client.start(orch("main"), 7).id("m").send().await.unwrap();
    handle.suspend("lunch").await.unwrap();
    handle.wait_until(|s| s.status() == OrchestrationStatus::Suspended).await.unwrap();
    handle.raise_event("a", &1_u32).send().await.unwrap();
    handle.resume("back").await.unwrap();
    let status = handle.wait_until(|s| s.raw_custom_status().is_some()).await.unwrap();
    assert_eq!(status.custom_status::<u32>().unwrap(), Some(1));
    let kid = client.instance("kid").unwrap();
    while !kid.exists().await.unwrap() {
        tokio::task::yield_now().await;
    }
    assert_eq!(handle.purge().await.unwrap_err().kind(), ErrorKind::InvalidArgument);
    handle.terminate("enough").await.unwrap();
    let ended = handle.wait(LONG).await.unwrap();
    assert_eq!(ended.status(), OrchestrationStatus::Terminated);
    assert_eq!(kid.wait(LONG).await.unwrap().status(), OrchestrationStatus::Terminated);
    assert_eq!(handle.raise_event("a", &1_u32).send().await.unwrap_err().kind(), ErrorKind::Ended);
    assert_eq!(client.purge_all(InstanceQuery::default()).await.unwrap(), 2);
    assert!(!handle.exists().await.unwrap());
    assert!(worker.shutdown().await);
}

#[tokio::test]
async fn nondeterminism_blocks_and_goes_on_after_the_fix() {
    let backend = hub();
    let client = Client::new(backend.clone());
    let old = Worker::builder(backend.clone()).orchestration_fn(
        "main",
        |ctx: OrchestrationContext, n: u32| async move {
            let n = ctx.call(act("inc"), n).await?;
            ctx.event::<u32>("e").await?;
            Ok::<_, Failure>(n)
        },
    );
    let old = start(old).await;
    let handle = client.start(orch("main"), 7).send().await.unwrap();
    handle.wait_until(|s| s.events() >= 5).await.ok();
    while handle.status().await.unwrap().events() < 5 {
        tokio::task::yield_now().await;
    }
    assert!(old.shutdown().await);
    handle.raise_event("e", &0_u32).send().await.unwrap();

    let wrong = Worker::builder(backend.clone()).orchestration_fn(
        "main",
        |ctx: OrchestrationContext, n: u32| async move {
            Ok::<_, Failure>(ctx.call(act("other"), n).await?)
        },
    );
    let wrong = start(wrong).await;
    let status = handle.wait_until(|s| s.status() == OrchestrationStatus::Blocked).await.unwrap();
    let report = status.report().unwrap();
    assert_eq!(report.code, "DT0001");
    assert!(
        report.to_string().contains("`inc`") && report.to_string().contains("`other`"),
        "{report}"
    );
    assert!(wrong.shutdown().await);

    let fixed = Worker::builder(backend.clone()).orchestration_fn(
        "main",
        |ctx: OrchestrationContext, n: u32| async move {
            let n = ctx.call(act("inc"), n).await?;
            ctx.event::<u32>("e").await?;
            Ok::<_, Failure>(n)
        },
    );
    let fixed = start(fixed).await;
    assert_eq!(handle.result_within(LONG).await.unwrap(), 8);
    assert!(fixed.shutdown().await);
}

#[tokio::test]
async fn events_before_the_start_are_kept_when_asked() {
    let backend = hub();
    let client = Client::new(backend.clone());
    let early = client.instance("later").unwrap();
    assert_eq!(
        early.raise_event("e", &1_u32).send().await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
    early.raise_event("e", &1_u32).buffer_before_start().send().await.unwrap();
    early.raise_event("e", &2_u32).buffer_before_start().send().await.unwrap();
    let worker = Worker::builder(backend.clone()).orchestration_fn(
        "main",
        |ctx: OrchestrationContext, n: u32| async move {
            let a: u32 = ctx.event("e").await?;
            let b: u32 = ctx.event("e").await?;
            Ok::<_, Failure>(n + 10 * a + b)
        },
    );
    let worker = start(worker).await;
    let handle = client.start(orch("main"), 100).id("later").send().await.unwrap();
    assert_eq!(handle.result_within(LONG).await.unwrap(), 112);
    assert!(worker.shutdown().await);
}

#[tokio::test]
async fn a_fan_out_of_ten_thousand() {
    let backend = hub();
    let worker = Worker::builder(backend.clone())
        .activity_fn("inc", |_ctx, n: u32| async move { Ok::<_, Failure>(n + 1) })
        .orchestration_fn("main", |ctx: OrchestrationContext, width: u32| async move {
            let calls: Vec<_> = (0..width).map(|n| ctx.call(act("inc"), n)).collect();
            let mut sum = 0;
            for call in calls {
                sum += call.await?;
            }
            Ok::<_, Failure>(sum)
        })
        .start()
        .await
        .unwrap();
    let client = Client::new(backend);
    let handle = client.start(orch("main"), 10_000).send().await.unwrap();
    assert_eq!(handle.result_within(LONG).await.unwrap(), 50_005_000);
    assert!(worker.shutdown().await);
}
