//! Which activities are so quick that a task of their own costs more than they do.

use std::future::poll_fn;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Poll;
use std::time::Duration;

use crate::env::{BoxFuture, Env};

/// An activity whose first step takes longer is not quick. While it runs, others wait.
const QUICK: Duration = Duration::from_micros(10);

/// So many in a row must have been quick before one is trusted to be.
const TRUST: u32 = 16;

/// What is known of one activity's code. Learnt while it runs; one slow run is enough to be
/// given a task of its own again.
#[derive(Debug, Default)]
pub(super) struct Pace {
    quick_in_a_row: AtomicU32,
}

impl Pace {
    /// Whether it may be expected to end at its first step, without delaying others.
    pub(super) fn is_quick(&self) -> bool {
        self.quick_in_a_row.load(Ordering::Relaxed) >= TRUST
    }

    /// Takes a run's first step and learns from it.
    pub(super) async fn first_step<T>(
        &self,
        env: &dyn Env,
        run: &mut BoxFuture<'static, T>,
    ) -> Poll<T> {
        let begun = env.now();
        let step = poll_fn(|cx| Poll::Ready(run.as_mut().poll(cx))).await;
        self.learn(step.is_ready(), env.now().since(begun));
        step
    }

    /// Takes note of a first step: whether it was the last one, and how long it took.
    pub(super) fn learn(&self, ended: bool, took: Duration) {
        if ended && took <= QUICK {
            if !self.is_quick() {
                self.quick_in_a_row.fetch_add(1, Ordering::Relaxed);
            }
        } else {
            self.quick_in_a_row.store(0, Ordering::Relaxed);
        }
    }
}
