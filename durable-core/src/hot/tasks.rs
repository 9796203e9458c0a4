//! The activity queue.

use std::collections::VecDeque;

use bytes::Bytes;

use super::HubState;
use super::tenure::Loan;
use crate::backend::{
    AbandonOutcome, ActivityCommit, ActivityLease, ActivityWork, CommitOutcome, Envelope,
    RenewActivity, RenewOutcome,
};
use crate::ids::{ExecutionId, InstanceId, LeaseToken, MessageId, QueueName};
use crate::time::Timestamp;

/// One task.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) instance: InstanceId,
    pub(super) execution: ExecutionId,
    pub(super) queue: QueueName,
    pub(super) enqueued_at: Timestamp,
    pub(super) visible_at: Option<Timestamp>,
    pub(super) delivery: u32,
    pub(super) progress: Option<Bytes>,
    pub(super) loan: Option<Loan>,
    pub(super) body: Bytes,
}

impl HubState {
    pub(super) fn add_task(&mut self, envelope: Envelope, now: Timestamp) {
        let Some(slot) = self.instances.get_mut(&envelope.target) else { return };
        if slot.is_terminal() || !slot.tasks.insert(envelope.id) {
            return;
        }
        let task = Task {
            instance: envelope.target,
            execution: envelope.execution.unwrap_or(slot.record.execution),
            queue: envelope.queue,
            enqueued_at: now,
            visible_at: envelope.visible_at.filter(|at| *at > now),
            delivery: 0,
            progress: None,
            loan: None,
            body: envelope.body,
        };
        self.tasks.insert(envelope.id, task);
        if self.withhold_tasks {
            self.unpublished.push_back((self.lsn, envelope.id));
        } else {
            self.enqueue_task(envelope.id);
        }
    }

    /// Puts a task into its queue, or aside until it is visible.
    pub(super) fn enqueue_task(&mut self, id: MessageId) {
        let Some(task) = self.tasks.get_mut(&id) else { return };
        if let Some(at) = task.visible_at {
            let number = self.number();
            self.delayed_tasks.insert((at, number), id);
        } else if let Some(queue) = self.queues.get_mut(&task.queue) {
            queue.push_back(id);
        } else {
            self.queues.insert(task.queue.clone(), VecDeque::from([id]));
        }
        self.signals.activities = true;
    }

    pub(super) fn advance_tasks(&mut self, now: Timestamp) {
        while let Some(entry) = self.delayed_tasks.first_entry() {
            if entry.key().0 > now {
                break;
            }
            let ((at, _), id) = entry.remove_entry();
            // Its delay may have been replaced by another one, or have ended already.
            if let Some(task) = self.tasks.get_mut(&id).filter(|t| t.visible_at == Some(at)) {
                task.visible_at = None;
                self.enqueue_task(id);
            }
        }
        if self.task_leases_checked <= now {
            self.end_task_leases(now);
        }
    }

    fn end_task_leases(&mut self, now: Timestamp) {
        let mut next = Timestamp::MAX;
        let mut ended = Vec::new();
        for id in &self.leased_tasks {
            match self.tasks.get(id).and_then(|t| t.loan) {
                Some(loan) if loan.until > now => next = next.min(loan.until),
                _ => ended.push(*id),
            }
        }
        ended.sort_unstable();
        self.task_leases_checked = next;
        for id in ended {
            self.leased_tasks.remove(&id);
            if let Some(task) = self.tasks.get_mut(&id) {
                task.loan = None;
                self.enqueue_task(id);
            }
        }
    }

    /// When something is due next for waiting receivers of activities.
    pub fn next_activity_due(&self) -> Option<Timestamp> {
        let delayed = self.delayed_tasks.first_key_value().map(|((at, _), _)| *at);
        let lease = (!self.leased_tasks.is_empty()).then_some(self.task_leases_checked);
        [delayed, lease].into_iter().flatten().min()
    }

    /// Lends up to `max` tasks until `until`. [`advance`](Self::advance) must have run.
    pub fn take_activities(
        &mut self,
        max: usize,
        queues: &[QueueName],
        until: Timestamp,
        mut token: impl FnMut() -> LeaseToken,
    ) -> Vec<ActivityWork> {
        let mut works = Vec::new();
        for queue in queues {
            while works.len() < max {
                let Some(id) = self.queues.get_mut(queue).and_then(VecDeque::pop_front) else {
                    break;
                };
                let Some(task) = self.tasks.get_mut(&id) else { continue };
                if task.loan.is_some() || task.visible_at.is_some() {
                    continue;
                }
                task.delivery = task.delivery.saturating_add(1);
                let token = token();
                task.loan = Some(Loan { token, until });
                works.push(ActivityWork {
                    lease: ActivityLease { task: id, instance: task.instance.clone(), token },
                    execution: task.execution,
                    delivery: task.delivery,
                    enqueued_at: task.enqueued_at,
                    progress: task.progress.clone(),
                    body: task.body.clone(),
                });
                self.leased_tasks.insert(id);
                self.task_leases_checked = self.task_leases_checked.min(until);
            }
        }
        works
    }

    /// Whether more tasks of these queues could be handed out at once.
    pub fn has_ready_activities(&self, queues: &[QueueName]) -> bool {
        queues.iter().any(|q| self.queues.get(q).is_some_and(|q| !q.is_empty()))
    }

    /// All open tasks, in no order.
    pub fn task_ids(&self) -> impl Iterator<Item = MessageId> {
        self.tasks.keys().copied()
    }

