//! One instance in memory.

use std::collections::VecDeque;

use bytes::Bytes;

use super::task_ids::TaskIds;
use super::tenure::Tenure;
use crate::backend::{HistoryChunk, InstanceRecord};
use crate::ids::{ExecutionId, MessageId};
use crate::time::Timestamp;

/// A message that waits in an inbox.
#[derive(Debug, Clone)]
pub struct Waiting {
    /// Identity.
    pub id: MessageId,
    /// The only generation that may get it.
    pub execution: Option<ExecutionId>,
    /// Whether it wakes a held instance.
    pub control: bool,
    /// When it came.
    pub enqueued_at: Timestamp,
    /// Its content.
    pub body: Bytes,
}

/// A block of history; its bytes may have been moved to a store.
#[derive(Debug, Clone)]
pub struct StoredChunk {
    /// How many events it holds.
    pub events: u32,
    /// The bytes, unless an adapter keeps them elsewhere.
    pub bytes: Option<Bytes>,
}

impl From<HistoryChunk> for StoredChunk {
    fn from(chunk: HistoryChunk) -> Self {
        Self { events: chunk.events, bytes: Some(chunk.bytes) }
    }
}

/// A message that becomes visible later.
#[derive(Debug, Clone)]
pub(super) struct Delayed {
    /// Its key in the timer queue.
    pub(super) key: (Timestamp, u64),
    pub(super) message: Waiting,
}

/// Why an instance with messages is not ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pause {
    /// Takes turns.
    None,
    /// Waits for a control message, or this time.
    Held(Option<Timestamp>),
    /// Was given back; waits for a control message, or this time.
    Delayed(Timestamp),
}

/// Parts that few instances have.
#[derive(Debug, Default)]
pub(super) struct Rare {
    /// Histories of earlier generations, oldest first.
    pub(super) older: Vec<(ExecutionId, Vec<StoredChunk>)>,
}

#[derive(Debug)]
pub(super) struct Slot {
    pub(super) record: InstanceRecord,
    pub(super) history: Vec<StoredChunk>,
    pub(super) inbox: VecDeque<Waiting>,
    /// Messages that are not visible yet; the timer queue points here.
    pub(super) delayed: Vec<Delayed>,
    /// Its tasks on the activity queue.
    pub(super) tasks: TaskIds,
    pub(super) tenure: Tenure,
    pub(super) pause: Pause,
    /// Whether it stands in the ready queue.
    pub(super) queued: bool,
    pub(super) delivery: u32,
    /// Number of the last change, for adapters that log changes.
    pub(super) lsn: u64,
    pub(super) rare: Option<Box<Rare>>,
}

impl Slot {
    pub(super) fn new(record: InstanceRecord) -> Self {
        Self {
            record,
            history: Vec::new(),
            inbox: VecDeque::new(),
            delayed: Vec::new(),
            tasks: TaskIds::default(),
            tenure: Tenure::default(),
            pause: Pause::None,
            queued: false,
            delivery: 0,
            lsn: 0,
            rare: None,
        }
    }

    /// Adds without making room for more: few instances have several at a time, and many wait
    /// for long.
    pub(super) fn push_delayed(&mut self, key: (Timestamp, u64), message: Waiting) {
        if self.delayed.is_empty() {
            self.delayed.reserve_exact(1);
        }
        self.delayed.push(Delayed { key, message });
    }

    pub(super) fn push_chunk(&mut self, chunk: HistoryChunk) {
        if self.history.is_empty() {
            self.history.reserve_exact(1);
        }
        self.history.push(chunk.into());
    }

    /// Gives back the room of what it has had, when there is nothing left of it.
    pub(super) fn shrink(&mut self) {
        if self.inbox.is_empty() {
            self.inbox = VecDeque::new();
        }
        if self.tasks.is_empty() {
            self.tasks = TaskIds::default();
        }
        if self.delayed.is_empty() {
            self.delayed = Vec::new();
        }
    }

    pub(super) fn is_terminal(&self) -> bool {
        self.record.status.is_terminal()
    }

    /// Whether a turn could be handed out now.
    pub(super) fn is_ready(&self, now: Timestamp) -> bool {
        if self.tenure.loan().is_some() || self.is_terminal() {
            return false;
        }
        match self.pause {
            Pause::None => !self.inbox.is_empty(),
            Pause::Held(until) => until.is_some_and(|at| at <= now) || self.has_control(),
            Pause::Delayed(until) => until <= now || self.has_control(),
        }
    }

    pub(super) fn has_control(&self) -> bool {
        self.inbox.iter().any(|m| m.control)
    }

    /// The oldest messages that may be handed out.
    pub(super) fn deliverable(&self, now: Timestamp, max: usize) -> Vec<&Waiting> {
        let held = match self.pause {
            Pause::Held(until) => until.is_none_or(|at| at > now),
            Pause::None | Pause::Delayed(_) => false,
        };
        self.inbox.iter().filter(|m| !held || m.control).take(max).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_small() {
        // A million waiting instances are a million of these.
        assert!(size_of::<Slot>() <= 352, "{}", size_of::<Slot>());
        assert!(size_of::<Delayed>() <= 128, "{}", size_of::<Delayed>());
    }
}
