//! Who waits for news of which run.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

/// Notifications by run.
#[derive(Clone, Default)]
pub(crate) struct Waiters(Arc<Mutex<HashMap<String, Arc<Notify>>>>);

impl Waiters {
    /// The notification of this run.
    pub(crate) fn of(&self, run: &str) -> Arc<Notify> {
        match self.0.lock() {
            Ok(mut all) => all.entry(run.to_owned()).or_default().clone(),
            Err(_) => Arc::default(),
        }
    }

    /// Tells whoever waits for this run; a run without a waiter is none of ours.
    pub(crate) fn wake(&self, run: &str) {
        if let Ok(all) = self.0.lock()
            && let Some(waiter) = all.get(run)
        {
            waiter.notify_one();
        }
    }

    /// This run has ended.
    pub(crate) fn forget(&self, run: &str) {
        if let Ok(mut all) = self.0.lock() {
            all.remove(run);
        }
    }
}
