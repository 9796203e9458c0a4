//! One called operation: the piece that all durable futures are made of.
//!
//! States: waiting → completed → taken. Dropping it while it waits cancels it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::ids::InstanceId;
use crate::replay::core::{Core, OpResult};

#[derive(Debug)]
pub(in crate::replay) struct Op {
    core: Core,
    id: u64,
    taken: bool,
}

impl Op {
    /// Registers the operation of action `id`.
    pub(in crate::replay) fn open(core: &Core, id: u64, child: Option<InstanceId>) -> Self {
        core.lock().open_op(id, child);
        Self { core: core.clone(), id, taken: false }
    }

    /// Lets the operation go on although nobody waits for it.
    pub(in crate::replay) fn detach(mut self) {
        self.core.lock().forget_op(self.id);
        self.taken = true;
    }
}

impl Future for Op {
    type Output = OpResult;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<OpResult> {
        if self.taken {
            return Poll::Pending;
        }
        let polled = self.core.lock().poll_op(self.id, cx.waker());
        if polled.is_ready() {
            self.taken = true;
        }
        polled
    }
}

impl Drop for Op {
    fn drop(&mut self) {
        if !self.taken {
            self.core.lock().drop_op(self.id);
        }
    }
}
