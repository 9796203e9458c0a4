//! A hub with a worker and a client.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use backend_sled::{SledBackend, SledSettings, SledStore};
use durable::backend::Backend;
use durable::prelude::*;

use crate::redis_server::RedisServer;

/// Everything a workload needs; what was started or created for it goes with it.
pub(crate) struct Hub {
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) client: Client,
    _server: Option<RedisServer>,
    _folder: Option<tempfile::TempDir>,
}

/// The sled hub in use, to ask it for its flushes.
static SLED: Mutex<Weak<SledBackend>> = Mutex::new(Weak::new());

/// Flushes so far; 0 where the store cannot be asked.
pub(crate) fn flushes() -> u64 {
    let sled = SLED.lock().unwrap_or_else(PoisonError::into_inner).upgrade();
    sled.map_or(0, |sled| sled.flushes())
}

impl Hub {
    /// Opens the backend. `sled:` alone is a fresh temporary folder; `redis:everysec` and
    /// `redis:always` start a server of that durability.
    pub(crate) async fn open(url: &str) -> Result<Self, Box<dyn std::error::Error>> {
        let folder = tempfile::Builder::new().prefix("bench").tempdir_in(".")?;
        let mut server = None;
        let backend: Arc<dyn Backend> = match url.split_once(':') {
            Some(("sled", path)) => {
                let path = if path.is_empty() { folder.path().join("hub") } else { path.into() };
                let store = SledStore::open(SledSettings::new(path))?;
                let backend = store.hub(&durable::ids::HubName::default())?;
                *SLED.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(&backend);
                backend
            }
            Some(("redis", fsync @ ("everysec" | "always"))) => {
                let started = RedisServer::start(folder.path(), fsync)?;
                let backend = durable::connect(&started.url()).await?;
                server = Some(started);
                backend
            }
            _ => durable::connect(url).await?,
        };
        let client = Client::new(backend.clone());
        Ok(Self { client, backend, _server: server, _folder: Some(folder) })
    }

    /// A worker that serves all workloads.
    pub(crate) async fn worker(&self) -> Result<Worker, durable::Error> {
        crate::workloads::register(Worker::builder(self.backend.clone())).start().await
    }
}
