//! What varies between adapters.

use std::time::Duration;

/// What an acknowledgement survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Durability {
    /// Nothing: the data lives in this process.
    Process,
    /// The death of the process, but up to this much may be lost with the power.
    PowerLossWindow(Duration),
    /// The loss of power, if the disk does as it is told.
    PowerLoss,
    /// The loss of a machine or data centre.
    Replicated,
}

/// What an adapter can do. The conformance suite chooses its checks by it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// Short name: `memory`, `sled`, `redis`, `aws`.
    pub name: &'static str,
    /// What an acknowledgement survives.
    pub durability: Durability,
    /// Waiting calls return by notification, not by polling.
    pub push: bool,
    /// Several processes may share the hub.
    pub multi_process: bool,
    /// Messages between instances are delivered in the very commit that sends them; otherwise
    /// shortly after it.
    pub instant_delivery: bool,
    /// Listings read records themselves; the tracking queue is only for user sinks.
    pub indexes_itself: bool,
    /// Listings show a commit at once.
    pub consistent_listing: bool,
    /// Leases and timers follow the injected clock, so that tests may move it.
    pub injected_clock: bool,
}

impl Capabilities {
    /// The weakest adapter of that name; set what it does better.
    pub const fn new(name: &'static str) -> Self {
        Self {
            name,
            durability: Durability::Process,
            push: false,
            multi_process: false,
            instant_delivery: false,
            indexes_itself: false,
            consistent_listing: false,
            injected_clock: false,
        }
    }
}
