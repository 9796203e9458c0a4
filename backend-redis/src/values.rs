//! The byte form of the contract's values.

use bytes::Bytes;
use durable_core::backend::sealed::{Damaged, Decoded, Get, Put};
use durable_core::backend::{HistoryChunk, InstanceRecord, OrchestrationStatus};
use durable_core::ids::{ExecutionId, InstanceId, MessageId, Name};
use durable_core::time::Timestamp;

/// A message id as the scripts know it: 24 bytes that sort like the numbers.
pub(crate) fn message_id(id: MessageId) -> [u8; 24] {
    let mut out = [0; 24];
    out[..16].copy_from_slice(&id.source.to_be_bytes());
    out[16..].copy_from_slice(&id.seq.to_be_bytes());
    out
}

pub(crate) fn read_message_id(bytes: &[u8]) -> Decoded<MessageId> {
    let wrong = Damaged("a message id is not 24 bytes long");
    let (source, seq) = bytes.split_first_chunk::<16>().ok_or_else(|| wrong.clone())?;
    let seq = seq.try_into().map_err(|_| wrong)?;
    Ok(MessageId { source: u128::from_be_bytes(*source), seq: u64::from_be_bytes(seq) })
}

/// An execution id or a token as the scripts know it.
pub(crate) fn read_number(bytes: &[u8]) -> Decoded<u128> {
    let bytes = bytes.try_into().map_err(|_| Damaged("a number is not 16 bytes long"))?;
    Ok(u128::from_be_bytes(bytes))
}

pub(crate) fn read_instance(bytes: &[u8]) -> Decoded<InstanceId> {
    let text = std::str::from_utf8(bytes).map_err(|_| Damaged("an instance id is not UTF-8"))?;
    InstanceId::new(text).map_err(|_| Damaged("an instance id is not valid"))
}

/// A number in decimal digits.
pub(crate) fn read_decimal(bytes: &[u8]) -> Decoded<u64> {
    let text = std::str::from_utf8(bytes).ok();
    text.and_then(|t| t.parse().ok()).ok_or(Damaged("a number is not in decimal digits"))
}

/// The part of a record that only a new record changes. Execution, events, revision and the time
/// of the last turn are kept beside it, where scripts change them.
pub(crate) fn record(r: &InstanceRecord) -> Vec<u8> {
    let mut p = Put::with_capacity(96 + r.name.as_str().len() + r.details.len());
    p.u32(r.generation);
    p.bytes(r.name.as_str().as_bytes());
    p.bytes(r.version.as_bytes());
    p.u8(r.status.number());
    p.u64(r.created_at.as_micros());
    p.u64(r.updated_at.as_micros());
    p.option(r.completed_at, |p, t| p.u64(t.as_micros()));
    p.option(r.parent.as_ref(), |p, id| p.bytes(id.as_str().as_bytes()));
    p.bytes(&r.details);
    p.seal()
}

/// What is kept beside a record.
#[derive(Debug)]
pub(crate) struct Beside {
    pub(crate) execution: ExecutionId,
    pub(crate) events: u64,
    pub(crate) revision: u64,
    /// Not before the first turn.
    pub(crate) updated_at: Option<Timestamp>,
}

pub(crate) fn read_record(
    instance: InstanceId,
    value: Bytes,
    beside: &Beside,
) -> Decoded<InstanceRecord> {
    let mut g = Get::unseal(value)?;
    let time = |g: &mut Get| g.u64().map(Timestamp::from_micros);
    let mut record = InstanceRecord {
        instance,
        execution: beside.execution,
        generation: g.u32()?,
        name: Name::new(g.text()?).map_err(|_| Damaged("a name is not valid"))?,
        version: g.text()?,
        status: OrchestrationStatus::from_number(g.u8()?).ok_or(Damaged("a status is unknown"))?,
        created_at: time(&mut g)?,
        updated_at: time(&mut g)?,
        completed_at: g.option(time)?,
        parent: g.option(|g| read_instance(&g.bytes()?))?,
        events: beside.events,
        revision: beside.revision,
        details: g.bytes()?,
    };
    g.end()?;
    if let Some(updated_at) = beside.updated_at {
        record.updated_at = updated_at;
    }
    Ok(record)
}

/// A block of history. The script puts 16 digits before it, the number of its first event.
pub(crate) fn chunk(c: &HistoryChunk) -> Vec<u8> {
    let mut p = Put::with_capacity(4 + c.bytes.len());
    p.u32(c.events);
    p.rest(&c.bytes);
    p.seal()
}

/// The number of its first event, and a block of history.
pub(crate) fn read_chunk(mut value: Bytes) -> Decoded<(u64, HistoryChunk)> {
    if value.len() < 16 {
        return Err(Damaged("a block of history is shorter than its number"));
    }
    let first = read_decimal(&value.split_to(16))?;
    let mut g = Get::unseal(value)?;
    let events = g.u32()?;
    Ok((first, HistoryChunk { events, bytes: g.rest() }))
}

/// What scripts put before the body of a message.
const MESSAGE_HEAD: usize = 35;

/// When a message arrived, and its body.
pub(crate) fn read_message(mut value: Bytes) -> Decoded<(Timestamp, Bytes)> {
    if value.len() < MESSAGE_HEAD {
        return Err(Damaged("a message is shorter than its head"));
    }
    let head = value.split_to(MESSAGE_HEAD);
    Ok((Timestamp::from_micros(read_decimal(&head[19..])?), value))
}

/// A task as stored.
#[derive(Debug)]
pub(crate) struct Task {
    pub(crate) enqueued_at: Timestamp,
    pub(crate) execution: ExecutionId,
    pub(crate) body: Bytes,
}

pub(crate) fn read_task(mut value: Bytes) -> Decoded<Task> {
    let short = Damaged("a task is shorter than its head");
    if value.len() < 35 {
        return Err(short);
    }
    let head = value.split_to(35);
    let queue = usize::try_from(read_decimal(&head[32..])?).unwrap_or(usize::MAX);
    if value.len() < queue {
        return Err(short);
    }
    Ok(Task {
        enqueued_at: Timestamp::from_micros(read_decimal(&head[..16])?),
        execution: ExecutionId(read_number(&head[16..32])?),
        body: value.split_off(queue),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_ids_come_back() {
        let id = MessageId { source: u128::MAX - 5, seq: 7 };
        assert_eq!(read_message_id(&message_id(id)), Ok(id));
        assert!(read_message_id(&[0; 23]).is_err());
    }

    #[test]
    fn a_chunk_comes_back_and_a_damaged_one_does_not() {
        let one = HistoryChunk { events: 3, bytes: Bytes::from_static(b"\0abc") };
        let mut stored = b"0000000000000012".to_vec();
        stored.extend(chunk(&one));
        assert_eq!(read_chunk(Bytes::from(stored.clone())), Ok((12, one)));
        let last = stored.len() - 1;
        stored[last] ^= 1;
        assert!(read_chunk(Bytes::from(stored)).is_err());
    }
}
