//! Every fault at every operation of one reference workload.
//!
//! The workload runs once without faults to count its operations. Then, for each of them and
//! for each kind of fault, it runs again with just that one fault, and must end with the same
//! results. One check per kind and per verb, so that a failure says where to look.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use durable_core::backend::{Backend, InstanceQuery, OrchestrationStatus};
use durable_core::client::{Client, InstanceHandle};
use durable_core::error::{Error, ErrorKind};
use durable_core::model::{Failure, TrackingRecord};
use durable_core::replay::OrchestrationContext;
use durable_core::worker::TrackingSink;

use super::stage::{Stage, act, orch};
use super::{Set, options};
use crate::check::{self, Check, Checked, Need};
use crate::driver::{Hub, iid};
use crate::faults::{Fault, FaultPlan, FaultyBackend};
use crate::manual_env::{GOLDEN, mix};

/// The verbs that the workload uses without a fault, and whether they take a batch. Turns are
/// given back only after another fault: that is what pairs are for. Turns are renewed and tasks
/// given back by hand, in a matrix of their own.
const VERBS: [(&str, bool); 17] = [
    ("create_instances", true),
    ("send", true),
    ("receive_turns", false),
    ("commit_turns", true),
    ("receive_activities", false),
    ("commit_activities", true),
    ("renew_activities", true),
    ("receive_tracking", false),
    ("ack_tracking", true),
    ("read_records", true),
    ("read_history", false),
    ("executions", false),
    ("watch", false),
    ("watch_end", false),
    ("list", false),
    ("index", false),
    ("purge", true),
];

/// The most calls of one verb that get a fault: idle loops call for as long as they run.
const CALLS_MAX: u64 = 16;

/// One check per fault and verb.
pub(super) fn list() -> Vec<Check> {
    let mut checks = Vec::new();
    for fault in Fault::ALL {
        for (verb, batches) in VERBS {
            // What has one answer has no order, and doing it twice is asking twice.
            if !batches && matches!(fault, Fault::Duplicate | Fault::Reorder) {
                continue;
            }
            let name = format!("{fault:?}_at_each_{verb}").to_lowercase();
            // With a real clock each stall and each lost lease would cost real time.
            checks.push(Check::new("faults", name, "C11", Need::InjectedClock, move |hub| {
                every_call(hub, fault, verb)
            }));
        }
    }
    for part in 0..PAIR_PARTS {
        let name = format!("seeded_pairs_part_{part}");
        checks.push(Check::new("faults", name, "C11", Need::InjectedClock, move |hub| {
            pairs(hub, part)
        }));
    }
    for fault in Fault::ALL {
        let name = format!("{fault:?}_at_giving_back_what_could_not_be_committed").to_lowercase();
        checks.push(Check::new("faults", name, "O11", Need::InjectedClock, move |hub| {
            after_a_failed_commit(hub, fault)
        }));
    }
    checks
}

/// Checks that share the pairs of faults among them.
const PAIR_PARTS: u64 = 8;

/// How many pairs there are in all; `FAULT_PAIRS` sets another number.
fn pair_count() -> u64 {
    let set = std::env::var("FAULT_PAIRS").ok().and_then(|text| text.parse().ok());
    set.unwrap_or(128)
}

