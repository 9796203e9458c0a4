//! Deliveries that came to nothing because the store failed, not the instance.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use foldhash::fast::RandomState;

use crate::ids::InstanceId;

/// Most instances remembered; beyond it all are forgotten, which only makes the worker strict.
const INSTANCES_MAX: usize = 100_000;

/// Counts, per instance, the deliveries for which this worker knows that the store is to
/// blame. They do not count towards setting the instance aside as poison: otherwise a full disk
/// would set all busy instances aside.
#[derive(Debug, Default)]
pub(super) struct Excuses(Mutex<HashMap<InstanceId, u32, RandomState>>);

impl Excuses {
    fn lock(&self) -> MutexGuard<'_, HashMap<InstanceId, u32, RandomState>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more delivery came to nothing because of the store.
    pub(super) fn add(&self, instance: &InstanceId) {
        let mut excuses = self.lock();
        if excuses.len() >= INSTANCES_MAX {
            excuses.clear();
        }
        *excuses.entry(instance.clone()).or_insert(0) += 1;
    }

    /// How many of an instance's deliveries are excused.
    pub(super) fn count(&self, instance: &InstanceId) -> u32 {
        self.lock().get(instance).copied().unwrap_or(0)
    }

    /// A commit was answered: deliveries are counted afresh.
    pub(super) fn forget(&self, instance: &InstanceId) {
        let mut excuses = self.lock();
        if !excuses.is_empty() {
            excuses.remove(instance);
        }
    }
}
