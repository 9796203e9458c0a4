//! Creating instances and delivering messages.

use std::sync::Arc;

use super::HubState;
use super::slot::{Delayed, Pause, Slot, Waiting};
use crate::backend::{
    CreateInstance, CreateOutcome, Envelope, InstanceRecord, OrchestrationStatus, ReusePolicy,
    SendOutcome,
};
use crate::ids::InstanceId;
use crate::limits;
use crate::time::Timestamp;

impl HubState {
    /// Whether a creation would take effect; otherwise who has the id.
    pub fn check_create(&self, request: &CreateInstance) -> Option<CreateOutcome> {
        let existing = self.instances.get(&request.start.target)?;
        if request.start.execution == Some(existing.record.execution)
            && existing.record.status != OrchestrationStatus::AwaitingStart
        {
            return Some(CreateOutcome::Created);
        }
        let replaceable = match existing.record.status {
            OrchestrationStatus::AwaitingStart => true,
            status => status.is_terminal() && request.reuse == ReusePolicy::ReplaceTerminal,
        };
        (!replaceable).then(|| CreateOutcome::Exists(Box::new(existing.record.clone())))
    }

    /// Creates an instance that [`check_create`](Self::check_create) has let through.
    pub fn apply_create(&mut self, start: Envelope, now: Timestamp) {
        let Some(record) = start.creates.clone() else { return };
        if self.has_already(&start.target) {
            return;
        }
        self.begin_with(start, &record, now);
    }

    /// Begins a generation with its start message, which comes before whatever a placeholder
    /// has collected.
    fn begin_with(&mut self, start: Envelope, record: &Arc<InstanceRecord>, now: Timestamp) {
        let (instance, id) = (start.target.clone(), start.id);
        self.begin_generation(&instance, record);
        self.accept(start, now);
        if let Some(slot) = self.instances.get_mut(&instance)
            && slot.inbox.back().is_some_and(|m| m.id == id)
        {
            slot.inbox.rotate_right(1);
        }
        // The start may lie ahead; what a placeholder has collected does not.
        self.make_ready(&instance, now);
    }

    /// Creates an instance by policy.
    pub fn create(&mut self, request: CreateInstance, now: Timestamp) -> CreateOutcome {
        match self.check_create(&request) {
            Some(outcome) => outcome,
            None => {
                self.apply_create(request.start, now);
                CreateOutcome::Created
            }
        }
    }

    /// Puts a new generation in place of whatever has the id. The inbox of a placeholder is
    /// kept for it.
    fn begin_generation(&mut self, instance: &InstanceId, record: &Arc<InstanceRecord>) {
        let mut record = InstanceRecord::clone(record);
        record.events = 0;
        record.revision = 1;
        let mut slot = Slot::new(record);
        slot.delayed = self.keep_delayed(instance);
        if let Some(old) = self.remove_slot(instance) {
            slot.record.revision = old.record.revision + 1;
            if old.record.status == OrchestrationStatus::AwaitingStart {
                slot.inbox = old.inbox;
                for message in &mut slot.inbox {
                    message.execution = None;
                }
            }
            slot.queued = old.queued;
        }
        if slot.record.status == OrchestrationStatus::AwaitingStart {
            slot.pause = Pause::Held(None);
        }
        slot.lsn = self.lsn;
        self.ids.insert(instance.clone());
        self.instances.insert(instance.clone(), Box::new(slot));
        self.touch(instance);
        self.note_change(instance);
    }

    /// Takes what a placeholder will get later; its timers go on.
    fn keep_delayed(&mut self, instance: &InstanceId) -> Vec<Delayed> {
        let old = self.instances.get_mut(instance);
        let Some(old) = old.filter(|s| s.record.status == OrchestrationStatus::AwaitingStart)
        else {
            return Vec::new();
        };
        let mut delayed = std::mem::take(&mut old.delayed);
        for delayed in &mut delayed {
            delayed.message.execution = None;
        }
        delayed
    }

    /// What sending would do, without doing it.
    pub fn check_send(&self, envelope: &Envelope) -> SendOutcome {
        let Some(slot) = self.instances.get(&envelope.target) else {
            return if envelope.creates.is_some() {
                SendOutcome::Accepted
            } else {
                SendOutcome::NoInstance
            };
        };
        if envelope.creates.is_some() {
            return SendOutcome::Accepted;
        }
        let other_generation = envelope.execution.is_some_and(|e| e != slot.record.execution);
        if slot.is_terminal() || other_generation {
            return SendOutcome::Terminal;
        }
        if !envelope.control
            && slot.inbox.len() >= limits::UNREAD_EVENTS_MAX
            && envelope.execution.is_none()
            && !slot.inbox.iter().any(|m| m.id == envelope.id)
        {
            return SendOutcome::InboxFull;
        }
        SendOutcome::Accepted
    }

