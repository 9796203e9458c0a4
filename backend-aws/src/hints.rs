//! What this process knows about work that may be ready. Hints may be wrong, never binding: the
//! table decides.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use durable_core::ids::{InstanceId, LeaseToken, MessageId, QueueName};
use durable_core::time::Timestamp;
use foldhash::{HashMap, HashSet};

use crate::head::{Head, Loan, Task};
use crate::loan_ends::LoanEnds;

/// Hints kept at most; what is dropped comes back by doorbell or sweep.
const HINTS_MAX: usize = 200_000;

/// Instances that may be ready.
#[derive(Debug, Default)]
pub(crate) struct TurnHints {
    queue: VecDeque<InstanceId>,
    /// What is known of those in the queue.
    queued: HashMap<InstanceId, Option<Arc<Head>>>,
    due: BTreeSet<(Timestamp, InstanceId)>,
    loans: LoanEnds<InstanceId>,
}

impl TurnHints {
    /// Looks at an instance when its loan ends. Whether that is earlier than all other loans.
    pub(crate) fn watch(&mut self, loan: Loan, instance: &InstanceId) -> bool {
        self.loans.watch(loan.token, loan.until, instance.clone())
    }

    /// A loan is over.
    pub(crate) fn over(&mut self, token: LeaseToken) {
        self.loans.over(token);
    }

    /// Whether it is a new one.
    pub(crate) fn push(&mut self, instance: &InstanceId, head: Option<Arc<Head>>) -> bool {
        if let Some(known) = self.queued.get_mut(instance) {
            *known = head;
            return false;
        }
        if self.queue.len() >= HINTS_MAX {
            return false;
        }
        self.queued.insert(instance.clone(), head);
        self.queue.push_back(instance.clone());
        true
    }

    /// Whether it is earlier than all else.
    pub(crate) fn push_due(&mut self, at: Timestamp, instance: &InstanceId) -> bool {
        let earliest = self.due.first().is_none_or(|(first, _)| at < *first);
        if self.due.len() < HINTS_MAX {
            self.due.insert((at, instance.clone()));
        }
        earliest
    }

    /// Lets happen what is due.
    pub(crate) fn advance(&mut self, now: Timestamp) {
        while let Some((at, _)) = self.due.first()
            && *at <= now
            && let Some((_, instance)) = self.due.pop_first()
        {
            self.push(&instance, None);
        }
        while let Some(instance) = self.loans.pop(now) {
            self.push(&instance, None);
        }
    }

    pub(crate) fn pop(&mut self) -> Option<(InstanceId, Option<Arc<Head>>)> {
        let instance = self.queue.pop_front()?;
        let head = self.queued.remove(&instance).flatten();
        Some((instance, head))
    }

    pub(crate) fn any(&self) -> bool {
        !self.queue.is_empty()
    }

    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        let due = self.due.first().map(|(at, _)| *at);
        [due, self.loans.next()].into_iter().flatten().min()
    }
}

/// Where a task is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct TaskPlace {
    pub(crate) instance: InstanceId,
    /// Sort key of the item that holds it.
    pub(crate) item: Arc<str>,
    pub(crate) task: MessageId,
}

/// Tasks that may be ready, by queue.
#[derive(Debug, Default)]
pub(crate) struct TaskHints {
    queues: HashMap<QueueName, VecDeque<TaskPlace>>,
    queued: HashSet<TaskPlace>,
    due: BTreeSet<(Timestamp, QueueName, TaskPlace)>,
    loans: LoanEnds<(QueueName, TaskPlace)>,
    /// Those that this process is claiming or has on loan from a claim. Looking at them again
    /// would be in vain; when the claim fails or the loan ends they are looked at anyway.
    claimed: HashSet<TaskPlace>,
}

impl TaskHints {
    /// Looks at a task when its loan ends. Whether that is earlier than all other loans.
    pub(crate) fn watch(&mut self, loan: Loan, queue: &QueueName, place: TaskPlace) -> bool {
        self.loans.watch(loan.token, loan.until, (queue.clone(), place))
    }

    /// A loan is over.
    pub(crate) fn over(&mut self, token: LeaseToken) {
        if let Some((_, place)) = self.loans.over(token) {
            self.claimed.remove(&place);
        }
    }

    /// A claim has succeeded: the task is looked at again when its loan ends.
    pub(crate) fn claimed(&mut self, loan: Loan, queue: &QueueName, place: TaskPlace) {
        if self.loans.is_full() {
            self.claimed.remove(&place);
        }
        self.watch(loan, queue, place);
    }

    /// Whether this process is claiming it or has it on loan from a claim.
    pub(crate) fn is_claimed(&self, place: &TaskPlace) -> bool {
        self.claimed.contains(place)
    }

