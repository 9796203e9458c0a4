//! The loop that runs turns: fetch → load or reuse → run → commit.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::Instrument;

use super::commit_builder::{
    Prepared, build, control_before_start, open_children, set_aside, terminate_set_aside,
};
use super::session::{LoadError, Session, load_history, load_record};
use super::shared::{Fetched, Shared};
use crate::backend::{
    Applied, BackendErrorKind, CommitOutcome, OrchestrationStatus, ReceiveTurns, TurnCommit,
    TurnLease, TurnWork,
};
use crate::ids::{InstanceId, MessageId};
use crate::limits;
use crate::model::message::Terminate;
use crate::model::wire::{self, WireError};
use crate::model::{BlockReport, Message};
use crate::replay::{Handlers, TurnEnd};
use crate::telemetry;
use crate::time::Timestamp;

/// Pause after an error without advice.
const ERROR_PAUSE: Duration = Duration::from_secs(1);

/// What became of one piece of work.
#[expect(clippy::large_enum_variant, reason = "it is moved once; a box costs more")]
pub(super) enum TurnRan {
    Commit(Prepared),
    /// Give it back, to be fetched again after this long.
    Abandon(Duration),
}

/// How far a piece of work comes without waiting for anything.
#[expect(clippy::large_enum_variant, reason = "it is moved once; a box costs more")]
enum Step {
    Ran(TurnRan),
    /// There is no session: it has to be made from what is stored.
    Load(Vec<(MessageId, Message)>),
    PutAside(OrchestrationStatus, BlockReport),
    NotServed(String, String),
    /// To be compared with a replay of everything.
    Compare(Box<Prepared>),
}

/// Runs turns until the worker stops.
pub(super) async fn run(shared: Arc<Shared>) {
    let commits = Arc::new(Semaphore::new(shared.options.commits_in_flight.max(1)));
    while !shared.stopping() {
        // The semaphore is never closed.
        let Ok(permit) = Arc::clone(&commits).acquire_owned().await else { return };
        let request = ReceiveTurns {
            max: shared.options.turns_per_fetch.max(1),
            messages_max: limits::MESSAGES_PER_TURN_MAX,
            lease_for: shared.options.lease,
            wait: shared.options.idle_wait,
            worker: shared.worker,
        };
        let received = match shared.fetch(shared.backend.receive_turns(request)).await {
            Fetched::Work(received) => received,
            Fetched::Stop(last) => {
                for work in last.into_iter().flatten().flatten() {
                    abandon(&shared, work.lease, Duration::ZERO).await;
                }
                return;
            }
        };
        match received {
            Ok(works) if works.is_empty() => {}
            Ok(works) => process(&shared, works, permit).await,
            Err(error) if error.kind() == BackendErrorKind::Closed => return,
            Err(error) => {
                tracing::warn!(%error, "{}", telemetry::FETCH_FAILED);
                shared.pause_after(&error, ERROR_PAUSE).await;
            }
        }
    }
}

async fn process(shared: &Arc<Shared>, works: Vec<TurnWork>, permit: OwnedSemaphorePermit) {
    let mut commits = Commits::with_capacity(works.len());
    let mut abandoned = Vec::new();
    for work in works {
        let span = tracing::debug_span!(
            "orchestration.turn",
            instance = %work.lease.instance,
            execution = %work.execution,
            delivery = work.delivery,
            messages = work.messages.len(),
        );
        let now = shared.env.now();
        let ran = match span.in_scope(|| begin(shared, &work, now)) {
            Step::Ran(ran) => ran,
            step => go_on(shared, &work, step, now).instrument(span).await,
        };
        match ran {
            TurnRan::Commit(prepared) => {
                if let Some(session) = prepared.keep {
                    // A completion may arrive before the commit is acknowledged; the next turn
                    // then finds the session. It is forgotten again if the commit fails.
                    shared.sessions.put(session);
                }
                commits.push(prepared.commit, work.delivery);
            }
            TurnRan::Abandon(delay) => abandoned.push((work.lease, delay)),
        }
    }
    for (lease, delay) in abandoned {
        abandon(shared, lease, delay).await;
    }
    if !commits.turns.is_empty() {
        let task = commit(Arc::clone(shared), commits, permit);
        shared.begin(Box::pin(task)).await;
    }
}

