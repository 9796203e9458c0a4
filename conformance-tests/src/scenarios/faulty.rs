//! Stores that fail at the worst moment, and workers that vanish.

use std::sync::Arc;
use std::time::Duration;

use durable_core::client::InstanceHandle;
use durable_core::model::Failure;
use durable_core::replay::OrchestrationContext;

use super::stage::{Stage, act};
use super::{Scenario, scenarios};
use crate::check::Checked;
use crate::faults::{Fault, FaultPlan, FaultyBackend};

pub(super) fn list() -> Vec<Scenario> {
    scenarios![
        s51_a_failed_first_commit_is_tried_again,
        s51_a_commit_that_was_applied_and_reported_failed_counts_once,
        s53_a_failed_completion_is_tried_again_and_counts_once,
        s52_a_dropped_worker_is_replaced_by_another needs InjectedClock,
        s61_the_loops_of_a_worker_survive_errors,
    ]
}

async fn steps(ctx: OrchestrationContext, count: u64) -> Result<u64, Failure> {
    let mut n = 0;
    for _ in 0..count {
        n = ctx.call(act::<u64, u64>("inc"), n).await?;
    }
    Ok(n)
}

/// Runs a chain of activities on a worker with faults, and insists on one result each.
async fn with_faults(s: &Stage, plan: FaultPlan) -> Checked {
    s.hurry();
    let faulty = FaultyBackend::new(s.hub.shared_backend(), Arc::clone(&s.env), plan);
    let faulty = Arc::new(faulty);
    let worker = s.worker_on(Arc::clone(&faulty) as _).orchestration_fn("main", steps);
    let _worker = worker.start().await?;
    let handle: InstanceHandle<u64, Failure> = s.start("main", "a", 6_u64).await?;
    ensure_eq!(s.result(&handle).await?, 6, "the output");
    let history = handle.history().collect().await?;
    let count = |kind| history.iter().filter(|e| e.event.kind() == kind).count();
    ensure_eq!(count("ActivityScheduled"), 6, "scheduled activities");
    ensure_eq!(count("ActivityCompleted"), 6, "recorded results");
    ensure_eq!(count("ExecutionCompleted"), 1, "recorded ends");
    ensure!(!faulty.injected().is_empty(), "no fault was injected");
    Ok(())
}

/// Not so often that the instance is set aside as poison.
fn every_third(fault: Fault) -> FaultPlan {
    FaultPlan::at((0..6).map(|n| (2 + 3 * n, fault))).with_stall(Duration::from_millis(100))
}

async fn s51_a_failed_first_commit_is_tried_again(mut s: Stage) -> Checked {
    // Giving the work back may fail, too.
    s.options.lease = s.hub.timings().lease_short;
    with_faults(&s, every_third(Fault::FailBefore)).await
}

async fn s51_a_commit_that_was_applied_and_reported_failed_counts_once(mut s: Stage) -> Checked {
    // A receive whose answer is lost leaves its work on loan.
    s.options.lease = s.hub.timings().lease_short;
    with_faults(&s, every_third(Fault::FailAfter)).await
}

async fn s53_a_failed_completion_is_tried_again_and_counts_once(mut s: Stage) -> Checked {
    s.options.lease = s.hub.timings().lease_short;
    let kinds = [Fault::FailBefore, Fault::FailAfter, Fault::Duplicate, Fault::Drop];
    with_faults(&s, FaultPlan::seeded(5, 200, &kinds)).await
}

async fn s52_a_dropped_worker_is_replaced_by_another(mut s: Stage) -> Checked {
    s.options.lease = Duration::from_secs(20);
    let lost = s
        .worker()
        .activity_fn("stuck", |_ctx, _: u64| std::future::pending::<Result<u64, Failure>>())
        .orchestration_fn("main", stuck)
        .start()
        .await?;
    let handle: InstanceHandle<u64, Failure> = s.start("main", "a", 8_u64).await?;
    s.until(&handle, |status| status.events() > 2).await?;
    // It takes no more work; its activity and the lease of it are left to themselves.
    drop(lost);
    let _worker = s
        .worker()
        .activity_fn("stuck", |_ctx, n: u64| async move { Ok::<_, Failure>(n) })
        .orchestration_fn("main", stuck)
        .start()
        .await?;
    handle.terminate("the first worker may hold its activity for ever").await?;
    let ended = handle.wait_until(|status| status.status().is_terminal());
    s.get("the end", ended).await?;
    ensure_eq!(s.run::<u64, u64>("main", "b", 8).await?, 8, "the output of another instance");
    Ok(())
}

async fn stuck(ctx: OrchestrationContext, n: u64) -> Result<u64, Failure> {
    Ok(ctx.call(act::<u64, u64>("stuck"), n).await?)
}

async fn s61_the_loops_of_a_worker_survive_errors(mut s: Stage) -> Checked {
    s.options.lease = s.hub.timings().lease_short;
    // Whatever the loops call first fails, several times in a row.
    let plan = FaultPlan::at((0..8).map(|n| (n, Fault::FailBefore)));
    with_faults(&s, plan).await
}
