//! The orchestration queue: inboxes of instances and the turns they are ready for.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::{
    AbandonOutcome, BackendResult, Envelope, InstanceRecord, RenewOutcome, SendOutcome, TurnLease,
};
use crate::ids::{ExecutionId, LeaseToken, MessageId, WorkerId};
use crate::time::Timestamp;

/// What to do when an instance with the same id exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ReusePolicy {
    /// Refuse, whatever the state of the existing instance.
    #[default]
    Reject,
    /// Leave it alone and answer with it.
    ReturnExisting,
    /// Start afresh if it is terminal; refuse if it is not.
    ReplaceTerminal,
}

/// A client's wish to create an instance.
#[derive(Debug, Clone)]
pub struct CreateInstance {
    /// The start message; `creates` holds the first record, `execution` the new generation,
    /// `visible_at` a later start.
    pub start: Envelope,
    /// What to do when the id is taken.
    pub reuse: ReusePolicy,
}

/// The answer to [`CreateInstance`].
#[derive(Debug, Clone)]
pub enum CreateOutcome {
    /// Created.
    Created,
    /// The id is taken; here is who has it. A repeat of the very creation that made it
    /// (same execution id) answers [`Created`](Self::Created) instead.
    Exists(Box<InstanceRecord>),
}

/// What a worker asks for.
#[derive(Debug, Clone)]
pub struct ReceiveTurns {
    /// Most instances wanted; at least one.
    pub max: usize,
    /// Most messages per instance; the rest stays in its inbox.
    pub messages_max: usize,
    /// How long the lease lasts unless renewed.
    pub lease_for: Duration,
    /// How long to wait when there is nothing. Zero answers at once.
    pub wait: Duration,
    /// Who asks. An adapter may prefer instances that this worker ran last.
    pub worker: WorkerId,
}

/// A message in an inbox.
#[derive(Debug, Clone)]
pub struct InboxMessage {
    /// Identity, to be named in [`TurnCommit::consumed`](super::TurnCommit::consumed).
    pub id: MessageId,
    /// When it entered the inbox.
    pub enqueued_at: Timestamp,
    /// The message, opaque to adapters.
    pub body: Bytes,
}

/// An instance on loan with its messages.
#[derive(Debug, Clone)]
pub struct TurnWork {
    /// The loan.
    pub lease: TurnLease,
    /// The instance's current execution.
    pub execution: ExecutionId,
    /// Events in the current execution's history.
    pub events: u64,
    /// Messages, oldest first. Empty only when a hold ran out.
    pub messages: Vec<InboxMessage>,
    /// How often the instance was handed out since its last successful commit, this
    /// time included; starts at 1.
    pub delivery: u32,
    /// The token under which the instance's last commit was applied, if it had one and the
    /// adapter still knows. A worker that kept the instance in memory goes on from there only
    /// if that commit was its own: another worker's history may be of the same length.
    pub committed: Option<LeaseToken>,
}

/// Inboxes and ready instances.
#[async_trait]
pub trait OrchestrationQueue: Send + Sync {
    /// Creates instances and puts their start messages into their inboxes, atomically each.
    ///
    /// # Contract
    /// - O1: of concurrent creations of one id exactly one answers `Created`.
    /// - O2: the record is readable as soon as the call returns.
    /// - O3: creating over a placeholder ([`OrchestrationStatus::AwaitingStart`](super::OrchestrationStatus))
    ///   succeeds under every policy and keeps its inbox, behind the start message.
    /// - O4: replacing gives the record a higher revision than the old one had, and drops the
    ///   old generation's history, inbox, timers and activities.
    ///
    /// # Checked by
    /// `concurrency`, `handles`, `history_store`, `orchestration_queue`, `placeholders`, `reuse`
    async fn create_instances(
        &self,
        requests: Vec<CreateInstance>,
    ) -> Vec<BackendResult<CreateOutcome>>;

    /// Puts messages into inboxes.
    ///
    /// # Contract
    /// - O5: `creates: None` to an absent instance answers `NoInstance`, to a terminal one
    ///   `Terminal`; nothing is stored.
    /// - O6: `creates: Some` to an absent or terminal instance creates its new generation; to a
    ///   live one it is an ordinary message.
    /// - O7: when the inbox holds [`UNREAD_EVENTS_MAX`](crate::limits::UNREAD_EVENTS_MAX)
    ///   messages, a message that is not `control` is refused with `InboxFull`. Messages of commits
    ///   are never refused: nobody could send them again.
    ///
    /// # Checked by
    /// `limits`, `orchestration_queue`, `placeholders`
    async fn send(&self, envelopes: Vec<Envelope>) -> Vec<BackendResult<SendOutcome>>;

    /// Leases up to `max` ready instances, waiting up to `wait` for the first.
    ///
    /// # Contract
    /// - O8: an instance is on loan to one holder at a time; it comes back when the lease ends.
    /// - O9: N concurrent receivers over N ready instances each get some, never the same.
    /// - O10: a held instance is handed out only for a `control` message or when its hold ends.
    ///   While the hold lasts, only its `control` messages are handed out (so that a resume is
    ///   never hidden behind a long inbox); once it has ended, all messages are, in order.
    /// - O13: [`TurnWork::committed`] is the token of the last applied commit, or `None`; never
    ///   any other. Without it every turn replays the whole history.
    /// - O12: when the hold ends by time, the instance is handed out even with an empty inbox.
    ///
    /// # Cancel safety
    /// Dropping the future may leave instances on loan until their lease ends; none is lost.
    ///
    /// # Checked by
    /// `activity_commit`, `concurrency`, `handles`, `holds`, `leases`, `limits`,
    /// `orchestration_queue`, `placeholders`
    async fn receive_turns(&self, request: ReceiveTurns) -> BackendResult<Vec<TurnWork>>;

    /// Keeps instances longer.
    ///
    /// # Checked by
    /// `leases`
    async fn renew_turns(
        &self,
        leases: Vec<TurnLease>,
        lease_for: Duration,
    ) -> Vec<BackendResult<RenewOutcome>>;

    /// Gives instances back unchanged, to be handed out again after `delay`.
    ///
    /// # Contract
    /// - O11: messages stay; `delivery` is not reset; a stale token changes nothing. A `control`
    ///   message that arrives ends the delay.
    ///
    /// # Checked by
    /// `concurrency`, `leases`, `limits`, `orchestration_queue`
    async fn abandon_turns(
        &self,
        leases: Vec<TurnLease>,
        delay: Duration,
    ) -> Vec<BackendResult<AbandonOutcome>>;
}