async fn abandon(shared: &Arc<Shared>, lease: TurnLease, delay: Duration) {
    for given_back in shared.backend.abandon_turns(vec![lease], delay).await {
        if let Err(error) = given_back {
            // The lease ends by itself.
            tracing::debug!(%error, "could not give an instance back");
        }
    }
}

/// Runs a turn as far as it goes without waiting; usually that is all there is to do.
fn begin(shared: &Arc<Shared>, work: &TurnWork, now: Timestamp) -> Step {
    let max = shared.options.deliveries_max;
    if shared.excuses.too_many(&work.lease.instance, work.delivery, max) && !asks_to_resume(work) {
        return Step::PutAside(OrchestrationStatus::Quarantined, poisoned(work.delivery));
    }
    let messages = match decode(work) {
        Ok(messages) => messages,
        Err(error) => {
            let report = undecodable("a message in its inbox", &error);
            return Step::PutAside(OrchestrationStatus::Quarantined, report);
        }
    };
    let session = match shared.sessions.take(work) {
        Some(session) => session,
        None => match fresh(shared, work, &messages) {
            Some(session) => session,
            None => return Step::Load(messages),
        },
    };
    run_session(shared, work, session, messages, now)
}

/// A session for an instance that begins with this turn.
fn fresh(
    shared: &Arc<Shared>,
    work: &TurnWork,
    messages: &[(MessageId, Message)],
) -> Option<Box<Session>> {
    if work.events > 0 {
        return None;
    }
    let (start, at) = messages.iter().find_map(|(_, m)| match m {
        Message::Start(start) => Some((start, None)),
        Message::StartAt(scheduled) => Some((&scheduled.start, Some(scheduled.at))),
        _ => None,
    })?;
    Some(Box::new(Session::fresh(shared, work, start, at)))
}

/// Does what a turn has to wait for, and then the turn.
async fn go_on(shared: &Arc<Shared>, work: &TurnWork, step: Step, now: Timestamp) -> TurnRan {
    let mut step = step;
    loop {
        step = match step {
            Step::Ran(ran) => return ran,
            Step::Load(messages) => match load(shared, work, &messages, now).await {
                Ok(session) => run_session(shared, work, session, messages, now),
                Err(ran) => return ran,
            },
            Step::PutAside(status, report) => {
                return put_aside(shared, work, status, report, now).await;
            }
            Step::NotServed(name, version) => {
                return not_served(shared, work, &name, &version, now).await;
            }
            Step::Compare(prepared) => {
                return super::paranoid::check(shared, work, *prepared, now).await;
            }
        };
    }
}

fn run_session(
    shared: &Arc<Shared>,
    work: &TurnWork,
    mut session: Box<Session>,
    messages: Vec<(MessageId, Message)>,
    now: Timestamp,
) -> Step {
    let outcome = session.execution.turn(messages, now);
    match outcome.end {
        TurnEnd::Blocked(report) => {
            tracing::warn!(instance = %work.lease.instance, %report, "{}", telemetry::BLOCKED);
            Step::PutAside(OrchestrationStatus::Blocked, report)
        }
        TurnEnd::NotServed { name, version } => Step::NotServed(name, version),
        _ => {
            let prepared = build(shared, work, session, outcome, now);
            if shared.options.paranoid {
                return Step::Compare(Box::new(prepared));
            }
            Step::Ran(TurnRan::Commit(prepared))
        }
    }
}

/// Makes a session where none is kept.
async fn load(
    shared: &Arc<Shared>,
    work: &TurnWork,
    messages: &[(MessageId, Message)],
    now: Timestamp,
) -> Result<Box<Session>, TurnRan> {
    if work.events == 0 {
        return match load_record(shared, work).await {
            Ok((record, details)) => {
                let commit = control_before_start(shared, work, messages, record, details, now);
                Err(TurnRan::Commit(Prepared { commit, keep: None }))
            }
            Err(error) => Err(give_up(shared, work, &error)),
        };
    }
    match Session::load(shared, work).await {
        Ok(session) => Ok(Box::new(session)),
        Err(LoadError::Turn(end)) => Err(match *end {
            TurnEnd::NotServed { name, version } => {
                not_served(shared, work, &name, &version, now).await
            }
            TurnEnd::Blocked(report) => {
                tracing::warn!(instance = %work.lease.instance, %report, "{}", telemetry::BLOCKED);
                put_aside(shared, work, OrchestrationStatus::Blocked, report, now).await
            }
            _ => TurnRan::Abandon(ERROR_PAUSE),
        }),
        Err(LoadError::Undecodable(error)) => {
            let report = undecodable("its history or record", &error);
            Err(put_aside(shared, work, OrchestrationStatus::Quarantined, report, now).await)
        }
        Err(error) => Err(give_up(shared, work, &error)),
    }
}

