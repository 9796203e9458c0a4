//! What a commit brings about elsewhere, kept in the head until it is done.

use std::sync::Arc;

use bytes::Bytes;
use durable_core::backend::Envelope;
use durable_core::backend::sealed::{Damaged, Decoded, Get, Put};
use durable_core::ids::{ExecutionId, InstanceId, LeaseToken, MessageId, QueueName};
use durable_core::time::Timestamp;

use crate::values::{Body, Message, RecordBody, TaskBody, get_id, put_id};

/// One thing to bring about. Each may be done again without harm.
#[derive(Debug)]
pub(crate) enum Chore {
    /// A message for another instance.
    Deliver(Envelope),
    /// A tracking record under its stamp.
    Track(u64, Envelope),
    /// A page of messages that are not due, and of tasks.
    Page(Vec<Message>, Vec<(MessageId, Option<Timestamp>, TaskBody)>),
    /// Messages and tasks that leave a page.
    Leave(Arc<str>, Vec<MessageId>),
    /// All pages go.
    DropPages,
}

/// Where the chores of a commit are.
#[derive(Debug)]
pub(crate) struct Outbox {
    /// The commit.
    pub(crate) token: LeaseToken,
    /// When, as a stamp for what it makes.
    pub(crate) stamp: u64,
    /// The chores: in here, or in a blob of the instance.
    pub(crate) chores: Body,
}

impl Outbox {
    pub(crate) fn seal(&self) -> Vec<u8> {
        let mut p = Put::with_capacity(64);
        p.u128(self.token.0);
        p.u64(self.stamp);
        self.chores.put(&mut p);
        p.seal()
    }

    pub(crate) fn unseal(value: Bytes) -> Decoded<Self> {
        let mut g = Get::unseal(value)?;
        let outbox =
            Self { token: LeaseToken(g.u128()?), stamp: g.u64()?, chores: Body::get(&mut g)? };
        g.end()?;
        Ok(outbox)
    }
}

/// Bytes of a length, and of a message id.
const LENGTH: usize = 4;
const ID: usize = 16 + 8;

fn instance(g: &mut Get) -> Decoded<InstanceId> {
    InstanceId::new(g.text()?).map_err(|_| Damaged("an instance id is not valid"))
}

fn put_envelope(p: &mut Put, e: &Envelope) {
    put_id(p, e.id);
    p.bytes(e.target.as_str().as_bytes());
    p.option(e.execution, |p, e| p.u128(e.0));
    p.u64(e.order_key);
    p.option(e.visible_at, |p, at| p.u64(at.as_micros()));
    p.bytes(e.queue.as_str().as_bytes());
    p.flag(e.control);
    p.option(e.creates.as_ref(), |p, record| {
        p.u128(record.execution.0);
        p.bytes(&RecordBody::seal(record, &Body::Inline(record.details.clone())));
    });
    p.bytes(&e.body);
}

fn get_envelope(g: &mut Get) -> Decoded<Envelope> {
    let id = get_id(g)?;
    let target = instance(g)?;
    let execution = g.option(|g| g.u128().map(ExecutionId))?;
    let order_key = g.u64()?;
    let visible_at = g.option(|g| g.u64().map(Timestamp::from_micros))?;
    let queue = QueueName::new(g.text()?).map_err(|_| Damaged("a queue name is not valid"))?;
    let control = g.flag()?;
    let creates = g.option(|g| {
        let execution = ExecutionId(g.u128()?);
        let mut body = RecordBody::unseal(target.clone(), g.bytes()?)?;
        let Body::Inline(details) = body.details else { return Err(Damaged("no details")) };
        body.record.details = details;
        body.record.execution = execution;
        Ok(Arc::new(body.record))
    })?;
    let mut envelope = Envelope::new(id, target, order_key, g.bytes()?);
    envelope.execution = execution;
    envelope.visible_at = visible_at;
    envelope.queue = queue;
    envelope.control = control;
    envelope.creates = creates;
    Ok(envelope)
}

fn put_chore(p: &mut Put, chore: &Chore) {
    match chore {
        Chore::Deliver(envelope) => {
            p.u8(1);
            put_envelope(p, envelope);
        }
        Chore::Track(stamp, envelope) => {
            p.u8(2);
            p.u64(*stamp);
            put_envelope(p, envelope);
        }
        Chore::Page(messages, tasks) => {
            p.u8(3);
            p.list(messages, |p, message| p.bytes(&message.seal()));
            p.list(tasks, |p, (id, visible_at, task)| {
                put_id(p, *id);
                p.option(*visible_at, |p, at| p.u64(at.as_micros()));
                p.bytes(&task.seal());
            });
        }
        Chore::Leave(page, ids) => {
            p.u8(4);
            p.bytes(page.as_bytes());
            p.list(ids, |p, id| put_id(p, *id));
        }
        Chore::DropPages => p.u8(5),
    }
}

fn get_chore(g: &mut Get) -> Decoded<Chore> {
    Ok(match g.u8()? {
        1 => Chore::Deliver(get_envelope(g)?),
        2 => Chore::Track(g.u64()?, get_envelope(g)?),
        3 => {
            let messages = g.list(LENGTH, |g| Message::unseal(g.bytes()?))?;
            let tasks = g.list(ID + 1 + LENGTH, |g| {
                let id = get_id(g)?;
                let visible_at = g.option(|g| g.u64().map(Timestamp::from_micros))?;
                Ok((id, visible_at, TaskBody::unseal(g.bytes()?)?))
            })?;
            Chore::Page(messages, tasks)
        }
        4 => {
            let page = Arc::from(g.text()?);
            let ids = g.list(ID, get_id)?;
            Chore::Leave(page, ids)
        }
        5 => Chore::DropPages,
        _ => return Err(Damaged("a chore is of an unknown kind")),
    })
}

/// Chores as bytes.
pub(crate) fn seal_chores(chores: &[Chore]) -> Bytes {
    let mut p = Put::with_capacity(256);
    p.list(chores, put_chore);
    Bytes::from(p.seal())
}

pub(crate) fn unseal_chores(value: Bytes) -> Decoded<Vec<Chore>> {
    let mut g = Get::unseal(value)?;
    let chores = g.list(1, get_chore)?;
    g.end()?;
    Ok(chores)
}
