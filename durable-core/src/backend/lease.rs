//! Loans of work, proven by tokens.

use crate::ids::{InstanceId, LeaseToken, MessageId};

/// The loan of an instance for one turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TurnLease {
    /// What is on loan.
    pub instance: InstanceId,
    /// Proof of holding it.
    pub token: LeaseToken,
}

/// The loan of an activity task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActivityLease {
    /// The task: the id of its envelope.
    pub task: MessageId,
    /// The instance that scheduled it.
    pub instance: InstanceId,
    /// Proof of holding it.
    pub token: LeaseToken,
}

/// The loan of a tracking record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackingLease {
    /// The record: the id of its envelope.
    pub record: MessageId,
    /// The instance it is about.
    pub instance: InstanceId,
    /// Proof of holding it.
    pub token: LeaseToken,
}

/// The answer to a renewal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RenewOutcome {
    /// The lease now ends later.
    Renewed,
    /// Somebody else holds it, or nobody: stop working, nothing you do will count.
    Lost,
    /// The result is no longer wanted: stop working.
    Cancelled,
}

/// The answer to giving something back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AbandonOutcome {
    /// Done.
    Done,
    /// The token is not current; nothing was done.
    Lost,
}
