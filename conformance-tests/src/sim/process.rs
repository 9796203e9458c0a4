//! The environment of one simulated process.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use durable_core::env::{BoxFuture, Env};
use durable_core::time::Timestamp;

use super::executor::{Executor, Pid};
use crate::manual_env::START;

/// A process: its tasks live and die together, and its wall clock may be wrong.
#[derive(Debug, Clone)]
pub(super) struct Process {
    pub(super) executor: Arc<Executor>,
    pub(super) pid: Pid,
    /// By how much its wall clock is ahead, in microseconds.
    skew: i64,
}

impl Process {
    pub(super) fn new(executor: &Arc<Executor>, skew: i64) -> Self {
        Self { executor: Arc::clone(executor), pid: executor.process(), skew }
    }

    /// Somebody who only needs the clock.
    pub(super) fn visitor(executor: &Arc<Executor>) -> Self {
        Self { executor: Arc::clone(executor), pid: 0, skew: 0 }
    }

    /// A sleep that needs no allocation.
    pub(super) fn nap(&self, duration: Duration) -> Sleep {
        let at = self.executor.now().saturating_add(micros(duration));
        Sleep { executor: Arc::clone(&self.executor), at, key: None }
    }

    pub(super) fn pause(&self, time: Duration) {
        self.executor.pause(self.pid, micros(time));
    }

    pub(super) fn kill(&self) {
        self.executor.kill(self.pid);
    }
}

/// The time by the clock of the store.
pub(super) fn wall_clock(executor: &Executor) -> Timestamp {
    START + Duration::from_micros(executor.now())
}

pub(super) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX / 4).min(u64::MAX / 4)
}

impl Env for Process {
    fn now(&self) -> Timestamp {
        let now = wall_clock(&self.executor).as_micros();
        Timestamp::from_micros(now.saturating_add_signed(self.skew))
    }

    fn random_u128(&self) -> u128 {
        (u128::from(self.executor.random()) << 64) | u128::from(self.executor.random())
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        self.executor.spawn(self.pid, task);
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(self.nap(duration))
    }
}

/// Ends at a time of the executor's clock.
pub(super) struct Sleep {
    executor: Arc<Executor>,
    at: u64,
    key: Option<(u64, u64)>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.executor.now() >= self.at {
            return Poll::Ready(());
        }
        let key = self.executor.set_timer(self.at, self.key, cx.waker());
        self.key = Some(key);
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.executor.clear_timer(key);
        }
    }
}