    /// A claim has failed.
    pub(crate) fn not_claimed(&mut self, place: &TaskPlace) {
        self.claimed.remove(place);
    }

    pub(crate) fn push(&mut self, queue: &QueueName, place: TaskPlace) -> bool {
        if self.is_claimed(&place)
            || self.queued.len() >= HINTS_MAX
            || !self.queued.insert(place.clone())
        {
            return false;
        }
        self.queues.entry(queue.clone()).or_default().push_back(place);
        true
    }

    pub(crate) fn push_due(&mut self, at: Timestamp, queue: &QueueName, place: TaskPlace) -> bool {
        let earliest = self.due.first().is_none_or(|(first, ..)| at < *first);
        if self.due.len() < HINTS_MAX {
            self.due.insert((at, queue.clone(), place));
        }
        earliest
    }

    /// Looks at a task when it may be taken, if it may not be now: `None` when it may. Whether that
    /// is earlier than all else of its kind.
    pub(crate) fn wait(&mut self, task: &Task, place: &TaskPlace, now: Timestamp) -> Option<bool> {
        let queue = &task.body.queue;
        if let Some(loan) = task.loan.filter(|loan| loan.until > now) {
            return Some(self.watch(loan, queue, place.clone()));
        }
        let at = task.visible_at.filter(|at| *at > now)?;
        Some(self.push_due(at, queue, place.clone()))
    }

    /// A claim has failed: the task is looked at once more then.
    pub(crate) fn put_back(&mut self, at: Timestamp, queue: &QueueName, place: TaskPlace) {
        self.not_claimed(&place);
        self.push_due(at, queue, place);
    }

    pub(crate) fn advance(&mut self, now: Timestamp) {
        while let Some((at, ..)) = self.due.first()
            && *at <= now
            && let Some((_, queue, place)) = self.due.pop_first()
        {
            self.push(&queue, place);
        }
        while let Some((queue, place)) = self.loans.pop(now) {
            self.claimed.remove(&place);
            self.push(&queue, place);
        }
    }

    /// The oldest of these queues, to be claimed.
    pub(crate) fn pop(&mut self, queues: &[QueueName]) -> Option<(QueueName, TaskPlace)> {
        for name in queues {
            if let Some(queue) = self.queues.get_mut(name)
                && let Some(place) = queue.pop_front()
            {
                self.queued.remove(&place);
                self.claimed.insert(place.clone());
                if queue.is_empty() {
                    self.queues.remove(name);
                }
                return Some((name.clone(), place));
            }
        }
        None
    }

    pub(crate) fn any(&self, queues: &[QueueName]) -> bool {
        queues.iter().any(|queue| self.queues.contains_key(queue))
    }

    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        let due = self.due.first().map(|(at, ..)| *at);
        [due, self.loans.next()].into_iter().flatten().min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(seq: u64) -> TaskPlace {
        let task = MessageId { source: 1, seq };
        TaskPlace { instance: InstanceId::new("a").unwrap(), item: Arc::from("M"), task }
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    /// Hints with one task that is being claimed.
    fn claiming(queues: &[QueueName]) -> TaskHints {
        let mut hints = TaskHints::default();
        assert!(hints.push(&queues[0], place(1)));
        assert_eq!(hints.pop(queues).map(|(_, place)| place), Some(place(1)));
        assert!(!hints.push(&queues[0], place(1)), "it is being claimed");
        hints
    }

    #[test]
    fn a_task_on_loan_here_is_looked_at_when_the_loan_ends_and_not_before() {
        let queues = [QueueName::default()];
        let mut hints = claiming(&queues);
        let loan = Loan { token: LeaseToken(5), until: at(10) };
        hints.claimed(loan, &queues[0], place(1));
        assert!(!hints.push(&queues[0], place(1)), "it is on loan");
        assert_eq!(hints.next_due(), Some(at(10)));
        hints.advance(at(10));
        assert_eq!(hints.pop(&queues).map(|(_, place)| place), Some(place(1)));
    }

    #[test]
    fn a_task_is_looked_at_again_when_its_loan_is_over_or_was_not_to_be_had() {
        let queues = [QueueName::default()];
        let mut hints = claiming(&queues);
        hints.claimed(Loan { token: LeaseToken(5), until: at(10) }, &queues[0], place(1));
        hints.over(LeaseToken(5));
        assert!(hints.push(&queues[0], place(1)));
        let mut hints = claiming(&queues);
        hints.not_claimed(&place(1));
        assert!(hints.push(&queues[0], place(1)));
        let mut hints = claiming(&queues);
        hints.not_claimed(&place(1));
        hints.push_due(at(3), &queues[0], place(1));
        hints.advance(at(3));
        assert!(hints.any(&queues));
    }
}
