//! The backend value and its two atomic commits.

use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use parking_lot::{Mutex, MutexGuard};

use super::bells::Bells;
use crate::backend::{
    ActivityCommit, Backend, BackendError, BackendErrorKind, BackendResult, Capabilities,
    CommitOutcome, Durability, TurnCommit,
};
use crate::env::SharedEnv;
use crate::hot::HubState;
use crate::ids::{HubName, LeaseToken};
use crate::time::Timestamp;

/// One task hub in memory.
pub struct MemoryBackend {
    pub(super) env: SharedEnv,
    hub: HubName,
    capabilities: Capabilities,
    state: Mutex<HubState>,
    pub(super) bells: Bells,
    closed: AtomicBool,
}

impl std::fmt::Debug for MemoryBackend {
    /// Shows no content: payloads may hold secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemoryBackend").field("hub", &self.hub).finish_non_exhaustive()
    }
}

impl MemoryBackend {
    /// An empty hub.
    pub fn new(env: SharedEnv, hub: HubName) -> Self {
        let capabilities = Capabilities {
            durability: Durability::Process,
            push: true,
            instant_delivery: true,
            indexes_itself: true,
            consistent_listing: true,
            injected_clock: true,
            ..Capabilities::new("memory")
        };
        Self {
            env,
            hub,
            capabilities,
            state: Mutex::default(),
            bells: Bells::default(),
            closed: AtomicBool::new(false),
        }
    }

    pub(super) fn check_open(&self, operation: &'static str) -> BackendResult<()> {
        if self.closed.load(Ordering::Acquire) {
            return Err(BackendError::new(
                BackendErrorKind::Closed,
                operation,
                "the backend was closed",
            ));
        }
        Ok(())
    }

    pub(super) fn token(&self) -> LeaseToken {
        LeaseToken(self.env.random_u128())
    }

    /// Runs a change, then rings for what it made possible. Nothing waits while the lock is held.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut HubState, Timestamp) -> T) -> T {
        let now = self.env.now();
        let (result, signals, changed) = {
            let mut state = self.lock();
            let result = change(&mut state, now);
            (result, state.take_signals(), state.take_changed())
        };
        self.bells.ring(signals);
        self.bells.ring_changed(&changed);
        result
    }

    /// Applies a change to each item of a batch, unless the backend is closed.
    pub(super) fn each<I, T>(
        &self,
        operation: &'static str,
        items: Vec<I>,
        mut change: impl FnMut(&mut HubState, I, Timestamp) -> T,
    ) -> Vec<BackendResult<T>> {
        if self.check_open(operation).is_err() {
            return items
                .iter()
                .map(|_| Err(self.check_open(operation).err().unwrap_or_else(internal)))
                .collect();
        }
        self.change(|state, now| {
            items.into_iter().map(|item| Ok(change(state, item, now))).collect()
        })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, HubState> {
        self.state.lock()
    }
}

fn internal() -> BackendError {
    BackendError::new(BackendErrorKind::Internal, "check_open", "closed and open at once")
}

#[async_trait]
impl Backend for MemoryBackend {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn hub(&self) -> &HubName {
        &self.hub
    }

    async fn commit_turns(&self, commits: Vec<TurnCommit>) -> Vec<BackendResult<CommitOutcome>> {
        self.each("commit_turns", commits, HubState::commit_turn)
    }

    async fn commit_activities(
        &self,
        commits: Vec<ActivityCommit>,
    ) -> Vec<BackendResult<CommitOutcome>> {
        self.each("commit_activities", commits, HubState::commit_activity)
    }

    async fn close(&self) -> BackendResult<()> {
        self.closed.store(true, Ordering::Release);
        // Waiting calls come back with the error.
        self.bells.ring_all();
        Ok(())
    }
}
