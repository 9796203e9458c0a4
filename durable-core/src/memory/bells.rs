//! Wake-ups of waiting calls.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use foldhash::HashMap;
use tokio::sync::Notify;

use crate::backend::BackendResult;
use crate::env::Env;
use crate::hot::{Look, Signals};
use crate::ids::InstanceId;

/// The bells of one hub: one per queue, and one per watched instance.
///
/// Whoever waits listens before looking, so no wake-up is lost. One listener for turns is
/// woken at a time and passes the bell on if there is more to do; all listeners for
/// activities are woken, because each serves other queues.
#[derive(Debug, Default)]
pub struct Bells {
    /// Turns may be ready.
    pub turns: Notify,
    /// Activities may be ready.
    pub activities: Notify,
    /// Tracking records may be ready.
    pub tracking: Notify,
    watchers: Mutex<HashMap<InstanceId, Watchers>>,
}

#[derive(Debug, Default)]
struct Watchers {
    bell: Arc<Notify>,
    count: usize,
}

impl Bells {
    /// Looks until there is something, this bell by the side, or until `wait` has passed.
    ///
    /// Cancel safety: a call that is dropped while it waits has taken nothing.
    ///
    /// # Errors
    /// Those of a look, which end the waiting.
    pub async fn receive<T>(
        &self,
        bell: &Notify,
        env: &dyn Env,
        wait: Duration,
        mut look: impl FnMut() -> BackendResult<Look<T>>,
    ) -> BackendResult<Vec<T>> {
        let deadline = env.now() + wait;
        loop {
            // Listens before it looks, so that what comes in between is heard.
            let rung = bell.notified();
            tokio::pin!(rung);
            rung.as_mut().enable();
            let found = look()?;
            if !found.works.is_empty() {
                self.ring(found.more);
                return Ok(found.works);
            }
            let now = env.now();
            if now >= deadline {
                return Ok(Vec::new());
            }
            let until = found.next.map_or(deadline, |next| next.min(deadline));
            // Never a zero sleep: a clock that stands still would make this a busy loop.
            let pause = until.since(now).max(Duration::from_micros(50));
            tokio::select! {
                biased;
                () = rung => {}
                () = env.sleep(pause) => {}
            }
        }
    }

    /// Rings for what has become possible.
    pub fn ring(&self, signals: Signals) {
        if signals.turns {
            self.turns.notify_last();
        }
        if signals.activities {
            self.activities.notify_waiters();
        }
        if signals.tracking {
            self.tracking.notify_one();
        }
    }

    fn watchers(&self) -> MutexGuard<'_, HashMap<InstanceId, Watchers>> {
        self.watchers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Rings for those who watch these instances.
    pub fn ring_changed(&self, changed: &[InstanceId]) {
        if changed.is_empty() {
            return;
        }
        let watchers = self.watchers();
        for instance in changed {
            if let Some(watchers) = watchers.get(instance) {
                watchers.bell.notify_waiters();
            }
        }
    }

    /// Rings all bells, because whatever waits has to come to an end.
    pub fn ring_all(&self) {
        self.turns.notify_waiters();
        self.activities.notify_waiters();
        self.tracking.notify_waiters();
        for watchers in self.watchers().values() {
            watchers.bell.notify_waiters();
        }
    }

    /// The bell of an instance; given back with [`leave`](Self::leave).
    pub fn listen(&self, instance: &InstanceId) -> Arc<Notify> {
        let mut watchers = self.watchers();
        let entry = watchers.entry(instance.clone()).or_default();
        entry.count += 1;
        Arc::clone(&entry.bell)
    }

    /// Gives the bell of an instance back.
    pub fn leave(&self, instance: &InstanceId) {
        let mut watchers = self.watchers();
        if let Some(entry) = watchers.get_mut(instance) {
            entry.count -= 1;
            if entry.count == 0 {
                watchers.remove(instance);
            }
        }
    }
}
