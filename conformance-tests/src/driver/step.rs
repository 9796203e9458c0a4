//! Builds and commits turns.

use bytes::Bytes;
use durable_core::backend::{
    CommitOutcome, Disposition, Envelope, HistoryChunk, InstanceRecord, NextGeneration,
    OrchestrationStatus, TurnCommit, TurnWork,
};
use durable_core::ids::{ExecutionId, MessageId, QueueName};
use durable_core::time::Timestamp;

use super::{Hub, bytes, only};
use crate::check::Checked;

/// A turn in the making. At first it consumes all its messages and adds one event.
#[derive(Debug, Clone)]
#[must_use]
pub(crate) struct Step {
    hub: Hub,
    pub(crate) commit: TurnCommit,
}

pub(crate) fn chunk(events: u32, content: &str) -> HistoryChunk {
    HistoryChunk { events, bytes: bytes(content) }
}

impl Hub {
    /// A turn of this work that consumes all messages and adds the event `turn`.
    pub(crate) fn step(&self, work: &TurnWork) -> Step {
        let lease = work.lease.clone();
        let commit = TurnCommit {
            chunk: Some(chunk(1, "turn")),
            consumed: work.messages.iter().map(|m| m.id).collect(),
            ..TurnCommit::new(lease, work.execution, work.events, self.now())
        };
        Step { hub: self.clone(), commit }
    }

    pub(crate) async fn commit(&self, commit: TurnCommit) -> Checked<CommitOutcome> {
        only(self.backend().commit_turns(vec![commit]).await)
    }
}

impl Step {
    pub(crate) fn keep_messages(mut self) -> Self {
        self.commit.consumed.clear();
        self
    }

    pub(crate) fn no_events(mut self) -> Self {
        self.commit.chunk = None;
        self
    }

    pub(crate) fn events(mut self, events: u32, content: &str) -> Self {
        self.commit.chunk = Some(chunk(events, content));
        self
    }

    /// An activity that this execution schedules as its action `seq`.
    pub(crate) fn activity(self, seq: u64, body: &str) -> Self {
        let task = self.task(seq, body);
        self.activity_envelope(task)
    }

    /// The envelope of an activity, to be changed and added.
    pub(crate) fn task(&self, seq: u64, body: &str) -> Envelope {
        let id = MessageId::of_action(self.commit.execution, seq);
        let target = self.commit.lease.instance.clone();
        let execution = Some(self.commit.execution);
        Envelope { execution, ..Envelope::new(id, target, self.hub.number(), bytes(body)) }
    }

    pub(crate) fn activity_envelope(mut self, task: Envelope) -> Self {
        self.commit.activities.push(task);
        self
    }

    pub(crate) fn activity_on(self, queue: &str, seq: u64, body: &str) -> Checked<Self> {
        let task = Envelope { queue: QueueName::new(queue)?, ..self.task(seq, body) };
        Ok(self.activity_envelope(task))
    }

    /// A timer of this execution.
    pub(crate) fn timer(self, seq: u64, at: Timestamp, body: &str) -> Self {
        let timer = Envelope { visible_at: Some(at), ..self.task(seq, body) };
        self.message(timer)
    }

    pub(crate) fn message(mut self, envelope: Envelope) -> Self {
        self.commit.messages.push(envelope);
        self
    }

    pub(crate) fn cancel(mut self, seq: u64) -> Self {
        self.commit.cancelled.push(MessageId::of_action(self.commit.execution, seq));
        self
    }

    pub(crate) fn tracking(mut self, body: &str) -> Self {
        let id = self.hub.message_id();
        let target = self.commit.lease.instance.clone();
        self.commit.tracking = Some(Envelope::new(id, target, self.hub.number(), bytes(body)));
        self
    }

    pub(crate) fn record(mut self, record: InstanceRecord) -> Self {
        self.commit.record = Some(record);
        self
    }

    /// A record with that status, and details that name it.
    pub(crate) fn status(mut self, status: OrchestrationStatus) -> Checked<Self> {
        let now = self.hub.now();
        let first = self.hub.first_record(&self.commit.lease.instance, self.commit.execution)?;
        self.commit.record = Some(InstanceRecord {
            status,
            completed_at: status.is_terminal().then_some(now),
            details: Bytes::from(format!("details {status:?}")),
            ..first
        });
        Ok(self)
    }

    pub(crate) fn hold(mut self, until: Option<Timestamp>) -> Self {
        self.commit.disposition = Disposition::Hold { until };
        self
    }

    /// Continues as new: a first chunk `next` with one event, and a record of the new generation.
    pub(crate) fn next(self, execution: ExecutionId, keep_history: bool) -> Checked<Self> {
        let mut step = self.status(OrchestrationStatus::Running)?;
        if let Some(record) = &mut step.commit.record {
            record.execution = execution;
            record.generation = 2;
        }
        step.commit.next =
            Some(NextGeneration { execution, chunk: chunk(1, "next"), keep_history });
        Ok(step)
    }

    pub(crate) async fn commit(self) -> Checked<CommitOutcome> {
        self.hub.commit(self.commit).await
    }

    /// Commits and insists that it is applied.
    pub(crate) async fn apply(self) -> Checked {
        ensure_eq!(self.commit().await?, CommitOutcome::Applied, "outcome of a commit");
        Ok(())
    }
}
