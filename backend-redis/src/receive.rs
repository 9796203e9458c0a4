//! Waiting for work.

use std::future::Future;
use std::time::Duration;

use durable_core::backend::BackendResult;
use durable_core::hot::Signals;
use tokio::sync::Notify;

use crate::backend::RedisBackend;

/// What one look at a queue found.
pub(crate) struct Look<T> {
    pub(crate) works: Vec<T>,
    /// There is more for others.
    pub(crate) more: bool,
    /// When to look again at the latest.
    pub(crate) next: Option<Duration>,
}

/// Which bell a queue has.
#[derive(Clone, Copy)]
pub(crate) enum Bell {
    Turns,
    Activities,
    Tracking,
}

/// Rings for the others unless the look it was rung for came to its end.
struct PassOn<'a> {
    backend: &'a RedisBackend,
    bell: Option<Bell>,
}

impl Drop for PassOn<'_> {
    fn drop(&mut self) {
        if let Some(bell) = self.bell {
            self.backend.ring(bell);
        }
    }
}

impl RedisBackend {
    fn bell(&self, bell: Bell) -> &Notify {
        let bells = &self.doorbell().bells;
        match bell {
            Bell::Turns => &bells.turns,
            Bell::Activities => &bells.activities,
            Bell::Tracking => &bells.tracking,
        }
    }

    fn ring(&self, bell: Bell) {
        self.doorbell().bells.ring(Signals {
            turns: matches!(bell, Bell::Turns),
            activities: matches!(bell, Bell::Activities),
            tracking: matches!(bell, Bell::Tracking),
        });
    }

    /// Looks until there is something, the bell by the side, or until `wait` has passed.
    pub(crate) async fn receive<T, F>(
        &self,
        operation: &'static str,
        bell: Bell,
        wait: Duration,
        look: impl Fn() -> F + Send + Sync,
    ) -> BackendResult<Vec<T>>
    where
        F: Future<Output = BackendResult<Look<T>>> + Send,
    {
        let deadline = self.env().now() + wait;
        loop {
            // Listens before it looks, so that what comes in between is heard.
            let rung = self.bell(bell).notified();
            tokio::pin!(rung);
            rung.as_mut().enable();
            self.check_open(operation)?;
            let mut pass_on = PassOn { backend: self, bell: Some(bell) };
            let found = look().await?;
            pass_on.bell = None;
            if !found.works.is_empty() {
                if found.more {
                    self.ring(bell);
                }
                return Ok(found.works);
            }
            let now = self.env().now();
            if now >= deadline && !found.more {
                return Ok(Vec::new());
            }
            let next =
                if found.more { Duration::ZERO } else { found.next.unwrap_or(Duration::MAX) };
            // A server that is slow to say "now" must not make this a busy loop.
            let pause = next
                .min(deadline.since(now))
                .min(self.doorbell().trust())
                .max(Duration::from_micros(50));
            tokio::select! {
                biased;
                () = rung => {}
                () = self.env().sleep(pause) => {}
            }
        }
    }
}
