//! Work that nobody takes goes back at once, not when its lease ends.
//!
//! Whoever asks for work may be gone when the server hands it out. The script cannot be called
//! back, so it is followed to its end, and what it brought is given back.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use durable_core::backend::{ActivityWork, TrackingWork, TurnWork};
use durable_core::env::SharedEnv;
use durable_core::ids::InstanceId;
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc;

use crate::args::Args;
use crate::error::Effect;
use crate::link::{Call, Link};
use crate::partition::{Partition, number_of};
use crate::scripts::{SCRIPTS, Script};

/// What is still to be done although nobody waits for it.
type Rest = BoxFuture<'static, ()>;

/// Most of that at the same time. What is too much is left to the ends of leases.
const RESTS_MAX: usize = 256;

/// Does it, until the hub is dropped and nothing is left.
async fn finish(mut rests: mpsc::Receiver<Rest>) {
    let mut open = FuturesUnordered::new();
    loop {
        tokio::select! {
            rest = rests.recv(), if open.len() < RESTS_MAX => match rest {
                Some(rest) => open.push(rest),
                None => return,
            },
            Some(()) = open.next() => {}
        }
    }
}

/// Something that a script hands out on loan.
pub(crate) trait Lent: Send + Sized + 'static {
    /// By which script it goes back.
    fn script() -> &'static Script;
    fn instance(&self) -> &InstanceId;
    /// What that script wants to know.
    fn back(&self, args: Args) -> Args;
}

impl Lent for TurnWork {
    fn script() -> &'static Script {
        &SCRIPTS.abandon_turn
    }

    fn instance(&self) -> &InstanceId {
        &self.lease.instance
    }

    fn back(&self, args: Args) -> Args {
        args.turn_lease(&self.lease).number(0)
    }
}

impl Lent for ActivityWork {
    fn script() -> &'static Script {
        &SCRIPTS.abandon_activity
    }

    fn instance(&self) -> &InstanceId {
        &self.lease.instance
    }

    fn back(&self, args: Args) -> Args {
        args.activity(&self.lease).number(0)
    }
}

impl Lent for TrackingWork {
    fn script() -> &'static Script {
        &SCRIPTS.abandon_tracking
    }

    fn instance(&self) -> &InstanceId {
        &self.lease.instance
    }

    fn back(&self, args: Args) -> Args {
        args.tracking(&self.lease)
    }
}

/// The way back.
#[derive(Clone)]
pub(crate) struct Returns {
    link: Link,
    partitions: Arc<[Partition]>,
    /// To a task of its own: a future may be dropped where nothing can be spawned.
    rests: mpsc::Sender<Rest>,
}

impl Returns {
    pub(crate) fn new(link: &Link, partitions: &Arc<[Partition]>, env: &SharedEnv) -> Self {
        let (rests, left) = mpsc::channel(RESTS_MAX);
        env.spawn(Box::pin(finish(left)));
        Self { link: link.clone(), partitions: Arc::clone(partitions), rests }
    }

    /// Leaves something to be done. Where nobody can do it, leases end by time.
    fn leave(&self, rest: impl Future<Output = ()> + Send + 'static) {
        let _ = self.rests.try_send(Box::pin(rest));
    }

    fn give_back<T: Lent>(&self, works: &[T]) {
        if works.is_empty() {
            return;
        }
        let script = T::script();
        let call = |work: &T| {
            let count = u16::try_from(self.partitions.len()).unwrap_or(1);
            let home = &self.partitions[usize::from(number_of(work.instance(), count))];
            work.back(Args::of(script, home)).into_call()
        };
        let calls: Vec<Call> = works.iter().map(call).collect();
        let link = self.link.clone();
        self.leave(async move {
            for answer in link.call_all("give_back", Effect::Writes, script, calls).await {
                if let Err(error) = answer {
                    tracing::debug!(%error, "what nobody takes comes back when its lease ends");
                }
            }
        });
    }

    /// A call that is followed to its end also when it is dropped on the way.
    pub(crate) fn followed<T: Send + 'static>(
        &self,
        call: impl Future<Output = T> + Send + 'static,
    ) -> Followed<T> {
        Followed { call: Some(Box::pin(call)), begun: false, returns: self.clone() }
    }
}

/// A call that does not end with whoever waits for it.
pub(crate) struct Followed<T: Send + 'static> {
    /// Until it has ended.
    call: Option<BoxFuture<'static, T>>,
    begun: bool,
    returns: Returns,
}

impl<T: Send + 'static> Future for Followed<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        self.begun = true;
        let Some(call) = &mut self.call else { return Poll::Pending };
        let polled = call.as_mut().poll(cx);
        if polled.is_ready() {
            self.call = None;
        }
        polled
    }
}

impl<T: Send + 'static> Drop for Followed<T> {
    fn drop(&mut self) {
        if let Some(call) = self.call.take().filter(|_| self.begun) {
            self.returns.leave(async move { drop(call.await) });
        }
    }
}

/// Work on loan. What is not taken goes back.
pub(crate) struct Loans<T: Lent> {
    works: Vec<T>,
    returns: Returns,
}

impl<T: Lent> Loans<T> {
    pub(crate) fn new(works: Vec<T>, returns: Returns) -> Self {
        Self { works, returns }
    }

    pub(crate) fn len(&self) -> usize {
        self.works.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.works.is_empty()
    }

    pub(crate) fn append(&mut self, mut other: Self) {
        self.works.append(&mut other.works);
    }

    pub(crate) fn take(mut self) -> Vec<T> {
        std::mem::take(&mut self.works)
    }
}

impl<T: Lent> Drop for Loans<T> {
    fn drop(&mut self) {
        self.returns.give_back(&self.works);
    }
}
