//! Receivers that wait in this process, and work that a change has put on loan for them: who
//! changes an instance hands its work on without asking the table once more.

use std::collections::VecDeque;
use std::marker::PhantomData;
use std::sync::{Arc, Weak};
use std::time::Duration;

use durable_core::backend::{ActivityWork, BackendResult, TurnWork};
use durable_core::env::BoxFuture;
use durable_core::ids::QueueName;
use durable_core::time::Timestamp;
use parking_lot::Mutex;

use crate::hub::{Hub, interrupted};
use crate::pace;
use crate::receive::Look;

/// How long a receiver that has got something is expected to come back.
const COMES_BACK: Duration = Duration::from_millis(250);

/// What receivers may wait for.
pub(crate) trait Granted: Send + Sized + 'static {
    /// What a receiver asks for beside a number.
    type Wish: Clone + Send;
    /// The desk of a hub for it.
    fn desk(hub: &Hub) -> &Mutex<Desk<Self>>;
    /// Gives back what nobody has seen.
    fn give_back(self, hub: Arc<Hub>) -> BoxFuture<'static, ()>;
}

/// Somebody who waits.
struct Seat<W: Granted> {
    number: u64,
    room: usize,
    wish: W::Wish,
}

/// Work on loan that waits for its receiver.
struct Grant<W> {
    queue: Option<QueueName>,
    work: W,
    /// Until when it may still be handed out: a receiver needs time for it.
    fresh_until: Timestamp,
}

/// Those who wait, and what waits for them.
pub(crate) struct Desk<W: Granted> {
    next: u64,
    seats: Vec<Seat<W>>,
    grants: VecDeque<Grant<W>>,
}

impl<W: Granted> Default for Desk<W> {
    fn default() -> Self {
        Self { next: 0, seats: Vec::new(), grants: VecDeque::new() }
    }
}

impl<W: Granted> Desk<W> {
    /// Takes a place of somebody who waits for such work, and says what is wanted.
    pub(crate) fn reserve(&mut self, suits: impl Fn(&W::Wish) -> bool) -> Option<W::Wish> {
        let seat = self.seats.iter_mut().find(|seat| seat.room > 0 && suits(&seat.wish))?;
        seat.room -= 1;
        Some(seat.wish.clone())
    }

    /// What waits for a receiver of these queues, and what has waited for too long.
    pub(crate) fn take(
        &mut self,
        max: usize,
        now: Timestamp,
        suits: impl Fn(Option<&QueueName>) -> bool,
    ) -> (Vec<W>, Vec<W>) {
        let (mut works, mut stale) = (Vec::new(), Vec::new());
        for _ in 0..self.grants.len() {
            let Some(grant) = self.grants.pop_front() else { break };
            if grant.fresh_until <= now {
                stale.push(grant.work);
            } else if works.len() < max && suits(grant.queue.as_ref()) {
                works.push(grant.work);
            } else {
                self.grants.push_back(grant);
            }
        }
        (works, stale)
    }

    fn take_all(&mut self) -> Vec<W> {
        self.grants.drain(..).map(|grant| grant.work).collect()
    }
}

/// A place among those who wait; what was meant for the last of them is given back when it goes.
pub(crate) struct Sitting<W: Granted> {
    hub: Weak<Hub>,
    number: u64,
    served: bool,
    _of: PhantomData<fn() -> W>,
}

impl<W: Granted> Sitting<W> {
    pub(crate) fn new(hub: &Arc<Hub>, room: usize, wish: W::Wish) -> Self {
        let mut desk = W::desk(hub).lock();
        desk.next += 1;
        let number = desk.next;
        desk.seats.push(Seat { number, room, wish });
        Self { hub: Arc::downgrade(hub), number, served: false, _of: PhantomData }
    }

    /// The receiver goes with what it wanted, and may come back.
    pub(crate) fn served(mut self) {
        self.served = true;
    }
}

impl<W: Granted> Drop for Sitting<W> {
    fn drop(&mut self) {
        let Some(hub) = self.hub.upgrade() else { return };
        W::desk(&hub).lock().seats.retain(|seat| seat.number != self.number);
        if self.served {
            hub.look_after_grants::<W>();
        } else {
            hub.give_back_grants::<W>();
        }
    }
}

impl Hub {
    /// Puts work that is on loan where receivers look for it. Half of its loan at the most may
    /// pass before one has it.
    pub(crate) fn grant<W: Granted>(
        self: &Arc<Self>,
        queue: Option<QueueName>,
        work: W,
        until: Timestamp,
    ) {
        let now = self.now();
        let fresh_until = now + until.since(now) / 2;
        W::desk(self).lock().grants.push_back(Grant { queue, work, fresh_until });
        self.look_after_grants::<W>();
    }

    /// When the receiver has gone, perhaps only for a moment, others get what it leaves.
    fn look_after_grants<W: Granted>(self: &Arc<Self>) {
        {
            let desk = W::desk(self).lock();
            if desk.grants.is_empty() || !desk.seats.is_empty() {
                return;
            }
        }
        let hub = Arc::clone(self);
        self.env.spawn(Box::pin(async move {
            pace::before_asking_again(COMES_BACK).await;
            hub.give_back_grants::<W>();
        }));
    }

    fn give_back_grants<W: Granted>(self: &Arc<Self>) {
        let left = {
            let mut desk = W::desk(self).lock();
            if desk.seats.is_empty() { desk.take_all() } else { Vec::new() }
        };
        self.give_all_back(left);
    }

    /// Looks for work to the end, also when the receiver loses interest; what nobody takes then
    /// goes back.
    pub(crate) async fn looked<W: Granted>(
        self: &Arc<Self>,
        operation: &'static str,
        look: impl Future<Output = BackendResult<Look<W>>> + Send + 'static,
    ) -> BackendResult<Look<W>> {
        let hub = Arc::clone(self);
        let found = self.handed_over(look, |found| async move {
            for work in found.into_iter().flat_map(|look| look.works) {
                work.give_back(Arc::clone(&hub)).await;
            }
        });
        found.await.ok_or_else(|| interrupted(operation))?
    }

    pub(crate) fn give_all_back<W: Granted>(self: &Arc<Self>, works: Vec<W>) {
        for work in works {
            self.env.spawn(work.give_back(Arc::clone(self)));
        }
    }
}

/// What a receiver of tasks wants.
#[derive(Debug, Clone)]
pub(crate) struct TaskWish {
    pub(crate) queues: Vec<QueueName>,
    pub(crate) lease_for: Duration,
}

impl Granted for ActivityWork {
    type Wish = TaskWish;

    fn desk(hub: &Hub) -> &Mutex<Desk<Self>> {
        &hub.task_desk
    }

    fn give_back(self, hub: Arc<Hub>) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            if let Err(error) = hub.abandon_task(&self.lease, Duration::ZERO, false).await {
                tracing::debug!(%error, "it comes back when its lease ends");
            }
        })
    }
}

impl Granted for TurnWork {
    type Wish = crate::acquire::Wanted;

    fn desk(hub: &Hub) -> &Mutex<Desk<Self>> {
        &hub.turn_desk
    }

    fn give_back(self, hub: Arc<Hub>) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            if let Err(error) = hub.give_back(&self.lease, Duration::ZERO, false).await {
                tracing::debug!(%error, "it comes back when its lease ends");
            }
        })
    }
}
