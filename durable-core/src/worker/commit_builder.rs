//! From what a turn decided to what the backend commits.

use std::sync::Arc;

use bytes::Bytes;

use super::session::{Session, running, session_of_next_generation};
use super::shared::Shared;
use crate::backend::{
    Disposition, Envelope, InboxMessage, InstanceRecord, NextGeneration, OrchestrationStatus,
    TurnCommit, TurnWork,
};
use crate::ids::{ExecutionId, InstanceId, MessageId};
use crate::model::event::{
    ChildCompleted, ChildFailed, EventRaised, ExecutionStarted, ExecutionTerminated, Parent,
    TimerFired,
};
use crate::model::first_record;
use crate::model::message::Terminate;
use crate::model::wire::{self, ChunkWriter};
use crate::model::{
    ActivityTask, BlockReport, Failure, FailureKind, HistoryEvent, Message, RecordDetails,
    TrackingRecord,
};
use crate::payload::Payload;
use crate::replay::action::Action;
use crate::replay::turn::continued_event;
use crate::replay::{TurnEnd, TurnOutcome};
use crate::time::Timestamp;

/// A commit and the session to keep if it succeeds.
pub(super) struct Prepared {
    pub(super) commit: TurnCommit,
    pub(super) keep: Option<Box<Session>>,
}

fn empty_commit(work: &TurnWork, now: Timestamp) -> TurnCommit {
    TurnCommit::new(work.lease.clone(), work.execution, work.events, now)
}

/// Builds the commit of a turn that ran.
pub(super) fn build(
    shared: &Arc<Shared>,
    work: &TurnWork,
    mut session: Box<Session>,
    outcome: TurnOutcome,
    now: Timestamp,
) -> Prepared {
    let mut commit = empty_commit(work, now);
    session.token = work.lease.token;
    commit.consumed = outcome.consumed;
    commit.cancelled =
        outcome.cancelled.iter().map(|id| MessageId::of_action(work.execution, *id)).collect();
    for action in outcome.actions {
        add_action(shared, work, &session.record, action, now, &mut commit);
    }
    for parent in outcome.refused {
        commit.messages.push(refusal(shared, work, parent));
    }
    let mut chunk = ChunkWriter::default();
    for event in &outcome.events {
        chunk.push(event);
    }
    let mut changed = session.record.status != OrchestrationStatus::Running;
    if let Some(status) = outcome.custom_status {
        session.details.custom_status = status;
        changed = true;
    }
    session.details.report = None;
    session.details.suspended = None;
    let keep = match outcome.end {
        TurnEnd::Waiting if session.execution.started().is_none() => {
            // Nothing has started it yet: its messages wait with it.
            commit.disposition = Disposition::Hold { until: session.details.start_at };
            return Prepared { commit, keep: None };
        }
        TurnEnd::Waiting => {
            running(&mut session.record, now);
            true
        }
        TurnEnd::Suspended { reason } => {
            session.record.status = OrchestrationStatus::Suspended;
            session.details.suspended = Some(reason);
            commit.disposition = Disposition::Hold { until: None };
            changed = true;
            true
        }
        TurnEnd::ContinueAsNew { version, input, unread, seen } => {
            let wish = Continued { version, input, unread, seen };
            return continue_as_new(shared, work, session, wish, commit, chunk);
        }
        end => {
            changed = true;
            finish(shared, work, &mut session, end, now, &mut commit);
            false
        }
    };
    commit.chunk = chunk.finish();
    if changed {
        commit.record = Some(current_record(&mut session));
    }
    track(shared, &session.record, work, &mut commit);
    Prepared { commit, keep: keep.then_some(session) }
}

fn current_record(session: &mut Session) -> InstanceRecord {
    session.record.details = wire::encode_details(&session.details);
    session.record.clone()
}

