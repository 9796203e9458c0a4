//! What a turn changes, put into one update and an outbox.

use aws_sdk_dynamodb::types::AttributeValue;
use durable_core::backend::{
    ActivityLease, ActivityWork, BackendResult, Disposition, Envelope, TurnCommit,
};
use durable_core::ids::{InstanceId, LeaseToken, MessageId, QueueName};
use durable_core::time::Timestamp;
use foldhash::HashSet;

use crate::commit_turn::OPERATION;
use crate::deliver::{NEAR_DELAYED, id_set};
use crate::desk::TaskWish;
use crate::head::{Head, Load, Loan, Task};
use crate::hub::{Hub, Lent};
use crate::outbox::{Chore, Outbox, seal_chores};
use crate::update::{Update, binary, id, number};
use crate::values::{Body, Message, RecordBody, id_text};
use crate::weight::UNIT;

/// Tasks in the head; with more of them all of a turn go into pages.
const NEAR_TASKS: usize = 8;

/// Tasks or timers in one page at most.
const PAGE_ITEMS: usize = 8;

/// Bytes of a page beside what is in it, its key above all.
const PAGE_FIXED: usize = 130;

/// What a turn changes.
#[derive(Debug)]
pub(crate) struct Plan {
    record: Option<(Vec<u8>, u8, Body)>,
    /// Into the head.
    tasks: Vec<Task>,
    delayed: Vec<Message>,
    /// Out of the head, by place.
    leaving: Vec<(usize, MessageId)>,
    leaving_delayed: Vec<MessageId>,
    leaving_tasks: Vec<MessageId>,
    outbox: Option<Vec<u8>>,
    chores: Option<Body>,
    tracked: Option<u64>,
    adds_pages: bool,
    /// Messages out of pages that counted for the limit of the inbox.
    uncounted: u64,
    /// Whether nothing is left in the pages that were seen.
    pages_end: bool,
    at_end: bool,
    /// Tasks that are on loan to receivers of this process from the start.
    grants: Vec<ActivityWork>,
}

/// A load without what leaves it, and what that is.
fn leaving(load: &Load, gone: &HashSet<MessageId>, stale: impl Fn(&Message) -> bool) -> Load {
    let mut out = Load::default();
    let leaves = |m: &&Message| gone.contains(&m.id) || stale(m);
    out.inbox = load.inbox.iter().filter(leaves).cloned().collect();
    out.delayed = load.delayed.iter().filter(leaves).cloned().collect();
    out.tasks = load.tasks.iter().filter(|t| gone.contains(&t.id)).cloned().collect();
    out
}

/// What a turn takes away.
fn gone(commit: &TurnCommit, lent: &Lent) -> HashSet<MessageId> {
    let mut gone: HashSet<MessageId> =
        commit.consumed.iter().chain(&commit.cancelled).copied().collect();
    if commit.next.is_some() {
        let loads = std::iter::once(&lent.head.load).chain(lent.pages.iter().map(|p| &p.load));
        gone.extend(loads.flat_map(|load| load.tasks.iter().map(|t| t.id)));
    }
    gone
}

/// What leaves the pages, as chores; and how much of it counted for the limit of the inbox.
fn page_chores(
    lent: &Lent,
    gone: &HashSet<MessageId>,
    is_stale: impl Fn(&Message) -> bool,
    commit_stays: bool,
) -> (Vec<Chore>, u64) {
    let (mut chores, mut uncounted) = (Vec::new(), 0);
    for page in &lent.pages {
        let out = leaving(&page.load, gone, &is_stale);
        let messages = || out.inbox.iter().chain(&out.delayed);
        uncounted += messages().filter(|m| m.counted).count() as u64;
        let ids: Vec<_> = messages().map(|m| m.id).chain(out.tasks.iter().map(|t| t.id)).collect();
        // When the instance ends all pages go.
        let stays = commit_stays && !ids.is_empty();
        if stays {
            chores.push(Chore::Leave(page.key.clone(), ids));
        }
    }
    (chores, uncounted)
}

/// Pages for tasks and timers that the head has no room for.
fn new_pages(instance: &InstanceId, tasks: &[Task], timers: &[Message]) -> Vec<Chore> {
    let page = PAGE_FIXED + instance.as_str().len();
    let of_tasks = in_units(page, tasks, Task::weight).into_iter().map(|tasks| {
        let tasks = tasks.iter().map(|t| (t.id, t.visible_at, t.body.clone())).collect();
        Chore::Page(Vec::new(), tasks)
    });
    let of_timers = in_units(page, timers, Message::weight).into_iter();
    of_tasks.chain(of_timers.map(|t| Chore::Page(t.to_vec(), Vec::new()))).collect()
}

