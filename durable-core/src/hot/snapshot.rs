//! An instance as a value, for stores.

use bytes::Bytes;

use super::HubState;
use super::slot::{Pause, Slot, StoredChunk, Waiting};
use super::tasks::Task;
use crate::backend::{Envelope, InstanceRecord};
use crate::ids::{ExecutionId, InstanceId, LeaseToken, MessageId, QueueName};
use crate::time::Timestamp;

/// A task as a value.
#[derive(Debug, Clone)]
pub struct TaskSnapshot {
    /// Its id.
    pub id: MessageId,
    /// The execution that scheduled it.
    pub execution: ExecutionId,
    /// Its queue.
    pub queue: QueueName,
    /// When it was scheduled.
    pub enqueued_at: Timestamp,
    /// How often it was handed out.
    pub delivery: u32,
    /// When it may be handed out, if not at once.
    pub visible_at: Option<Timestamp>,
    /// The last progress.
    pub progress: Option<Bytes>,
    /// Its content.
    pub body: Bytes,
}

/// Everything about one instance but its lease.
#[derive(Debug, Clone)]
pub struct SlotSnapshot {
    /// Its record.
    pub record: InstanceRecord,
    /// The current generation's history.
    pub history: Vec<StoredChunk>,
    /// Histories of earlier generations.
    pub older: Vec<(ExecutionId, Vec<StoredChunk>)>,
    /// Messages, oldest first.
    pub inbox: Vec<Waiting>,
    /// Messages that are not visible yet.
    pub delayed: Vec<(Timestamp, Waiting)>,
    /// Open tasks, oldest first.
    pub tasks: Vec<TaskSnapshot>,
    /// The token of the last commit.
    pub committed: Option<LeaseToken>,
    /// Whether it is held, and until when.
    pub held: Option<Option<Timestamp>>,
    /// When it may be handed out after it was given back, if not at once.
    pub delayed_until: Option<Timestamp>,
    /// How often it was handed out since the last commit.
    pub delivery: u32,
    /// Number of the last change it holds.
    pub lsn: u64,
}

impl HubState {
    /// An instance as a value.
    pub fn snapshot(&self, instance: &InstanceId) -> Option<SlotSnapshot> {
        let slot = self.instances.get(instance)?;
        let mut tasks: Vec<_> = slot
            .tasks
            .iter()
            .filter_map(|id| {
                let t = self.tasks.get(&id)?;
                Some(TaskSnapshot {
                    id,
                    execution: t.execution,
                    queue: t.queue.clone(),
                    enqueued_at: t.enqueued_at,
                    delivery: t.delivery,
                    visible_at: t.visible_at,
                    progress: t.progress.clone(),
                    body: t.body.clone(),
                })
            })
            .collect();
        tasks.sort_unstable_by_key(|t| (t.enqueued_at, t.id));
        let mut delayed: Vec<_> = slot.delayed.iter().collect();
        delayed.sort_unstable_by_key(|d| d.key);
        Some(SlotSnapshot {
            record: slot.record.clone(),
            history: slot.history.clone(),
            older: slot.rare.as_ref().map(|r| r.older.clone()).unwrap_or_default(),
            inbox: slot.inbox.iter().cloned().collect(),
            delayed: delayed.into_iter().map(|d| (d.key.0, d.message.clone())).collect(),
            tasks,
            committed: slot.tenure.committed(),
            held: match slot.pause {
                Pause::Held(until) => Some(until),
                Pause::None | Pause::Delayed(_) => None,
            },
            delayed_until: match slot.pause {
                Pause::Delayed(until) => Some(until),
                Pause::None | Pause::Held(_) => None,
            },
            delivery: slot.delivery,
            lsn: slot.lsn,
        })
    }

    /// Puts an instance back, without a lease; its tasks can be received at once.
    pub fn restore(&mut self, snapshot: SlotSnapshot, now: Timestamp) {
        let instance = snapshot.record.instance.clone();
        self.forget(&instance);
        let mut slot = Slot::new(snapshot.record);
        slot.history = snapshot.history;
        if !snapshot.older.is_empty() {
            slot.rare.get_or_insert_default().older = snapshot.older;
        }
        slot.inbox = snapshot.inbox.into();
        slot.tenure.set_committed(snapshot.committed);
        slot.delivery = snapshot.delivery;
        slot.lsn = snapshot.lsn;
        for (at, message) in snapshot.delayed {
            let number = self.number();
            slot.push_delayed((at, number), message);
            self.timers.insert((at, number), instance.clone());
        }
        if let Some(until) = snapshot.held {
            slot.pause = Pause::Held(until);
            if let Some(until) = until {
                self.wake_at(until, &instance);
            }
        }
        for task in snapshot.tasks {
            slot.tasks.insert(task.id);
            self.tasks.insert(
                task.id,
                Task {
                    instance: instance.clone(),
                    execution: task.execution,
                    queue: task.queue,
                    enqueued_at: task.enqueued_at,
                    visible_at: task.visible_at,
                    delivery: task.delivery,
                    progress: task.progress,
                    loan: None,
                    body: task.body,
                },
            );
            self.enqueue_task(task.id);
        }
        self.ids.insert(instance.clone());
        self.instances.insert(instance.clone(), Box::new(slot));
        if let Some(until) = snapshot.delayed_until {
            self.delay_turn(&instance, now, until);
        }
        self.make_ready(&instance, now);
    }

    /// Lets go of the bytes of the first `blocks` blocks of a generation's history, because a
    /// store has taken them over; they become one block without bytes.
    pub fn evict_history(&mut self, instance: &InstanceId, execution: ExecutionId, blocks: usize) {
        let Some(slot) = self.instances.get_mut(instance) else { return };
        let chunks = if slot.record.execution == execution {
            &mut slot.history
        } else {
            let older = slot.rare.iter_mut().flat_map(|r| r.older.iter_mut());
            let Some((_, chunks)) = older.into_iter().find(|(e, _)| *e == execution) else {
                return;
            };
            chunks
        };
        let blocks = blocks.min(chunks.len());
        let events = chunks.drain(..blocks).map(|c| c.events).sum();
        if events > 0 {
            chunks.insert(0, StoredChunk { events, bytes: None });
        }
    }

    /// Remembers an instance as changed although it was not.
    pub fn touch_instance(&mut self, instance: &InstanceId) {
        self.touch(instance);
    }

    /// Whether an instance is in memory.
    pub fn contains(&self, instance: &InstanceId) -> bool {
        self.instances.contains_key(instance)
    }

    /// All instances in memory.
    pub fn instance_ids(&self) -> impl Iterator<Item = &InstanceId> {
        self.ids.iter()
    }

    /// Tracking records that were not acknowledged, oldest first.
    pub fn open_tracking(&self) -> Vec<Envelope> {
        let leased = self.tracking_leased.values().map(|(_, _, e)| e);
        let mut open: Vec<_> =
            leased.chain(self.tracking.iter().map(|t| &t.envelope)).cloned().collect();
        open.sort_by_key(|e| e.order_key);
        open
    }
}
