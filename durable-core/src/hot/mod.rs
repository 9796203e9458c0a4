//! A task hub in memory: a synchronous state machine without I/O, clock or runtime.
//!
//! [`HubState`] is what the memory backend is made of, and what single-process adapters keep
//! their hot state in. Time and tokens are passed in; wake-ups come out as [`Signals`].

mod inbox;
mod look;
mod queries;
mod ready;
mod slot;
mod snapshot;
mod task_ids;
mod tasks;
mod tenure;
mod tracking;
mod turns;
mod watched;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use foldhash::{HashMap, HashMapExt, HashSet, HashSetExt};

use crate::backend::Envelope;
use crate::ids::{InstanceId, LeaseToken, MessageId, QueueName};
use crate::time::Timestamp;

pub use look::Look;
use ready::Ready;
use slot::Slot;
pub use slot::{StoredChunk, Waiting};
pub use snapshot::{SlotSnapshot, TaskSnapshot};
use tasks::Task;
use tracking::Tracked;
pub use watched::Wanted;
use watched::Watched;

/// What a change made possible. The owner wakes waiting calls by it.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Signals {
    /// There may be a turn to hand out, or an earlier time to wait for.
    pub turns: bool,
    /// There may be an activity to hand out, or an earlier time to wait for.
    pub activities: bool,
    /// There may be a tracking record to hand out.
    pub tracking: bool,
}

/// One task hub.
#[derive(Debug)]
pub struct HubState {
    instances: HashMap<InstanceId, Box<Slot>>,
    ids: BTreeSet<InstanceId>,
    ready: Ready,
    /// Delayed messages by time; the number keeps equal times apart and in order.
    timers: BTreeMap<(Timestamp, u64), InstanceId>,
    /// Ends of holds and delays.
    wakes: BTreeMap<(Timestamp, u64), InstanceId>,
    leased: HashSet<InstanceId>,
    /// No lease of a turn ends before this time.
    leases_checked: Timestamp,
    tasks: HashMap<MessageId, Task>,
    queues: HashMap<QueueName, VecDeque<MessageId>>,
    delayed_tasks: BTreeMap<(Timestamp, u64), MessageId>,
    leased_tasks: HashSet<MessageId>,
    task_leases_checked: Timestamp,
    unpublished: VecDeque<(u64, MessageId)>,
    withhold_tasks: bool,
    tracking: VecDeque<Tracked>,
    tracking_leased: HashMap<MessageId, (LeaseToken, Timestamp, Envelope)>,
    watched: HashMap<InstanceId, Watched>,
    changed: Vec<InstanceId>,
    touched: HashSet<InstanceId>,
    keep_touched: bool,
    signals: Signals,
    numbers: u64,
    lsn: u64,
    recovering: bool,
}

impl Default for HubState {
    fn default() -> Self {
        Self {
            instances: HashMap::new(),
            ids: BTreeSet::new(),
            ready: Ready::default(),
            timers: BTreeMap::new(),
            wakes: BTreeMap::new(),
            leased: HashSet::new(),
            leases_checked: Timestamp::MAX,
            tasks: HashMap::new(),
            queues: HashMap::new(),
            delayed_tasks: BTreeMap::new(),
            leased_tasks: HashSet::new(),
            task_leases_checked: Timestamp::MAX,
            unpublished: VecDeque::new(),
            withhold_tasks: false,
            tracking: VecDeque::new(),
            tracking_leased: HashMap::new(),
            watched: HashMap::new(),
            changed: Vec::new(),
            touched: HashSet::new(),
            keep_touched: false,
            signals: Signals::default(),
            numbers: 0,
            lsn: 0,
            recovering: false,
        }
    }
}

impl HubState {
    /// A hub whose tasks become receivable only when [`publish_tasks`](Self::publish_tasks) says that the
    /// change which scheduled them is safe, and which remembers what it changed.
    pub fn logged() -> Self {
        Self { withhold_tasks: true, keep_touched: true, ..Self::default() }
    }

