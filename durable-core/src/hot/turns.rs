//! Handing out turns and committing them.

use std::collections::VecDeque;

use super::HubState;
use super::slot::Pause;
use super::tenure::Loan;
use crate::backend::{
    AbandonOutcome, CommitOutcome, Disposition, Envelope, InboxMessage, RenewOutcome, TurnCommit,
    TurnLease, TurnWork,
};
use crate::ids::{InstanceId, LeaseToken, MessageId};
use crate::time::Timestamp;

impl HubState {
    /// Lends up to `max` ready instances until `until`. [`advance`](Self::advance) must have run.
    pub fn take_turns(
        &mut self,
        max: usize,
        messages_max: usize,
        now: Timestamp,
        until: Timestamp,
        mut token: impl FnMut() -> LeaseToken,
    ) -> Vec<TurnWork> {
        let mut works = Vec::with_capacity(max.min(self.ready.len()));
        while works.len() < max {
            let Some(instance) = self.ready.pop(now) else { break };
            let Some(slot) = self.instances.get_mut(&instance) else { continue };
            slot.queued = false;
            let execution = slot.record.execution;
            slot.inbox.retain(|m| m.execution.is_none_or(|e| e == execution));
            if !slot.is_ready(now) {
                continue;
            }
            let messages = slot
                .deliverable(now, messages_max.max(1))
                .into_iter()
                .map(|m| InboxMessage {
                    id: m.id,
                    enqueued_at: m.enqueued_at,
                    body: m.body.clone(),
                })
                .collect();
            slot.delivery = slot.delivery.saturating_add(1);
            let token = token();
            slot.tenure.set_loan(Some(Loan { token, until }));
            works.push(TurnWork {
                lease: TurnLease { instance: instance.clone(), token },
                execution,
                events: slot.record.events,
                messages,
                delivery: slot.delivery,
                committed: slot.tenure.committed(),
            });
            self.leased.insert(instance);
            self.leases_checked = self.leases_checked.min(until);
        }
        let took_fresh = works.iter().any(|work| work.events == 0);
        self.ready.batch_ends(now, took_fresh, self.queues.values().map(VecDeque::len).sum());
        works
    }

    /// Whether more turns could be handed out at once.
    pub fn has_ready_turns(&self, now: Timestamp) -> bool {
        self.ready.any(now)
    }

    /// Instances on loan, with their delivery counts.
    pub fn leased_turns(&self) -> Vec<(InstanceId, u32)> {
        self.leased
            .iter()
            .filter_map(|id| self.instances.get(id).map(|slot| (id.clone(), slot.delivery)))
            .collect()
    }

    /// Sets a delivery count, e.g. one found in a log.
    pub fn set_turn_delivery(&mut self, instance: &InstanceId, delivery: u32) {
        if let Some(slot) = self.instances.get_mut(instance) {
            slot.delivery = delivery;
        }
    }

    /// How often an instance was handed out since its last commit.
    pub fn turn_delivery(&self, instance: &InstanceId) -> u32 {
        self.instances.get(instance).map_or(0, |slot| slot.delivery)
    }

    /// Takes an instance back without a lease, as found in a log.
    pub fn give_back_turn(
        &mut self,
        instance: &InstanceId,
        delivery: u32,
        now: Timestamp,
        until: Timestamp,
    ) {
        if self.has_already(instance) {
            return;
        }
        self.set_turn_delivery(instance, delivery);
        self.delay_turn(instance, now, until);
    }

    /// Lets an instance wait; a hold goes on as it was, because it is stricter.
    pub(super) fn delay_turn(&mut self, instance: &InstanceId, now: Timestamp, until: Timestamp) {
        let Some(slot) = self.instances.get_mut(instance).filter(|_| until > now) else { return };
        if slot.pause == Pause::None || matches!(slot.pause, Pause::Delayed(_)) {
            slot.pause = Pause::Delayed(until);
        }
        self.wake_at(until, instance);
    }

    pub(super) fn end_turn_leases(&mut self, now: Timestamp) {
        let mut next = Timestamp::MAX;
        let mut ended = Vec::new();
        for instance in &self.leased {
            match self.instances.get(instance).and_then(|slot| slot.tenure.loan()) {
                Some(loan) if loan.until > now => next = next.min(loan.until),
                _ => ended.push(instance.clone()),
            }
        }
        // Hash order must not decide who is served first.
        ended.sort_unstable();
        self.leases_checked = next;
        for instance in ended {
            self.leased.remove(&instance);
            if let Some(slot) = self.instances.get_mut(&instance) {
                slot.tenure.set_loan(None);
            }
            self.make_ready(&instance, now);
        }
    }

    fn holds(&self, lease: &TurnLease) -> bool {
        self.instances
            .get(&lease.instance)
            .and_then(|slot| slot.tenure.loan())
            .is_some_and(|loan| loan.token == lease.token)
    }

    /// Keeps an instance longer.
    pub fn renew_turn(&mut self, lease: &TurnLease, until: Timestamp) -> RenewOutcome {
        if !self.holds(lease) {
            return RenewOutcome::Lost;
        }
        if let Some(slot) = self.instances.get_mut(&lease.instance) {
            slot.tenure.set_loan(Some(Loan { token: lease.token, until }));
        }
        self.leases_checked = self.leases_checked.min(until);
        RenewOutcome::Renewed
    }

    /// Takes an instance back unchanged.
    pub fn abandon_turn(
        &mut self,
        lease: &TurnLease,
        now: Timestamp,
        until: Timestamp,
    ) -> AbandonOutcome {
        if !self.holds(lease) {
            return AbandonOutcome::Lost;
        }
        self.leased.remove(&lease.instance);
        if let Some(slot) = self.instances.get_mut(&lease.instance) {
            slot.tenure.set_loan(None);
        }
        self.delay_turn(&lease.instance, now, until);
        self.make_ready(&lease.instance, now);
        AbandonOutcome::Done
    }

