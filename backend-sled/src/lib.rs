//! Task hubs in one folder, for one process: the embedded default.
//!
//! sled is the durable log; the hot state lives in memory
//! ([`HubState`](durable_core::hot::HubState)) and is rebuilt at open. Whatever is
//! acknowledged has been flushed to disk, many callers' changes with one flush. See
//! `DESIGN.md` beside this crate for the layout and for what a crash leaves.

mod activity_queue;
mod backend;
mod checkpoint;
mod committer;
mod config;
mod crash_point;
mod disk;
mod error;
#[cfg(test)]
mod fuzz;
mod halt;
mod high_water;
mod history_store;
mod hub;
mod keys;
mod log;
mod orchestration_queue;
mod progress;
mod recovery;
mod store;
mod suspects;
mod tenant;
mod tracking_queue;
mod values;
mod watchdog;

pub use backend::SledBackend;
pub use config::SledSettings;
#[cfg(feature = "crash-points")]
pub use crash_point::CRASH_POINTS;
pub use store::SledStore;
