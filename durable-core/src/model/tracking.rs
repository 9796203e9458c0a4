//! What travels on the tracking queue.

use serde::{Deserialize, Serialize};

use crate::ids::{ExecutionId, InstanceId, Name};
use crate::time::Timestamp;

/// What one committed turn changed, for audits, archives and live views.
///
/// It names the range of history events rather than holding them: who wants them reads
/// the history store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackingRecord {
    /// The instance.
    pub instance: InstanceId,
    /// The generation that ran.
    pub execution: ExecutionId,
    /// The orchestration.
    pub name: Name,
    /// Stable number of the status after the turn.
    pub status: u8,
    /// When the turn ran.
    pub at: Timestamp,
    /// Number of the first new event.
    pub first_event: u64,
    /// How many new events there are.
    pub events: u32,
}