    /// Why a commit may not be applied, or that it has been already.
    pub fn check_turn(&self, commit: &TurnCommit) -> Option<CommitOutcome> {
        let Some(slot) = self.instances.get(&commit.lease.instance) else {
            return Some(CommitOutcome::LeaseLost);
        };
        if slot.tenure.loan().is_none_or(|loan| loan.token != commit.lease.token) {
            let repeated = slot.tenure.committed() == Some(commit.lease.token);
            return Some(if repeated { CommitOutcome::Applied } else { CommitOutcome::LeaseLost });
        }
        let fits = slot.record.execution == commit.execution
            && slot.record.events == commit.expected_events;
        (!fits).then_some(CommitOutcome::Conflict)
    }

    /// Commits a turn.
    pub fn commit_turn(&mut self, commit: TurnCommit, now: Timestamp) -> CommitOutcome {
        if let Some(outcome) = self.check_turn(&commit) {
            return outcome;
        }
        self.apply_turn(commit, now);
        CommitOutcome::Applied
    }

    /// Applies a commit that [`check_turn`](Self::check_turn) has let through, or one from a log.
    pub fn apply_turn(&mut self, mut commit: TurnCommit, now: Timestamp) {
        let instance = commit.lease.instance.clone();
        let disposition = commit.disposition;
        let messages = std::mem::take(&mut commit.messages);
        let (own, others): (Vec<_>, Vec<_>) =
            messages.into_iter().partition(|m| m.target == instance);
        let tracking = commit.tracking.take();
        let applies = self.instances.contains_key(&instance) && !self.has_already(&instance);
        if applies {
            self.apply_own_part(&instance, commit, own, now);
        }
        // Found out first: several messages of one change may go to one instance.
        let wanted: Vec<_> = others.iter().map(|m| !self.has_already(&m.target)).collect();
        for (message, _) in others.into_iter().zip(wanted).filter(|(_, wanted)| *wanted) {
            self.send_from_inside(message, now);
        }
        if let Some(tracking) = tracking {
            self.add_tracking(tracking);
        }
        if applies {
            self.settle(&instance, disposition, now);
        }
    }

    /// What a turn changes about its own instance.
    fn apply_own_part(
        &mut self,
        instance: &InstanceId,
        commit: TurnCommit,
        own: Vec<Envelope>,
        now: Timestamp,
    ) {
        self.leased.remove(instance);
        let lsn = self.lsn;
        let Some(slot) = self.instances.get_mut(instance) else { return };
        slot.lsn = lsn;
        slot.tenure.set_loan(None);
        slot.tenure.set_committed(Some(commit.lease.token));
        slot.delivery = 0;
        slot.pause = Pause::None;
        match commit.consumed.as_slice() {
            [] => {}
            // By far the most common case: the oldest message.
            [one] if slot.inbox.front().is_some_and(|m| m.id == *one) => {
                drop(slot.inbox.pop_front())
            }
            several if several.len() < 8 => slot.inbox.retain(|m| !several.contains(&m.id)),
            many => {
                let many: foldhash::HashSet<_> = many.iter().copied().collect();
                slot.inbox.retain(|m| !many.contains(&m.id));
            }
        }
        let revision = slot.record.revision;
        if let Some(chunk) = commit.chunk {
            slot.record.events += u64::from(chunk.events);
            slot.push_chunk(chunk);
        }
        let changed = commit.record.is_some();
        if let Some(mut record) = commit.record {
            record.revision = revision + 1;
            record.events = slot.record.events;
            slot.record = record;
        }
        slot.record.updated_at = commit.at;
        if let Some(next) = commit.next {
            slot.record.execution = next.execution;
            slot.record.events = u64::from(next.chunk.events);
            let old = std::mem::replace(&mut slot.history, vec![next.chunk.into()]);
            if next.keep_history {
                slot.rare.get_or_insert_default().older.push((commit.execution, old));
            }
            slot.inbox.retain(|m| m.execution.is_none_or(|e| e == next.execution));
            self.drop_work_of_old_generation(instance, next.execution);
        }
        self.touch(instance);
        if changed {
            self.note_change(instance);
        }
        for task in commit.activities {
            self.add_task(task, now);
        }
        for message in own {
            self.accept(message, now);
        }
        // Last, because a turn may give up what it has just begun.
        for id in commit.cancelled {
            self.cancel(instance, id);
        }
    }

    /// Removes a timer or task, also a timer that is due and unread.
    fn cancel(&mut self, instance: &InstanceId, id: MessageId) {
        if self.cancel_delayed(instance, id) || self.cancel_task(id).is_some() {
            return;
        }
        if let Some(slot) = self.instances.get_mut(instance) {
            slot.inbox.retain(|m| m.id != id);
        }
    }

    /// Messages between instances are never refused for room: nobody could repeat them.
    fn send_from_inside(&mut self, envelope: Envelope, now: Timestamp) {
        if envelope.creates.is_some() || self.instances.contains_key(&envelope.target) {
            self.deliver(envelope, now);
        }
    }

    fn settle(&mut self, instance: &InstanceId, disposition: Disposition, now: Timestamp) {
        let Some(slot) = self.instances.get_mut(instance) else { return };
        if slot.is_terminal() {
            self.empty_slot(instance);
            return;
        }
        if slot.tasks.is_empty() {
            // It waits for the world; that may take long.
            slot.shrink();
        }
        if let Disposition::Hold { until } = disposition {
            slot.pause = Pause::Held(until);
            if let Some(until) = until {
                self.wake_at(until, instance);
            }
        }
        self.make_ready(instance, now);
    }
}
