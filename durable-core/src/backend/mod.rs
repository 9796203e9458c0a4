//! The backend contract: what a storage adapter implements.
//!
//! Four traits, one per room of a task hub, joined by [`Backend`], which adds the
//! two atomic units [`commit_turns`](Backend::commit_turns) and
//! [`commit_activities`](Backend::commit_activities). Nothing else changes an
//! instance that is running.
//!
//! # Rules that hold everywhere
//! - **C1 Envelopes are opaque.** An adapter stores and routes [`Envelope`]s and never
//!   decodes a body or an event.
//! - **C2 Fencing.** Every lease carries an unguessable token. Commit, renew and abandon
//!   compare it by equality; a stale holder changes nothing and is told so.
//! - **C3 Atomicity.** All parts of one commit become visible together or not at all.
//! - **C4 Dedupe.** An envelope whose [`MessageId`](crate::ids::MessageId) already waits in the
//!   target's inbox is dropped; sending twice is safe.
//! - **C5 Generations.** An envelope with `execution: Some(e)` is delivered only while `e` is
//!   the target's current execution, and dropped otherwise, at the latest on receive.
//! - **C6 Order.** An inbox hands messages out in arrival order; messages of one sender
//!   arrive in the order of their `order_key`.
//! - **C7 Never early.** An envelope with `visible_at` is not handed out before that time.
//! - **C8 Push.** A `receive` that waits returns as soon as there is work, without polling
//!   where [`Capabilities::push`] says so; a wake-up is never lost.
//! - **C9 Batches.** Every verb takes a batch and answers per item, in order; a failing item
//!   never fails its neighbours.
//! - **C10 Terminal is final.** When a record with a terminal status is committed, the
//!   instance's inbox, timers and open activities are dropped; later messages are dropped
//!   on arrival, except one that creates a new generation.
//! - **C11 Cancel safety.** A future of any verb may be dropped at any await: the verb then
//!   either happened wholly or not at all, and leased items come back when the lease ends.
//! - **C12 Acknowledged is durable**, to the degree that [`Capabilities::durability`] states.
//!
//! # Checked by
//! `activity_commit`, `activity_queue`, `cancel_safety`, `concurrency`, `dedupe`, `durability`,
//! `errors`, `foreign_hubs`, `generations`, `handles`, `history_store`, `hostile_ids`,
//! `hostile_payloads`, `leases`, `limits`, `orchestration_queue`, `ordering`, `placeholders`,
//! `purge`, `reuse`, `timers`, `tracking_queue`, `turn_commit`

mod activity_queue;
mod capabilities;
mod commit;
mod envelope;
mod error;
mod history_store;
mod lease;
mod orchestration_queue;
mod percent;
mod query;
mod record;
pub mod sealed;
mod tracking_queue;

use std::fmt::Debug;

use async_trait::async_trait;

use crate::ids::HubName;

pub use activity_queue::{ActivityQueue, ActivityWork, ReceiveActivities, RenewActivity};
pub use capabilities::{Capabilities, Durability};
pub use commit::{
    ActivityCommit, CommitOutcome, Disposition, HistoryChunk, NextGeneration, TurnCommit,
};
pub use envelope::{Envelope, SendOutcome};
pub use error::{Applied, BackendError, BackendErrorKind, BackendResult, Retry};
pub use history_store::{HistoryPage, HistoryRead, HistoryStore, PurgeOutcome};
pub use lease::{AbandonOutcome, ActivityLease, RenewOutcome, TrackingLease, TurnLease};
pub use orchestration_queue::{
    CreateInstance, CreateOutcome, InboxMessage, OrchestrationQueue, ReceiveTurns, ReusePolicy,
    TurnWork,
};
pub use percent::percent_decode;
pub use query::{InstancePage, InstanceQuery, PageCursor};
pub use record::{InstanceRecord, OrchestrationStatus};
pub use tracking_queue::{ReceiveTracking, TrackingQueue, TrackingWork};

/// One task hub on one store.
#[async_trait]
pub trait Backend:
    OrchestrationQueue + ActivityQueue + TrackingQueue + HistoryStore + Debug
{
    /// What differs between adapters. Constant for the life of the value.
    ///
    /// # Checked by
    /// `errors::capabilities_are_those_of_the_fixture`
    fn capabilities(&self) -> &Capabilities;

    /// The task hub this value works on.
    ///
    /// # Checked by
    /// `foreign_hubs::a_hub_knows_its_name`
    fn hub(&self) -> &HubName;

    /// Commits turns. Each is atomic by itself; a batch may share one write.
    ///
    /// # Contract
    /// - T1: applied only while `lease.token` is the current lease of the instance,
    ///   `execution` its current execution and `expected_events` its history length;
    ///   otherwise [`CommitOutcome::LeaseLost`] or [`CommitOutcome::Conflict`], with no effect.
    /// - T2: on success the lease is gone; the instance is ready again at once if unconsumed
    ///   messages remain and [`Disposition`] allows it.
    /// - T3: committing the same lease token again after success answers
    ///   [`CommitOutcome::Applied`] and has no further effect, at least until the next
    ///   commit of that instance. So a commit may be repeated after an unknown outcome.
    /// - T4: `consumed` removes exactly these messages; messages that arrived meanwhile stay.
    /// - T5: `activities` appear on the activity queue, `messages` in inboxes, `tracking` on
    ///   the tracking queue; `cancelled` timers and queued activities vanish, also those of this
    ///   very commit and timers that are due but unread; running ones are told at their next
    ///   renewal.
    /// - T6: `next` replaces the generation: new execution, its history starting with the
    ///   given chunk; open activities and timers of the old generation vanish; messages
    ///   without execution stay.
    ///
    /// # Errors
    /// Per item. After [`Applied::Unknown`] repeat the same commit; after
    /// [`Applied::NotApplied`] follow the retry advice.
    ///
    /// # Concurrency
    /// Safe from many tasks; an adapter may merge concurrent calls into one write.
    ///
    /// # Checked by
    /// `activity_commit`, `activity_queue`, `concurrency`, `generations`, `history_store`,
    /// `limits`, `orchestration_queue`, `timers`, `tracking_queue`, `turn_commit`
    async fn commit_turns(&self, commits: Vec<TurnCommit>) -> Vec<BackendResult<CommitOutcome>>;

    /// Completes activities: removes the task and delivers its completion, atomically.
    ///
    /// # Contract
    /// - A1: applied only while `lease.token` is the task's current lease; otherwise
    ///   [`CommitOutcome::LeaseLost`] and the completion is not delivered.
    /// - A2: a repeated commit never delivers twice; it answers `Applied` or `LeaseLost`.
    ///
    /// # Errors
    /// Per item, as for [`commit_turns`](Self::commit_turns).
    ///
    /// # Checked by
    /// `activity_commit`, `concurrency`
    async fn commit_activities(
        &self,
        commits: Vec<ActivityCommit>,
    ) -> Vec<BackendResult<CommitOutcome>>;

    /// Waits until everything acknowledged so far is durable and releases what the process
    /// holds (files, connections). Later calls fail with [`BackendErrorKind::Closed`].
    ///
    /// # Errors
    /// When the last flush failed; nothing acknowledged is lost by it.
    ///
    /// # Checked by
    /// `durability`, `errors`
    async fn close(&self) -> BackendResult<()>;
}
