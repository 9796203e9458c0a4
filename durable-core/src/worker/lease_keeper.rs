//! Keeps the leases of running activities, carries their progress, and tells them to stop.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use foldhash::fast::RandomState;

use super::shared::Shared;
use crate::activity::ActivityShared;
use crate::backend::{ActivityLease, RenewActivity, RenewOutcome};
use crate::env::timeout;
use crate::ids::LeaseToken;
use crate::telemetry;
use crate::time::Timestamp;

/// Longest time between two looks at the running activities.
const TICK_MAX: Duration = Duration::from_secs(5);

#[derive(Debug)]
struct Entry {
    lease: ActivityLease,
    context: Arc<ActivityShared>,
    heartbeat: Option<Duration>,
    renewed_at: Timestamp,
    timed_out: bool,
}

/// The activities this worker runs right now.
#[derive(Debug, Default)]
pub(super) struct Running {
    entries: Mutex<HashMap<LeaseToken, Entry, RandomState>>,
}

/// Watches over one running activity while it lives.
pub(super) struct Watched {
    running: Arc<Running>,
    token: LeaseToken,
}

impl Watched {
    /// Why it counts as timed out, if it does.
    pub(super) fn timed_out(&self) -> Option<String> {
        let entries = self.running.lock();
        let entry = entries.get(&self.token).filter(|e| e.timed_out)?;
        Some(format!("no heartbeat within {:?}", entry.heartbeat.unwrap_or_default()))
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.running.lock().remove(&self.token);
    }
}

impl Running {
    fn lock(&self) -> MutexGuard<'_, HashMap<LeaseToken, Entry, RandomState>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn watch(
        self: &Arc<Self>,
        lease: ActivityLease,
        context: Arc<ActivityShared>,
        heartbeat: Option<Duration>,
        now: Timestamp,
    ) -> Watched {
        let token = lease.token;
        let entry = Entry { lease, context, heartbeat, renewed_at: now, timed_out: false };
        self.lock().insert(token, entry);
        Watched { running: Arc::clone(self), token }
    }

    /// Tells all to stop and answers with their leases.
    pub(super) fn cancel_all(&self) -> Vec<ActivityLease> {
        let entries = self.lock();
        for entry in entries.values() {
            entry.context.cancel();
        }
        entries.values().map(|e| e.lease.clone()).collect()
    }

    /// Marks those without a heartbeat, and lists what has to be renewed.
    fn due(&self, now: Timestamp, lease: Duration) -> Vec<RenewActivity> {
        let mut due = Vec::new();
        for entry in self.lock().values_mut() {
            if entry.heartbeat.is_some_and(|limit| now.since(entry.context.last_beat()) > limit) {
                entry.timed_out = true;
                entry.context.cancel();
                continue;
            }
            let progress = entry.context.take_progress();
            if progress.is_some() || now.since(entry.renewed_at) >= lease / 3 {
                entry.renewed_at = now;
                due.push(RenewActivity { lease: entry.lease.clone(), lease_for: lease, progress });
            }
        }
        due
    }

    fn stop(&self, token: LeaseToken) {
        if let Some(entry) = self.lock().get(&token) {
            entry.context.cancel();
        }
    }

    fn renew_soon(&self, token: LeaseToken) {
        if let Some(entry) = self.lock().get_mut(&token) {
            entry.renewed_at = Timestamp::EPOCH;
        }
    }
}

/// Looks after running activities until the worker has drained, or will not.
pub(super) async fn run(shared: Arc<Shared>, running: Arc<Running>) {
    tokio::select! {
        biased;
        _ = drain(&shared, &running) => {}
        () = keep(&shared, &running) => {}
    }
}

/// Waits until the worker is to stop and everything has ended, for a while; then tells the
/// remaining activities to stop and gives them back. Answers whether everything ended by itself.
pub(super) async fn drain(shared: &Arc<Shared>, running: &Running) -> bool {
    shared.stopped().await;
    if timeout(&*shared.env, shared.options.drain, shared.all_tasks_ended()).await.is_ok() {
        return true;
    }
    let leases = running.cancel_all();
    if !leases.is_empty() {
        for given_back in shared.backend.abandon_activities(leases, Duration::ZERO).await {
            if let Err(error) = given_back {
                // Nobody renews its lease any more.
                tracing::debug!(%error, "could not give an activity back");
            }
        }
    }
    false
}

async fn keep(shared: &Arc<Shared>, running: &Arc<Running>) {
    let lease = shared.options.lease;
    let tick = (lease / 6).clamp(Duration::from_millis(10), TICK_MAX);
    loop {
        shared.env.sleep(tick).await;
        let due = running.due(shared.env.now(), lease);
        if due.is_empty() {
            continue;
        }
        let tokens: Vec<_> = due.iter().map(|d| d.lease.token).collect();
        let outcomes = shared.backend.renew_activities(due).await;
        for (token, outcome) in tokens.into_iter().zip(outcomes) {
            match outcome {
                Ok(RenewOutcome::Renewed) => {}
                Ok(reason) => {
                    tracing::debug!(?reason, "{}", telemetry::ACTIVITY_STOPPED);
                    running.stop(token);
                }
                Err(error) => {
                    tracing::warn!(%error, "could not renew a lease");
                    running.renew_soon(token);
                }
            }
        }
    }
}
