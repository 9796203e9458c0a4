//! An instance as it stands in its item, the head.

use durable_core::backend::sealed::{Damaged, Decoded};
use durable_core::backend::{HistoryChunk, InstanceRecord, OrchestrationStatus};
use durable_core::ids::{ExecutionId, InstanceId, LeaseToken, MessageId};
use durable_core::time::Timestamp;

use aws_sdk_dynamodb::types::AttributeValue;
use bytes::Bytes;

use crate::item::{self, Item};
use crate::schema;
use crate::tail;
use crate::update::{binary, id, number};
use crate::values::{Body, Message, RecordBody, TaskBody, read_id_text};

/// A loan: its token and its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Loan {
    pub(crate) token: LeaseToken,
    pub(crate) until: Timestamp,
}

/// An open task.
#[derive(Debug, Clone)]
pub(crate) struct Task {
    pub(crate) id: MessageId,
    pub(crate) body: TaskBody,
    pub(crate) loan: Option<Loan>,
    pub(crate) visible_at: Option<Timestamp>,
    pub(crate) delivery: u32,
    pub(crate) progress: Option<Body>,
    /// Which call gave it back last.
    pub(crate) given_back: Option<u128>,
}

/// What waits in an item: in the head, or in one of the pages beside it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Load {
    /// Messages in the order of their arrival. Places in the list count.
    pub(crate) inbox: Vec<Message>,
    pub(crate) delayed: Vec<Message>,
    pub(crate) tasks: Vec<Task>,
}

/// What stands in the head of an instance.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    pub(crate) instance: InstanceId,
    pub(crate) execution: ExecutionId,
    pub(crate) events: u64,
    pub(crate) revision: u64,
    pub(crate) status: OrchestrationStatus,
    pub(crate) updated_at: Option<Timestamp>,
    pub(crate) loan: Option<Loan>,
    pub(crate) committed: Option<LeaseToken>,
    pub(crate) delivery: u32,
    /// Until when only control messages are handed out; for ever when it is the end of time.
    pub(crate) hold: Option<Timestamp>,
    pub(crate) delay: Option<Timestamp>,
    pub(crate) record: Bytes,
    /// The end of the history, unless it stands in blocks to the end.
    tail: Option<Bytes>,
    pub(crate) load: Load,
    /// What the last commit has still to bring about elsewhere.
    pub(crate) outbox: Option<Bytes>,
    /// How often something was put into pages, and how much of that is known to be gone.
    pub(crate) paged: u64,
    pub(crate) unpaged: u64,
    /// Messages in pages that count for the limit of an inbox.
    pub(crate) unread: u64,
    /// The stamp of the last tracking record.
    pub(crate) tracked: u64,
    /// Generations whose history is kept, not counting the current one.
    pub(crate) kept: u64,
    /// The execution of the placeholder that was before; its messages are for this generation.
    pub(crate) placeholder: Option<ExecutionId>,
    /// Which call gave it back last.
    pub(crate) given_back: Option<u128>,
    /// The execution with which this life began; continue-as-new does not end it.
    pub(crate) life: Option<u128>,
    /// Whose change of the pages was the last.
    pub(crate) paged_by: Option<u128>,
    /// Who is purging it: nobody sees it any more.
    pub(crate) purging: Option<u128>,
}

fn missing<T>(value: Option<T>, what: &'static str) -> Decoded<T> {
    value.ok_or(Damaged(what))
}

fn loan(from: &Item) -> Decoded<Option<Loan>> {
    let Some(token) = item::id(from, "lt")? else { return Ok(None) };
    let until = missing(item::time(from, "lu")?, "a loan has no end")?;
    Ok(Some(Loan { token: LeaseToken(token), until }))
}

fn task(key: &str, from: &Item) -> Decoded<Task> {
    Ok(Task {
        id: read_id_text(key)?,
        body: TaskBody::unseal(missing(item::bytes(from, "b")?, "a task has no body")?)?,
        loan: loan(from)?,
        visible_at: item::time(from, "vis")?,
        delivery: u32::try_from(item::number(from, "dl")?.unwrap_or(0)).unwrap_or(u32::MAX),
        progress: item::bytes(from, "p")?.map(Body::unseal).transpose()?,
        given_back: item::id(from, "gb")?,
    })
}

