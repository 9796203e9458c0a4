//! Watches what is committed to one hub, and knows what must never be.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use durable_core::backend::{
    Envelope, HistoryChunk, InstanceRecord, OrchestrationStatus, TurnCommit, TurnWork,
};
use durable_core::ids::{ExecutionId, InstanceId, LeaseToken, MessageId};
use durable_core::model::{HistoryEvent, Message, wire};
use durable_core::time::Timestamp;

use super::reached::Notes;

/// What an execution waits for, by the number of the action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    Activity,
    Timer(Timestamp),
    Child,
}

#[derive(Debug, Default)]
struct Execution {
    events: u64,
    open: BTreeMap<u64, Open>,
    given_up: BTreeSet<u64>,
    ended: bool,
}

/// One life of an instance id: from its creation to its replacement.
#[derive(Debug, Default)]
struct Life {
    raised: BTreeSet<MessageId>,
    end: Option<(OrchestrationStatus, Bytes)>,
}

/// A turn on loan.
#[derive(Debug, Clone)]
struct Loan {
    token: LeaseToken,
    messages: Vec<(MessageId, Bytes)>,
}

/// What the audit of one hub knows.
#[derive(Debug, Default)]
pub(super) struct Audit {
    loans: BTreeMap<InstanceId, Loan>,
    applied: BTreeSet<LeaseToken>,
    executions: BTreeMap<(InstanceId, ExecutionId), Execution>,
    lives: BTreeMap<InstanceId, Life>,
}

/// A part of a commit on its way through the audit.
struct Turn<'a> {
    commit: &'a TurnCommit,
    now: Timestamp,
    notes: &'a Notes,
    /// Envelopes for which no event was found yet.
    unexplained: BTreeSet<MessageId>,
    new_events: BTreeSet<MessageId>,
}

impl Audit {
    /// Turns were handed out.
    pub(super) fn lent(&mut self, works: &[TurnWork]) {
        for work in works {
            let messages = work.messages.iter().map(|m| (m.id, m.body.clone())).collect();
            let loan = Loan { token: work.lease.token, messages };
            self.loans.insert(work.lease.instance.clone(), loan);
        }
    }

    /// An instance was created, or created again.
    pub(super) fn created(&mut self, instance: &InstanceId) {
        self.lives.insert(instance.clone(), Life::default());
    }

    /// An instance and its history are gone.
    pub(super) fn purged(&mut self, instance: &InstanceId) {
        self.lives.remove(instance);
        self.executions.retain(|(of, _), _| of != instance);
    }

    /// Whether a commit under this token was applied before.
    pub(super) fn knows(&self, token: LeaseToken) -> bool {
        self.applied.contains(&token)
    }

    /// A commit was applied for the first time.
    pub(super) fn applied(&mut self, commit: &TurnCommit, now: Timestamp, notes: &Notes) {
        let instance = &commit.lease.instance;
        self.applied.insert(commit.lease.token);
        let loan = self.loans.remove(instance);
        let loan = loan.filter(|loan| loan.token == commit.lease.token);
        let Some(loan) = loan else {
            notes.violated("fencing", format!("a stale holder committed `{instance}`"));
            return;
        };
        for message in commit.messages.iter().filter(|m| m.creates.is_some()) {
            // A child under a fresh id; a live one would get an ordinary message.
            self.lives.entry(message.target.clone()).or_default();
        }
        let key = (instance.clone(), commit.execution);
        let execution = self.executions.entry(key).or_default();
        let life = self.lives.entry(instance.clone()).or_default();
        if execution.ended || life.end.is_some() {
            notes.violated("terminal is final", format!("`{instance}` has ended and goes on"));
            return;
        }
        if execution.events != commit.expected_events {
            notes.violated("contiguous history", format!("`{instance}` is not where it commits"));
            return;
        }
        let mut turn =
            Turn { commit, now, notes, unexplained: effects(commit), new_events: BTreeSet::new() };
        turn.events(execution, life);
        turn.consumed(execution, life, &loan);
        turn.end(execution, life);
        if let Some(next) = &commit.next {
            let key = (instance.clone(), next.execution);
            let events = u64::from(next.chunk.events);
            self.executions.insert(key, Execution { events, ..Execution::default() });
        }
    }

    /// Compares a record with the end that was committed.
    pub(super) fn check_end(&self, record: &InstanceRecord, notes: &Notes) {
        let end = self.lives.get(&record.instance).and_then(|life| life.end.as_ref());
        let Some((status, details)) = end else { return };
        if record.status != *status || record.details != *details {
            let text = format!("`{}` ended {status:?}, now {:?}", record.instance, record.status);
            notes.violated("terminal is final", text);
        }
    }
}

/// Envelopes that need an event as their reason: activities, timers, children, sent events.
fn effects(commit: &TurnCommit) -> BTreeSet<MessageId> {
    let source = MessageId::of_action(commit.execution, 0).source;
    let action = |e: &&Envelope| e.id.source == source && e.id.seq != u64::MAX;
    let messages = commit.messages.iter().filter(action).map(|m| m.id);
    commit.activities.iter().map(|a| a.id).chain(messages).collect()
}

fn decode(chunk: &HistoryChunk, notes: &Notes) -> Vec<HistoryEvent> {
    wire::decode_chunk(chunk).unwrap_or_else(|error| {
        notes.violated("readable history", error.to_string());
        Vec::new()
    })
}