fn add_action(
    shared: &Arc<Shared>,
    work: &TurnWork,
    record: &InstanceRecord,
    action: Action,
    now: Timestamp,
    commit: &mut TurnCommit,
) {
    let id = MessageId::of_action(work.execution, action.id());
    let target = work.lease.instance.clone();
    let envelope =
        |target: InstanceId, body: Bytes| Envelope::new(id, target, shared.order_key(), body);
    match action {
        Action::Activity { event, options } => {
            let task = ActivityTask {
                id: event.id,
                name: event.name,
                input: event.input,
                call: event.call,
                attempt: event.attempt,
                start_to_close: options.start_to_close,
                heartbeat: options.heartbeat,
            };
            let mut task = envelope(target, wire::encode_task(&task));
            task.execution = Some(work.execution);
            task.queue = options.queue;
            commit.activities.push(task);
        }
        Action::Timer(event) => {
            let body = wire::encode_message(&Message::TimerFired(TimerFired { id: event.id }));
            let mut timer = envelope(target, body);
            timer.execution = Some(work.execution);
            timer.visible_at = Some(event.fire_at);
            commit.messages.push(timer);
        }
        Action::Child { event, tags } => {
            let parent = (!event.detached).then(|| Parent {
                instance: record.instance.clone(),
                execution: work.execution,
                id: event.id,
            });
            let start = ExecutionStarted {
                name: event.name,
                version: event.version,
                input: event.input,
                parent,
                created_at: now,
                generation: 1,
                tags,
                seen: Vec::new(),
            };
            let execution = ExecutionId(shared.env.random_u128());
            let creates = first_record(event.instance.clone(), execution, &start, None);
            let mut start = envelope(event.instance, wire::encode_message(&Message::Start(start)));
            start.execution = Some(execution);
            start.creates = Some(Arc::new(creates));
            commit.messages.push(start);
        }
        Action::Send(event) => {
            let raised = EventRaised { message: id, name: event.name, payload: event.payload };
            let body = wire::encode_message(&Message::EventRaised(raised));
            commit.messages.push(envelope(event.instance, body));
        }
        Action::Mark(_) => {}
    }
}

fn refusal(shared: &Arc<Shared>, work: &TurnWork, parent: Parent) -> Envelope {
    let text = format!("instance `{}` (DT0006) is already running", work.lease.instance);
    let failure = Failure::of_kind(FailureKind::AlreadyExists, text);
    let message = Message::ChildFailed(ChildFailed { id: parent.id, failure });
    let id = MessageId::random(shared.env.random_u128());
    let mut envelope =
        Envelope::new(id, parent.instance, shared.order_key(), wire::encode_message(&message));
    envelope.execution = Some(parent.execution);
    envelope
}

/// Number that no action has, for the message that reports the end to the parent.
const COMPLETION_SEQ: u64 = u64::MAX;

fn finish(
    shared: &Arc<Shared>,
    work: &TurnWork,
    session: &mut Session,
    end: TurnEnd,
    now: Timestamp,
    commit: &mut TurnCommit,
) {
    let (status, output, failure) = match end {
        TurnEnd::Completed { output } => (OrchestrationStatus::Completed, output, None),
        TurnEnd::Failed { failure } => (OrchestrationStatus::Failed, None, Some(failure)),
        TurnEnd::Terminated { reason, children } => {
            for child in children {
                commit.messages.push(terminate_child(shared, child, &reason));
            }
            let failure = Failure::of_kind(FailureKind::Terminated, reason);
            (OrchestrationStatus::Terminated, None, Some(failure))
        }
        _ => return,
    };
    end_record(
        shared,
        work,
        &mut session.record,
        &mut session.details,
        (status, output, failure),
        now,
        commit,
    );
}

/// Writes the end into a record and reports it to the parent.
fn end_record(
    shared: &Arc<Shared>,
    work: &TurnWork,
    record: &mut InstanceRecord,
    details: &mut RecordDetails,
    (status, output, failure): (OrchestrationStatus, Option<Payload>, Option<Failure>),
    now: Timestamp,
    commit: &mut TurnCommit,
) {
    if let Some(parent) = details.parent.clone() {
        let message = match &failure {
            None => {
                Message::ChildCompleted(ChildCompleted { id: parent.id, output: output.clone() })
            }
            Some(failure) => {
                Message::ChildFailed(ChildFailed { id: parent.id, failure: failure.clone() })
            }
        };
        let id = MessageId::of_action(work.execution, COMPLETION_SEQ);
        let mut envelope =
            Envelope::new(id, parent.instance, shared.order_key(), wire::encode_message(&message));
        envelope.execution = Some(parent.execution);
        commit.messages.push(envelope);
    }
    record.status = status;
    record.completed_at = Some(now);
    details.report = None;
    details.output = output;
    details.failure = failure;
}

