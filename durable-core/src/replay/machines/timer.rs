//! Durable timers: created → fired | dropped.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::Op;
use crate::model::event::TimerCreated;
use crate::replay::action::Action;
use crate::replay::core::Core;
use crate::time::Timestamp;

/// A durable timer; completes at its time, even if that is months and many restarts away.
///
/// Dropping it cancels it.
#[derive(Debug)]
#[must_use = "a timer does nothing unless awaited; dropping it cancels it"]
pub struct Timer {
    op: Op,
}

impl Timer {
    pub(in crate::replay) fn create(core: &Core, fire_at: Timestamp) -> Self {
        let id = {
            let mut state = core.lock();
            let id = state.take_id();
            state.issued.push_back(Action::Timer(TimerCreated { id, fire_at }));
            id
        };
        Self { op: Op::open(core, id, None) }
    }
}

impl Future for Timer {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.op).poll(cx).map(drop)
    }
}