/// Groups that one unit of writing pays for each, as far as that is possible: each change of one
/// of a group costs what the whole page weighs.
fn in_units<T>(page: usize, all: &[T], weight: impl Fn(&T) -> usize) -> Vec<&[T]> {
    let mut groups = Vec::new();
    let mut rest = all;
    while let Some(first) = rest.first() {
        let (mut count, mut sum) = (1, page + weight(first));
        while let Some(next) = rest.get(count).filter(|_| count < PAGE_ITEMS) {
            sum += weight(next);
            if sum > UNIT {
                break;
            }
            count += 1;
        }
        let (group, others) = rest.split_at(count);
        groups.push(group);
        rest = others;
    }
    groups
}

/// The record of a commit as it is stored.
type StoredRecord = Option<(Vec<u8>, u8, Body)>;

impl Hub {
    /// The new record, if there is one; its details are durable then.
    async fn new_record(&self, commit: &TurnCommit) -> BackendResult<StoredRecord> {
        let Some(record) = &commit.record else { return Ok(None) };
        let details = self.body(OPERATION, &commit.lease.instance, &record.details).await?;
        let bytes = RecordBody::seal(record, &details);
        Ok(Some((bytes, record.status.number(), details)))
    }

    /// Makes the plan of a commit; what is large is durable then.
    pub(crate) async fn plan(&self, commit: &TurnCommit, lent: &Lent) -> BackendResult<Plan> {
        let instance = &commit.lease.instance;
        let head = &lent.head;
        let execution = commit.next.as_ref().map_or(head.execution, |next| next.execution);
        let at_end = commit.record.as_ref().is_some_and(|r| r.status.is_terminal());
        let record = self.new_record(commit).await?;
        let gone = gone(commit, lent);
        let cancelled: HashSet<MessageId> = commit.cancelled.iter().copied().collect();
        let is_stale = |m: &Message| {
            m.execution
                .is_some_and(|e| e != execution && (commit.next.is_some() || !head.is_current(e)))
        };
        let mut tasks = if at_end { Vec::new() } else { self.new_tasks(commit).await? };
        tasks.retain(|t| !cancelled.contains(&t.id) && head.load.task(t.id).is_none());
        let (own, others): (Vec<&Envelope>, Vec<&Envelope>) =
            commit.messages.iter().partition(|m| m.target == *instance);
        let own: Vec<_> =
            own.into_iter().filter(|m| !at_end && !cancelled.contains(&m.id)).collect();
        let mut delayed = self.own_messages(commit, lent, &own).await?;
        delayed.retain(|message| !is_stale(message));
        let out = leaving(&head.load, &gone, is_stale);
        let (mut chores, uncounted) = page_chores(lent, &gone, is_stale, !at_end);
        let count = |load: &Load| load.inbox.len() + load.delayed.len() + load.tasks.len();
        let pages_end = lent
            .pages
            .iter()
            .all(|page| count(&leaving(&page.load, &gone, is_stale)) == count(&page.load));
        let stays = head.load.tasks.len() - out.tasks.len();
        let (mut near_tasks, far_tasks) = if stays + tasks.len() > NEAR_TASKS {
            (Vec::new(), tasks)
        } else {
            (tasks, Vec::new())
        };
        let grants = self.grants(commit, &mut near_tasks);
        let stays = head.load.delayed.len() - out.delayed.len();
        let (near, far) = if stays + delayed.len() > NEAR_DELAYED {
            (Vec::new(), delayed)
        } else {
            (delayed, Vec::new())
        };
        if at_end && (head.has_pages() || !lent.pages.is_empty()) {
            chores.push(Chore::DropPages);
        }
        chores.extend(new_pages(instance, &far_tasks, &far));
        let adds_pages = !far_tasks.is_empty() || !far.is_empty();
        let tracked =
            commit.tracking.as_ref().map(|_| self.stamp().as_micros().max(head.tracked + 1));
        if let Some((tracking, stamp)) = commit.tracking.as_ref().zip(tracked) {
            chores.push(Chore::Track(stamp, tracking.clone()));
        }
        chores.extend(others.into_iter().cloned().map(Chore::Deliver));
        let (outbox, body) = self.outbox(commit, &chores).await?;
        let place = |id: MessageId| head.load.inbox.iter().position(|m| m.id == id);
        Ok(Plan {
            record,
            tasks: near_tasks,
            delayed: near,
            leaving: out.inbox.iter().filter_map(|m| Some((place(m.id)?, m.id))).collect(),
            leaving_delayed: out.delayed.iter().map(|m| m.id).collect(),
            leaving_tasks: out.tasks.iter().map(|t| t.id).collect(),
            outbox,
            chores: body,
            tracked,
            adds_pages,
            uncounted: uncounted.min(head.unread),
            pages_end: pages_end && !adds_pages,
            at_end,
            grants,
        })
    }

