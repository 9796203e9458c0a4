//! Waiting for work: hints of this process first, doorbells of others by long poll.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use durable_core::backend::BackendResult;
use durable_core::time::Timestamp;
use tokio::sync::Notify;

use crate::hub::{Hub, Poll};
use crate::poll;

/// Which queue is waited on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bell {
    Turns,
    Activities,
    Tracking,
}

/// What one look found.
pub(crate) struct Look<T> {
    pub(crate) works: Vec<T>,
    /// There may be more at once.
    pub(crate) more: bool,
    /// When to look again at the latest.
    pub(crate) next: Option<Timestamp>,
}

/// Counts a caller among those who wait.
struct Waiting<'a>(&'a Poll);

impl<'a> Waiting<'a> {
    fn new(poll: &'a Poll) -> Self {
        poll.waiting.fetch_add(1, Ordering::AcqRel);
        Self(poll)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Hub {
    pub(crate) fn poll(&self, bell: Bell) -> &Poll {
        match bell {
            Bell::Turns => &self.turn_poll,
            Bell::Activities => &self.task_poll,
            Bell::Tracking => &self.tracking_poll,
        }
    }

    fn bell(&self, bell: Bell) -> &Notify {
        match bell {
            Bell::Turns => &self.bells.turns,
            Bell::Activities => &self.bells.activities,
            Bell::Tracking => &self.bells.tracking,
        }
    }

    fn pass_on(&self, bell: Bell) {
        match bell {
            Bell::Turns | Bell::Tracking => self.bell(bell).notify_one(),
            Bell::Activities => self.bell(bell).notify_waiters(),
        }
    }

    /// Looks until there is something, the bell by the side, or until the wait has passed.
    pub(crate) async fn receive<T, F>(
        self: &Arc<Self>,
        operation: &'static str,
        bell: Bell,
        wait: Duration,
        look: impl Fn() -> F + Send + Sync,
    ) -> BackendResult<Vec<T>>
    where
        F: Future<Output = BackendResult<Look<T>>> + Send,
        T: Send,
    {
        let deadline = self.now() + wait;
        let waiting = Waiting::new(self.poll(bell));
        // Who does not wait gets what other processes have left, too.
        let mut asks = wait.is_zero();
        loop {
            // Listens before it looks, so that what comes in between is heard.
            let rung = self.bell(bell).notified();
            tokio::pin!(rung);
            rung.as_mut().enable();
            self.check_open(operation)?;
            let found = look().await?;
            if found.more {
                self.pass_on(bell);
            }
            if !found.works.is_empty() {
                drop(waiting);
                return Ok(found.works);
            }
            if std::mem::take(&mut asks) && !found.more {
                poll::ask(self, bell).await?;
                continue;
            }
            let now = self.now();
            if now >= deadline && !found.more {
                return Ok(Vec::new());
            }
            poll::start(self, bell);
            let until = found.next.map_or(deadline, |next| next.min(deadline));
            // Never a zero sleep: a clock that stands still would make this a busy loop.
            let pause = until.since(now).max(Duration::from_micros(50));
            tokio::select! {
                biased;
                () = rung => {}
                () = self.env.sleep(pause) => {}
            }
        }
    }
}