    /// Tasks on loan: id, instance and delivery count.
    pub fn leased_activities(&self) -> Vec<(MessageId, InstanceId, u32)> {
        self.leased_tasks
            .iter()
            .filter_map(|id| self.tasks.get(id).map(|t| (*id, t.instance.clone(), t.delivery)))
            .collect()
    }

    /// Sets a delivery count, e.g. one found in a log.
    pub fn set_activity_delivery(&mut self, task: MessageId, delivery: u32) {
        if let Some(task) = self.tasks.get_mut(&task) {
            task.delivery = delivery;
        }
    }

    /// Sets the progress of a task, as found in a log.
    pub fn set_activity_progress(&mut self, task: MessageId, progress: Bytes) {
        if let Some(task) = self.tasks.get_mut(&task) {
            task.progress = Some(progress);
        }
    }

    /// Takes a task back without a lease, as found in a log.
    pub fn give_back_activity(&mut self, id: MessageId, delivery: u32, until: Timestamp) {
        let Some(task) = self.tasks.get_mut(&id) else { return };
        task.delivery = delivery;
        task.visible_at = Some(until);
        self.enqueue_task(id);
    }

    /// Puts the tasks of each queue into the order of their age, e.g. after instances were
    /// restored one by one.
    pub fn order_tasks(&mut self) {
        let tasks = &self.tasks;
        for queue in self.queues.values_mut() {
            let age = |id: &MessageId| tasks.get(id).map(|t| t.enqueued_at);
            queue.make_contiguous().sort_by_key(age);
        }
    }

    /// Who scheduled a task, if there is one of this id.
    pub fn instance_of(&self, task: MessageId) -> Option<&InstanceId> {
        self.tasks.get(&task).map(|t| &t.instance)
    }

    /// How often a task was handed out; 0 when there is none.
    pub fn activity_delivery(&self, task: MessageId) -> u32 {
        self.tasks.get(&task).map_or(0, |t| t.delivery)
    }

    fn loan_of(&self, lease: &ActivityLease) -> Option<&Task> {
        let task = self.tasks.get(&lease.task).filter(|t| t.instance == lease.instance)?;
        task.loan.is_some_and(|loan| loan.token == lease.token).then_some(task)
    }

    /// Keeps a task longer.
    pub fn renew_activity(&mut self, renewal: RenewActivity, until: Timestamp) -> RenewOutcome {
        let Some(task) = self.tasks.get_mut(&renewal.lease.task) else {
            return RenewOutcome::Cancelled;
        };
        match &mut task.loan {
            Some(loan) if loan.token == renewal.lease.token => loan.until = until,
            _ => return RenewOutcome::Lost,
        }
        if renewal.progress.is_some() {
            task.progress = renewal.progress;
        }
        self.task_leases_checked = self.task_leases_checked.min(until);
        RenewOutcome::Renewed
    }

    /// Takes a task back, to be handed out again at `until`.
    pub fn abandon_activity(
        &mut self,
        lease: &ActivityLease,
        now: Timestamp,
        until: Timestamp,
    ) -> AbandonOutcome {
        if self.loan_of(lease).is_none() {
            return AbandonOutcome::Lost;
        }
        self.leased_tasks.remove(&lease.task);
        if let Some(task) = self.tasks.get_mut(&lease.task) {
            task.loan = None;
            task.visible_at = (until > now).then_some(until);
        }
        self.enqueue_task(lease.task);
        AbandonOutcome::Done
    }

    /// Why a completion may not be applied.
    pub fn check_activity(&self, commit: &ActivityCommit) -> Option<CommitOutcome> {
        self.loan_of(&commit.lease).is_none().then_some(CommitOutcome::LeaseLost)
    }

    /// Completes a task.
    pub fn commit_activity(&mut self, commit: ActivityCommit, now: Timestamp) -> CommitOutcome {
        if let Some(outcome) = self.check_activity(&commit) {
            return outcome;
        }
        self.apply_activity(commit.lease.task, commit.completion, now);
        CommitOutcome::Applied
    }

    /// Applies a completion that [`check_activity`](Self::check_activity) has let through, or one from a log.
    pub fn apply_activity(&mut self, task: MessageId, completion: Envelope, now: Timestamp) {
        if self.has_already(&completion.target) {
            return;
        }
        if let Some(done) = self.cancel_task(task) {
            self.touch(&done.instance);
        }
        if self.instances.contains_key(&completion.target) {
            self.accept(completion, now);
        }
    }

    /// Removes a task, wherever it is.
    pub(super) fn cancel_task(&mut self, id: MessageId) -> Option<Task> {
        let task = self.tasks.remove(&id)?;
        self.leased_tasks.remove(&id);
        if let Some(slot) = self.instances.get_mut(&task.instance) {
            slot.tasks.remove(id);
        }
        Some(task)
    }

    /// Removes tasks and timers that belong to an earlier generation.
    pub(super) fn drop_work_of_old_generation(
        &mut self,
        instance: &InstanceId,
        current: ExecutionId,
    ) {
        let Some(slot) = self.instances.get(instance) else { return };
        let old: Vec<_> = slot
            .tasks
            .iter()
            .filter(|t| self.tasks.get(t).is_none_or(|t| t.execution != current))
            .collect();
        let stale: Vec<_> = slot
            .delayed
            .iter()
            .filter(|d| d.message.execution.is_some_and(|e| e != current))
            .map(|d| d.message.id)
            .collect();
        for id in old {
            self.cancel_task(id);
        }
        for id in stale {
            self.cancel_delayed(instance, id);
        }
    }
}