    /// Puts tasks on loan for receivers that wait in this process.
    fn grants(&self, commit: &TurnCommit, tasks: &mut [Task]) -> Vec<ActivityWork> {
        let mut grants = Vec::new();
        let now = self.now();
        let mut desk = self.task_desk.lock();
        for task in tasks.iter_mut().filter(|task| task.visible_at.is_none()) {
            let suits = |wish: &TaskWish| wish.queues.contains(&task.body.queue);
            let content = commit.activities.iter().find(|envelope| envelope.id == task.id);
            let Some(content) = content else { continue };
            let Some(wish) = desk.reserve(suits) else { continue };
            let token = LeaseToken(self.env.random_u128());
            task.loan = Some(Loan { token, until: now + wish.lease_for });
            task.delivery = 1;
            let instance = commit.lease.instance.clone();
            grants.push(ActivityWork {
                lease: ActivityLease { task: task.id, instance, token },
                execution: task.body.execution,
                delivery: task.delivery,
                enqueued_at: task.body.enqueued_at.min(now),
                progress: None,
                body: content.body.clone(),
            });
        }
        grants
    }

    /// The messages of a turn to its own instance that do not wait already. One update cannot take
    /// out of a list and add to it; what is due is due in a map, too.
    async fn own_messages(
        &self,
        commit: &TurnCommit,
        lent: &Lent,
        own: &[&Envelope],
    ) -> BackendResult<Vec<Message>> {
        let mut messages = Vec::with_capacity(own.len());
        for envelope in own {
            messages.extend(self.own_message(commit, lent, envelope).await?);
        }
        Ok(messages)
    }

    /// A message of a turn to its own instance; `None` when it waits already.
    async fn own_message(
        &self,
        commit: &TurnCommit,
        lent: &Lent,
        envelope: &Envelope,
    ) -> BackendResult<Option<Message>> {
        let waits = std::iter::once(&lent.head.load)
            .chain(lent.pages.iter().map(|p| &p.load))
            .any(|load| load.knows(envelope.id));
        if waits && !commit.consumed.contains(&envelope.id) {
            return Ok(None);
        }
        let body = self.body(OPERATION, &commit.lease.instance, &envelope.body).await?;
        let later = envelope.visible_at.filter(|at| *at > self.now());
        let message = Message {
            id: envelope.id,
            execution: if envelope.creates.is_some() { None } else { envelope.execution },
            control: envelope.control,
            counted: false,
            ready: later.is_none(),
            at: later.unwrap_or_else(|| self.stamp()),
            order: envelope.order_key,
            body,
        };
        Ok(Some(message))
    }

    async fn outbox(
        &self,
        commit: &TurnCommit,
        chores: &[Chore],
    ) -> BackendResult<(Option<Vec<u8>>, Option<Body>)> {
        if chores.is_empty() {
            return Ok((None, None));
        }
        let content = seal_chores(chores);
        let body = self.body(OPERATION, &commit.lease.instance, &content).await?;
        let outbox = Outbox {
            token: commit.lease.token,
            stamp: self.stamp().as_micros(),
            chores: body.clone(),
        };
        Ok((Some(outbox.seal()), Some(body)))
    }
}

fn empty() -> AttributeValue {
    AttributeValue::M(std::collections::HashMap::default())
}