    /// Delivers a message that [`check_send`](Self::check_send) accepts.
    pub fn apply_send(&mut self, envelope: Envelope, now: Timestamp) {
        if !self.has_already(&envelope.target) {
            self.deliver(envelope, now);
        }
    }

    pub(super) fn deliver(&mut self, envelope: Envelope, now: Timestamp) {
        if let Some(record) = &envelope.creates {
            let absent_or_ended = self.instances.get(&envelope.target).is_none_or(|slot| {
                slot.is_terminal()
                    || (slot.record.status == OrchestrationStatus::AwaitingStart
                        && record.status != OrchestrationStatus::AwaitingStart)
            });
            if absent_or_ended {
                let record = Arc::clone(record);
                return self.begin_with(envelope, &record, now);
            }
        }
        self.accept(envelope, now);
    }

    /// Sends a message.
    pub fn send(&mut self, envelope: Envelope, now: Timestamp) -> SendOutcome {
        let outcome = self.check_send(&envelope);
        if outcome == SendOutcome::Accepted {
            self.apply_send(envelope, now);
        }
        outcome
    }

    /// Puts a message into the inbox or the timer queue of an instance that exists.
    pub(super) fn accept(&mut self, envelope: Envelope, now: Timestamp) {
        let number = self.number();
        // In recovery the mark is set by what began the change; it may have several parts.
        let lsn = self.lsn;
        let Some(slot) = self.instances.get_mut(&envelope.target) else { return };
        // A message that may create goes to whoever lives there now.
        let execution = if envelope.creates.is_some() { None } else { envelope.execution };
        if slot.is_terminal() || execution.is_some_and(|e| e != slot.record.execution) {
            return;
        }
        let repeated = slot.inbox.iter().any(|m| m.id == envelope.id)
            || slot.delayed.iter().any(|d| d.message.id == envelope.id);
        if repeated {
            return;
        }
        slot.lsn = lsn;
        let instance = envelope.target;
        let message = Waiting {
            id: envelope.id,
            execution,
            control: envelope.control,
            enqueued_at: now,
            body: envelope.body,
        };
        match envelope.visible_at.filter(|at| *at > now) {
            Some(at) => {
                slot.push_delayed((at, number), message);
                let earliest =
                    self.timers.first_key_value().is_none_or(|((first, _), _)| at < *first);
                self.timers.insert((at, number), instance.clone());
                self.signals.turns |= earliest;
            }
            None => {
                slot.inbox.push_back(message);
                self.make_ready(&instance, now);
            }
        }
        self.touch(&instance);
    }

    /// Removes a delayed message; `false` if there is none of that id.
    pub(super) fn cancel_delayed(
        &mut self,
        instance: &InstanceId,
        id: crate::ids::MessageId,
    ) -> bool {
        let Some(slot) = self.instances.get_mut(instance) else { return false };
        let Some(at) = slot.delayed.iter().position(|d| d.message.id == id) else { return false };
        let delayed = slot.delayed.swap_remove(at);
        self.timers.remove(&delayed.key);
        true
    }

    /// Takes an instance out, with its timers and tasks.
    pub(super) fn remove_slot(&mut self, instance: &InstanceId) -> Option<Box<Slot>> {
        let mut slot = self.instances.remove(instance)?;
        for delayed in slot.delayed.drain(..) {
            self.timers.remove(&delayed.key);
        }
        for task in std::mem::take(&mut slot.tasks).iter() {
            self.tasks.remove(&task);
            self.leased_tasks.remove(&task);
        }
        self.leased.remove(instance);
        Some(slot)
    }

    /// Drops what a terminal instance no longer needs.
    pub(super) fn empty_slot(&mut self, instance: &InstanceId) {
        let Some(slot) = self.instances.get_mut(instance) else { return };
        slot.inbox = std::collections::VecDeque::new();
        let delayed = std::mem::take(&mut slot.delayed);
        let tasks = std::mem::take(&mut slot.tasks);
        slot.pause = Pause::None;
        slot.history.shrink_to_fit();
        for delayed in delayed {
            self.timers.remove(&delayed.key);
        }
        for task in tasks.iter() {
            self.tasks.remove(&task);
            self.leased_tasks.remove(&task);
        }
    }
}
