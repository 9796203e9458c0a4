//! Calls with retries: running → (failed → delay)* → done.
//!
//! The first attempt is called at once; later ones and the delays between them are called
//! while polling, in the order completions are let through, which is the same at every replay.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use super::{Op, Timer};
use crate::model::{Failure, RetryPolicy};
use crate::replay::core::{Core, OpResult};
use crate::telemetry;
use crate::time::Timestamp;

/// Says which failures are worth another attempt.
pub(super) type Predicate = Box<dyn Fn(&Failure) -> bool + Send>;

/// When to try again.
pub(super) struct Retries {
    pub(super) policy: RetryPolicy,
    pub(super) predicate: Option<Predicate>,
}

enum Phase {
    Running(Op),
    Delaying(Timer),
    Finished,
}

/// Calls the given attempt (from 1) of the logical call (0 before the first attempt), and
/// answers with its operation and its number.
pub(super) type CallAttempt = Box<dyn Fn(&Core, u32, u64) -> (Op, u64) + Send>;

/// A call that is repeated according to a policy.
pub(super) struct Attempts {
    core: Core,
    call_attempt: CallAttempt,
    retries: Option<Retries>,
    phase: Phase,
    attempt: u32,
    call: u64,
    first_at: Timestamp,
}

impl Attempts {
    pub(super) fn begin(core: &Core, retries: Option<Retries>, call_attempt: CallAttempt) -> Self {
        let (op, call) = call_attempt(core, 1, 0);
        let first_at = core.lock().now;
        Self {
            core: core.clone(),
            call_attempt,
            retries,
            phase: Phase::Running(op),
            attempt: 1,
            call,
            first_at,
        }
    }

    /// Lets it go on although nobody waits for it.
    pub(super) fn detach(mut self) {
        if let Phase::Running(op) = std::mem::replace(&mut self.phase, Phase::Finished) {
            op.detach();
        }
    }

    fn delay_after(&self, failure: &Failure) -> Option<Duration> {
        let retries = self.retries.as_ref()?;
        if !failure.is_retryable()
            || retries.predicate.as_ref().is_some_and(|wanted| !wanted(failure))
        {
            return None;
        }
        let state = self.core.lock();
        let elapsed = state.now.since(self.first_at);
        let random = state.draw_for(self.call, u64::from(self.attempt));
        retries.policy.delay_after(self.attempt, elapsed, random)
    }
}

impl Future for Attempts {
    type Output = OpResult;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<OpResult> {
        let this = &mut *self;
        loop {
            match &mut this.phase {
                Phase::Running(op) => {
                    let result = std::task::ready!(Pin::new(op).poll(cx));
                    let delay = match &result {
                        Err(failure) => this.delay_after(failure),
                        Ok(_) => None,
                    };
                    let Some(delay) = delay else {
                        this.phase = Phase::Finished;
                        return Poll::Ready(result);
                    };
                    let at = this.core.lock().now + delay;
                    // Silent while the code is only brought back to where it was.
                    let (call, attempt) = (this.call, this.attempt);
                    tracing::debug!(call, attempt, ?delay, "{}", telemetry::RETRYING);
                    this.phase = Phase::Delaying(Timer::create(&this.core, at));
                }
                Phase::Delaying(timer) => {
                    std::task::ready!(Pin::new(timer).poll(cx));
                    this.attempt += 1;
                    let (op, _) = (this.call_attempt)(&this.core, this.attempt, this.call);
                    this.phase = Phase::Running(op);
                }
                Phase::Finished => return Poll::Pending,
            }
        }
    }
}
