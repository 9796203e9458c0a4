//! Tasks that are on loan: keeping them, giving them back. A task is in the head of its instance
//! or in a page.

use std::sync::Arc;
use std::time::Duration;

use durable_core::backend::{
    AbandonOutcome, ActivityLease, BackendResult, RenewActivity, RenewOutcome,
};
use durable_core::ids::{InstanceId, MessageId, QueueName};
use durable_core::time::Timestamp;

use crate::claim::CLAIMS_MAX;
use crate::doorbell;
use crate::head::{Head, Load, Loan};
use crate::hints::TaskPlace;
use crate::hub::Hub;
use crate::item::Item;
use crate::page::Page;
use crate::schema::{HEAD, partition};
use crate::table::{Written, damaged};
use crate::update::{Update, binary, id, number};
use crate::values::id_text;

/// An item with tasks, as it was answered.
pub(crate) struct Holder {
    pub(crate) head: Option<Arc<Head>>,
    pub(crate) load: Load,
}

impl Holder {
    fn read(operation: &'static str, item: &Item, is_head: bool) -> BackendResult<Self> {
        if is_head {
            let head = Hub::read_head(operation, item)?;
            return Ok(Self { load: head.load.clone(), head: Some(head) });
        }
        let page = Page::read(item).map_err(|why| damaged(operation, "a page", &why))?;
        Ok(Self { load: page.load, head: None })
    }
}

/// What became of a change of a task.
pub(crate) enum Changed {
    Done(Holder),
    /// As the item is instead, `None` when there is none; and whether an earlier attempt may have
    /// been applied without an answer.
    Refused(Option<Holder>, bool),
}

impl Changed {
    /// A change is refused, too, when it was made by an earlier try whose answer was lost; then
    /// the item shows it.
    pub(crate) fn or_done_before(self, shows: impl Fn(&Holder) -> bool) -> Self {
        match self {
            Self::Refused(Some(holder), _) if shows(&holder) => Self::Done(holder),
            changed => changed,
        }
    }
}

/// The path of a task in its item, as a placeholder.
pub(crate) fn path(update: &mut Update, task: MessageId) -> String {
    let key = update.key(id_text(task));
    format!("tk.{key}")
}

impl Hub {
    /// Changes an item with tasks.
    pub(crate) async fn change_item(
        &self,
        operation: &'static str,
        (instance, item): (&InstanceId, &str),
        update: Update,
    ) -> BackendResult<Changed> {
        let is_head = item == HEAD;
        let read = |item: &Item| Holder::read(operation, item, is_head);
        let pk = partition(instance);
        let (written, lost) = self.table.update_seen(operation, (&pk, item), update).await?;
        Ok(match written {
            Written::Done(item) => Changed::Done(read(&item)?),
            Written::Refused(item) => Changed::Refused(item.as_ref().map(read).transpose()?, lost),
        })
    }

    /// Rings for tasks by and by, so that other processes hear of them. When it fails, the
    /// doorbell of their instance is still there.
    pub(crate) fn ring_tasks(&self, instance: &InstanceId, item: &str, load: &Load) {
        let now = self.now();
        let mut rings: Vec<(&QueueName, Duration, Vec<MessageId>)> = Vec::new();
        for task in &load.tasks {
            let ahead = task.visible_at.map_or(Duration::ZERO, |at| at.since(now));
            let queue = &task.body.queue;
            let same = |(name, delay, ids): &(&QueueName, Duration, Vec<MessageId>)| {
                *name == queue && *delay == ahead && ids.len() < CLAIMS_MAX
            };
            match rings.iter_mut().find(|ring| same(ring)) {
                Some((_, _, ids)) => ids.push(task.id),
                None => rings.push((queue, ahead, vec![task.id])),
            }
        }
        let ring = |(queue, delay, ids): (&QueueName, Duration, Vec<MessageId>)| {
            (doorbell::of_tasks(queue, instance, item, &ids), delay)
        };
        self.worker.send_soon(rings.into_iter().map(ring).collect());
    }

    /// Removes the doorbells that no other task needs, by and by.
    pub(crate) fn answer_task_doorbells(&self, places: impl Iterator<Item = TaskPlace>) {
        let handles: Vec<String> = {
            let mut held = self.held_tasks.lock();
            let handles = places.filter_map(|place| held.remove(&place)).flatten();
            handles.filter_map(Arc::into_inner).collect()
        };
        self.worker.remove_soon(handles);
    }

