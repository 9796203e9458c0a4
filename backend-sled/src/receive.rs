//! Waiting for work.

use std::time::Duration;

use durable_core::backend::BackendResult;
use durable_core::hot::{HubState, Signals};
use durable_core::time::Timestamp;
use tokio::sync::Notify;

use crate::hub::Hub;

/// What one look at a queue found.
pub(crate) struct Look<T> {
    pub(crate) works: Vec<T>,
    /// There is more for others.
    pub(crate) more: bool,
    /// When to look again at the latest.
    pub(crate) next: Option<Timestamp>,
}

impl Hub {
    /// Looks until there is something, the bell by the side, or until `wait` has passed.
    pub(crate) async fn receive<T>(
        &self,
        operation: &'static str,
        (bell, others): (&Notify, Signals),
        wait: Duration,
        mut look: impl FnMut(&mut HubState, Timestamp) -> Look<T> + Send,
    ) -> BackendResult<Vec<T>> {
        let deadline = self.env.now() + wait;
        loop {
            // Listens before it looks, so that what comes in between is heard.
            let rung = bell.notified();
            tokio::pin!(rung);
            rung.as_mut().enable();
            self.check_open(operation)?;
            let found = self.with(|inner, now| {
                inner.state.advance(now);
                look(&mut inner.state, now)
            });
            if !found.works.is_empty() {
                if found.more {
                    self.ring(others);
                }
                return Ok(found.works);
            }
            let now = self.env.now();
            if now >= deadline {
                return Ok(Vec::new());
            }
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
