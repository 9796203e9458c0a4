//! The loop that applies tracking records: to the query index and to user sinks.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::shared::Shared;
use crate::backend::{BackendErrorKind, BackendResult, ReceiveTracking, TrackingWork};
use crate::model::wire;
use crate::model::{Failure, TrackingRecord};
use crate::telemetry;

const ERROR_PAUSE: Duration = Duration::from_secs(1);

/// Receives what happened: for audits, archives, live views, webhooks.
///
/// Each record comes at least once; records of one instance come in commit order. A sink
/// never holds up execution.
#[async_trait]
pub trait TrackingSink: Send + Sync {
    /// Takes records in.
    ///
    /// # Errors
    /// Any failure; the same records come again later.
    async fn take(&self, records: &[TrackingRecord]) -> Result<(), Failure>;
}

/// Applies records until the worker stops.
pub(super) async fn run(shared: Arc<Shared>) {
    while !shared.stopping() {
        let request = ReceiveTracking {
            max: 256,
            lease_for: shared.options.lease,
            wait: shared.options.idle_wait,
        };
        let received = tokio::select! {
            biased;
            received = shared.backend.receive_tracking(request) => received,
            () = shared.stopped() => return,
        };
        let works = match received {
            Ok(works) => works,
            Err(error) if error.kind() == BackendErrorKind::Closed => return,
            Err(error) => {
                tracing::warn!(%error, "{}", telemetry::FETCH_FAILED);
                shared.pause_after(&error, ERROR_PAUSE).await;
                continue;
            }
        };
        if works.is_empty() {
            continue;
        }
        if let Err(reason) = apply(&shared, &works).await {
            tracing::warn!(%reason, "tracking records were not taken; they come again");
            tokio::select! {
                () = shared.stopped() => {}
                () = shared.env.sleep(ERROR_PAUSE) => {}
            }
            continue;
        }
        let leases = works.into_iter().map(|w| w.lease).collect();
        for acknowledged in shared.backend.ack_tracking(leases).await {
            if let Err(error) = acknowledged {
                tracing::debug!(%error, "could not acknowledge a tracking record; it comes again");
            }
        }
    }
}

async fn apply(shared: &Arc<Shared>, works: &[TrackingWork]) -> Result<(), Failure> {
    if !shared.backend.capabilities().indexes_itself {
        index(shared, works).await?;
    }
    let mut records = Vec::with_capacity(works.len());
    for work in works {
        match wire::decode_tracking(&work.body) {
            Ok(record) => records.push(record),
            Err(error) => {
                tracing::error!(instance = %work.instance, %error, "undecodable tracking record dropped")
            }
        }
    }
    for sink in &shared.sinks {
        sink.take(&records).await?;
    }
    Ok(())
}

/// Brings the index up to what the records of these instances say now.
async fn index(shared: &Arc<Shared>, works: &[TrackingWork]) -> BackendResult<()> {
    let mut instances: Vec<_> = works.iter().map(|w| w.instance.clone()).collect();
    instances.sort_unstable();
    instances.dedup();
    let mut current = Vec::with_capacity(instances.len());
    for record in shared.backend.read_records(instances).await {
        current.extend(record?);
    }
    shared.backend.index(current).await
}