fn give_up(shared: &Shared, work: &TurnWork, error: &LoadError) -> TurnRan {
    if matches!(error, LoadError::Backend(_)) {
        shared.excuses.add(&work.lease.instance, work.delivery);
    }
    tracing::warn!(instance = %work.lease.instance, ?error, "could not load the instance");
    TurnRan::Abandon(ERROR_PAUSE.saturating_mul(work.delivery.min(30)))
}

/// Start first: events may have come earlier than a scheduled start.
fn decode(work: &TurnWork) -> Result<Vec<(MessageId, Message)>, WireError> {
    let mut messages = Vec::with_capacity(work.messages.len());
    for message in &work.messages {
        messages.push((message.id, wire::decode_message(&message.body)?));
    }
    if work.events == 0 {
        messages.sort_by_key(|(_, m)| !matches!(m, Message::Start(_) | Message::StartAt(_)));
    }
    Ok(messages)
}

fn asks_to_resume(work: &TurnWork) -> bool {
    work.messages.iter().any(|m| {
        matches!(wire::decode_message(&m.body), Ok(Message::Resume(_) | Message::Terminate(_)))
    })
}

fn asked_to_terminate(work: &TurnWork) -> Option<Terminate> {
    work.messages.iter().find_map(|m| match wire::decode_message(&m.body) {
        Ok(Message::Terminate(terminate)) => Some(terminate),
        _ => None,
    })
}

async fn not_served(
    shared: &Arc<Shared>,
    work: &TurnWork,
    name: &str,
    version: &str,
    now: Timestamp,
) -> TurnRan {
    // Others may serve it: let them have a go first.
    if work.delivery < 3 && shared.backend.capabilities().multi_process {
        return TurnRan::Abandon(Duration::from_millis(200).saturating_mul(work.delivery));
    }
    let served = shared.registry.orchestration_names();
    let version =
        if version.is_empty() { "unversioned".to_owned() } else { format!("version `{version}`") };
    let report = BlockReport {
        code: "DT0003".to_owned(),
        message: format!("no worker serves orchestration `{name}`, {version}"),
        expected: None,
        found: Some(format!(
            "served here: {}",
            if served.is_empty() { "none".to_owned() } else { served.join(", ") }
        )),
        event: None,
        hint: "Register it on a worker of this hub; the instance then goes on by itself".to_owned(),
    };
    tracing::warn!(instance = %work.lease.instance, %report, "{}", telemetry::BLOCKED);
    put_aside(shared, work, OrchestrationStatus::Blocked, report, now).await
}

fn poisoned(delivery: u32) -> BlockReport {
    BlockReport {
        code: "DT0013".to_owned(),
        message: format!("{} fetches of this instance ended without a commit", delivery - 1),
        expected: None,
        found: None,
        event: None,
        hint: "Look for crashes of its workers (stack overflow, abort, memory); then resume or terminate it".to_owned(),
    }
}

fn undecodable(what: &str, error: &WireError) -> BlockReport {
    BlockReport {
        code: "DT0012".to_owned(),
        message: format!("{what} cannot be read: {error}"),
        expected: None,
        found: None,
        event: None,
        hint: "Upgrade the worker, or restore the store from a backup; then resume the instance, or purge it".to_owned(),
    }
}

/// Commits nothing but a report.
async fn put_aside(
    shared: &Arc<Shared>,
    work: &TurnWork,
    status: OrchestrationStatus,
    report: BlockReport,
    now: Timestamp,
) -> TurnRan {
    let (record, details) = match load_record(shared, work).await {
        Ok(stored) => stored,
        Err(LoadError::Undecodable(_)) => {
            // The record's own details are damaged: keep its plain part.
            let instance = work.lease.instance.clone();
            match shared.backend.read_records(vec![instance]).await.pop() {
                Some(Ok(Some(record))) => (record, crate::model::RecordDetails::default()),
                _ => return TurnRan::Abandon(ERROR_PAUSE),
            }
        }
        Err(error) => return give_up(shared, work, &error),
    };
    if let Some(terminate) = asked_to_terminate(work) {
        // Ending it needs no code: its history only has to tell which children it left.
        let children = match load_history(shared, work).await {
            Ok(history) => open_children(&history),
            Err(_) => Vec::new(),
        };
        let commit = terminate_set_aside(shared, work, record, details, terminate, children, now);
        return TurnRan::Commit(Prepared { commit, keep: None });
    }
    if status == OrchestrationStatus::Quarantined {
        tracing::error!(instance = %work.lease.instance, %report, "{}", telemetry::QUARANTINED);
    }
    let commit = set_aside(shared, work, record, details, status, report, now);
    TurnRan::Commit(Prepared { commit, keep: None })
}

