//! Sticky instances: suspended orchestrations kept in memory between turns.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use foldhash::fast::RandomState;

use super::session::Session;
use crate::backend::TurnWork;
use crate::ids::InstanceId;

/// Holds sessions up to a number of bytes; the least recently used go first.
///
/// A session is handed out only to the turn that follows the commit of its own last turn, so
/// a stale one is never used.
#[derive(Debug)]
pub(super) struct SessionCache {
    bytes_max: usize,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    entries: HashMap<InstanceId, Entry, RandomState>,
    /// Insertions in order; one whose stamp is not the entry's is outdated.
    order: VecDeque<(u64, InstanceId)>,
    stamp: u64,
    bytes: usize,
}

#[derive(Debug)]
struct Entry {
    session: Box<Session>,
    stamp: u64,
    weight: usize,
}

impl SessionCache {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { bytes_max, inner: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the session out if it stands exactly where the turn begins.
    ///
    /// Execution and length do not tell: while this worker waited to commit, another may have
    /// run the same turn otherwise. Only the token says whose commit was applied.
    pub(super) fn take(&self, work: &TurnWork) -> Option<Box<Session>> {
        let entry = self.remove(&work.lease.instance)?;
        let fits = work.committed == Some(entry.token)
            && entry.record.execution == work.execution
            && entry.execution.events() == work.events;
        fits.then_some(entry)
    }

    fn remove(&self, instance: &InstanceId) -> Option<Box<Session>> {
        let mut inner = self.lock();
        let entry = inner.entries.remove(instance)?;
        inner.bytes -= entry.weight;
        Some(entry.session)
    }

    /// Keeps a session, at the cost of others if need be.
    pub(super) fn put(&self, session: Box<Session>) {
        let weight = session.weight();
        if weight > self.bytes_max {
            return;
        }
        let mut dropped = Vec::new();
        {
            let mut inner = self.lock();
            inner.stamp += 1;
            let stamp = inner.stamp;
            let instance = session.record.instance.clone();
            inner.order.push_back((stamp, instance.clone()));
            inner.bytes += weight;
            if let Some(old) = inner.entries.insert(instance, Entry { session, stamp, weight }) {
                inner.bytes -= old.weight;
                dropped.push(old.session);
            }
            while inner.bytes > self.bytes_max || inner.order.len() > 64 + 4 * inner.entries.len() {
                let Some((stamp, instance)) = inner.order.pop_front() else { break };
                if inner.entries.get(&instance).is_some_and(|e| e.stamp == stamp) {
                    if inner.bytes > self.bytes_max {
                        if let Some(old) = inner.entries.remove(&instance) {
                            inner.bytes -= old.weight;
                            dropped.push(old.session);
                        }
                    } else {
                        inner.order.push_back((stamp, instance));
                    }
                }
            }
        }
        // Destructors of user code run outside the lock.
        drop(dropped);
    }

    /// Forgets a session whose commit did not take effect.
    pub(super) fn forget(&self, instance: &InstanceId) {
        drop(self.remove(instance));
    }
}
