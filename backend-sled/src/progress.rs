//! How far the log is safe, and who waits for which part of it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use durable_core::backend::BackendErrorKind;
use parking_lot::Mutex;
use tokio::sync::oneshot;

/// Why the log does not go on.
#[derive(Debug, Clone)]
pub(crate) struct Stop {
    pub(crate) kind: BackendErrorKind,
    pub(crate) text: String,
}

/// Wakes only those whose change has become safe: many wait for groups that are still to come.
#[derive(Debug)]
pub(crate) struct Progress {
    safe: AtomicU64,
    stopped: AtomicBool,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    stop: Option<Stop>,
    /// By change number; the second number keeps those apart that wait for the same change.
    waiting: BTreeMap<(u64, u64), oneshot::Sender<()>>,
    waits: u64,
}

impl Progress {
    /// A log that is safe up to a change.
    pub(crate) fn new(safe: u64) -> Self {
        Self {
            safe: AtomicU64::new(safe),
            stopped: AtomicBool::new(false),
            inner: Mutex::default(),
        }
    }

    /// Number of the last change that is safe.
    pub(crate) fn safe(&self) -> u64 {
        self.safe.load(Ordering::Acquire)
    }

    /// Why it does not go on, if it does not.
    pub(crate) fn stop(&self) -> Option<Stop> {
        if !self.stopped.load(Ordering::Acquire) {
            return None;
        }
        self.inner.lock().stop.clone()
    }

    /// Everything up to this change is safe.
    pub(crate) fn advance(&self, safe: u64) {
        let due = {
            let mut inner = self.inner.lock();
            self.safe.store(safe, Ordering::Release);
            let later = inner.waiting.split_off(&(safe.saturating_add(1), 0));
            std::mem::replace(&mut inner.waiting, later)
        };
        for waiter in due.into_values() {
            // Whoever has gone need not be told.
            let _ = waiter.send(());
        }
    }

    /// It does not go on. An error takes the place of what was said before; being closed does not.
    pub(crate) fn end(&self, stop: Stop) {
        let waiting = {
            let mut inner = self.inner.lock();
            if inner.stop.is_none() || stop.kind != BackendErrorKind::Closed {
                inner.stop = Some(stop);
            }
            self.stopped.store(true, Ordering::Release);
            std::mem::take(&mut inner.waiting)
        };
        // Without their senders they look again.
        drop(waiting);
    }

    /// Waits until a change is safe.
    ///
    /// Cancel safety: may be dropped at any time.
    pub(crate) async fn reached(&self, number: u64) -> Result<(), Stop> {
        let told = {
            let mut inner = self.inner.lock();
            if self.safe() >= number {
                return Ok(());
            }
            if let Some(stop) = &inner.stop {
                return Err(stop.clone());
            }
            let (tell, told) = oneshot::channel();
            inner.waits += 1;
            let key = (number, inner.waits);
            inner.waiting.insert(key, tell);
            told
        };
        let told = told.await;
        match self.stop() {
            Some(stop) if told.is_err() && self.safe() < number => Err(stop),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn stop(kind: BackendErrorKind) -> Stop {
        Stop { kind, text: "why".to_owned() }
    }

    #[test]
    fn only_those_are_woken_whose_change_is_safe() {
        let progress = Progress::new(3);
        let mut cx = Context::from_waker(Waker::noop());
        let (mut four, mut six) = (pin!(progress.reached(4)), pin!(progress.reached(6)));
        assert!(pin!(progress.reached(3)).poll(&mut cx).is_ready());
        assert!(
            four.as_mut().poll(&mut cx).is_pending() && six.as_mut().poll(&mut cx).is_pending()
        );
        progress.advance(5);
        assert!(matches!(four.as_mut().poll(&mut cx), Poll::Ready(Ok(()))));
        assert!(six.as_mut().poll(&mut cx).is_pending());
        progress.advance(6);
        assert!(matches!(six.as_mut().poll(&mut cx), Poll::Ready(Ok(()))));
    }

    #[test]
    fn an_end_is_told_to_all_and_what_is_safe_stays_so() {
        let progress = Progress::new(3);
        let mut cx = Context::from_waker(Waker::noop());
        let mut four = pin!(progress.reached(4));
        assert!(four.as_mut().poll(&mut cx).is_pending());
        progress.end(stop(BackendErrorKind::StorageFull));
        progress.end(stop(BackendErrorKind::Closed));
        let Poll::Ready(Err(why)) = four.as_mut().poll(&mut cx) else { panic!("no end") };
        assert_eq!(why.kind, BackendErrorKind::StorageFull);
        assert!(matches!(pin!(progress.reached(3)).poll(&mut cx), Poll::Ready(Ok(()))));
        assert!(matches!(pin!(progress.reached(9)).poll(&mut cx), Poll::Ready(Err(_))));
    }

    #[test]
    fn a_wait_that_was_dropped_does_no_harm() {
        let progress = Progress::new(0);
        let mut cx = Context::from_waker(Waker::noop());
        {
            let mut dropped = pin!(progress.reached(1));
            assert!(dropped.as_mut().poll(&mut cx).is_pending());
        }
        progress.advance(1);
        assert_eq!(progress.safe(), 1);
    }
}
