//! Names of spans and events. Stable: dashboards and alerts may rely on them.
//!
//! Fields are `instance`, `execution`, `name`, `attempt`, `delivery`, `error`, `report`;
//! payloads never appear.

/// Span around one turn.
pub const TURN: &str = "orchestration.turn";
/// Span around one run of an activity.
pub const ACTIVITY: &str = "activity.run";
/// An instance was started by this client.
pub const STARTED: &str = "orchestration.started";
/// An instance reached a terminal status.
pub const ENDED: &str = "orchestration.ended";
/// A turn's decisions are safe.
pub const COMMITTED: &str = "orchestration.committed";
/// A history is a fifth of the way to its limit, or further: time to continue as new.
pub const HISTORY_LONG: &str = "orchestration.history_long";
/// An activity or child failed and will be tried again.
pub const RETRYING: &str = "orchestration.retrying";
/// An instance cannot go on with this code.
pub const BLOCKED: &str = "orchestration.blocked";
/// An instance was set aside.
pub const QUARANTINED: &str = "orchestration.quarantined";
/// A commit was refused because somebody else goes on with the instance.
pub const COMMIT_REFUSED: &str = "commit.refused";
/// A commit failed.
pub const COMMIT_FAILED: &str = "commit.failed";
/// Fetching work failed.
pub const FETCH_FAILED: &str = "fetch.failed";
/// An activity ended with a failure.
pub const ACTIVITY_FAILED: &str = "activity.failed";
/// A running activity lost its lease or is no longer wanted.
pub const ACTIVITY_STOPPED: &str = "activity.stopped";
/// A worker began.
pub const WORKER_STARTED: &str = "worker.started";
/// A worker ended.
pub const WORKER_STOPPED: &str = "worker.stopped";
