//! Every fault at every operation of one reference workload.
//!
//! The workload runs once without faults to count its operations. Then, for each of them and
//! for each kind of fault, it runs again with just that one fault, and must end with the same
//! results. One check per kind and per verb, so that a failure says where to look.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use durable_core::backend::{Backend, InstanceQuery};
use durable_core::client::{Client, InstanceHandle};
use durable_core::error::{Error, ErrorKind};
use durable_core::model::Failure;
use durable_core::replay::OrchestrationContext;

use super::stage::{Stage, act, orch};
use super::{Set, options};
use crate::check::{self, Check, Checked, Need};
use crate::driver::Hub;
use crate::faults::{Fault, FaultPlan, FaultyBackend};

/// The verbs that the workload uses. Work is given back only after another fault, so that verb
/// is left to the simulation.
const VERBS: [&str; 11] = [
    "create_instances",
    "send",
    "receive_turns",
    "commit_turns",
    "receive_activities",
    "commit_activities",
    "renew_activities",
    "read_records",
    "read_history",
    "watch",
    "purge",
];

/// One check per fault and verb.
pub(super) fn list() -> Vec<Check> {
    let mut checks = Vec::new();
    for fault in Fault::ALL {
        for verb in VERBS {
            let name = format!("{fault:?}_at_each_{verb}").to_lowercase();
            // With a real clock each stall and each lost lease would cost real time.
            checks.push(Check::new("faults", name, "C11", Need::InjectedClock, move |hub| {
                every_call(hub, fault, verb)
            }));
        }
    }
    checks
}

/// Histories are read only where no instance is kept in memory.
fn settings(verb: &str) -> Set {
    match verb {
        "read_history" => |o| {
            o.lease = Duration::from_secs(20);
            o.sticky_bytes = 0;
        },
        _ => |o| o.lease = Duration::from_secs(20),
    }
}

/// Runs the workload once per call of the verb, with the fault at that call.
async fn every_call(hub: Hub, fault: Fault, verb: &'static str) -> Checked {
    let mut tried = BTreeSet::new();
    for nth in 0.. {
        let hub = hub.neighbour(&format!("{verb}-{nth}")).await?;
        let plan = FaultPlan::nth_of(verb, nth, fault).with_stall(Duration::from_secs(45));
        let stage = Stage::new(hub.clone(), options(settings(verb)));
        stage.hurry();
        let faulty = FaultyBackend::new(hub.shared_backend(), Arc::clone(&stage.env), plan);
        let faulty = Arc::new(faulty);
        workload(&stage, &faulty).await.map_err(|failure| {
            check::Failure::new(format!("{fault:?} at {verb} number {nth}: {failure}"))
        })?;
        hub.backend().close().await?;
        if faulty.injected().is_empty() {
            break;
        }
        tried.insert(nth);
    }
    ensure!(!tried.is_empty(), "the workload never calls {verb}");
    Ok(())
}

async fn child(ctx: OrchestrationContext, n: u64) -> Result<u64, Failure> {
    Ok(ctx.call(act::<u64, u64>("inc"), n).await?)
}

/// Uses every feature that has messages of its own.
async fn main(ctx: OrchestrationContext, again: bool) -> Result<u64, Failure> {
    if again {
        return ctx.continue_as_new(&false).await;
    }
    let mut sum = ctx.call(act::<u64, u64>("long"), 2).await?;
    ctx.sleep(Duration::from_millis(10)).await;
    sum += ctx.call_child(orch::<u64, u64>("child"), 10).await?;
    sum += 100 * ctx.event::<u64>("n").await?;
    sum += 1_000 * ctx.event::<u64>("n").await?;
    let timed = ctx.timeout(Duration::from_secs(24 * 3600), ctx.call(act::<u64, u64>("inc"), 2));
    Ok(sum + timed.await.map_err(|_| Failure::new("too late"))??)
}

/// Repeats a client's call until the store gives a real answer.
async fn insist<T, F>(s: &Stage, mut call: impl FnMut() -> F) -> Checked<T>
where
    F: Future<Output = Result<T, Error>>,
{
    for _ in 0..20 {
        match call().await {
            Err(error) if error.kind() == ErrorKind::Backend => s.hub.instant().await,
            answer => return Ok(answer?),
        }
    }
    Err(check::Failure::new("the client never gets an answer"))
}

async fn workload(s: &Stage, faulty: &Arc<FaultyBackend>) -> Checked {
    let backend: Arc<dyn Backend> = Arc::clone(faulty) as _;
    let env = Arc::clone(&s.env);
    let worker = s.worker_on(Arc::clone(&backend)).activity_fn("long", move |_ctx, n: u64| {
        let env = Arc::clone(&env);
        async move {
            // Long enough for its lease to be renewed, in whatever steps the clock goes.
            env.sleep(Duration::from_secs(15)).await;
            Ok::<_, Failure>(n)
        }
    });
    let worker = worker.orchestration_fn("child", child).orchestration_fn("main", main);
    let worker = worker.start().await?;
    let client = Client::with_env(backend, Arc::clone(&s.env));
    let handle = client.instance("a")?.typed::<u64, Failure>();
    let started = insist(s, || async {
        match client.start(orch::<bool, u64>("main"), true).id("a").send().await {
            // An earlier try was applied and reported failed.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            answer => answer.map(drop),
        }
    });
    started.await?;
    for n in 1..=2_u64 {
        let id = u128::from(n);
        insist(s, || handle.raise_event("n", &n).dedupe_id(id).send()).await?;
    }
    let ended = s.hub.soon("the result", insist(s, || handle.result())).await??;
    ensure_eq!(ended, 2 + 11 + 100 + 2_000 + 3, "the result");
    recorded_once(s, &handle).await?;
    insist(s, || async {
        match handle.purge().await {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            answer => answer,
        }
    })
    .await?;
    drop(worker);
    // The child alone is left.
    let left = s.hub.list(InstanceQuery::default()).await?;
    ensure_eq!(left.len(), 1, "instances left");
    Ok(())
}

async fn recorded_once(s: &Stage, handle: &InstanceHandle<u64, Failure>) -> Checked {
    let history = Client::with_env(s.hub.shared_backend(), Arc::clone(&s.env));
    let history = history.instance(handle.id().as_str())?.history().collect().await?;
    let count = |kind| history.iter().filter(|e| e.event.kind() == kind).count();
    for (kind, expected) in [
        ("ExecutionStarted", 1),
        ("ActivityScheduled", 2),
        ("ActivityCompleted", 2),
        ("TimerFired", 1),
        ("ChildCompleted", 1),
        ("EventRaised", 2),
        ("ExecutionCompleted", 1),
    ] {
        ensure_eq!(count(kind), expected, "{kind} in history");
    }
    Ok(())
}