fn terminate_child(shared: &Arc<Shared>, child: InstanceId, reason: &str) -> Envelope {
    let message = Message::Terminate(Terminate {
        reason: format!("parent terminated: {reason}"),
        cascade: true,
    });
    let id = MessageId::random(shared.env.random_u128());
    let mut envelope = Envelope::new(id, child, shared.order_key(), wire::encode_message(&message));
    envelope.control = true;
    envelope
}

struct Continued {
    version: String,
    input: Option<Payload>,
    unread: Vec<EventRaised>,
    seen: Vec<MessageId>,
}

fn continue_as_new(
    shared: &Arc<Shared>,
    work: &TurnWork,
    mut session: Box<Session>,
    wish: Continued,
    mut commit: TurnCommit,
    mut chunk: ChunkWriter,
) -> Prepared {
    let execution = ExecutionId(shared.env.random_u128());
    chunk.push(&continued_event(execution, &wish.version, wish.input.as_ref()));
    commit.chunk = chunk.finish();

    let record = &mut session.record;
    record.status = OrchestrationStatus::Running;
    record.execution = execution;
    record.generation = record.generation.saturating_add(1);
    record.version.clone_from(&wish.version);
    session.details.input.clone_from(&wish.input);
    let start = ExecutionStarted {
        name: record.name.clone(),
        version: wish.version,
        input: wish.input,
        parent: session.details.parent.clone(),
        created_at: record.created_at,
        generation: record.generation,
        tags: session.details.tags.clone(),
        seen: wish.seen,
    };
    let mut history = vec![HistoryEvent::ExecutionStarted(start)];
    history.extend(wish.unread.into_iter().map(HistoryEvent::EventRaised));
    let mut first = ChunkWriter::default();
    for event in &history {
        first.push(event);
    }
    let keep_history = shared.options.keep_generations;
    commit.next = first.finish().map(|chunk| NextGeneration { execution, chunk, keep_history });

    // The next generation has no message of its own to begin with.
    let id = MessageId::of_action(work.execution, COMPLETION_SEQ);
    let body = wire::encode_message(&Message::Poke);
    let mut begin = Envelope::new(id, work.lease.instance.clone(), shared.order_key(), body);
    begin.execution = Some(execution);
    commit.messages.push(begin);

    commit.record = Some(current_record(&mut session));
    track(shared, &session.record, work, &mut commit);
    let next_work = TurnWork { execution, events: history.len() as u64, ..work.clone() };
    let Session { record, details, .. } = *session;
    let keep =
        session_of_next_generation(shared, &next_work, record, details, history).map(Box::new);
    Prepared { commit, keep }
}

fn track(shared: &Arc<Shared>, record: &InstanceRecord, work: &TurnWork, commit: &mut TurnCommit) {
    if !shared.tracks() {
        return;
    }
    let events = commit.chunk.as_ref().map_or(0, |c| c.events);
    let tracking = TrackingRecord {
        instance: record.instance.clone(),
        execution: work.execution,
        name: record.name.clone(),
        status: record.status.number(),
        at: commit.at,
        first_event: work.events,
        events,
    };
    let id = MessageId { source: work.lease.token.0, seq: work.events };
    let body = wire::encode_tracking(&tracking);
    commit.tracking = Some(Envelope::new(id, record.instance.clone(), shared.order_key(), body));
}

/// Sets an instance aside: no events, no effects, only a report on its record.
pub(super) fn set_aside(
    shared: &Arc<Shared>,
    work: &TurnWork,
    mut record: InstanceRecord,
    mut details: RecordDetails,
    status: OrchestrationStatus,
    report: BlockReport,
    now: Timestamp,
) -> TurnCommit {
    let mut commit = empty_commit(work, now);
    let until =
        (status == OrchestrationStatus::Blocked).then(|| now + shared.options.blocked_retry);
    commit.disposition = Disposition::Hold { until };
    commit.consumed = consumed_controls(work);
    details.report = Some(report);
    record.status = status;
    record.details = wire::encode_details(&details);
    commit.record = Some(record.clone());
    track(shared, &record, work, &mut commit);
    commit
}