/// Turns to commit, and which delivery each is, from 1.
#[derive(Default)]
struct Commits {
    turns: Vec<TurnCommit>,
    deliveries: Vec<u32>,
}

impl Commits {
    fn with_capacity(turns: usize) -> Self {
        Self { turns: Vec::with_capacity(turns), deliveries: Vec::with_capacity(turns) }
    }

    fn push(&mut self, turn: TurnCommit, delivery: u32) {
        self.turns.push(turn);
        self.deliveries.push(delivery);
    }
}

/// What is needed to deal with a commit's failure.
struct Receipt {
    delivery: u32,
    lease: TurnLease,
    instance: InstanceId,
    again: Option<Box<TurnCommit>>,
    ended: Option<OrchestrationStatus>,
    /// Events before and after.
    events: (u64, u64),
}

impl Receipt {
    fn of(commit: &TurnCommit, delivery: u32, repeatable: bool) -> Self {
        let status = commit.record.as_ref().map(|record| record.status);
        let before = commit.expected_events;
        Self {
            delivery,
            lease: commit.lease.clone(),
            instance: commit.lease.instance.clone(),
            again: repeatable.then(|| Box::new(commit.clone())),
            ended: status.filter(|status| status.is_terminal()),
            events: (before, before + commit.chunk.as_ref().map_or(0, |c| u64::from(c.events))),
        }
    }

    fn applied(&self) {
        let instance = &self.instance;
        match self.ended {
            Some(status) => tracing::debug!(%instance, ?status, "{}", telemetry::ENDED),
            None => tracing::trace!(%instance, "{}", telemetry::COMMITTED),
        }
        let (before, events) = self.events;
        // Once per thousand events, not with every turn.
        if events >= limits::HISTORY_EVENTS_MAX / 5 && before / 1_000 < events / 1_000 {
            tracing::warn!(%instance, events, "{} (DT0011)", telemetry::HISTORY_LONG);
        }
    }
}

async fn commit(shared: Arc<Shared>, commits: Commits, permit: OwnedSemaphorePermit) {
    // Only a store across a network can leave us not knowing; only then a copy is worth keeping.
    let repeatable = shared.backend.capabilities().multi_process;
    let mut pending = commits;
    let mut tries = 0;
    while !pending.turns.is_empty() {
        let Commits { turns, deliveries } = std::mem::take(&mut pending);
        let of = |(turn, delivery)| Receipt::of(turn, delivery, repeatable);
        let receipts: Vec<_> = turns.iter().zip(deliveries).map(of).collect();
        let results = shared.backend.commit_turns(turns).await;
        tries += 1;
        for (receipt, result) in receipts.into_iter().zip(results) {
            match result {
                Ok(CommitOutcome::Applied) => {
                    shared.excuses.forget(&receipt.instance);
                    receipt.applied();
                }
                Ok(outcome) => {
                    tracing::debug!(instance = %receipt.instance, ?outcome, "{} (DT0007)", telemetry::COMMIT_REFUSED);
                    shared.sessions.forget(&receipt.instance);
                }
                Err(error) => {
                    tracing::warn!(instance = %receipt.instance, %error, "{}", telemetry::COMMIT_FAILED);
                    match receipt.again.filter(|_| tries < 5 && may_repeat(&error)) {
                        Some(again) => pending.push(*again, receipt.delivery),
                        None => {
                            shared.sessions.forget(&receipt.instance);
                            shared.excuses.add(&receipt.instance, receipt.delivery);
                            abandon(&shared, receipt.lease, ERROR_PAUSE).await;
                        }
                    }
                }
            }
        }
        if !pending.turns.is_empty() {
            shared.env.sleep(Duration::from_millis(50 << tries)).await;
        }
    }
    drop(permit);
}

fn may_repeat(error: &crate::backend::BackendError) -> bool {
    error.applied() == Applied::Unknown || matches!(error.advice(), crate::backend::Retry::After(_))
}