    /// Where a task on loan is; the head when nobody remembers and no page has it.
    pub(crate) async fn place(
        &self,
        operation: &'static str,
        lease: &ActivityLease,
    ) -> BackendResult<TaskPlace> {
        let known = self.lent_tasks.lock().get(&lease.token).cloned();
        let place = |item| TaskPlace { instance: lease.instance.clone(), item, task: lease.task };
        if let Some(item) = known {
            return Ok(place(item));
        }
        let head = self.head(operation, &lease.instance).await?;
        if let Some(head) = head.filter(|h| h.has_pages()) {
            let pages = self.pages(operation, &head).await?;
            if let Some(page) = pages.iter().find(|p| p.load.task(lease.task).is_some()) {
                return Ok(place(Arc::clone(&page.key)));
            }
        }
        Ok(place(Arc::from(HEAD)))
    }

    /// Keeps a task longer.
    pub(crate) async fn renew_task(&self, renewal: &RenewActivity) -> BackendResult<RenewOutcome> {
        let operation = "renew_activities";
        let lease = &renewal.lease;
        let place = self.place(operation, lease).await?;
        let now = self.now();
        let until = now + renewal.lease_for;
        let mut update = Update::default();
        let path = path(&mut update, lease.task);
        update.set(&format!("{path}.lu"), number(until.as_micros()));
        if let Some(progress) = &renewal.progress {
            let body = self.body(operation, &lease.instance, progress).await?;
            update.set(&format!("{path}.p"), binary(body.seal()));
        }
        update.when_equal(&format!("{path}.lt"), id(lease.token.0));
        let by = update.value(number(now.as_micros()));
        update.when(&format!("{path}.lu>{by}"));
        match self.change_item(operation, (&lease.instance, &place.item), update).await? {
            Changed::Done(holder) => {
                let queue = holder.load.task(lease.task).map(|t| t.body.queue.clone());
                if let Some(queue) = queue {
                    self.tasks.lock().watch(Loan { token: lease.token, until }, &queue, place);
                }
                Ok(RenewOutcome::Renewed)
            }
            Changed::Refused(holder, _) => {
                let there = holder.is_some_and(|h| h.load.task(lease.task).is_some());
                Ok(if there { RenewOutcome::Lost } else { RenewOutcome::Cancelled })
            }
        }
    }

    /// Takes a task back. When nobody has seen it, it was not delivered either.
    pub(crate) async fn abandon_task(
        &self,
        lease: &ActivityLease,
        delay: Duration,
        was_seen: bool,
    ) -> BackendResult<AbandonOutcome> {
        let operation = "abandon_activities";
        let place = self.place(operation, lease).await?;
        let mut update = Update::default();
        let path = path(&mut update, lease.task);
        update.remove(&format!("{path}.lt"));
        update.remove(&format!("{path}.lu"));
        if !was_seen {
            let one = update.value(number(1));
            update.set_expression(&format!("{path}.dl={path}.dl-{one}"));
        }
        if delay > Duration::ZERO {
            let at = self.now() + delay;
            update.set(&format!("{path}.vis"), number(at.as_micros()));
        }
        update.when_equal(&format!("{path}.lt"), id(lease.token.0));
        // By this the call knows its own doing when the answer is lost and it is made again.
        let by = self.env.random_u128();
        update.set(&format!("{path}.gb"), id(by));
        let place_of = (&lease.instance, &*place.item);
        let given_back =
            |h: &Holder| h.load.task(lease.task).and_then(|t| t.given_back) == Some(by);
        let changed = self.change_item(operation, place_of, update).await?;
        match changed.or_done_before(given_back) {
            Changed::Done(holder) => {
                self.lent_tasks.lock().remove(&lease.token);
                self.tasks.lock().over(lease.token);
                self.note_tasks(&lease.instance, &place.item, &holder.load);
                let mut load = holder.load;
                load.tasks.retain(|t| t.id == lease.task);
                self.ring_tasks(&lease.instance, &place.item, &load);
                Ok(AbandonOutcome::Done)
            }
            Changed::Refused(..) => Ok(AbandonOutcome::Lost),
        }
    }

    /// When the next task may be looked at.
    pub(crate) fn next_task_due(&self) -> Option<Timestamp> {
        self.tasks.lock().next_due()
    }
}
