//! The tracking queue: what happened, for indexes and user sinks.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::{AbandonOutcome, BackendResult, TrackingLease};
use crate::ids::InstanceId;

/// What a tracking dispatcher asks for.
#[derive(Debug, Clone)]
pub struct ReceiveTracking {
    /// Most records wanted; at least one.
    pub max: usize,
    /// How long the lease lasts.
    pub lease_for: Duration,
    /// How long to wait when there is nothing. Zero answers at once.
    pub wait: Duration,
}

/// A tracking record on loan.
#[derive(Debug, Clone)]
pub struct TrackingWork {
    /// The loan.
    pub lease: TrackingLease,
    /// The instance it is about.
    pub instance: InstanceId,
    /// The record, opaque to adapters.
    pub body: Bytes,
}

/// The queue of tracking records. Execution never reads it.
#[async_trait]
pub trait TrackingQueue: Send + Sync {
    /// Leases up to `max` records, waiting up to `wait` for the first.
    ///
    /// # Contract
    /// - K1: delivered at least once, records of one instance in commit order. To keep the order,
    ///   an adapter may hand out no more while some are on loan.
    ///
    /// # Checked by
    /// `concurrency`, `tracking_queue`
    async fn receive_tracking(&self, request: ReceiveTracking) -> BackendResult<Vec<TrackingWork>>;

    /// Removes records that were dealt with.
    ///
    /// # Contract
    /// - K2: a stale token changes nothing and answers `Lost`.
    ///
    /// # Checked by
    /// `tracking_queue`
    async fn ack_tracking(&self, leases: Vec<TrackingLease>) -> Vec<BackendResult<AbandonOutcome>>;
}
