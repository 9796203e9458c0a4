//! Waiting for work.

use std::future::Future;
use std::time::Duration;

use durable_core::backend::BackendResult;
use durable_core::hot::Signals;
use durable_core::ids::QueueName;
use durable_core::time::Timestamp;
use tokio::sync::Notify;

use crate::backend::RedisBackend;
use crate::quiet::Quiet;

/// What one look at a queue found.
pub(crate) struct Look<T> {
    pub(crate) works: Vec<T>,
    /// There is more for others.
    pub(crate) more: bool,
    /// When to look again at the latest.
    pub(crate) next: Option<Duration>,
}

/// What became of a look.
enum Found<T> {
    Works(Vec<T>),
    /// There is nothing until then, unless the bell rings.
    Nothing(Timestamp),
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
    fn bell(&self, bell: Bell) -> (&Notify, &Quiet) {
        let doorbell = self.doorbell();
        match bell {
            Bell::Turns => (&doorbell.bells.turns, &doorbell.turns),
            Bell::Activities => (&doorbell.bells.activities, &doorbell.activities),
            Bell::Tracking => (&doorbell.bells.tracking, &doorbell.tracking),
        }
    }

    fn ring(&self, bell: Bell) {
        self.doorbell().ring(Signals {
            turns: matches!(bell, Bell::Turns),
            activities: matches!(bell, Bell::Activities),
            tracking: matches!(bell, Bell::Tracking),
        });
    }

    /// Looks until there is something, the bell by the side, or until the wait has passed.
    pub(crate) async fn receive<T, F>(
        &self,
        operation: &'static str,
        (bell, queues): (Bell, &[QueueName]),
        wait: Duration,
        look: impl Fn() -> F + Send + Sync,
    ) -> BackendResult<Vec<T>>
    where
        F: Future<Output = BackendResult<Look<T>>> + Send,
    {
        let deadline = self.env().now() + wait;
        let (notify, quiet) = self.bell(bell);
        loop {
            // Listens before it looks, so that what comes in between is heard.
            let rung = notify.notified();
            tokio::pin!(rung);
            rung.as_mut().enable();
            self.check_open(operation)?;
            let now = self.env().now();
            let until = match quiet.until(queues, now).filter(|_| wait > Duration::ZERO) {
                Some(until) => until,
                None => match self.look(bell, queues, &look).await? {
                    Found::Works(works) => return Ok(works),
                    Found::Nothing(until) => until,
                },
            };
            let now = self.env().now();
            if now >= deadline && until > now {
                return Ok(Vec::new());
            }
            // A server that is slow to say "now" must not make this a busy loop.
            let pause = until.min(deadline).since(now).max(Duration::from_micros(50));
            tokio::select! {
                biased;
                () = rung => {}
                () = self.env().sleep(pause) => {}
            }
        }
    }

    /// Looks once.
    async fn look<T, F>(
        &self,
        bell: Bell,
        queues: &[QueueName],
        look: &(impl Fn() -> F + Send + Sync),
    ) -> BackendResult<Found<T>>
    where
        F: Future<Output = BackendResult<Look<T>>> + Send,
    {
        let (_, quiet) = self.bell(bell);
        let rings = quiet.rings();
        let mut pass_on = PassOn { backend: self, bell: Some(bell) };
        let found = look().await?;
        pass_on.bell = None;
        let now = self.env().now();
        let until = if found.more {
            now
        } else {
            let until = now + found.next.unwrap_or(Duration::MAX).min(self.doorbell().trust());
            quiet.emptied(rings, queues, until);
            until
        };
        if found.works.is_empty() {
            return Ok(Found::Nothing(until));
        }
        if found.more {
            self.ring(bell);
        }
        Ok(Found::Works(found.works))
    }
}
