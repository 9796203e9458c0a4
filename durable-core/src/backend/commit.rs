//! The values that are applied atomically.

use bytes::Bytes;

use super::{ActivityLease, Envelope, InstanceRecord, TurnLease};
use crate::ids::{ExecutionId, MessageId};
use crate::time::Timestamp;

/// History events of one turn, encoded as one block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryChunk {
    /// How many events it holds; at least 1.
    pub events: u32,
    /// The events, opaque to adapters.
    pub bytes: Bytes,
}

/// When the instance may be handed out again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Disposition {
    /// As soon as a message waits.
    Ready,
    /// Only for a control message, or at this time if one is given (suspended, blocked).
    Hold {
        /// When the hold ends by itself.
        until: Option<Timestamp>,
    },
}

/// The next generation of an instance that continues as new.
#[derive(Debug, Clone)]
pub struct NextGeneration {
    /// Its execution id.
    pub execution: ExecutionId,
    /// Its first events.
    pub chunk: HistoryChunk,
    /// Whether the history of the old generation stays readable.
    pub keep_history: bool,
}

/// Everything one turn changes.
#[derive(Debug, Clone)]
pub struct TurnCommit {
    /// Proof of the right to commit.
    pub lease: TurnLease,
    /// The generation that ran.
    pub execution: ExecutionId,
    /// Its history length before this turn, in events.
    pub expected_events: u64,
    /// When the turn ran; becomes the record's `updated_at`.
    pub at: Timestamp,
    /// New history events, if any.
    pub chunk: Option<HistoryChunk>,
    /// Messages that were dealt with.
    pub consumed: Vec<MessageId>,
    /// Timers (message ids) and activities (task ids) no longer wanted.
    pub cancelled: Vec<MessageId>,
    /// Tasks for the activity queue.
    pub activities: Vec<Envelope>,
    /// Messages for inboxes: timers to itself, events and starts to others, completions to
    /// a parent.
    pub messages: Vec<Envelope>,
    /// A record for the tracking queue, if somebody wants one.
    pub tracking: Option<Envelope>,
    /// The new record; `None` leaves it unchanged but for `updated_at` and `events`.
    pub record: Option<InstanceRecord>,
    /// Continue as new.
    pub next: Option<NextGeneration>,
    /// When the instance may run again.
    pub disposition: Disposition,
}

impl TurnCommit {
    /// A commit that does nothing yet: the instance stays as it is and is ready for what comes.
    pub fn new(
        lease: TurnLease,
        execution: ExecutionId,
        expected_events: u64,
        at: Timestamp,
    ) -> Self {
        Self {
            lease,
            execution,
            expected_events,
            at,
            chunk: None,
            consumed: Vec::new(),
            cancelled: Vec::new(),
            activities: Vec::new(),
            messages: Vec::new(),
            tracking: None,
            record: None,
            next: None,
            disposition: Disposition::Ready,
        }
    }
}

/// The result of an activity.
#[derive(Debug, Clone)]
pub struct ActivityCommit {
    /// Proof of the right to complete.
    pub lease: ActivityLease,
    /// The message for the instance that scheduled the task.
    pub completion: Envelope,
}

/// What became of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CommitOutcome {
    /// Everything is visible and durable.
    Applied,
    /// The token is not current: somebody else goes on. Nothing was done.
    LeaseLost,
    /// The lease is right but the instance is not where the commit says: reload. Nothing was done.
    Conflict,
}
