//! The state that a context, its durable futures and the executor share.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use foldhash::fast::FixedState;

use super::action::Action;
use crate::ids::{ExecutionId, InstanceId, MessageId, Name};
use crate::model::Failure;
use crate::model::event::{EventRaised, ExecutionStarted};
use crate::payload::Payload;
use crate::time::Timestamp;

/// How an operation ended.
pub(super) type OpResult = Result<Option<Payload>, Failure>;

/// An operation that was called and whose result was not yet taken.
#[derive(Debug)]
struct Op {
    waker: Option<Waker>,
    /// Order of completion and the result, once there.
    done: Option<(u64, OpResult)>,
    /// The instance id of a child, so that a termination can reach it.
    child: Option<InstanceId>,
}

/// Raised events of one name and those who wait for them, both oldest first. The n-th
/// waiter gets the n-th event.
#[derive(Debug, Default)]
struct EventBuffer {
    raised: VecDeque<(u64, EventRaised)>,
    waiters: VecDeque<(u64, Option<Waker>)>,
}

/// A wish to go on as a new generation.
#[derive(Debug)]
pub(super) struct ContinueWish {
    pub(super) version: Option<String>,
    pub(super) input: Option<Payload>,
}

/// What a durable future asked for and was not yet allowed to see.
#[derive(Debug, Clone)]
enum Asked {
    Op(u64),
    Waiter(Name, u64),
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) instance: InstanceId,
    pub(super) execution: ExecutionId,
    pub(super) started: Option<Arc<ExecutionStarted>>,
    pub(super) now: Timestamp,
    pub(super) replaying: bool,
    /// Actions called and not yet recorded or matched.
    pub(super) issued: VecDeque<Action>,
    /// Operations whose futures were dropped before they ended.
    pub(super) cancelled: Vec<u64>,
    pub(super) custom_status: Option<Option<Payload>>,
    pub(super) continue_wish: Option<ContinueWish>,
    /// Markers met so far.
    pub(super) markers: HashMap<String, u32, FixedState>,
    /// Recorded markers that replay will meet: change name to version.
    pub(super) recorded_markers: HashMap<String, u32, FixedState>,
    ops: HashMap<u64, Op, FixedState>,
    events: HashMap<Name, EventBuffer, FixedState>,
    buffered: usize,
    next_id: u64,
    next_waiter: u64,
    next_order: u64,
    draws: u64,
    ready_ops: usize,
    /// The completion that may be observed in this poll.
    grant: Option<u64>,
    /// The oldest completion that was asked for in this poll but not granted.
    asked: Option<(u64, Asked)>,
    /// Set while the execution is being dropped: nothing may be cancelled by that.
    closing: bool,
}

/// A shared handle to [`State`]. The lock is never contended: one thread runs a turn.
#[derive(Debug, Clone)]
pub(super) struct Core(Arc<Mutex<State>>);

impl Core {
    pub(super) fn new(instance: InstanceId, execution: ExecutionId) -> Self {
        Self(Arc::new(Mutex::new(State {
            instance,
            execution,
            started: None,
            now: Timestamp::EPOCH,
            replaying: true,
            issued: VecDeque::new(),
            cancelled: Vec::new(),
            custom_status: None,
            continue_wish: None,
            markers: HashMap::default(),
            recorded_markers: HashMap::default(),
            ops: HashMap::default(),
            events: HashMap::default(),
            buffered: 0,
            next_id: 1,
            next_waiter: 1,
            next_order: 1,
            draws: 0,
            ready_ops: 0,
            grant: None,
            asked: None,
            closing: false,
        })))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // A panic of user code never happens while the lock is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The number of the next action in program order.
    pub(super) fn take_id(&mut self) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        id
    }

    /// Registers an operation that will complete; `child` if it is one.
    pub(super) fn open_op(&mut self, id: u64, child: Option<InstanceId>) {
        self.ops.insert(id, Op { waker: None, done: None, child });
    }

    /// Delivers a completion. `false` if nobody waits for it: never called, already
    /// completed, or dropped.
    pub(super) fn complete(&mut self, id: u64, result: OpResult) -> bool {
        let Some(op) = self.ops.get_mut(&id).filter(|op| op.done.is_none()) else {
            return false;
        };
        let order = self.next_order;
        self.next_order += 1;
        op.done = Some((order, result));
        if let Some(waker) = &op.waker {
            waker.wake_by_ref();
        }
        if self.ready_ops == 0 && self.buffered == 0 {
            // Nothing else can be observed, so no probe is needed.
            self.grant = Some(order);
        }
        self.ready_ops += 1;
        true
    }

