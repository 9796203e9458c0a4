// ANCHOR: head
//! A small adapter: hubs of this process on a shelf.

mod history;
mod queues;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use durable_core::backend::{
    ActivityCommit, Backend, BackendError, BackendErrorKind, BackendResult, Capabilities,
    CommitOutcome, Durability, TurnCommit,
};
use durable_core::env::SharedEnv;
use durable_core::hot::HubState;
use durable_core::ids::{HubName, LeaseToken};
use durable_core::memory::Bells;
use durable_core::time::Timestamp;
// ANCHOR_END: head

// ANCHOR: step
/// How far the adapter has come in the chapter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A receive looks once.
    Looks,
    /// It looks again and again while it waits.
    Polls,
    /// It is woken.
    Rings,
}
// ANCHOR_END: step

// ANCHOR: capabilities
impl Shelf {
    /// What the adapter claims.
    pub fn capabilities(step: Step) -> Capabilities {
        let mut capabilities = Capabilities::new("shelf");
        capabilities.durability = Durability::Process;
        capabilities.instant_delivery = true;
        capabilities.indexes_itself = true;
        capabilities.consistent_listing = true;
        capabilities.injected_clock = true;
        capabilities.push = step == Step::Rings;
        capabilities
    }
}
// ANCHOR_END: capabilities

// ANCHOR: shelf
/// One task hub.
pub struct Shelf {
    env: SharedEnv,
    hub: HubName,
    capabilities: Capabilities,
    step: Step,
    state: Mutex<HubState>,
    bells: Bells,
    closed: AtomicBool,
}

impl std::fmt::Debug for Shelf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shelf").field("hub", &self.hub).finish_non_exhaustive()
    }
}

impl Shelf {
    fn new(env: SharedEnv, hub: HubName, step: Step) -> Self {
        Self {
            env,
            hub,
            capabilities: Self::capabilities(step),
            step,
            state: Mutex::default(),
            bells: Bells::default(),
            closed: AtomicBool::new(false),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HubState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn token(&self) -> LeaseToken {
        LeaseToken(self.env.random_u128())
    }

    fn check_open(&self, operation: &'static str) -> BackendResult<()> {
        if !self.closed.load(Ordering::Acquire) {
            return Ok(());
        }
        Err(BackendError::new(BackendErrorKind::Closed, operation, "the shelf was closed"))
    }
}
// ANCHOR_END: shelf

// ANCHOR: change
impl Shelf {
    /// Changes the state in one piece, then wakes whoever has something to do now.
    fn change<T>(&self, change: impl FnOnce(&mut HubState, Timestamp) -> T) -> T {
        let now = self.env.now();
        let mut state = self.lock();
        let result = change(&mut state, now);
        let (signals, changed) = (state.take_signals(), state.take_changed());
        drop(state);
        if self.step == Step::Rings {
            self.bells.ring(signals);
            self.bells.ring_changed(&changed);
        }
        result
    }

    /// One answer per item, in order.
    fn each<I, T>(
        &self,
        operation: &'static str,
        items: Vec<I>,
        mut change: impl FnMut(&mut HubState, I, Timestamp) -> T,
    ) -> Vec<BackendResult<T>> {
        let one = |item| {
            self.check_open(operation)?;
            Ok(self.change(|state, now| change(state, item, now)))
        };
        items.into_iter().map(one).collect()
    }
}
// ANCHOR_END: change

// ANCHOR: commits
#[async_trait]
impl Backend for Shelf {
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
        // Whoever waits comes back with the error.
        self.bells.ring_all();
        Ok(())
    }
}
// ANCHOR_END: commits

// ANCHOR: shelves
/// All hubs, by the place and name they were opened under: opening one again finds it.
#[derive(Debug, Default)]
pub struct Shelves(Mutex<BTreeMap<(String, HubName), Arc<Shelf>>>);

impl Shelves {
    /// The hub of that name at that place; made when it is first asked for.
    pub fn open(&self, place: &str, hub: HubName, env: SharedEnv, step: Step) -> Arc<Shelf> {
        let mut shelves = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(Shelf::new(env, hub.clone(), step));
        Arc::clone(shelves.entry((place.to_owned(), hub.clone())).or_insert_with(new))
    }
}
// ANCHOR_END: shelves