impl Task {
    /// As it is stored.
    pub(crate) fn attribute(&self) -> AttributeValue {
        let mut map = Item::default();
        map.insert("b".to_owned(), binary(self.body.seal()));
        if let Some(at) = self.visible_at {
            map.insert("vis".to_owned(), number(at.as_micros()));
        }
        if let Some(loan) = self.loan {
            map.insert("lt".to_owned(), id(loan.token.0));
            map.insert("lu".to_owned(), number(loan.until.as_micros()));
            map.insert("dl".to_owned(), number(u64::from(self.delivery)));
        }
        AttributeValue::M(map)
    }
}

impl Load {
    pub(crate) fn read(from: &Item) -> Decoded<Self> {
        let message = |value| Message::unseal(item::bytes_of(value)?);
        let mut load = Self {
            inbox: item::list(from, "ib")?.iter().map(message).collect::<Decoded<_>>()?,
            ..Self::default()
        };
        for value in item::map(from, "dm")?.into_iter().flatten().map(|(_, value)| value) {
            load.delayed.push(message(value)?);
        }
        for (key, value) in item::map(from, "tk")?.into_iter().flatten() {
            let map = value.as_m().map_err(|_| Damaged("a task is not a map"))?;
            load.tasks.push(task(key, map)?);
        }
        load.delayed.sort_by_key(|m| (m.at, m.order, m.id));
        load.tasks.sort_by_key(|t| (t.body.enqueued_at, t.id));
        Ok(load)
    }

    pub(crate) fn task(&self, id: MessageId) -> Option<&Task> {
        self.tasks.iter().find(|t| t.id == id)
    }

    /// Whether a task is on loan under this token.
    pub(crate) fn lends(&self, task: MessageId, token: LeaseToken) -> bool {
        self.task(task).and_then(|task| task.loan).is_some_and(|loan| loan.token == token)
    }

    pub(crate) fn knows(&self, id: MessageId) -> bool {
        self.inbox.iter().chain(&self.delayed).any(|m| m.id == id)
    }
}

impl Head {
    pub(crate) fn read(from: &Item) -> Decoded<Self> {
        let instance = missing(item::text(from, schema::PK)?, "a head has no key")?;
        let instance = instance.strip_prefix('i').unwrap_or(instance);
        let status = item::number(from, schema::STATUS)?.and_then(|n| u8::try_from(n).ok());
        let delivery = item::number(from, "dl")?.unwrap_or(0);
        Ok(Self {
            instance: InstanceId::new(instance)
                .map_err(|_| Damaged("the key of a head is no instance id"))?,
            execution: ExecutionId(missing(item::id(from, "ex")?, "a head has no execution")?),
            events: item::number(from, "ev")?.unwrap_or(0),
            revision: item::number(from, "rv")?.unwrap_or(0),
            status: status
                .and_then(OrchestrationStatus::from_number)
                .ok_or(Damaged("a status is unknown"))?,
            updated_at: item::time(from, "up")?,
            loan: loan(from)?,
            committed: item::id(from, "ct")?.map(LeaseToken),
            delivery: u32::try_from(delivery).unwrap_or(u32::MAX),
            hold: item::time(from, "hu")?,
            delay: item::time(from, "du")?,
            record: missing(item::bytes(from, "rc")?, "a head has no record")?,
            tail: item::bytes(from, "tl")?,
            load: Load::read(from)?,
            outbox: item::bytes(from, "ob")?,
            paged: item::number(from, "pn")?.unwrap_or(0),
            unpaged: item::number(from, "pd")?.unwrap_or(0),
            unread: item::number(from, "un")?.unwrap_or(0),
            tracked: item::number(from, "kt")?.unwrap_or(0),
            kept: item::number(from, "kg")?.unwrap_or(0),
            given_back: item::id(from, "gb")?,
            life: item::id(from, "lf")?,
            paged_by: item::id(from, "pt")?,
            purging: item::id(from, "pu")?,
            placeholder: item::id(from, "px")?.map(ExecutionId),
        })
    }