/// Control messages have done their work by causing this turn; left in the inbox they would
/// cause it again and again.
fn consumed_controls(work: &TurnWork) -> Vec<MessageId> {
    let is_control = |m: &&InboxMessage| {
        let message = wire::decode_message(&m.body);
        matches!(message, Ok(Message::Poke | Message::Resume(_) | Message::Suspend(_)))
    };
    work.messages.iter().filter(is_control).map(|m| m.id).collect()
}

/// Ends an instance whose code cannot be brought back, because somebody asked for its end.
pub(super) fn terminate_set_aside(
    shared: &Arc<Shared>,
    work: &TurnWork,
    mut record: InstanceRecord,
    mut details: RecordDetails,
    terminate: Terminate,
    children: Vec<InstanceId>,
    now: Timestamp,
) -> TurnCommit {
    let mut commit = empty_commit(work, now);
    if terminate.cascade {
        for child in children {
            commit.messages.push(terminate_child(shared, child, &terminate.reason));
        }
    }
    let mut chunk = ChunkWriter::default();
    chunk.push(&HistoryEvent::ExecutionTerminated(ExecutionTerminated {
        reason: terminate.reason.clone(),
    }));
    commit.chunk = chunk.finish();
    let failure = Failure::of_kind(FailureKind::Terminated, terminate.reason);
    let end = (OrchestrationStatus::Terminated, None, Some(failure));
    end_record(shared, work, &mut record, &mut details, end, now, &mut commit);
    record.details = wire::encode_details(&details);
    commit.record = Some(record.clone());
    track(shared, &record, work, &mut commit);
    commit
}

/// Children that a history started and that have not reported back.
pub(super) fn open_children(history: &[HistoryEvent]) -> Vec<InstanceId> {
    let mut open = std::collections::BTreeMap::new();
    for event in history {
        match event {
            HistoryEvent::ChildScheduled(e) if !e.detached => {
                open.insert(e.id, e.instance.clone());
            }
            HistoryEvent::ChildCompleted(ChildCompleted { id, .. })
            | HistoryEvent::ChildFailed(ChildFailed { id, .. }) => {
                open.remove(id);
            }
            _ => {}
        }
    }
    open.into_values().collect()
}

/// Ends, suspends or resumes an instance that nothing has started yet.
pub(super) fn control_before_start(
    shared: &Arc<Shared>,
    work: &TurnWork,
    messages: &[(MessageId, Message)],
    mut record: InstanceRecord,
    mut details: RecordDetails,
    now: Timestamp,
) -> TurnCommit {
    let mut commit = empty_commit(work, now);
    commit.disposition = match record.status {
        OrchestrationStatus::Suspended => Disposition::Hold { until: None },
        _ => Disposition::Hold { until: details.start_at },
    };
    for (id, message) in messages {
        match message {
            Message::Terminate(terminate) => {
                return terminate_set_aside(
                    shared,
                    work,
                    record,
                    details,
                    terminate.clone(),
                    Vec::new(),
                    now,
                );
            }
            Message::Suspend(control) => {
                record.status = OrchestrationStatus::Suspended;
                details.suspended = Some(control.reason.clone());
                commit.disposition = Disposition::Hold { until: None };
            }
            Message::Resume(_) if record.status == OrchestrationStatus::Suspended => {
                record.status = OrchestrationStatus::Pending;
                details.suspended = None;
                commit.disposition = Disposition::Hold { until: details.start_at.or(Some(now)) };
            }
            Message::Poke | Message::Resume(_) => {}
            _ => continue,
        }
        commit.consumed.push(*id);
    }
    if !commit.consumed.is_empty() {
        record.details = wire::encode_details(&details);
        commit.record = Some(record.clone());
    }
    track(shared, &record, work, &mut commit);
    commit
}
