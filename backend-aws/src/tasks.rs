//! Tasks: handing them out, keeping them, completing them. A task is in the head of its instance
//! or in a page; completing it turns it into a message in the same item.

use std::sync::Arc;
use std::time::Duration;

use durable_core::backend::{
    AbandonOutcome, ActivityCommit, ActivityLease, ActivityWork, BackendResult, CommitOutcome,
    RenewActivity, RenewOutcome,
};
use durable_core::ids::{InstanceId, LeaseToken, QueueName};
use durable_core::time::Timestamp;

use crate::deliver::id_set;
use crate::doorbell;
use crate::head::{Head, Load, Task};
use crate::hints::TaskPlace;
use crate::hub::Hub;
use crate::item::Item;
use crate::page::Page;
use crate::schema::{HEAD, partition};
use crate::sqs::Ring;
use crate::table::{Written, damaged};
use crate::update::{Update, binary, id, number};
use crate::values::{Message, id_bytes, id_text};

/// An item with tasks, as it was answered.
struct Holder {
    head: Option<Arc<Head>>,
    load: Load,
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
enum Changed {
    Done(Holder),
    /// As the item is instead; `None` when there is none.
    Refused(Option<Holder>),
}

/// The path of a task in its item, as a placeholder.
fn path(update: &mut Update, place: &TaskPlace) -> String {
    let key = update.key(id_text(place.task));
    format!("tk.{key}")
}

fn holds(holder: Option<&Holder>, place: &TaskPlace, token: LeaseToken) -> bool {
    let task = holder.and_then(|h| h.load.task(place.task));
    task.and_then(|t| t.loan).is_some_and(|loan| loan.token == token)
}

impl Hub {
    async fn change_task(
        &self,
        operation: &'static str,
        place: &TaskPlace,
        update: Update,
    ) -> BackendResult<Changed> {
        let is_head = &*place.item == HEAD;
        let key = (partition(&place.instance), Arc::clone(&place.item));
        let read = |item: &Item| Holder::read(operation, item, is_head);
        Ok(match self.table.update(operation, (&key.0, &key.1), update).await? {
            Written::Done(item) => Changed::Done(read(&item)?),
            Written::Refused(item) => Changed::Refused(item.as_ref().map(read).transpose()?),
        })
    }

    /// Doorbells for tasks, so that other processes hear of them.
    pub(crate) fn task_rings(&self, instance: &InstanceId, item: &str, load: &Load) -> Vec<Ring> {
        let now = self.now();
        let ring = |task: &Task| {
            let body = doorbell::of_task(&task.body.queue, instance, item, task.id);
            (body, task.visible_at.map_or(Duration::ZERO, |at| at.since(now)))
        };
        load.tasks.iter().map(ring).collect()
    }

    /// Rings for tasks. When it fails, the doorbell of their instance is still there.
    pub(crate) async fn ring_tasks(&self, rings: Vec<Ring>) {
        if rings.is_empty() {
            return;
        }
        if let Err(error) = self.worker.send("ring_tasks", rings).await {
            tracing::warn!(%error, "doorbells of tasks were not sent; the instance will ring");
        }
    }

    async fn answer_task_doorbells(&self, place: &TaskPlace) {
        let handles = self.held_tasks.lock().remove(place);
        if let Some(handles) = handles {
            self.worker.remove(handles).await;
        }
    }