    /// The chunks at the end of the history that stand in no block.
    pub(crate) fn tail(&self) -> Decoded<Vec<HistoryChunk>> {
        self.tail.clone().map_or(Ok(Vec::new()), tail::unseal)
    }

    pub(crate) fn is_terminal(&self) -> bool {
        self.status.is_terminal()
    }

    /// Whether messages for this generation are for the current one.
    pub(crate) fn is_current(&self, execution: ExecutionId) -> bool {
        execution == self.execution || self.placeholder == Some(execution)
    }

    /// When the next timer was due before this message came.
    pub(crate) fn due_without(&self, id: MessageId, now: Timestamp) -> Option<Timestamp> {
        let others = self.load.delayed.iter().filter(|m| m.id != id);
        let pauses = [self.hold, self.delay].into_iter().flatten();
        others
            .filter_map(|m| m.due_at(now))
            .chain(pauses)
            .filter(|at| *at > now && *at < Timestamp::MAX)
            .min()
    }

    /// Whether something may wait in pages.
    pub(crate) fn has_pages(&self) -> bool {
        self.paged > self.unpaged
    }

    pub(crate) fn on_loan(&self, now: Timestamp) -> bool {
        self.loan.is_some_and(|loan| loan.until > now)
    }

    pub(crate) fn is_held(&self, now: Timestamp) -> bool {
        self.hold.is_some_and(|until| until > now)
    }

    /// Messages that are for this generation and due, oldest first, of the head and of pages.
    pub(crate) fn due<'a>(&'a self, pages: &'a [Load], now: Timestamp) -> Vec<&'a Message> {
        let mut due: Vec<&Message> = std::iter::once(&self.load)
            .chain(pages)
            .flat_map(|load| {
                load.inbox.iter().chain(load.delayed.iter().filter(|m| m.due_at(now).is_none()))
            })
            .filter(|m| m.execution.is_none_or(|e| self.is_current(e)))
            .collect();
        // The list of one item is in order of arrival already; its clocks may not be.
        if !pages.is_empty() || !self.load.delayed.is_empty() {
            due.sort_by_key(|m| m.at);
        }
        due
    }

    /// The messages that may be handed out; `None` when the instance is not ready.
    pub(crate) fn deliverable<'a>(
        &'a self,
        pages: &'a [Load],
        now: Timestamp,
    ) -> Option<Vec<&'a Message>> {
        if self.is_terminal() {
            return None;
        }
        let mut due = self.due(pages, now);
        let control = due.iter().any(|m| m.control);
        if self.is_held(now) {
            due.retain(|m| m.control);
            return control.then_some(due);
        }
        let delayed = self.delay.is_some_and(|until| until > now);
        if delayed && !control {
            return None;
        }
        let pause_ended = self.hold.is_some() || self.delay.is_some();
        (pause_ended || !due.is_empty()).then_some(due)
    }

    /// When time alone makes the instance ready.
    pub(crate) fn next_due(&self, now: Timestamp) -> Option<Timestamp> {
        let forever = Timestamp::MAX;
        let timers = self.load.delayed.iter().filter_map(|m| m.due_at(now));
        let pauses = [self.hold, self.delay].into_iter().flatten();
        timers.chain(pauses).filter(|at| *at > now && *at < forever).min()
    }

    /// The record but for details that are kept elsewhere.
    pub(crate) fn record(&self) -> Decoded<RecordBody> {
        let mut body = RecordBody::unseal(self.instance.clone(), self.record.clone())?;
        body.record.execution = self.execution;
        body.record.status = self.status;
        body.record.events = self.events;
        body.record.revision = self.revision;
        if let Some(updated_at) = self.updated_at {
            body.record.updated_at = updated_at;
        }
        Ok(body)
    }

    /// The record when it is complete in the head.
    pub(crate) fn small_record(&self) -> Decoded<Option<InstanceRecord>> {
        let mut body = self.record()?;
        let Body::Inline(details) = body.details else { return Ok(None) };
        body.record.details = details;
        Ok(Some(body.record))
    }
}
