//! Deliveries that came to nothing because the store failed, not the code.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use foldhash::fast::RandomState;

/// Most items remembered; beyond it all are forgotten, which only makes the worker strict.
const ITEMS_MAX: usize = 100_000;

/// Knows, per instance or task, up to which delivery the store is to blame. These do not count
/// towards setting it aside as poison: otherwise a full disk would set all busy ones aside.
///
/// All deliveries up to the one that came as far as the store are excused, also those of other
/// workers: what is poison does not come so far. And because others may have had an item many
/// times since, a worker that has met an outage excuses it once more when it first counts too
/// many. A worker that began after the outage knows nothing of it, and is strict.
#[derive(Debug)]
pub(super) struct Excuses<K> {
    /// Without an outage there is nothing to look up, and no lock to take for each commit.
    met_outage: AtomicBool,
    known: Mutex<HashMap<K, Excuse, RandomState>>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Excuse {
    upto: u32,
    /// Whether it was excused without having come as far as the store.
    once_more: bool,
}

impl<K> Default for Excuses<K> {
    fn default() -> Self {
        Self { met_outage: AtomicBool::new(false), known: Mutex::default() }
    }
}

impl<K: Clone + Eq + Hash> Excuses<K> {
    fn lock(&self) -> MutexGuard<'_, HashMap<K, Excuse, RandomState>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn met_outage(&self) -> bool {
        self.met_outage.load(Ordering::Acquire)
    }

    /// This delivery came to nothing because of the store.
    pub(super) fn add(&self, item: &K, delivery: u32) {
        self.met_outage.store(true, Ordering::Release);
        insert(&mut self.lock(), item, Excuse { upto: delivery, once_more: false });
    }

    /// Whether too many of the deliveries up to this one count.
    pub(super) fn too_many(&self, item: &K, delivery: u32, max: u32) -> bool {
        if delivery <= max {
            return false;
        }
        if !self.met_outage() {
            return true;
        }
        let mut known = self.lock();
        let mut excuse = known.get(item).copied().unwrap_or_default();
        if excuse.upto >= delivery {
            // Somebody else's commit was applied since: they are counted afresh.
            excuse = Excuse::default();
        }
        if delivery - excuse.upto <= max {
            return false;
        }
        if excuse.once_more {
            return true;
        }
        insert(&mut known, item, Excuse { upto: delivery - 1, once_more: true });
        false
    }

    /// A commit was answered: deliveries are counted afresh.
    pub(super) fn forget(&self, item: &K) {
        if self.met_outage() {
            self.lock().remove(item);
        }
    }
}

fn insert<K: Clone + Eq + Hash>(
    known: &mut HashMap<K, Excuse, RandomState>,
    item: &K,
    excuse: Excuse,
) {
    if known.len() >= ITEMS_MAX {
        known.clear();
    }
    known.insert(item.clone(), excuse);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_an_outage_the_limit_is_the_limit() {
        let excuses = Excuses::default();
        assert!(!excuses.too_many(&1, 10, 10));
        assert!(excuses.too_many(&1, 11, 10));
    }

    #[test]
    fn what_the_store_did_not_take_does_not_count() {
        let excuses = Excuses::default();
        excuses.add(&1, 30);
        assert!(!excuses.too_many(&1, 40, 10));
        // Others had it in the meantime.
        assert!(!excuses.too_many(&1, 55, 10));
        // Now it is really poison.
        assert!(!excuses.too_many(&1, 64, 10));
        assert!(excuses.too_many(&1, 65, 10));
        // Another item that was never here before.
        assert!(!excuses.too_many(&2, 70, 10));
        assert!(excuses.too_many(&2, 80, 10));
    }

    #[test]
    fn a_commit_that_was_answered_ends_the_excuse() {
        let excuses = Excuses::default();
        excuses.add(&1, 3);
        excuses.forget(&1);
        assert!(!excuses.too_many(&1, 11, 10));
        assert!(excuses.too_many(&1, 21, 10));
    }
}