    pub(super) fn is_open(&self, id: u64) -> bool {
        self.ops.get(&id).is_some_and(|op| op.done.is_none())
    }

    pub(super) fn poll_op(&mut self, id: u64, waker: &Waker) -> Poll<OpResult> {
        let Some(op) = self.ops.get_mut(&id) else {
            return Poll::Pending;
        };
        match &op.done {
            Some((order, _)) if self.grant == Some(*order) => {
                self.grant = None;
                self.ready_ops -= 1;
                match self.ops.remove(&id).and_then(|op| op.done) {
                    Some((_, result)) => Poll::Ready(result),
                    None => Poll::Pending,
                }
            }
            done => {
                let order = done.as_ref().map(|(order, _)| *order);
                if !op.waker.as_ref().is_some_and(|w| w.will_wake(waker)) {
                    op.waker = Some(waker.clone());
                }
                if let Some(order) = order {
                    self.ask(order, Asked::Op(id));
                }
                Poll::Pending
            }
        }
    }

    /// A durable future was dropped.
    pub(super) fn drop_op(&mut self, id: u64) {
        if self.closing {
            return;
        }
        if let Some(op) = self.ops.remove(&id) {
            if op.done.is_some() {
                self.ready_ops -= 1;
            } else if op.child.is_none() {
                self.cancelled.push(id);
            }
        }
    }

    /// Lets an operation go on without anybody waiting for it: its completion will be
    /// discarded without an entry in history.
    pub(super) fn forget_op(&mut self, id: u64) {
        if let Some(op) = self.ops.remove(&id)
            && op.done.is_some()
        {
            self.ready_ops -= 1;
        }
    }

    fn ask(&mut self, order: u64, asked: Asked) {
        if self.asked.as_ref().is_none_or(|(oldest, _)| order < *oldest) {
            self.asked = Some((order, asked));
        }
    }

    /// Before a poll: forget what was asked before.
    pub(super) fn begin_poll(&mut self) {
        self.asked = None;
    }

    /// After a poll: allows the oldest completion asked for, and wakes who asked. `false` if
    /// nobody asked.
    pub(super) fn grant_asked(&mut self) -> bool {
        self.grant = None;
        let Some((order, asked)) = self.asked.take() else {
            return false;
        };
        self.grant = Some(order);
        let waker = match &asked {
            Asked::Op(id) => self.ops.get(id).and_then(|op| op.waker.as_ref()),
            Asked::Waiter(name, waiter) => self
                .events
                .get(name)
                .and_then(|b| b.waiters.iter().find(|(id, _)| id == waiter))
                .and_then(|(_, waker)| waker.as_ref()),
        };
        if let Some(waker) = waker {
            waker.wake_by_ref();
        }
        true
    }

    /// Buffers a raised event for whoever waits for it, now or later.
    pub(super) fn raise(&mut self, event: EventRaised) {
        let order = self.next_order;
        self.next_order += 1;
        self.buffered += 1;
        let buffer = self.events.entry(event.name.clone()).or_default();
        buffer.raised.push_back((order, event));
        if let Some((_, Some(waker))) = buffer.waiters.get(buffer.raised.len() - 1) {
            waker.wake_by_ref();
        }
        if self.ready_ops == 0 && self.buffered == 1 {
            self.grant = Some(order);
        }
    }

    pub(super) fn open_waiter(&mut self, name: &Name) -> u64 {
        let id = self.next_waiter;
        self.next_waiter += 1;
        self.events.entry(name.clone()).or_default().waiters.push_back((id, None));
        id
    }

    pub(super) fn poll_waiter(
        &mut self,
        name: &Name,
        waiter: u64,
        waker: &Waker,
    ) -> Poll<Option<Payload>> {
        let Some(buffer) = self.events.get_mut(name) else {
            return Poll::Pending;
        };
        let Some(at) = buffer.waiters.iter().position(|(id, _)| *id == waiter) else {
            return Poll::Pending;
        };
        let order = buffer.raised.get(at).map(|(order, _)| *order);
        match order {
            Some(order) if self.grant == Some(order) => {
                self.grant = None;
                self.buffered -= 1;
                buffer.waiters.remove(at);
                match buffer.raised.remove(at) {
                    Some((_, event)) => Poll::Ready(event.payload),
                    None => Poll::Pending,
                }
            }
            _ => {
                let slot = &mut buffer.waiters[at].1;
                if !slot.as_ref().is_some_and(|w| w.will_wake(waker)) {
                    *slot = Some(waker.clone());
                }
                if let Some(order) = order {
                    self.ask(order, Asked::Waiter(name.clone(), waiter));
                }
                Poll::Pending
            }
        }
    }

