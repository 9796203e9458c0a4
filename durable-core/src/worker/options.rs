//! Numbers that tune a worker.

use std::time::Duration;

use crate::ids::QueueName;
use crate::limits;

/// Settings of a worker. Components (sinks, environment) are given to the builder instead.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct WorkerOptions {
    /// Activities that run at the same time; default 1,000. Zero runs none.
    pub activities_max: usize,
    /// Instances taken per fetch; default 64.
    pub turns_per_fetch: usize,
    /// Loops that run turns. Default: 2 over a network, where one runs while the other asks; 1
    /// where the store is in this process and loops mostly wait for each other. Zero runs none.
    pub turn_loops: Option<usize>,
    /// Commits under way at the same time, per loop; default 64. Bounds memory when the store is slow.
    pub commits_in_flight: usize,
    /// Activity queues to serve; default: only the default queue.
    pub queues: Vec<QueueName>,
    /// How long work is leased; default 30 s. Long activities renew it.
    pub lease: Duration,
    /// How long an idle fetch waits before it asks again; default 20 s.
    pub idle_wait: Duration,
    /// Memory for suspended orchestrations, in bytes (an estimate); default 64 MiB. Zero makes
    /// every turn replay its history.
    pub sticky_bytes: usize,
    /// How long [`shutdown`](super::Worker::shutdown) waits for running work; default 30 s.
    pub drain: Duration,
    /// How long a cancelled activity may go on before its future is dropped; default 10 s.
    pub cancel_grace: Duration,
    /// How long a blocked instance waits before it is tried again; default 30 s.
    pub blocked_retry: Duration,
    /// Whether histories of earlier generations stay readable after continue-as-new; default no.
    pub keep_generations: bool,
    /// Replays the whole history after every turn and compares; default no. For tests.
    pub paranoid: bool,
    /// Fetches of the same work without success before it is set aside; default 10.
    pub deliveries_max: u32,
}

impl WorkerOptions {
    /// What is wrong with the settings, one sentence each: what would lose its leases at once,
    /// keep a core busy with asking, or never do anything.
    pub(super) fn problems(&self, has_activities: bool) -> Vec<String> {
        let mut problems = Vec::new();
        if self.lease < limits::LEASE_MIN || self.lease > limits::LEASE_MAX {
            let (min, max) = (limits::LEASE_MIN, limits::LEASE_MAX);
            problems.push(format!("`lease` is {:?}; it must be {min:?} to {max:?}", self.lease));
        }
        let waits = [("idle_wait", self.idle_wait), ("blocked_retry", self.blocked_retry)];
        for (name, wait) in waits.into_iter().filter(|(_, wait)| *wait < limits::WAIT_MIN) {
            problems
                .push(format!("`{name}` is {wait:?}; it must be {:?} at least", limits::WAIT_MIN));
        }
        let counts = [
            ("turns_per_fetch", self.turns_per_fetch == 0),
            ("commits_in_flight", self.commits_in_flight == 0),
            ("deliveries_max", self.deliveries_max == 0),
        ];
        for (name, _) in counts.into_iter().filter(|(_, zero)| *zero) {
            problems.push(format!("`{name}` is 0; it must be 1 at least"));
        }
        if has_activities && self.activities_max > 0 && self.queues.is_empty() {
            let text = "`queues` is empty; name one, or set `activities_max` to 0";
            problems.push(text.to_owned());
        }
        problems
    }
}

impl Default for WorkerOptions {
    fn default() -> Self {
        Self {
            activities_max: 1_000,
            turns_per_fetch: 64,
            turn_loops: None,
            commits_in_flight: 64,
            queues: vec![QueueName::default()],
            lease: limits::LEASE_DEFAULT,
            idle_wait: Duration::from_secs(20),
            sticky_bytes: 64 * 1024 * 1024,
            drain: Duration::from_secs(30),
            cancel_grace: Duration::from_secs(10),
            blocked_retry: Duration::from_secs(30),
            keep_generations: false,
            paranoid: false,
            deliveries_max: limits::DELIVERY_ATTEMPTS_MAX,
        }
    }
}
