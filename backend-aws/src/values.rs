//! The byte form of the contract's values.

use bytes::Bytes;
use durable_core::backend::sealed::{Damaged, Decoded, Get, Put};
use durable_core::backend::{InstanceRecord, OrchestrationStatus};
use durable_core::ids::{ExecutionId, InstanceId, MessageId, Name, QueueName};
use durable_core::time::Timestamp;

/// Content that is small stands where it belongs; large content is kept in items of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Body {
    Inline(Bytes),
    /// The number of the blob, and its length in bytes.
    Blob(u128, u64),
}

impl Body {
    pub(crate) fn put(&self, p: &mut Put) {
        match self {
            Self::Inline(bytes) => {
                p.u8(0);
                p.bytes(bytes);
            }
            Self::Blob(key, length) => {
                p.u8(1);
                p.u128(*key);
                p.u64(*length);
            }
        }
    }

    pub(crate) fn get(g: &mut Get) -> Decoded<Self> {
        match g.u8()? {
            0 => Ok(Self::Inline(g.bytes()?)),
            1 => Ok(Self::Blob(g.u128()?, g.u64()?)),
            _ => Err(Damaged("a body is of an unknown kind")),
        }
    }

    /// Its blob, if it has one.
    pub(crate) fn blob(&self) -> Option<u128> {
        match self {
            Self::Inline(_) => None,
            Self::Blob(key, _) => Some(*key),
        }
    }

    /// A value that is nothing but a body.
    pub(crate) fn seal(&self) -> Vec<u8> {
        let mut p = Put::with_capacity(64);
        self.put(&mut p);
        p.seal()
    }

    pub(crate) fn unseal(value: Bytes) -> Decoded<Self> {
        let mut g = Get::unseal(value)?;
        let body = Self::get(&mut g)?;
        g.end()?;
        Ok(body)
    }
}

pub(crate) fn put_id(p: &mut Put, id: MessageId) {
    p.u128(id.source);
    p.u64(id.seq);
}

pub(crate) fn get_id(g: &mut Get) -> Decoded<MessageId> {
    Ok(MessageId { source: g.u128()?, seq: g.u64()? })
}

/// A message id as a member of a set: 24 bytes.
pub(crate) fn id_bytes(id: MessageId) -> Vec<u8> {
    let mut out = id.source.to_be_bytes().to_vec();
    out.extend_from_slice(&id.seq.to_be_bytes());
    out
}

/// A message id as a key in a map.
pub(crate) fn id_text(id: MessageId) -> String {
    format!("{:x}-{:x}", id.source, id.seq)
}

pub(crate) fn read_id_text(text: &str) -> Decoded<MessageId> {
    let wrong = Damaged("a key is no message id");
    let (source, seq) = text.split_once('-').ok_or_else(|| wrong.clone())?;
    let source = u128::from_str_radix(source, 16).map_err(|_| wrong.clone())?;
    Ok(MessageId { source, seq: u64::from_str_radix(seq, 16).map_err(|_| wrong)? })
}

/// A message that waits, also one that is not due yet.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) id: MessageId,
    pub(crate) execution: Option<ExecutionId>,
    pub(crate) control: bool,
    /// Whether it counts for the limit of an inbox, in a page.
    pub(crate) counted: bool,
    /// Whether it is due though it stands among those that are not.
    pub(crate) ready: bool,
    /// When it came, or is due.
    pub(crate) at: Timestamp,
    pub(crate) order: u64,
    pub(crate) body: Body,
}

impl Message {
    pub(crate) fn seal(&self) -> Vec<u8> {
        let mut p = Put::with_capacity(96);
        put_id(&mut p, self.id);
        p.option(self.execution, |p, e| p.u128(e.0));
        let flags = [self.control, self.counted, self.ready];
        p.u8(flags.iter().rev().fold(0, |all, flag| (all << 1) | u8::from(*flag)));
        p.u64(self.at.as_micros());
        p.u64(self.order);
        self.body.put(&mut p);
        p.seal()
    }

