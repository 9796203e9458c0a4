//! Waiting for external events: waiting → given | dropped (the event goes to the next waiter).

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use serde::de::DeserializeOwned;

use crate::ids::Name;
use crate::model::{Failure, FailureKind};
use crate::payload::{Payload, decode};
use crate::replay::core::Core;

/// Completes with the next unread event of a name. Events are buffered in arrival order from
/// the moment the instance exists; waiters get them in the order they were created.
///
/// Dropping it leaves the event for the next waiter.
///
/// # Errors
/// A [`Failure`] of kind [`Conversion`](FailureKind::Conversion) when the event's value is of
/// another type; that event is consumed.
#[must_use = "waiting does nothing unless awaited"]
pub struct EventWait<T> {
    core: Core,
    name: Name,
    waiter: u64,
    taken: bool,
    value: PhantomData<fn() -> T>,
}

impl<T> std::fmt::Debug for EventWait<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventWait").field("name", &self.name).finish_non_exhaustive()
    }
}

impl<T> EventWait<T> {
    pub(in crate::replay) fn create(core: &Core, name: Name) -> Self {
        let waiter = core.lock().open_waiter(&name);
        Self { core: core.clone(), name, waiter, taken: false, value: PhantomData }
    }
}

impl<T: DeserializeOwned> Future for EventWait<T> {
    type Output = Result<T, Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.taken {
            return Poll::Pending;
        }
        let polled = self.core.lock().poll_waiter(&self.name, self.waiter, cx.waker());
        polled.map(|payload| {
            self.taken = true;
            let payload = payload.unwrap_or_else(|| Payload::new(&b"null"[..]));
            decode(&payload).map_err(|error| {
                Failure::of_kind(FailureKind::Conversion, format!("event `{}`: {error}", self.name))
            })
        })
    }
}

impl<T> Drop for EventWait<T> {
    fn drop(&mut self) {
        if !self.taken {
            self.core.lock().drop_waiter(&self.name, self.waiter);
        }
    }
}
