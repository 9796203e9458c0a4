//! Notices when a write does not end, so that callers get an error instead of waiting for ever.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use durable_core::backend::{BackendError, BackendErrorKind, BackendResult};
use parking_lot::{Condvar, Mutex};

use crate::hub::Hub;

/// How often it looks.
const TICK: Duration = Duration::from_secs(1);

/// After so many looks at the same write nobody believes in its end any more. A slow disk that
/// is alive answers within seconds.
const TICKS_MAX: u32 = 60;

/// Counts the beginnings and ends of writes: odd while one is under way.
#[derive(Debug, Default)]
pub(crate) struct Pulse {
    count: AtomicU64,
    still: AtomicBool,
}

/// A write under way.
pub(crate) struct Beat<'a>(&'a Pulse);

impl Drop for Beat<'_> {
    fn drop(&mut self) {
        self.0.count.fetch_add(1, Ordering::Relaxed);
    }
}

impl Pulse {
    /// A write begins; it ends with the value.
    pub(crate) fn beat(&self) -> Beat<'_> {
        self.count.fetch_add(1, Ordering::Relaxed);
        Beat(self)
    }

    /// Whether a write was given up.
    pub(crate) fn stands_still(&self) -> bool {
        self.still.load(Ordering::Relaxed)
    }
}

/// A hub under watch. Never keeps it open: whoever lets go of it last closes the store.
struct Watched {
    pulse: Weak<Pulse>,
    hub: Weak<Hub>,
    seen: u64,
    ticks: u32,
}

impl Watched {
    fn new(hub: &Arc<Hub>) -> Self {
        let pulse = Arc::downgrade(&hub.disk.pulse);
        Self { pulse, hub: Arc::downgrade(hub), seen: 0, ticks: 0 }
    }

    /// One look; `false` when there is nothing more to watch.
    fn look(&mut self) -> bool {
        let Some(pulse) = self.pulse.upgrade() else { return false };
        let count = pulse.count.load(Ordering::Relaxed);
        if count % 2 == 0 || count != self.seen {
            (self.seen, self.ticks) = (count, 0);
            return true;
        }
        self.ticks += 1;
        if self.ticks < TICKS_MAX {
            return true;
        }
        pulse.still.store(true, Ordering::Relaxed);
        if let Some(hub) = self.hub.upgrade() {
            let text = format!(
                "a write has not ended for {} s: see to the disk and restart this program; nothing acknowledged is lost",
                TICK.as_secs() * u64::from(TICKS_MAX)
            );
            hub.fail(&BackendError::new(BackendErrorKind::Unavailable, "commit", text));
        }
        false
    }
}

#[derive(Default)]
struct Watch {
    hubs: Vec<Watched>,
    /// Whether the one thread that looks is there.
    running: bool,
}

static WATCH: Mutex<Watch> = Mutex::new(Watch { hubs: Vec::new(), running: false });

/// Puts a hub under watch until it is gone.
pub(crate) fn watch(hub: &Arc<Hub>) -> BackendResult<()> {
    let mut watch = WATCH.lock();
    watch.hubs.push(Watched::new(hub));
    if !watch.running {
        let thread = std::thread::Builder::new().name("sled-watchdog".to_owned()).spawn(run);
        thread.map_err(|e| {
            let text = "cannot start the watchdog's thread";
            BackendError::new(BackendErrorKind::Internal, "open", text).source(e)
        })?;
        watch.running = true;
    }
    Ok(())
}

/// Looks at all hubs until there is none.
fn run() {
    // Nobody rings: a wait with an end, and with the lock released.
    let never = Condvar::new();
    let mut watch = WATCH.lock();
    while !watch.hubs.is_empty() {
        never.wait_for(&mut watch, TICK);
        watch.hubs.retain_mut(Watched::look);
    }
    watch.running = false;
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use durable_core::backend::{BackendErrorKind, Retry};

    use super::{Pulse, TICKS_MAX, Watched};
    use crate::{SledBackend, SledSettings, SledStore};

    fn hub(folder: &tempfile::TempDir) -> Arc<SledBackend> {
        let store = SledStore::open(SledSettings::new(folder.path())).unwrap();
        store.hub(&"hub".parse().unwrap()).unwrap()
    }

    #[tokio::test]
    async fn a_write_that_does_not_end_is_an_error_for_all_who_wait() {
        let folder = tempfile::tempdir().unwrap();
        let backend = hub(&folder);
        let state = Arc::clone(backend.state());
        let mut watched = Watched::new(&state);
        let beat = state.disk.pulse.beat();
        // The first look sees the write begin.
        for look in 0..TICKS_MAX {
            assert!(watched.look(), "given up after look {look}");
        }
        assert!(state.check_open("send").is_ok() && !state.disk.pulse.stands_still());
        let waiting = state.safe("send", u64::MAX);
        assert!(!watched.look(), "still watched");
        let error = waiting.await.unwrap_err();
        assert_eq!((error.kind(), error.advice()), (BackendErrorKind::Unavailable, Retry::Never));
        assert_eq!(state.check_open("send").unwrap_err().kind(), BackendErrorKind::Unavailable);
        assert!(state.disk.pulse.stands_still());
        drop((beat, backend));
    }

    #[test]
    fn slow_writes_and_idle_hubs_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let backend = hub(&folder);
        let state = Arc::clone(backend.state());
        let mut watched = Watched::new(&state);
        for _ in 0..3 {
            let beat = state.disk.pulse.beat();
            assert!((0..TICKS_MAX).all(|_| watched.look()));
            drop(beat);
            assert!((0..3 * TICKS_MAX).all(|_| watched.look()));
        }
        assert!(!state.disk.pulse.stands_still());
        drop((state, backend));
        assert!(!watched.look(), "a hub that is gone is watched");
    }

    #[test]
    fn a_pulse_counts_beginnings_and_ends() {
        let pulse = Pulse::default();
        let beat = pulse.beat();
        assert_eq!(pulse.count.load(super::Ordering::Relaxed), 1);
        drop(beat);
        assert_eq!(pulse.count.load(super::Ordering::Relaxed), 2);
    }
}