/// Two faults of one run, chosen by the number of the pair: any verbs, kinds and calls.
fn pair(number: u64) -> [(&'static str, u64, Fault); 2] {
    let draw = |salt: u64, below: usize| {
        let drawn = mix(number.wrapping_mul(GOLDEN).wrapping_add(salt)) % below as u64;
        usize::try_from(drawn).unwrap_or(0)
    };
    let fault = |salt| {
        let verb = PAIR_VERBS[draw(salt, PAIR_VERBS.len())];
        (verb, draw(salt + 1, 4) as u64, Fault::ALL[draw(salt + 2, Fault::ALL.len())])
    };
    [fault(10), fault(20)]
}

/// The verbs that pairs are drawn from; giving back follows from a failed commit.
const PAIR_VERBS: [&str; 12] = [
    "create_instances",
    "send",
    "receive_turns",
    "commit_turns",
    "commit_turns",
    "abandon_turns",
    "receive_activities",
    "commit_activities",
    "renew_activities",
    "read_records",
    "watch",
    "purge",
];

/// Runs the workload once per pair of this part. The first fault of most pairs happens; some
/// second ones do not come about because of the first.
async fn pairs(hub: Hub, part: u64) -> Checked {
    let mut injected = 0;
    for number in (part..pair_count()).step_by(usize::try_from(PAIR_PARTS).unwrap_or(1)) {
        let faults = pair(number);
        injected += one_run(&hub, &format!("pair-{number}"), faults).await.map_err(|failure| {
            check::Failure::new(format!("pair {number}, {faults:?}: {failure}"))
        })?;
    }
    ensure!(injected > 0, "no pair injected a fault");
    Ok(())
}

/// So often a worker tries a commit on a store that several processes share before it gives the
/// instance back; elsewhere once.
const COMMIT_TRIES: u64 = 5;

/// An instance is given back when its commit fails; that goes wrong too, at each turn.
async fn after_a_failed_commit(hub: Hub, fault: Fault) -> Checked {
    let tries = if hub.capabilities().multi_process { COMMIT_TRIES } else { 1 };
    let mut both = 0;
    for turn in 0..6 {
        let commits = (turn..turn + tries).map(|nth| ("commit_turns", nth, Fault::FailBefore));
        let faults: Vec<_> = commits.chain([("abandon_turns", 0, fault)]).collect();
        let count = faults.len();
        let injected = one_run(&hub, &format!("turn-{turn}"), faults).await.map_err(|failure| {
            check::Failure::new(format!("{fault:?} after turn {turn}: {failure}"))
        })?;
        both += usize::from(injected == count);
    }
    ensure!(both > 0, "nothing was ever given back");
    Ok(())
}

/// Runs the workload on a hub of its own; the answer is how many faults came about.
async fn one_run(
    hub: &Hub,
    name: &str,
    faults: impl IntoIterator<Item = (&'static str, u64, Fault)>,
) -> Checked<usize> {
    let hub = hub.neighbour(name).await?;
    let plan = FaultPlan::nths_of(faults).with_stall(Duration::from_secs(45));
    let stage = Stage::new(hub.clone(), options(settings("")));
    stage.hurry();
    let faulty = FaultyBackend::new(hub.shared_backend(), Arc::clone(&stage.env), plan);
    let faulty = Arc::new(faulty);
    workload(&stage, &faulty, None).await?;
    hub.backend().close().await?;
    Ok(faulty.injected().len())
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
    let tracked = verb.ends_with("_tracking");
    for nth in 0..CALLS_MAX {
        let hub = hub.neighbour(&format!("{verb}-{nth}")).await?;
        let plan = FaultPlan::nth_of(verb, nth, fault).with_stall(Duration::from_secs(45));
        let stage = Stage::new(hub.clone(), options(settings(verb)));
        stage.hurry();
        let faulty = FaultyBackend::new(hub.shared_backend(), Arc::clone(&stage.env), plan);
        let faulty = Arc::new(faulty);
        let sink = tracked.then(|| Arc::new(Sink::default()));
        workload(&stage, &faulty, sink).await.map_err(|failure| {
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

/// What was tracked, repetitions included.
#[derive(Default)]
struct Sink(Mutex<Vec<TrackingRecord>>);

#[async_trait]
impl TrackingSink for Sink {
    async fn take(&self, records: &[TrackingRecord]) -> Result<(), Failure> {
        self.lock().extend_from_slice(records);
        Ok(())
    }
}

impl Sink {
    fn lock(&self) -> MutexGuard<'_, Vec<TrackingRecord>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the end of the instance `a`; every event before it must have been tracked, too.
    async fn complete(&self, s: &Stage) -> Checked {
        let is_end = |r: &&TrackingRecord| {
            r.instance.as_str() == "a" && r.status == OrchestrationStatus::Completed.number()
        };
        let end = async {
            loop {
                if let Some(end) = self.lock().iter().find(is_end).cloned() {
                    return end;
                }
                s.hub.instant().await;
            }
        };
        let end = s.hub.soon("the record of the end", end).await?;
        let records = self.lock();
        let of_a = records.iter().filter(|r| r.instance == end.instance);
        let (last, first): (Vec<_>, Vec<_>) = of_a.partition(|r| r.execution == end.execution);
        ensure!(!first.is_empty(), "the generation before was never tracked");
        // The first events of a generation belong to the turn before it.
        let mut next = last.iter().map(|r| r.first_event).min().unwrap_or(0);
        ensure!(next <= 2, "the events before {next} were never tracked");
        while next < end.first_event {
            let Some(step) = last.iter().find(|r| r.first_event == next && r.events > 0) else {
                return Err(check::Failure::new(format!("event {next} was never tracked")));
            };
            next += u64::from(step.events);
        }
        ensure_eq!(next, end.first_event, "the first event of the last turn");
        Ok(())
    }
}

/// The calls that neither worker nor client make here.
async fn look_around(s: &Stage, backend: &Arc<dyn Backend>, client: &Client) -> Checked {
    let id = iid("a")?;
    let executions = insist(s, || async { Ok(backend.executions(&id).await?) }).await?;
    ensure_eq!(executions.len(), 1, "executions of a finished instance");
    let record = s.hub.record(&id).await?.ok_or_else(|| check::Failure::new("no record"))?;
    insist(s, || async { Ok(backend.index(vec![record.clone()]).await?) }).await?;
    let page = insist(s, || client.list(InstanceQuery::default())).await?;
    let mut ids: Vec<_> = page.items.iter().map(|i| i.id().to_string()).collect();
    ids.sort();
    ensure_eq!(ids.len(), 2, "instances listed, {ids:?}");
    ensure_eq!(ids[0], "a", "the first instance listed");
    Ok(())
}

async fn workload(s: &Stage, faulty: &Arc<FaultyBackend>, sink: Option<Arc<Sink>>) -> Checked {
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
    let mut worker = worker.orchestration_fn("child", child).orchestration_fn("main", main);
    if let Some(sink) = &sink {
        worker = worker.tracking_sink(Arc::clone(sink) as _);
    }
    let worker = worker.start().await?;
    let client = Client::with_env(Arc::clone(&backend), Arc::clone(&s.env));
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
    // Both ways to wait: by every change, and for the end.
    let changes = insist(s, || handle.wait_until(|status| status.status().is_terminal()));
    let both = futures_util::future::join(changes, insist(s, || handle.result()));
    let (changes, ended) = s.hub.soon("the result", both).await?;
    changes?;
    ensure_eq!(ended?, 2 + 11 + 100 + 2_000 + 3, "the result");
    recorded_once(s, &handle).await?;
    look_around(s, &backend, &client).await?;
    if let Some(sink) = &sink {
        sink.complete(s).await?;
    }
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
