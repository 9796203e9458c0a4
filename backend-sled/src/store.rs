//! The store: one folder, many hubs.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Weak};

use durable_core::backend::{BackendError, BackendErrorKind, BackendResult};
use durable_core::env::{SharedEnv, TokioEnv};
use durable_core::ids::HubName;
use parking_lot::Mutex;

use crate::backend::SledBackend;
use crate::config::SledSettings;
use crate::error::from_sled;
use crate::halt::Halt;
use crate::tenant::{Neighbour, Tenant};

/// A folder with task hubs. Open it once per process and share it.
pub struct SledStore {
    pub(crate) db: sled::Db,
    pub(crate) settings: SledSettings,
    pub(crate) halt: Halt,
    env: SharedEnv,
    hubs: Mutex<HashMap<HubName, (Weak<SledBackend>, Neighbour)>>,
    // Last, so that the folder is free when it goes.
    _tenant: Tenant,
}

// sled's own form shows whole pages.
impl fmt::Debug for SledStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SledStore").field("path", &self.settings.path).finish_non_exhaustive()
    }
}

/// The stores this process has open, so that opening a folder twice shares it.
static OPEN: Mutex<Vec<Opened>> = Mutex::new(Vec::new());

/// A store that this process has open, or is just letting go.
struct Opened {
    path: PathBuf,
    store: Weak<SledStore>,
    neighbour: Neighbour,
}

impl SledStore {
    /// Opens a folder, creating it when missing. A folder this process has open already is
    /// shared, with the settings of the first opening.
    ///
    /// # Errors
    /// [`Invalid`](BackendErrorKind::Invalid) when a setting is out of its range,
    /// [`InUse`](BackendErrorKind::InUse) when another process has it open,
    /// [`Corrupt`](BackendErrorKind::Corrupt) when sled cannot read it, and those of the disk.
    pub fn open(settings: SledSettings) -> BackendResult<Arc<Self>> {
        Self::open_with(settings, TokioEnv::shared())
    }

    /// As [`open`](Self::open), with another environment.
    ///
    /// # Errors
    /// As there.
    pub fn open_with(settings: SledSettings, env: SharedEnv) -> BackendResult<Arc<Self>> {
        settings.check()?;
        let io = |e: std::io::Error| from_sled("open", sled::Error::Io(e));
        std::fs::create_dir_all(&settings.path).map_err(io)?;
        let path = settings.path.canonicalize().map_err(io)?;
        let mut open = OPEN.lock();
        open.retain(|o| o.store.strong_count() > 0 || !o.neighbour.has_left());
        while let Some(at) = open.iter().position(|o| o.path == path) {
            if let Some(store) = open[at].store.upgrade() {
                return Ok(store);
            }
            still_leaving(&open.swap_remove(at).neighbour, "open")?;
        }
        let db = open_sled(&path, &settings)?;
        let tenant = Tenant::default();
        let neighbour = tenant.neighbour();
        let (halt, hubs) = (Halt::default(), Mutex::default());
        let store = Arc::new(Self { db, settings, halt, env, hubs, _tenant: tenant });
        open.push(Opened { path, store: Arc::downgrade(&store), neighbour });
        Ok(store)
    }

    /// The hub of that name; created when it is not there.
    ///
    /// # Errors
    /// [`Corrupt`](BackendErrorKind::Corrupt) when its log is damaged or cut off,
    /// [`Incompatible`](BackendErrorKind::Incompatible) when a newer version wrote it.
    pub fn hub(self: &Arc<Self>, name: &HubName) -> BackendResult<Arc<SledBackend>> {
        self.halt.check("open")?;
        let mut hubs = self.hubs.lock();
        if let Some((hub, neighbour)) = hubs.get(name) {
            match hub.upgrade() {
                Some(hub) if !hub.is_closed() => return Ok(hub),
                // One that was closed is of no more use to anybody, but its last group may still
                // be on its way to the disk.
                _ => still_leaving(neighbour, "open")?,
            }
        }
        let tenant = Tenant::default();
        let neighbour = tenant.neighbour();
        let (store, env) = (Arc::clone(self), Arc::clone(&self.env));
        let hub = Arc::new(SledBackend::open(store, env, name.clone(), tenant)?);
        hubs.insert(name.clone(), (Arc::downgrade(&hub), neighbour));
        Ok(hub)
    }
}

/// Waits for a predecessor that is on its way out.
fn still_leaving(neighbour: &Neighbour, operation: &'static str) -> BackendResult<()> {
    if neighbour.wait() {
        return Ok(());
    }
    let text =
        "this process is still closing the store (DT0010): try again when the disk has caught up";
    Err(BackendError::new(BackendErrorKind::InUse, operation, text))
}

/// sled panics on some kinds of damage; that must not take the process down.
fn open_sled(path: &std::path::Path, settings: &SledSettings) -> BackendResult<sled::Db> {
    let config = sled::Config::new()
        .path(path.join("store"))
        .cache_capacity(settings.cache_bytes)
        // Flushing is the committer's business.
        .flush_every_ms(None);
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| config.open())) {
        Ok(opened) => opened.map_err(|e| from_sled("open", e)),
        Err(_) => {
            let text = format!(
                "the store in {} is damaged (DT0008), sled cannot read it: restore the folder from a backup",
                path.display()
            );
            Err(BackendError::new(BackendErrorKind::Corrupt, "open", text))
        }
    }
}
