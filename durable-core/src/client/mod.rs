//! The client: starts, signals, queries and manages instances.

mod handle;
mod history;
mod interact;
mod manage;
mod query;
mod start;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::backend::Backend;
use crate::env::{SharedEnv, TokioEnv};
use crate::error::Error;
use crate::ids::InstanceId;
use crate::replay::OrchestrationRef;

pub use handle::InstanceHandle;
pub use history::{HistoryEntry, HistoryStream};
pub use interact::RaiseEvent;
pub use manage::PurgeReport;
pub use query::{InstanceStatus, InstanceStatusPage};
pub use start::StartInstance;

/// Talks to one task hub. Cheap to clone; needs no worker in the same process.
#[derive(Debug, Clone)]
pub struct Client {
    backend: Arc<dyn Backend>,
    env: SharedEnv,
    order: Arc<AtomicU64>,
}

impl Client {
    /// A client of a hub.
    pub fn new(backend: Arc<dyn Backend>) -> Self {
        Self::with_env(backend, TokioEnv::shared())
    }

    /// A client with another clock and randomness, e.g. a simulator's.
    pub fn with_env(backend: Arc<dyn Backend>, env: SharedEnv) -> Self {
        Self { backend, env, order: Arc::new(AtomicU64::new(0)) }
    }

    /// Says how to start an orchestration; nothing happens before
    /// [`send`](StartInstance::send).
    pub fn start<R: OrchestrationRef>(
        &self,
        orchestration: R,
        input: R::Input,
    ) -> StartInstance<R> {
        StartInstance::new(self.clone(), orchestration, input)
    }

    /// A handle to an instance that may or may not exist, untyped.
    ///
    /// # Errors
    /// [`InvalidArgument`](crate::error::ErrorKind::InvalidArgument) when the text is no instance id.
    pub fn instance(&self, id: impl AsRef<str>) -> Result<InstanceHandle, Error> {
        Ok(InstanceHandle::new(self.clone(), InstanceId::new(id)?))
    }

    /// The backend this client works on.
    pub fn backend(&self) -> &Arc<dyn Backend> {
        &self.backend
    }

    /// A number that rises with every call, close to the time in microseconds.
    fn order_key(&self) -> u64 {
        let now = self.env.now().as_micros();
        let before = self.order.fetch_max(now, Ordering::Relaxed);
        if before < now { now } else { self.order.fetch_add(1, Ordering::Relaxed) + 1 }
    }
}
