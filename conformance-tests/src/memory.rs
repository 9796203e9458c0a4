//! The reference adapter as a fixture.

use std::sync::Arc;

use async_trait::async_trait;
use durable_core::backend::{Backend, BackendResult, Capabilities};
use durable_core::env::{SharedEnv, TokioEnv};
use durable_core::ids::HubName;
use durable_core::memory::{MemoryBackend, MemoryStore};
use tokio::sync::OnceCell;

use crate::fixture::{Fixture, Store};

/// Fresh stores in memory.
#[derive(Debug, Clone, Copy, Default)]
pub struct MemoryFixture;

/// A store that begins with the first hub's environment.
#[derive(Debug, Default)]
struct LateStore(OnceCell<MemoryStore>);

#[async_trait]
impl Store for LateStore {
    async fn open(&self, hub: &HubName, env: SharedEnv) -> BackendResult<Arc<dyn Backend>> {
        let store = self.0.get_or_init(|| async { MemoryStore::new(env) }).await;
        Ok(store.hub(hub))
    }
}

#[async_trait]
impl Fixture for MemoryFixture {
    fn capabilities(&self) -> Capabilities {
        MemoryBackend::new(TokioEnv::shared(), HubName::default()).capabilities().clone()
    }

    async fn fresh(&self) -> BackendResult<Arc<dyn Store>> {
        Ok(Arc::new(LateStore::default()))
    }
}