    /// A waiter was dropped: its event, if one had come, goes to the next waiter.
    pub(super) fn drop_waiter(&mut self, name: &Name, waiter: u64) {
        if self.closing {
            return;
        }
        let Some(buffer) = self.events.get_mut(name) else {
            return;
        };
        if let Some(at) = buffer.waiters.iter().position(|(id, _)| *id == waiter) {
            buffer.waiters.remove(at);
            for (_, waker) in buffer.waiters.iter().skip(at).take(buffer.raised.len()) {
                if let Some(waker) = waker {
                    waker.wake_by_ref();
                }
            }
        }
    }

    /// Whether anything could still wake the orchestration.
    pub(super) fn waits_for_something(&self) -> bool {
        !self.ops.is_empty() || self.events.values().any(|b| !b.waiters.is_empty())
    }

    /// Children whose result is still awaited.
    pub(super) fn open_children(&self) -> Vec<InstanceId> {
        let mut open: Vec<_> = self
            .ops
            .iter()
            .filter(|(_, op)| op.done.is_none())
            .filter_map(|(id, op)| op.child.clone().map(|child| (*id, child)))
            .collect();
        open.sort_unstable_by_key(|(id, _)| *id);
        open.into_iter().map(|(_, child)| child).collect()
    }

    /// Events nobody has read, in the order they came.
    pub(super) fn take_unread(&mut self) -> Vec<EventRaised> {
        let mut all: Vec<_> = self.events.values_mut().flat_map(|b| b.raised.drain(..)).collect();
        all.sort_unstable_by_key(|(order, _)| *order);
        self.buffered = 0;
        all.into_iter().map(|(_, event)| event).collect()
    }

    /// 64 evenly distributed bits that are the same at every replay.
    pub(super) fn draw(&mut self) -> u64 {
        self.draws += 1;
        mix(self.execution, self.draws, 0)
    }

    /// 128 bits that are the same at every replay and differ between executions.
    pub(super) fn draw_u128(&mut self) -> u128 {
        self.draws += 1;
        let (high, low) = (mix(self.execution, self.draws, 1), mix(self.execution, self.draws, 2));
        (u128::from(high) << 64) | u128::from(low)
    }

    /// Bits for a purpose of the engine, independent of what user code draws.
    pub(super) fn draw_for(&self, action: u64, salt: u64) -> u64 {
        mix(self.execution, action, salt.wrapping_add(1 << 32))
    }

    /// Roughly how much memory it takes, in bytes. Unread events count with their values.
    pub(super) fn weight(&self) -> usize {
        let unread: usize = self
            .events
            .values()
            .flat_map(|b| b.raised.iter())
            .map(|(_, e)| 128 + e.payload.as_ref().map_or(0, Payload::len))
            .sum();
        let input = self.started.as_ref().and_then(|s| s.input.as_ref()).map_or(0, Payload::len);
        512 + self.ops.len() * 96 + unread + input
    }

    pub(super) fn close(&mut self) {
        self.closing = true;
    }
}

/// The finalizer of SplitMix64 (Steele, Lea, Flood, 2014).
fn finish(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn mix(execution: ExecutionId, counter: u64, salt: u64) -> u64 {
    let high = (execution.0 >> 64) as u64;
    let low = execution.0 as u64;
    let first = finish(low.wrapping_add(counter.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
    finish(first ^ finish(high.wrapping_add(salt.wrapping_mul(0xd1b5_4a32_d192_ed03))))
}

/// Ids of raised events this execution has taken in, to recognise repeats.
#[derive(Debug, Default)]
pub(super) struct Seen {
    order: VecDeque<MessageId>,
    set: std::collections::HashSet<MessageId, FixedState>,
}

impl Seen {
    /// `false` if it was there already.
    pub(super) fn insert(&mut self, id: MessageId) -> bool {
        let new = self.set.insert(id);
        if new {
            self.order.push_back(id);
        }
        new
    }

    /// The newest ids, for the next generation.
    pub(super) fn newest(&self, max: usize) -> Vec<MessageId> {
        self.order.iter().skip(self.order.len().saturating_sub(max)).copied().collect()
    }
}