    /// Hands out a task if it is there and not on loan.
    pub(crate) async fn claim(
        &self,
        queue: &QueueName,
        place: &TaskPlace,
        lease_for: Duration,
    ) -> BackendResult<Option<ActivityWork>> {
        let operation = "receive_activities";
        let now = self.now();
        let token = LeaseToken(self.env.random_u128());
        let until = now + lease_for;
        let mut update = Update::default();
        let path = path(&mut update, place);
        update.set(&format!("{path}.lt"), id(token.0));
        update.set(&format!("{path}.lu"), number(until.as_micros()));
        let (zero, one) = (update.value(number(0)), update.value(number(1)));
        update.set_expression(&format!("{path}.dl=if_not_exists({path}.dl,{zero})+{one}"));
        update.when(&format!("attribute_exists({path})"));
        let by = update.value(number(now.as_micros()));
        update.when(&format!("(attribute_not_exists({path}.lt) OR {path}.lu<={by})"));
        update.when(&format!("(attribute_not_exists({path}.vis) OR {path}.vis<={by})"));
        let holder = match self.change_task(operation, place, update).await? {
            Changed::Done(holder) => holder,
            Changed::Refused(Some(holder)) if holds(Some(&holder), place, token) => holder,
            Changed::Refused(holder) => {
                let task = holder.as_ref().and_then(|h| h.load.task(place.task));
                if let Some(task) = task {
                    let loan = task.loan.map(|loan| loan.until);
                    let later = [loan, task.visible_at].into_iter().flatten().max();
                    let mut tasks = self.tasks.lock();
                    tasks.push_due(later.unwrap_or(now), queue, place.clone());
                }
                self.answer_task_doorbells(place).await;
                return Ok(None);
            }
        };
        self.tasks.lock().push_due(until, queue, place.clone());
        self.answer_task_doorbells(place).await;
        let Some(task) = holder.load.task(place.task) else { return Ok(None) };
        let lease = ActivityLease { task: place.task, instance: place.instance.clone(), token };
        let read = self.work(operation, &lease, task, holder.head.is_none()).await;
        match read {
            Ok(Some(work)) => {
                self.lend_task(token, Arc::clone(&place.item));
                Ok(Some(work))
            }
            Ok(None) => Ok(None),
            Err(error) => {
                self.lend_task(token, Arc::clone(&place.item));
                self.abandon_task(&lease, Duration::from_secs(1)).await?;
                Err(error)
            }
        }
    }

    /// A task as work; `None` when its instance does not want it any more.
    async fn work(
        &self,
        operation: &'static str,
        lease: &ActivityLease,
        task: &Task,
        in_page: bool,
    ) -> BackendResult<Option<ActivityWork>> {
        if in_page {
            // A page may outlive what it was written for by a moment.
            let head = self.head(operation, &lease.instance).await?;
            let wanted = |h: &Arc<Head>| !h.is_terminal() && h.execution == task.body.execution;
            if !head.as_ref().is_some_and(wanted) {
                return Ok(None);
            }
        }
        let mut bodies = vec![&task.body.body];
        bodies.extend(&task.progress);
        let mut bodies = self.bodies(operation, &lease.instance, bodies).await?;
        let progress = if task.progress.is_some() { bodies.pop() } else { None };
        Ok(Some(ActivityWork {
            lease: lease.clone(),
            execution: task.body.execution,
            delivery: task.delivery,
            enqueued_at: task.body.enqueued_at.min(self.now()),
            progress,
            body: bodies.pop().unwrap_or_default(),
        }))
    }

    /// Where a task on loan is; the head when nobody remembers and no page has it.
    async fn place(
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
        let path = path(&mut update, &place);
        update.set(&format!("{path}.lu"), number(until.as_micros()));
        if let Some(progress) = &renewal.progress {
            let body = self.body(operation, &lease.instance, progress).await?;
            update.set(&format!("{path}.p"), binary(body.seal()));
        }
        update.when_equal(&format!("{path}.lt"), id(lease.token.0));
        let by = update.value(number(now.as_micros()));
        update.when(&format!("{path}.lu>{by}"));
        match self.change_task(operation, &place, update).await? {
            Changed::Done(holder) => {
                let queue = holder.load.task(lease.task).map(|t| t.body.queue.clone());
                if let Some(queue) = queue {
                    self.tasks.lock().push_due(until, &queue, place);
                }
                Ok(RenewOutcome::Renewed)
            }
            Changed::Refused(holder) => {
                let there = holder.is_some_and(|h| h.load.task(lease.task).is_some());
                Ok(if there { RenewOutcome::Lost } else { RenewOutcome::Cancelled })
            }
        }
    }

