//! Drawing conclusions from what was seen of an instance: hints, bells, doorbells.

use std::sync::Arc;
use std::time::Duration;

use durable_core::hot::Signals;
use durable_core::ids::InstanceId;
use durable_core::time::Timestamp;

use crate::doorbell;
use crate::head::{Head, Load};
use crate::hints::TaskPlace;
use crate::hub::Hub;
use crate::schema;
use crate::sqs::DELAY_MAX;
use crate::timers;

impl Hub {
    /// Takes note of an instance as it is now.
    pub(crate) fn note(&self, head: &Arc<Head>) {
        let now = self.now();
        let instance = &head.instance;
        if head.is_terminal() && head.outbox.is_none() {
            return;
        }
        let mut ring = false;
        {
            let mut turns = self.turns.lock();
            // A chance that another process died with the instance or with its outbox.
            let watched = head.loan.filter(|loan| loan.until > now);
            if let Some(loan) = watched {
                ring |= turns.watch(loan, instance);
            } else if head.outbox.is_some() {
                ring |= turns.push_due(now + Duration::from_secs(1), instance);
            } else if head.has_pages() || head.deliverable(&[], now).is_some() {
                ring |= turns.push(instance, Some(Arc::clone(head)));
            }
            if let Some(due) = head.next_due(now) {
                ring |= turns.push_due(due, instance);
            }
        }
        if ring {
            self.bells.ring(Signals { turns: true, ..Signals::default() });
        }
        self.note_tasks(instance, &Arc::from(schema::HEAD), &head.load);
    }

    /// Takes note of the tasks in an item.
    pub(crate) fn note_tasks(&self, instance: &InstanceId, item: &Arc<str>, load: &Load) {
        if load.tasks.is_empty() {
            return;
        }
        let now = self.now();
        let mut ring = false;
        let mut tasks = self.tasks.lock();
        for task in &load.tasks {
            let place =
                TaskPlace { instance: instance.clone(), item: Arc::clone(item), task: task.id };
            ring |= match tasks.wait(task, &place, now) {
                Some(earliest) => earliest,
                None => tasks.push(&task.body.queue, place),
            };
        }
        drop(tasks);
        if ring {
            self.bells.ring(Signals { activities: true, ..Signals::default() });
        }
    }

    /// Whether a doorbell of the instance must be kept, because something is under way that
    /// nobody would notice the end of, if its process died.
    pub(crate) fn is_outstanding(&self, head: &Head) -> bool {
        let now = self.now();
        if head.outbox.is_some() {
            return true;
        }
        if head.is_terminal() {
            return false;
        }
        let soon = now + self.settings.ring_again * 2;
        head.on_loan(now)
            || head.has_pages()
            || !head.load.tasks.is_empty()
            || head.deliverable(&[], now).is_some()
            || head.next_due(now).is_some_and(|due| due <= soon)
    }

    /// Rings for an instance at once, unless what holds it has rung already. When it fails, the
    /// sweep finds the instance.
    pub(crate) async fn ring_instances(&self, instances: Vec<InstanceId>) {
        let rings = instances.iter().map(|i| (doorbell::of_instance(i), Duration::ZERO));
        if let Err(error) = self.orchestrator.send("ring", rings.collect()).await {
            tracing::warn!(%error, "doorbells were not sent; the sweep will find the instances");
        }
    }

    /// Sees to it that the instance is looked at when its next timer is due, wherever.
    pub(crate) async fn arrange(&self, instance: &InstanceId, due: Timestamp) {
        let ahead = due.since(self.now());
        let arranged = if ahead <= DELAY_MAX - timers::MARGIN {
            let ring = (doorbell::of_instance(instance), ahead);
            self.orchestrator.send("arrange", vec![ring]).await
        } else {
            self.table.put_all("arrange", vec![timers::entry(instance, due)]).await
        };
        if let Err(error) = arranged {
            tracing::warn!(%error, "a timer was not arranged; the sweep will find the instance");
        }
    }

    /// What follows from a change: hints here, doorbells for others. `before` is when the next
    /// timer was due before the change.
    pub(crate) async fn follow_up(
        &self,
        head: &Arc<Head>,
        before: Option<Timestamp>,
        is_new_work: bool,
    ) {
        self.note(head);
        let now = self.now();
        let next = head.next_due(now);
        if is_new_work && !head.on_loan(now) && head.deliverable(&[], now).is_some() {
            self.ring_instances(vec![head.instance.clone()]).await;
        }
        if let Some(due) = next.filter(|due| before.is_none_or(|b| b <= now || *due < b)) {
            self.arrange(&head.instance, due).await;
        }
    }
}