impl Turn<'_> {
    fn violated(&self, invariant: &'static str, text: &str) {
        let instance = &self.commit.lease.instance;
        self.notes.violated(invariant, format!("`{instance}`: {text}"));
    }

    fn id(&self, seq: u64) -> MessageId {
        MessageId::of_action(self.commit.execution, seq)
    }

    fn events(&mut self, execution: &mut Execution, life: &mut Life) {
        let Some(chunk) = &self.commit.chunk else { return };
        let events = decode(chunk, self.notes);
        if events.len() as u64 != u64::from(chunk.events) {
            self.violated("contiguous history", "a chunk holds another number of events");
        }
        execution.events += events.len() as u64;
        for event in &events {
            self.event(event, execution, life);
        }
        for id in std::mem::take(&mut self.unexplained) {
            self.violated("effects have events", &format!("no event explains {id:?}"));
        }
        for id in &self.commit.cancelled {
            execution.given_up.insert(id.seq);
        }
    }

    fn event(&mut self, event: &HistoryEvent, execution: &mut Execution, life: &mut Life) {
        use HistoryEvent as E;
        match event {
            E::ActivityScheduled(e) => self.begun(e.id, Some(Open::Activity), execution),
            E::TimerCreated(e) => self.begun(e.id, Some(Open::Timer(e.fire_at)), execution),
            E::ChildScheduled(e) => {
                self.begun(e.id, (!e.detached).then_some(Open::Child), execution);
            }
            E::EventSent(e) => self.begun(e.id, None, execution),
            E::ActivityCompleted(e) => self.done(e.id, execution),
            E::ActivityFailed(e) => self.done(e.id, execution),
            E::ChildCompleted(e) => self.done(e.id, execution),
            E::ChildFailed(e) => self.done(e.id, execution),
            E::TimerFired(e) => {
                if let Some(Open::Timer(at)) = execution.open.get(&e.id)
                    && *at > self.now
                {
                    self.violated("timers are never early", &format!("timer {} of {at}", e.id));
                }
                self.done(e.id, execution);
            }
            E::EventRaised(e) => {
                if !life.raised.insert(e.message) {
                    self.violated("recorded once", &format!("event {:?} again", e.message));
                }
                self.new_events.insert(e.message);
            }
            E::ExecutionCompleted(_) | E::ExecutionFailed(_) | E::ExecutionTerminated(_) => {
                if execution.ended {
                    self.violated("terminal is final", "ended twice in one turn");
                }
                execution.ended = true;
            }
            E::ContinuedAsNew(_) if self.commit.next.is_none() => {
                self.violated("effects match events", "continued as new into nothing");
            }
            _ => {}
        }
    }

    /// An action was recorded: its effect must be in the same commit.
    fn begun(&mut self, id: u64, open: Option<Open>, execution: &mut Execution) {
        let message = self.id(id);
        if !self.unexplained.remove(&message) {
            self.violated("effects match events", &format!("action {id} has no effect"));
        }
        if let Some(open) = open
            && execution.open.insert(id, open).is_some()
        {
            self.violated("recorded once", &format!("action {id} was begun twice"));
        }
        let due = match open {
            Some(Open::Timer(at)) => Some(at),
            _ => return,
        };
        let timer = self.commit.messages.iter().find(|m| m.id == message);
        if timer.is_some_and(|timer| timer.visible_at != due) {
            self.violated(
                "timers are never early",
                &format!("timer {id} is sent for another time"),
            );
        }
    }

    fn done(&self, id: u64, execution: &mut Execution) {
        if execution.open.remove(&id).is_none() {
            self.violated("recorded once", &format!("the end of {id}, which is not open"));
        }
    }

    /// What was consumed must have been delivered, and must have left a trace.
    fn consumed(&self, execution: &Execution, life: &Life, loan: &Loan) {
        for id in &self.commit.consumed {
            let Some((_, body)) = loan.messages.iter().find(|(m, _)| m == id) else {
                self.violated("no message is lost", &format!("{id:?} was never delivered"));
                continue;
            };
            if execution.ended {
                continue;
            }
            let closed =
                |id: u64| !execution.open.contains_key(&id) || execution.given_up.contains(&id);
            let traced = match wire::decode_message(body) {
                Ok(Message::EventRaised(e)) => life.raised.contains(&e.message),
                Ok(Message::ActivityCompleted(e)) => closed(e.id),
                Ok(Message::ActivityFailed(e)) => closed(e.id),
                Ok(Message::TimerFired(e)) => closed(e.id),
                Ok(Message::ChildCompleted(e)) => closed(e.id),
                Ok(Message::ChildFailed(e)) => closed(e.id),
                Ok(_) => true,
                Err(_) => false,
            };
            if !traced {
                self.violated("no message is lost", &format!("{id:?} left no trace"));
            }
        }
        for id in &self.new_events {
            self.notes.reached_if(
                self.commit.next.is_some(),
                "an event was read in the last turn of a generation",
            );
            if !self.commit.consumed.iter().any(|c| c == id) {
                self.violated("recorded once", &format!("{id:?} was recorded and not consumed"));
            }
        }
    }

    fn end(&self, execution: &Execution, life: &mut Life) {
        let record = self.commit.record.as_ref();
        let status = record.map(|r| r.status);
        if execution.ended != status.is_some_and(OrchestrationStatus::is_terminal) {
            self.violated("status matches history", &format!("{status:?} in the record"));
        }
        match (status, record) {
            (Some(OrchestrationStatus::Blocked), Some(record)) => {
                let details = wire::decode_details(&record.details);
                let report = details.ok().and_then(|d| d.report).map(|r| r.to_string());
                self.violated("no instance is blocked", &report.unwrap_or_default());
            }
            (Some(status), Some(record)) if status.is_terminal() => {
                life.end = Some((status, record.details.clone()));
            }
            _ => {}
        }
    }
}