    /// Takes a task back.
    pub(crate) async fn abandon_task(
        &self,
        lease: &ActivityLease,
        delay: Duration,
    ) -> BackendResult<AbandonOutcome> {
        let operation = "abandon_activities";
        let place = self.place(operation, lease).await?;
        let mut update = Update::default();
        let path = path(&mut update, &place);
        update.remove(&format!("{path}.lt"));
        update.remove(&format!("{path}.lu"));
        if delay > Duration::ZERO {
            let at = self.now() + delay;
            update.set(&format!("{path}.vis"), number(at.as_micros()));
        }
        update.when_equal(&format!("{path}.lt"), id(lease.token.0));
        match self.change_task(operation, &place, update).await? {
            Changed::Done(holder) => {
                self.lent_tasks.lock().remove(&lease.token);
                self.note_tasks(&lease.instance, &place.item, &holder.load);
                let mut load = holder.load;
                load.tasks.retain(|t| t.id == lease.task);
                self.ring_tasks(self.task_rings(&lease.instance, &place.item, &load)).await;
                Ok(AbandonOutcome::Done)
            }
            Changed::Refused(_) => Ok(AbandonOutcome::Lost),
        }
    }

    /// Completes a task: out of its item, and its completion into the inbox there, at once.
    pub(crate) async fn complete(&self, commit: &ActivityCommit) -> BackendResult<CommitOutcome> {
        let operation = "commit_activities";
        let lease = &commit.lease;
        let place = self.place(operation, lease).await?;
        let body = self.body(operation, &lease.instance, &commit.completion.body).await?;
        let later = commit.completion.visible_at.filter(|at| *at > self.now());
        let message = Message {
            id: commit.completion.id,
            execution: commit.completion.execution,
            control: commit.completion.control,
            counted: false,
            at: later.unwrap_or_else(|| self.stamp()),
            order: commit.completion.order_key,
            body,
        };
        let mut update = Update::default();
        let path = path(&mut update, &place);
        update.remove(&path);
        if later.is_some() {
            let key = update.key(id_text(message.id));
            update.set(&format!("dm.{key}"), binary(message.seal()));
        } else {
            update.append("ib", vec![binary(message.seal())]);
            update.add("ii", id_set([message.id]));
        }
        update.when_equal(&format!("{path}.lt"), id(lease.token.0));
        let member = update.value(binary(id_bytes(message.id)));
        update.when(&format!("NOT contains(ii,{member})"));
        let before = self.lent_tasks.lock().remove(&lease.token);
        match self.change_task(operation, &place, update).await {
            Ok(Changed::Done(holder)) => {
                self.completed(&place, holder).await;
                if let Some(due) = later {
                    self.turns.lock().push_due(due, &lease.instance);
                    self.arrange(&lease.instance, due).await;
                }
                Ok(CommitOutcome::Applied)
            }
            Ok(Changed::Refused(holder)) if holds(holder.as_ref(), &place, lease.token) => {
                // Its completion waits already: only the task is left to remove.
                let mut update = Update::default();
                let path = self::path(&mut update, &place);
                update.remove(&path);
                update.when_equal(&format!("{path}.lt"), id(lease.token.0));
                self.change_task(operation, &place, update).await?;
                Ok(CommitOutcome::Applied)
            }
            Ok(Changed::Refused(_)) => {
                self.forget(&lease.instance, vec![&message.body]).await;
                Ok(CommitOutcome::LeaseLost)
            }
            Err(error) => {
                if let Some(item) = before {
                    self.lend_task(lease.token, item);
                }
                Err(error)
            }
        }
    }

    /// What follows from a completion.
    async fn completed(&self, place: &TaskPlace, holder: Holder) {
        let now = self.now();
        let served = self.serves_turns();
        match holder.head {
            Some(head) => {
                let rings = !served
                    && !head.on_loan(now)
                    && head.deliverable(&[], now).is_some()
                    && head.load.inbox.len() == 1;
                self.note(&head);
                if rings {
                    self.ring_instances(vec![place.instance.clone()]).await;
                }
            }
            None => {
                let is_new = self.turns.lock().push(&place.instance, None);
                if is_new {
                    self.bells.ring(durable_core::hot::Signals {
                        turns: true,
                        ..durable_core::hot::Signals::default()
                    });
                }
                if !served && holder.load.inbox.len() == 1 {
                    self.ring_instances(vec![place.instance.clone()]).await;
                }
            }
        }
    }

    /// When the next task may be looked at.
    pub(crate) fn next_task_due(&self) -> Option<Timestamp> {
        self.tasks.lock().next_due()
    }
}