impl Plan {
    /// The update that makes it so, under the token of the loan.
    pub(crate) fn update(&self, commit: &TurnCommit, lent: &Lent) -> Update {
        let head = &lent.head;
        let mut update = Update::default();
        update.when_equal("lt", id(commit.lease.token.0));
        update.when_equal("ex", id(commit.execution.0));
        update.when_equal("ev", number(commit.expected_events));
        update.set("ct", id(commit.lease.token.0));
        update.set("up", number(commit.at.as_micros()));
        update.set("dl", number(0));
        for gone in ["lt", "lu", "du"] {
            update.remove(gone);
        }
        let new = commit.chunk.as_ref().map_or(0, |c| u64::from(c.events));
        match &commit.next {
            Some(next) => {
                update.set("ex", id(next.execution.0));
                update.set("ev", number(u64::from(next.chunk.events)));
                update.remove("px");
                if next.keep_history {
                    update.set("kg", number(head.kept + 1));
                }
            }
            None => update.set("ev", number(commit.expected_events + new)),
        }
        if let Some((record, status, _)) = &self.record {
            update.set("rc", binary(record.clone()));
            update.set("st", number(u64::from(*status)));
            update.set("rv", number(head.revision + 1));
        }
        match commit.disposition {
            Disposition::Hold { until } if !self.at_end => {
                let until = until.unwrap_or(Timestamp::MAX);
                update.set("hu", number(until.as_micros()));
            }
            _ => update.remove("hu"),
        }
        if let Some(outbox) = &self.outbox {
            update.set("ob", binary(outbox.clone()));
        }
        if let Some(tracked) = self.tracked {
            update.set("kt", number(tracked));
        }
        if self.at_end {
            update.set("tk", empty());
            update.set("dm", empty());
            update.set("ib", AttributeValue::L(Vec::new()));
            update.remove("ii");
            return update;
        }
        if self.adds_pages {
            update.add("pn", number(1));
        } else if self.pages_end && head.has_pages() {
            update.set("pd", number(lent.paged));
        }
        if self.uncounted > 0 {
            update.add("un", AttributeValue::N(format!("-{}", self.uncounted)));
        }
        self.update_load(&mut update);
        update
    }

    /// The parts that come and go one by one.
    fn update_load(&self, update: &mut Update) {
        for (place, _) in &self.leaving {
            update.remove(&format!("ib[{place}]"));
        }
        if !self.leaving.is_empty() {
            update.delete("ii", id_set(self.leaving.iter().map(|(_, id)| *id)));
        }
        for id in &self.leaving_delayed {
            let key = update.key(id_text(*id));
            update.remove(&format!("dm.{key}"));
        }
        for id in &self.leaving_tasks {
            let key = update.key(id_text(*id));
            update.remove(&format!("tk.{key}"));
        }
        for message in &self.delayed {
            let key = update.key(id_text(message.id));
            update.set(&format!("dm.{key}"), binary(message.seal()));
        }
        for task in &self.tasks {
            let key = update.key(id_text(task.id));
            update.set(&format!("tk.{key}"), task.attribute());
        }
    }

    /// The tasks that went into the head and wait for receivers.
    pub(crate) fn waiting_tasks(&self) -> Vec<Task> {
        self.tasks.iter().filter(|task| task.loan.is_none()).cloned().collect()
    }

    /// Tasks on loan, if the head says so, with their queues and the ends of their loans.
    pub(crate) fn granted(&self, head: &Head) -> Vec<(QueueName, ActivityWork, Timestamp)> {
        let granted = self.grants.iter().filter_map(|work| {
            let task = head.load.task(work.lease.task)?;
            let loan = task.loan.filter(|loan| loan.token == work.lease.token)?;
            Some((task.body.queue.clone(), work.clone(), loan.until))
        });
        granted.collect()
    }

    /// All bodies it made durable.
    pub(crate) fn bodies(&self) -> Vec<&Body> {
        let tasks = self.tasks.iter().map(|t| &t.body.body);
        let messages = self.delayed.iter().map(|m| &m.body);
        let record = self.record.iter().map(|(_, _, details)| details);
        tasks.chain(messages).chain(record).chain(&self.chores).collect()
    }

    /// Bodies of the head that nothing needs any more.
    pub(crate) fn used<'a>(&self, commit: &TurnCommit, lent: &'a Lent) -> Vec<&'a Body> {
        let load = &lent.head.load;
        let gone: HashSet<_> = commit.consumed.iter().chain(&commit.cancelled).collect();
        let messages = load.inbox.iter().chain(&load.delayed);
        let messages = messages.filter(|m| self.at_end || gone.contains(&m.id)).map(|m| &m.body);
        let tasks = load.tasks.iter().filter(|t| self.at_end || gone.contains(&t.id));
        messages.chain(tasks.map(|t| &t.body.body)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_costs_one_unit_unless_a_single_task_costs_more() {
        let weights = [400, 400, 50, 900, 2_000, 10, 10];
        let groups = in_units(150, &weights, |weight| *weight);
        assert_eq!(groups, [&[400, 400, 50][..], &[900], &[2_000], &[10, 10]].as_slice());
        let groups = in_units(150, &[1; 20], |weight| *weight);
        assert_eq!(groups.iter().map(|group| group.len()).collect::<Vec<_>>(), [8, 8, 4]);
        assert!(in_units(150, &[], |weight: &usize| *weight).is_empty());
    }
}
