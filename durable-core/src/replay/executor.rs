//! Polls the user's future until it can do nothing more by itself.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::core::Core;
use super::handler::HandlerResult;
use super::waker::TurnWaker;
use crate::env::BoxFuture;
use crate::model::{Failure, FailureKind};

/// Polls without progress after which the code is taken for a busy loop.
const IDLE_POLLS_MAX: u32 = 10_000;

/// Why polling stopped.
#[derive(Debug)]
pub(super) enum Driven {
    /// It waits for something.
    Pending,
    /// It returned.
    Done(HandlerResult),
    /// It asked to continue as new.
    ContinueAsNew,
    /// It keeps waking itself.
    Busy,
}

/// Polls until nothing more can happen without a new event.
///
/// When several completions wait unobserved, a poll holds all of them back and notes the
/// oldest one that was asked for; only that one is let through in the next poll. So the
/// order in which `select!` looks at its branches never matters.
pub(super) fn drive(
    future: &mut BoxFuture<'static, HandlerResult>,
    core: &Core,
    turn_waker: &Arc<TurnWaker>,
    waker: &Waker,
) -> Driven {
    let _inside = turn_waker.enter();
    let mut cx = Context::from_waker(waker);
    let mut idle = 0;
    loop {
        turn_waker.take_woken();
        let replaying = {
            let mut state = core.lock();
            state.begin_poll();
            state.replaying
        };
        let polled = poll_quietly(future, &mut cx, replaying);
        match polled {
            Poll::Ready(result) => return Driven::Done(result),
            Poll::Pending => {
                let mut state = core.lock();
                if state.continue_wish.is_some() {
                    return Driven::ContinueAsNew;
                }
                if state.grant_asked() {
                    idle = 0;
                } else if turn_waker.take_woken() {
                    idle += 1;
                    if idle > IDLE_POLLS_MAX {
                        return Driven::Busy;
                    }
                } else {
                    return Driven::Pending;
                }
            }
        }
    }
}

/// While replaying, whatever user code traces was traced before.
fn poll_quietly(
    future: &mut BoxFuture<'static, HandlerResult>,
    cx: &mut Context<'_>,
    replaying: bool,
) -> Poll<HandlerResult> {
    let mut poll = || catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx)));
    let polled = if replaying && tracing::dispatcher::has_been_set() {
        tracing::dispatcher::with_default(&tracing::Dispatch::none(), &mut poll)
    } else {
        poll()
    };
    polled.unwrap_or_else(|panic| Poll::Ready(Err(panic_failure("orchestration", &*panic))))
}

/// A panic of user code as a failure.
pub(crate) fn panic_failure(what: &str, panic: &(dyn std::any::Any + Send)) -> Failure {
    let text = panic
        .downcast_ref::<&str>()
        .map(|s| (*s).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a value that is not text".to_owned());
    Failure::of_kind(FailureKind::Panicked, format!("{what} panicked: {text}"))
}