    pub(crate) fn unseal(value: Bytes) -> Decoded<Self> {
        let mut g = Get::unseal(value)?;
        let (id, execution) = (get_id(&mut g)?, g.option(|g| g.u128().map(ExecutionId))?);
        let flags = g.u8()?;
        let message = Self {
            id,
            execution,
            control: flags & 1 != 0,
            counted: flags & 2 != 0,
            ready: flags & 4 != 0,
            at: Timestamp::from_micros(g.u64()?),
            order: g.u64()?,
            body: Body::get(&mut g)?,
        };
        g.end()?;
        Ok(message)
    }

    /// When it will be due, if it is not.
    pub(crate) fn due_at(&self, now: Timestamp) -> Option<Timestamp> {
        (!self.ready && self.at > now).then_some(self.at)
    }
}

/// What does not change about a task.
#[derive(Debug, Clone)]
pub(crate) struct TaskBody {
    pub(crate) execution: ExecutionId,
    pub(crate) enqueued_at: Timestamp,
    pub(crate) queue: QueueName,
    pub(crate) body: Body,
}

impl TaskBody {
    pub(crate) fn seal(&self) -> Vec<u8> {
        let mut p = Put::with_capacity(96);
        p.u128(self.execution.0);
        p.u64(self.enqueued_at.as_micros());
        p.bytes(self.queue.as_str().as_bytes());
        self.body.put(&mut p);
        p.seal()
    }

    pub(crate) fn unseal(value: Bytes) -> Decoded<Self> {
        let mut g = Get::unseal(value)?;
        let task = Self {
            execution: ExecutionId(g.u128()?),
            enqueued_at: Timestamp::from_micros(g.u64()?),
            queue: QueueName::new(g.text()?).map_err(|_| Damaged("a queue name is not valid"))?,
            body: Body::get(&mut g)?,
        };
        g.end()?;
        Ok(task)
    }
}

/// The part of a record that only a new record changes.
#[derive(Debug, Clone)]
pub(crate) struct RecordBody {
    pub(crate) record: InstanceRecord,
    pub(crate) details: Body,
}

impl RecordBody {
    pub(crate) fn seal(r: &InstanceRecord, details: &Body) -> Vec<u8> {
        let mut p = Put::with_capacity(128);
        p.u32(r.generation);
        p.bytes(r.name.as_str().as_bytes());
        p.bytes(r.version.as_bytes());
        p.u8(r.status.number());
        p.u64(r.created_at.as_micros());
        p.u64(r.updated_at.as_micros());
        p.option(r.completed_at, |p, t| p.u64(t.as_micros()));
        p.option(r.parent.as_ref(), |p, id| p.bytes(id.as_str().as_bytes()));
        details.put(&mut p);
        p.seal()
    }

    pub(crate) fn unseal(instance: InstanceId, value: Bytes) -> Decoded<Self> {
        let mut g = Get::unseal(value)?;
        let time = |g: &mut Get| g.u64().map(Timestamp::from_micros);
        let parent = |g: &mut Get| {
            InstanceId::new(g.text()?).map_err(|_| Damaged("an instance id is not valid"))
        };
        let record = InstanceRecord {
            instance,
            execution: ExecutionId(0),
            generation: g.u32()?,
            name: Name::new(g.text()?).map_err(|_| Damaged("a name is not valid"))?,
            version: g.text()?,
            status: OrchestrationStatus::from_number(g.u8()?)
                .ok_or(Damaged("a status is unknown"))?,
            created_at: time(&mut g)?,
            updated_at: time(&mut g)?,
            completed_at: g.option(time)?,
            parent: g.option(parent)?,
            events: 0,
            revision: 0,
            details: Bytes::new(),
        };
        let details = Body::get(&mut g)?;
        g.end()?;
        Ok(Self { record, details })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_and_their_ids_come_back() {
        let id = MessageId { source: u128::MAX - 5, seq: 7 };
        assert_eq!(read_id_text(&id_text(id)), Ok(id));
        assert!(read_id_text("x-1").is_err() && read_id_text("1").is_err());
        let message = Message {
            id,
            execution: Some(ExecutionId(3)),
            control: true,
            counted: true,
            ready: true,
            at: Timestamp::from_micros(5),
            order: 9,
            body: Body::Blob(4, 5),
        };
        let back = Message::unseal(Bytes::from(message.seal())).unwrap();
        assert_eq!((back.id, back.body, back.order), (id, Body::Blob(4, 5), 9));
    }
}
