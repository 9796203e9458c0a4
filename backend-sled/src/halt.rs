//! A store that takes no more writes, and why.
//!
//! sled 0.34 does not give back its place in the log when a write fails half-way (a value that
//! becomes a file of its own, on a full disk). Every later flush then waits for ever for that
//! place to be filled, the one in the drop of the last handle too, and it waits with a lock that
//! all stores of the process share. So after a failed write nothing is flushed any more, by no
//! hub of the store, and one handle is kept for the rest of the process.

use std::sync::{Arc, OnceLock};

use durable_core::backend::{BackendError, BackendErrorKind, BackendResult, Retry};

/// Shared by a store and its hubs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Halt(Arc<OnceLock<(BackendErrorKind, String)>>);

impl Halt {
    /// Refuses what would write.
    pub(crate) fn check(&self, operation: &'static str) -> BackendResult<()> {
        match self.0.get() {
            Some((kind, text)) => {
                Err(BackendError::new(*kind, operation, text.clone()).retry(Retry::Never))
            }
            None => Ok(()),
        }
    }

    /// From here on nothing is written, and `db` is never closed.
    pub(crate) fn stop(&self, db: &sled::Db, error: &BackendError) {
        if self.0.set((error.kind(), error.context().to_owned())).is_ok() {
            // It knows all trees of the store, so none of them is let go either.
            std::mem::forget(db.clone());
        }
    }
}
