//! Tells wake-ups by the engine from wake-ups by anything else.

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Wake;

/// Called when orchestration code was woken from outside the engine. It should make the
/// instance take a turn, so that the mistake is reported rather than waited for.
pub type ForeignWake = Arc<dyn Fn() + Send + Sync>;

thread_local! {
    /// The serial of the execution that this thread is polling or completing; 0 for none.
    static CURRENT: Cell<u64> = const { Cell::new(0) };
}

/// Marks the current thread as working on one execution while it lives.
pub(super) struct Inside {
    before: u64,
}

impl Drop for Inside {
    fn drop(&mut self) {
        CURRENT.set(self.before);
    }
}

/// The waker behind every durable future of one execution.
pub(super) struct TurnWaker {
    serial: u64,
    woken: AtomicBool,
    foreign: AtomicBool,
    on_foreign: Option<ForeignWake>,
}

impl fmt::Debug for TurnWaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TurnWaker")
            .field("woken", &self.woken)
            .field("foreign", &self.foreign)
            .finish()
    }
}

impl TurnWaker {
    pub(super) fn new(on_foreign: Option<ForeignWake>) -> Arc<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Arc::new(Self {
            serial: NEXT.fetch_add(1, Ordering::Relaxed),
            woken: AtomicBool::new(false),
            foreign: AtomicBool::new(false),
            on_foreign,
        })
    }

    pub(super) fn enter(&self) -> Inside {
        Inside { before: CURRENT.replace(self.serial) }
    }

    /// Whether it was woken since the last call.
    pub(super) fn take_woken(&self) -> bool {
        self.woken.swap(false, Ordering::Relaxed)
    }

    pub(super) fn was_foreign(&self) -> bool {
        self.foreign.load(Ordering::Acquire)
    }
}

impl Wake for TurnWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if CURRENT.get() == self.serial {
            self.woken.store(true, Ordering::Relaxed);
        } else if !self.foreign.swap(true, Ordering::AcqRel)
            && let Some(hook) = &self.on_foreign
        {
            hook();
        }
    }
}
