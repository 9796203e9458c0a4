//! The activity (worker) queue.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::{AbandonOutcome, ActivityLease, BackendResult, RenewOutcome};
use crate::ids::{ExecutionId, QueueName, WorkerId};
use crate::time::Timestamp;

/// What a worker asks for.
#[derive(Debug, Clone)]
pub struct ReceiveActivities {
    /// Most items wanted; at least one.
    pub max: usize,
    /// How long the lease lasts unless renewed.
    pub lease_for: Duration,
    /// How long to wait when there is nothing. Zero answers at once.
    pub wait: Duration,
    /// Only tasks routed to one of these queues.
    pub queues: Vec<QueueName>,
    /// Who asks.
    pub worker: WorkerId,
}

/// A task on loan.
#[derive(Debug, Clone)]
pub struct ActivityWork {
    /// The loan.
    pub lease: ActivityLease,
    /// The execution that scheduled the task.
    pub execution: ExecutionId,
    /// How often this task has been handed out, this time included; starts at 1.
    pub delivery: u32,
    /// When the task was put on the queue.
    pub enqueued_at: Timestamp,
    /// Progress that an earlier delivery recorded by its last renewal.
    pub progress: Option<Bytes>,
    /// The task, opaque to adapters.
    pub body: Bytes,
}

/// A request to keep a task longer.
#[derive(Debug, Clone)]
pub struct RenewActivity {
    /// The loan.
    pub lease: ActivityLease,
    /// The lease now ends this much after now.
    pub lease_for: Duration,
    /// Progress to keep for the next delivery; `None` leaves it unchanged.
    pub progress: Option<Bytes>,
}

/// The queue of activities to run.
#[async_trait]
pub trait ActivityQueue: Send + Sync {
    /// Leases up to `max` tasks, waiting up to `wait` for the first.
    ///
    /// # Contract
    /// - Q1: a task is on loan to one holder at a time; it comes back when its lease ends.
    /// - Q2: every delivery has a fresh token and a `delivery` one higher.
    /// - Q3: tasks of one queue come out oldest first, as far as leases allow. Where a hub is
    ///   split into partitions, this holds for the tasks of each partition, and so for those of
    ///   one instance.
    /// - Q4: no task of a terminal or replaced execution is handed out.
    ///
    /// # Errors
    /// The whole call; nothing is on loan then that the caller would have to return.
    ///
    /// # Cancel safety
    /// Dropping the future may leave tasks on loan until their lease ends; none is lost.
    ///
    /// # Checked by
    /// `activity_queue`, `concurrency`, `handles`
    async fn receive_activities(
        &self,
        request: ReceiveActivities,
    ) -> BackendResult<Vec<ActivityWork>>;

    /// Keeps tasks longer and records progress.
    ///
    /// # Contract
    /// - Q5: answers [`RenewOutcome::Lost`] when the token is not current and
    ///   [`RenewOutcome::Cancelled`] when the orchestration no longer wants the result;
    ///   neither has an effect.
    ///
    /// # Checked by
    /// `activity_queue`
    async fn renew_activities(
        &self,
        renewals: Vec<RenewActivity>,
    ) -> Vec<BackendResult<RenewOutcome>>;

    /// Gives tasks back, to be handed out again after `delay`.
    ///
    /// # Contract
    /// - Q6: `delivery` is not reset; a stale token changes nothing.
    ///
    /// # Checked by
    /// `activity_queue`
    async fn abandon_activities(
        &self,
        leases: Vec<ActivityLease>,
        delay: Duration,
    ) -> Vec<BackendResult<AbandonOutcome>>;
}
