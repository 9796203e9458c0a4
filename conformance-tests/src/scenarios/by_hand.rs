//! Every fault at the calls that no workload makes by itself.

use std::sync::Arc;
use std::time::Duration;

use durable_core::backend::{
    AbandonOutcome, ActivityQueue, BackendErrorKind, BackendResult, CommitOutcome,
    OrchestrationQueue, ReceiveTurns, RenewOutcome,
};

use super::options;
use super::stage::Stage;
use crate::check::{Check, Checked, Failure, Need};
use crate::driver::turns::bodies;
use crate::driver::{Hub, only};
use crate::faults::{Fault, FaultPlan, FaultyBackend};

/// Longer than the loans in use.
const STALL: Duration = Duration::from_secs(45);

pub(super) fn list() -> Vec<Check> {
    let mut checks = Vec::new();
    for fault in Fault::ALL {
        let name = format!("{fault:?}_at_renewing_a_turn").to_lowercase();
        checks.push(Check::new("faults", name, "C2", Need::InjectedClock, move |hub| {
            renewing(hub, fault)
        }));
        let name = format!("{fault:?}_at_giving_back_a_task").to_lowercase();
        checks.push(Check::new("faults", name, "Q6", Need::InjectedClock, move |hub| {
            giving_back(hub, fault)
        }));
    }
    checks
}

/// The hub with a clock that runs, and the same hub with one fault.
fn stage(hub: &Hub, verb: &'static str, fault: Fault) -> (Stage, FaultyBackend) {
    let stage = Stage::new(hub.clone(), options(|_| ()));
    stage.hurry();
    let plan = FaultPlan::nth_of(verb, 0, fault).with_stall(STALL);
    let faulty = FaultyBackend::new(hub.shared_backend(), Arc::clone(&stage.env), plan);
    (stage, faulty)
}

/// Repeats a call until the store gives a real answer.
async fn insist<T, F>(mut call: impl FnMut() -> F) -> Checked<T>
where
    F: Future<Output = Vec<BackendResult<T>>>,
{
    for _ in 0..10 {
        match call().await.pop() {
            Some(Err(error)) if error.kind() == BackendErrorKind::Unavailable => {}
            answer => return only(answer.into_iter().collect()),
        }
    }
    Err(Failure::new("never a real answer"))
}

/// Whatever the answer, it is true: who was told that the lease lasts may commit, and who was told
/// that it is lost may not, but somebody else.
async fn renewing(hub: Hub, fault: Fault) -> Checked {
    let inst = hub.running("a").await?;
    hub.tell(&inst, "go").await?;
    let short = ReceiveTurns { lease_for: STALL / 2, ..hub.ask_turns(1, hub.wait()) };
    let work = hub.turns(short).await?.remove(0);
    // The clock runs from here on.
    let (_stage, faulty) = stage(&hub, "renew_turns", fault);
    let (lease, long) = (work.lease.clone(), hub.timings().lease_long);
    let answer = insist(|| faulty.renew_turns(vec![lease.clone()], long)).await?;
    ensure_eq!(faulty.injected().len(), 1, "faults");
    let holder = if answer == RenewOutcome::Renewed {
        work
    } else {
        let next = hub.turn_of(&inst).await?;
        let stale = hub.step(&work).events(1, "stale").commit().await?;
        ensure_eq!(stale, CommitOutcome::LeaseLost, "outcome of the commit whose lease was lost");
        next
    };
    ensure_eq!(bodies(&holder), ["go"], "the inbox");
    hub.step(&holder).events(1, "held").apply().await?;
    ensure_eq!(hub.history_texts(&inst).await?, ["turn", "held"], "the history");
    hub.no_turn("the inbox was read").await
}

/// Whatever the answer, the task comes back once, counts its deliveries, and only its new holder
/// completes it.
async fn giving_back(hub: Hub, fault: Fault) -> Checked {
    let inst = hub.scheduling("a", 1).await?;
    let task = hub.short_activity().await?;
    let (_stage, faulty) = stage(&hub, "abandon_activities", fault);
    let lease = task.lease.clone();
    let answer = insist(|| faulty.abandon_activities(vec![lease.clone()], Duration::ZERO)).await?;
    ensure_eq!(faulty.injected().len(), 1, "faults");
    if fault == Fault::Reorder || fault == Fault::Duplicate {
        ensure_eq!(answer, AbandonOutcome::Done, "the first answer");
    }
    let again = hub.activity().await?;
    ensure_eq!(again.lease.task, task.lease.task, "the task handed out");
    ensure_eq!(again.delivery, 2, "its delivery");
    ensure_eq!(hub.complete(&task, "stale").await?, CommitOutcome::LeaseLost, "the old holder");
    hub.completes(&again, "done").await?;
    let work = hub.turn_of(&inst).await?;
    ensure_eq!(bodies(&work), ["done"], "the inbox");
    hub.step(&work).apply().await?;
    hub.no_activity("the task is done").await
}