    /// Takes the wake-ups since the last call.
    pub fn take_signals(&mut self) -> Signals {
        std::mem::take(&mut self.signals)
    }

    /// Sets the number that following changes are marked with.
    pub fn set_lsn(&mut self, lsn: u64) {
        self.lsn = lsn;
    }

    /// Begins or ends recovery: while it lasts, changes that an instance's restored state
    /// already holds ([`SlotSnapshot::lsn`]) are not applied to it again.
    pub fn set_recovering(&mut self, recovering: bool) {
        self.recovering = recovering;
    }

    /// Whether the change being applied is part of this instance's state already.
    fn has_already(&self, instance: &InstanceId) -> bool {
        self.recovering && self.instances.get(instance).is_some_and(|slot| slot.lsn >= self.lsn)
    }

    /// Number of the last change of an instance; 0 when there is none in memory.
    pub fn lsn_of(&self, instance: &InstanceId) -> u64 {
        self.instances.get(instance).map_or(0, |slot| slot.lsn)
    }

    /// Lets tasks be received whose scheduling is safe up to this change.
    pub fn publish_tasks(&mut self, lsn: u64) {
        while let Some((at, id)) = self.unpublished.front().copied() {
            if at > lsn {
                break;
            }
            self.unpublished.pop_front();
            self.enqueue_task(id);
        }
    }

    /// Takes the instances changed since the last call. Empty unless [`logged`](Self::logged).
    pub fn take_touched(&mut self) -> Vec<InstanceId> {
        // Its room goes too: once in a while all instances are in it.
        std::mem::take(&mut self.touched).into_iter().collect()
    }

    /// How many instances are in memory.
    pub fn len(&self) -> usize {
        self.instances.len()
    }

    /// Whether no instance is in memory.
    pub fn is_empty(&self) -> bool {
        self.instances.is_empty()
    }

    fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    fn touch(&mut self, instance: &InstanceId) {
        if self.keep_touched && !self.touched.contains(instance) {
            self.touched.insert(instance.clone());
        }
    }

    /// Lets everything happen that is due: timers, ends of holds, of delays and of leases.
    pub fn advance(&mut self, now: Timestamp) {
        while let Some(entry) = self.timers.first_entry() {
            if entry.key().0 > now {
                break;
            }
            let (key, instance) = entry.remove_entry();
            if let Some(slot) = self.instances.get_mut(&instance)
                && let Some(at) = slot.delayed.iter().position(|d| d.key == key)
            {
                let mut message = slot.delayed.swap_remove(at).message;
                message.enqueued_at = now;
                slot.inbox.push_back(message);
                self.make_ready(&instance, now);
            }
        }
        while let Some(entry) = self.wakes.first_entry() {
            if entry.key().0 > now {
                break;
            }
            let instance = entry.remove();
            self.make_ready(&instance, now);
        }
        if self.leases_checked <= now {
            self.end_turn_leases(now);
        }
        self.advance_tasks(now);
    }

    /// When something is due next for waiting receivers of turns.
    pub fn next_turn_due(&self) -> Option<Timestamp> {
        let timer = self.timers.first_key_value().map(|((at, _), _)| *at);
        let wake = self.wakes.first_key_value().map(|((at, _), _)| *at);
        let lease = (!self.leased.is_empty()).then_some(self.leases_checked);
        [timer, wake, lease, self.ready.due()].into_iter().flatten().min()
    }

    /// Puts an instance into the ready queue if it may take a turn.
    fn make_ready(&mut self, instance: &InstanceId, now: Timestamp) {
        if let Some(slot) = self.instances.get_mut(instance)
            && !slot.queued
            && slot.is_ready(now)
        {
            slot.queued = true;
            let fresh = slot.record.events == 0;
            self.ready.push(instance.clone(), fresh);
            self.signals.turns = true;
        }
    }

    fn wake_at(&mut self, time: Timestamp, instance: &InstanceId) {
        let number = self.number();
        self.wakes.insert((time, number), instance.clone());
        self.signals.turns = true;
    }
}
