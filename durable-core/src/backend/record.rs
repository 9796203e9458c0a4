//! The visible state of an instance.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::ids::{ExecutionId, InstanceId, Name};
use crate::time::Timestamp;

/// The life cycle of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
#[repr(u8)]
pub enum OrchestrationStatus {
    /// Messages wait for an instance that nobody has started yet.
    AwaitingStart = 0,
    /// Created, no turn has run.
    Pending = 1,
    /// At least one turn has run.
    Running = 2,
    /// Takes no turns until it is resumed.
    Suspended = 3,
    /// Cannot go on with the code at hand; goes on when that is fixed.
    Blocked = 4,
    /// Failed its turns too often and is set aside until somebody resumes it.
    Quarantined = 5,
    /// Returned a value. Terminal.
    Completed = 6,
    /// Returned an error. Terminal.
    Failed = 7,
    /// Was terminated. Terminal.
    Terminated = 8,
}

impl OrchestrationStatus {
    /// Every status, in numeric order.
    pub const ALL: [Self; 9] = [
        Self::AwaitingStart,
        Self::Pending,
        Self::Running,
        Self::Suspended,
        Self::Blocked,
        Self::Quarantined,
        Self::Completed,
        Self::Failed,
        Self::Terminated,
    ];

    /// Whether nothing can change it any more.
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Terminated)
    }

    /// The stable number of this status in stores.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The status of a stable number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}

/// What adapters know and index about an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceRecord {
    /// Its id.
    pub instance: InstanceId,
    /// Its current generation.
    pub execution: ExecutionId,
    /// How many generations there have been; starts at 1.
    pub generation: u32,
    /// The orchestration it runs.
    pub name: Name,
    /// The version it runs; empty when unversioned.
    pub version: String,
    /// Where it is in its life.
    pub status: OrchestrationStatus,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last committed a turn. Kept by the adapter.
    pub updated_at: Timestamp,
    /// When it became terminal.
    pub completed_at: Option<Timestamp>,
    /// Who started it as a child.
    pub parent: Option<InstanceId>,
    /// Events in the current generation's history. Kept by the adapter.
    pub events: u64,
    /// Rises by at least one with every stored change of the record. Kept by the adapter.
    pub revision: u64,
    /// Input, output, failure, custom status: opaque to adapters.
    pub details: Bytes,
}
