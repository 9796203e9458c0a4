//! The in-memory backend: the reference for all others, and a fast store for tests.
//!
//! [`MemoryStore`] holds task hubs; [`MemoryBackend`] is one of them. Nothing survives the
//! process.

mod backend;
mod bells;
mod queues;
mod store;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

pub use backend::MemoryBackend;
pub use bells::Bells;

use crate::env::{SharedEnv, TokioEnv};
use crate::ids::HubName;

/// A store of task hubs in memory. Hubs never see each other.
#[derive(Debug)]
pub struct MemoryStore {
    env: SharedEnv,
    hubs: Mutex<HashMap<HubName, Arc<MemoryBackend>>>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new(env: SharedEnv) -> Self {
        Self { env, hubs: Mutex::default() }
    }

    /// The hub of that name; created when first asked for.
    pub fn hub(&self, name: &HubName) -> Arc<MemoryBackend> {
        let mut hubs = self.hubs.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(MemoryBackend::new(Arc::clone(&self.env), name.clone()));
        Arc::clone(hubs.entry(name.clone()).or_insert_with(new))
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new(TokioEnv::shared())
    }
}
