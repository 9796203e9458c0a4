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
        s52_a_worker_that_hangs_before_a_commit_is_replaced needs InjectedClock,
        s53_a_worker_that_hangs_before_a_completion_is_replaced needs InjectedClock,
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

/// Runs a chain of activities on a worker with faults, and insists on one result each; the answer
/// is the verbs that had a fault.
async fn with_faults(s: &Stage, plan: FaultPlan) -> Checked<Vec<&'static str>> {
    s.hurry();
    let faulty = FaultyBackend::new(s.hub.shared_backend(), Arc::clone(&s.env), plan);
    let faulty = Arc::new(faulty);
    let worker = s.worker_on(Arc::clone(&faulty) as _).orchestration_fn("main", steps);
    let _worker = worker.start().await?;
    let handle: InstanceHandle<u64, Failure> = s.start("main", "a", 6_u64).await?;
    ensure_eq!(s.result(&handle).await?, 6, "the output");
    once_each(&handle, 6).await?;
    let verbs: Vec<_> = faulty.injected().iter().map(|injected| injected.verb).collect();
    ensure!(!verbs.is_empty(), "no fault was injected");
    Ok(verbs)
}

/// Whether history shows so many activities, each with one result, and one end.
async fn once_each(handle: &InstanceHandle<u64, Failure>, steps: usize) -> Checked {
    let history = handle.history().collect().await?;
    let count = |kind| history.iter().filter(|e| e.event.kind() == kind).count();
    ensure_eq!(count("ActivityScheduled"), steps, "scheduled activities");
    ensure_eq!(count("ActivityCompleted"), steps, "recorded results");
    ensure_eq!(count("ExecutionCompleted"), 1, "recorded ends");
    Ok(())
}

/// Faults at the first, the third and the fifth call of a verb, and at some calls of others: not
/// so often that the instance is set aside as poison.
async fn at_every_other(s: &Stage, verb: &'static str, kinds: [Fault; 3]) -> Checked {
    let of_verb = [0, 2, 4].into_iter().zip(kinds).map(|(nth, fault)| (verb, nth, fault));
    let others = [("receive_turns", 1, kinds[0]), ("receive_activities", 1, kinds[0])];
    let plan = FaultPlan::nths_of(of_verb.chain(others));
    let verbs = with_faults(s, plan.with_stall(Duration::from_millis(100))).await?;
    ensure_eq!(verbs.iter().filter(|v| **v == verb).count(), 3, "faults at {verb}, of {verbs:?}");
    Ok(())
}

async fn s51_a_failed_first_commit_is_tried_again(mut s: Stage) -> Checked {
    // Giving the work back may fail, too.
    s.options.lease = s.hub.timings().lease_short;
    at_every_other(&s, "commit_turns", [Fault::FailBefore; 3]).await
}

async fn s51_a_commit_that_was_applied_and_reported_failed_counts_once(mut s: Stage) -> Checked {
    // A receive whose answer is lost leaves its work on loan.
    s.options.lease = s.hub.timings().lease_short;
    at_every_other(&s, "commit_turns", [Fault::FailAfter; 3]).await
}

async fn s53_a_failed_completion_is_tried_again_and_counts_once(mut s: Stage) -> Checked {
    s.options.lease = s.hub.timings().lease_short;
    let kinds = [Fault::FailBefore, Fault::FailAfter, Fault::Drop];
    at_every_other(&s, "commit_activities", kinds).await
}

/// A worker stands still before a call of this verb; another one finishes its work, and what
/// the first one brings in the end does not count.
async fn with_a_hung_worker(mut s: Stage, verb: &'static str) -> Checked {
    s.options.lease = Duration::from_secs(20);
    s.hurry();
    let plan = FaultPlan::nth_of(verb, 0, Fault::StallBefore).with_stall(Duration::from_secs(300));
    let faulty = FaultyBackend::new(s.hub.shared_backend(), Arc::clone(&s.env), plan);
    let faulty = Arc::new(faulty);
    let hung = s.worker_on(Arc::clone(&faulty) as _).orchestration_fn("main", steps);
    let hung = hung.start().await?;
    let handle: InstanceHandle<u64, Failure> = s.start("main", "a", 4_u64).await?;
    let stands_still = async {
        while faulty.injected().is_empty() {
            s.hub.instant().await;
        }
        Ok(())
    };
    s.get("the fault", stands_still).await?;
    // It takes no more work; what it holds is left to itself.
    drop(hung);
    let _other = s.worker().orchestration_fn("main", steps).start().await?;
    ensure_eq!(s.result(&handle).await?, 4, "the output");
    s.hub.pass(Duration::from_secs(600)).await;
    s.hub.grace().await;
    once_each(&handle, 4).await
}

async fn s52_a_worker_that_hangs_before_a_commit_is_replaced(s: Stage) -> Checked {
    with_a_hung_worker(s, "commit_turns").await
}

async fn s53_a_worker_that_hangs_before_a_completion_is_replaced(s: Stage) -> Checked {
    with_a_hung_worker(s, "commit_activities").await
}

async fn s61_the_loops_of_a_worker_survive_errors(mut s: Stage) -> Checked {
    s.options.lease = s.hub.timings().lease_short;
    // Whatever the loops call first fails, several times in a row.
    let plan = FaultPlan::at((0..8).map(|n| (n, Fault::FailBefore)));
    with_faults(&s, plan).await?;
    Ok(())
}
