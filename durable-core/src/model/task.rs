//! What travels on the activity queue.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ids::Name;
use crate::payload::Payload;

/// An activity to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActivityTask {
    /// Number of the action that scheduled this attempt.
    pub id: u64,
    /// The activity.
    pub name: Name,
    /// Its input.
    pub input: Option<Payload>,
    /// Number of the first attempt's action: the logical call.
    pub call: u64,
    /// 1 for the first attempt.
    pub attempt: u32,
    /// How long one run may take.
    pub start_to_close: Option<Duration>,
    /// How long the activity may go without a heartbeat.
    pub heartbeat: Option<Duration>,
}
