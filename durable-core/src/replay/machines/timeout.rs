//! A durable time limit around any future of an orchestration.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::Timer;

/// The time limit passed first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the durable time limit passed")]
pub struct TimedOut;

/// Completes with the inner future's value, or with [`TimedOut`] when the timer fires first.
/// The loser is dropped, and thereby cancelled.
#[must_use = "a time limit does nothing unless awaited"]
pub struct Timeout<F> {
    inner: Option<Pin<Box<F>>>,
    timer: Option<Timer>,
}

impl<F> std::fmt::Debug for Timeout<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Timeout").field("timer", &self.timer).finish_non_exhaustive()
    }
}

impl<F: Future> Timeout<F> {
    pub(in crate::replay) fn new(timer: Timer, inner: F) -> Self {
        Self { inner: Some(Box::pin(inner)), timer: Some(timer) }
    }
}

impl<F: Future> Future for Timeout<F> {
    type Output = Result<F::Output, TimedOut>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(inner) = self.inner.as_mut()
            && let Poll::Ready(value) = inner.as_mut().poll(cx)
        {
            self.inner = None;
            self.timer = None;
            return Poll::Ready(Ok(value));
        }
        if let Some(timer) = self.timer.as_mut()
            && Pin::new(timer).poll(cx).is_ready()
        {
            self.inner = None;
            self.timer = None;
            return Poll::Ready(Err(TimedOut));
        }
        Poll::Pending
    }
}
