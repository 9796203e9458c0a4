//! The byte form of the contract's values, in the log and in rows.

use std::sync::Arc;

use bytes::Bytes;
use durable_core::backend::sealed::{Damaged, Decoded, Get, Put};
use durable_core::backend::{
    Disposition, Envelope, HistoryChunk, InstanceRecord, NextGeneration, OrchestrationStatus,
    TurnCommit, TurnLease,
};
use durable_core::hot::{SlotSnapshot, StoredChunk, TaskSnapshot, Waiting};
use durable_core::ids::{ExecutionId, InstanceId, LeaseToken, MessageId, Name, QueueName};
use durable_core::time::Timestamp;

/// Bytes of a message id.
const MESSAGE_ID_BYTES: usize = 16 + 8;
/// The least bytes of an envelope: an id, an empty target, four absent parts, an empty body.
pub(crate) const ENVELOPE_BYTES_MIN: usize = MESSAGE_ID_BYTES + 4 + 1 + 8 + 4 + 4;
/// The least bytes of a block of history.
pub(crate) const CHUNK_BYTES_MIN: usize = 4 + 4;
/// The least bytes of a block of history in a row.
const STORED_BYTES_MIN: usize = 4 + 1;
/// The least bytes of an earlier generation in a row.
const OLDER_BYTES_MIN: usize = 16 + 4;
/// The least bytes of a message in a row.
const WAITING_BYTES_MIN: usize = MESSAGE_ID_BYTES + 1 + 1 + 8 + 4;
/// The least bytes of a task in a row.
const TASK_BYTES_MIN: usize = MESSAGE_ID_BYTES + 16 + 4 + 8 + 4 + 1 + 4;

/// Opens a value of the store. Its parts outlive it: an instance keeps its own in memory.
pub(crate) fn unseal(value: &[u8]) -> Decoded<Get> {
    Ok(Get::unseal(Bytes::copy_from_slice(value))?.apart())
}

pub(crate) fn put_instance(p: &mut Put, id: &InstanceId) {
    p.bytes(id.as_str().as_bytes());
}

pub(crate) fn get_instance(g: &mut Get) -> Decoded<InstanceId> {
    InstanceId::new(g.text()?).map_err(|_| Damaged("an instance id is not valid"))
}

pub(crate) fn put_message_id(p: &mut Put, id: MessageId) {
    p.u128(id.source);
    p.u64(id.seq);
}

pub(crate) fn get_message_id(g: &mut Get) -> Decoded<MessageId> {
    Ok(MessageId { source: g.u128()?, seq: g.u64()? })
}

pub(crate) fn put_time(p: &mut Put, time: Timestamp) {
    p.u64(time.as_micros());
}

pub(crate) fn get_time(g: &mut Get) -> Decoded<Timestamp> {
    Ok(Timestamp::from_micros(g.u64()?))
}

pub(crate) fn put_record(p: &mut Put, r: &InstanceRecord) {
    put_instance(p, &r.instance);
    p.u128(r.execution.0);
    p.u32(r.generation);
    p.bytes(r.name.as_str().as_bytes());
    p.bytes(r.version.as_bytes());
    p.u8(r.status.number());
    put_time(p, r.created_at);
    put_time(p, r.updated_at);
    p.option(r.completed_at, put_time);
    p.option(r.parent.as_ref(), put_instance);
    p.u64(r.events);
    p.u64(r.revision);
    p.bytes(&r.details);
}

pub(crate) fn get_record(g: &mut Get) -> Decoded<InstanceRecord> {
    Ok(InstanceRecord {
        instance: get_instance(g)?,
        execution: ExecutionId(g.u128()?),
        generation: g.u32()?,
        name: Name::new(g.text()?).map_err(|_| Damaged("a name is not valid"))?,
        version: g.text()?,
        status: OrchestrationStatus::from_number(g.u8()?).ok_or(Damaged("a status is unknown"))?,
        created_at: get_time(g)?,
        updated_at: get_time(g)?,
        completed_at: g.option(get_time)?,
        parent: g.option(get_instance)?,
        events: g.u64()?,
        revision: g.u64()?,
        details: g.bytes()?,
    })
}

pub(crate) fn put_envelope(p: &mut Put, e: &Envelope) {
    put_message_id(p, e.id);
    put_instance(p, &e.target);
    p.option(e.execution, |p, e| p.u128(e.0));
    p.u64(e.order_key);
    p.option(e.visible_at, put_time);
    // The default queue is by far the most common.
    let queue = (e.queue.as_str() != QueueName::DEFAULT).then_some(&e.queue);
    p.option(queue, |p, q| p.bytes(q.as_str().as_bytes()));
    p.flag(e.control);
    p.option(e.creates.as_deref(), put_record);
    p.bytes(&e.body);
}

pub(crate) fn get_queue(g: &mut Get) -> Decoded<QueueName> {
    QueueName::new(g.text()?).map_err(|_| Damaged("a queue name is not valid"))
}

pub(crate) fn get_envelope(g: &mut Get) -> Decoded<Envelope> {
    Ok(Envelope {
        id: get_message_id(g)?,
        target: get_instance(g)?,
        execution: g.option(Get::u128)?.map(ExecutionId),
        order_key: g.u64()?,
        visible_at: g.option(get_time)?,
        queue: g.option(get_queue)?.unwrap_or_default(),
        control: g.flag()?,
        creates: g.option(get_record)?.map(Arc::new),
        body: g.bytes()?,
    })
}

pub(crate) fn put_chunk(p: &mut Put, c: &HistoryChunk) {
    p.u32(c.events);
    p.bytes(&c.bytes);
}

pub(crate) fn get_chunk(g: &mut Get) -> Decoded<HistoryChunk> {
    Ok(HistoryChunk { events: g.u32()?, bytes: g.bytes()? })
}

pub(crate) fn put_turn(p: &mut Put, c: &TurnCommit) {
    put_instance(p, &c.lease.instance);
    p.u128(c.lease.token.0);
    p.u128(c.execution.0);
    p.u64(c.expected_events);
    put_time(p, c.at);
    p.option(c.chunk.as_ref(), put_chunk);
    p.list(&c.consumed, |p, id| put_message_id(p, *id));
    p.list(&c.cancelled, |p, id| put_message_id(p, *id));
    p.list(&c.activities, put_envelope);
    p.list(&c.messages, put_envelope);
    p.option(c.tracking.as_ref(), put_envelope);
    p.option(c.record.as_ref(), put_record);
    p.option(c.next.as_ref(), |p, n| {
        p.u128(n.execution.0);
        put_chunk(p, &n.chunk);
        p.flag(n.keep_history);
    });
    let hold = match c.disposition {
        Disposition::Hold { until } => Some(until),
        _ => None,
    };
    p.option(hold, |p, until| p.option(until, put_time));
}

pub(crate) fn get_turn(g: &mut Get) -> Decoded<TurnCommit> {
    Ok(TurnCommit {
        lease: TurnLease { instance: get_instance(g)?, token: LeaseToken(g.u128()?) },
        execution: ExecutionId(g.u128()?),
        expected_events: g.u64()?,
        at: get_time(g)?,
        chunk: g.option(get_chunk)?,
        consumed: g.list(MESSAGE_ID_BYTES, get_message_id)?,
        cancelled: g.list(MESSAGE_ID_BYTES, get_message_id)?,
        activities: g.list(ENVELOPE_BYTES_MIN, get_envelope)?,
        messages: g.list(ENVELOPE_BYTES_MIN, get_envelope)?,
        tracking: g.option(get_envelope)?,
        record: g.option(get_record)?,
        next: g.option(|g| {
            Ok(NextGeneration {
                execution: ExecutionId(g.u128()?),
                chunk: get_chunk(g)?,
                keep_history: g.flag()?,
            })
        })?,
        disposition: match g.option(|g| g.option(get_time))? {
            Some(until) => Disposition::Hold { until },
            None => Disposition::Ready,
        },
    })
}

fn put_waiting(p: &mut Put, m: &Waiting) {
    put_message_id(p, m.id);
    p.option(m.execution, |p, e| p.u128(e.0));
    p.flag(m.control);
    put_time(p, m.enqueued_at);
    p.bytes(&m.body);
}

fn get_waiting(g: &mut Get) -> Decoded<Waiting> {
    Ok(Waiting {
        id: get_message_id(g)?,
        execution: g.option(Get::u128)?.map(ExecutionId),
        control: g.flag()?,
        enqueued_at: get_time(g)?,
        body: g.bytes()?,
    })
}

fn put_task(p: &mut Put, t: &TaskSnapshot) {
    put_message_id(p, t.id);
    p.u128(t.execution.0);
    p.bytes(t.queue.as_str().as_bytes());
    put_time(p, t.enqueued_at);
    p.u32(t.delivery);
    p.option(t.progress.as_ref(), |p, b| p.bytes(b));
    p.bytes(&t.body);
}

fn get_task(g: &mut Get) -> Decoded<TaskSnapshot> {
    Ok(TaskSnapshot {
        id: get_message_id(g)?,
        execution: ExecutionId(g.u128()?),
        queue: get_queue(g)?,
        enqueued_at: get_time(g)?,
        delivery: g.u32()?,
        visible_at: None,
        progress: g.option(Get::bytes)?,
        body: g.bytes()?,
    })
}

fn put_stored(p: &mut Put, c: &StoredChunk) {
    p.u32(c.events);
    p.option(c.bytes.as_ref(), |p, b| p.bytes(b));
}

fn get_stored(g: &mut Get) -> Decoded<StoredChunk> {
    Ok(StoredChunk { events: g.u32()?, bytes: g.option(Get::bytes)? })
}

/// A whole instance. Blocks of history without bytes are kept in values of their own.
pub(crate) fn put_snapshot(p: &mut Put, s: &SlotSnapshot) {
    p.u64(s.lsn);
    put_record(p, &s.record);
    p.list(&s.history, put_stored);
    p.list(&s.older, |p, (execution, chunks)| {
        p.u128(execution.0);
        p.list(chunks, put_stored);
    });
    p.list(&s.inbox, put_waiting);
    p.list(&s.delayed, |p, (at, m)| {
        put_time(p, *at);
        put_waiting(p, m);
    });
    p.list(&s.tasks, put_task);
    p.option(s.committed, |p, t| p.u128(t.0));
    p.option(s.held, |p, until| p.option(until, put_time));
    p.u32(s.delivery);
    put_delays(p, s);
}

/// Few instances have any; the list is behind everything else, because rows of earlier versions
/// end there.
fn put_delays(p: &mut Put, s: &SlotSnapshot) {
    let tasks: Vec<_> = s.tasks.iter().filter_map(|t| t.visible_at.map(|at| (t.id, at))).collect();
    if s.delayed_until.is_none() && tasks.is_empty() {
        return;
    }
    p.option(s.delayed_until, put_time);
    p.list(&tasks, |p, (id, at)| {
        put_message_id(p, *id);
        put_time(p, *at);
    });
}

fn get_delays(g: &mut Get, s: &mut SlotSnapshot) -> Decoded<()> {
    if g.is_empty() {
        return Ok(());
    }
    s.delayed_until = g.option(get_time)?;
    let delays = g.list(MESSAGE_ID_BYTES + 8, |g| Ok((get_message_id(g)?, get_time(g)?)))?;
    if s.delayed_until.is_none() && delays.is_empty() {
        return Err(Damaged("delays are announced, and there are none"));
    }
    // They were written in the order of the tasks; each must find its own.
    let mut tasks = s.tasks.iter_mut();
    for (id, at) in delays {
        let task = tasks.find(|task| task.id == id);
        task.ok_or(Damaged("a delay belongs to no task"))?.visible_at = Some(at);
    }
    Ok(())
}

pub(crate) fn get_snapshot(g: &mut Get) -> Decoded<SlotSnapshot> {
    let lsn = g.u64()?;
    let mut snapshot = SlotSnapshot {
        record: get_record(g)?,
        history: g.list(STORED_BYTES_MIN, get_stored)?,
        older: g.list(OLDER_BYTES_MIN, |g| {
            Ok((ExecutionId(g.u128()?), g.list(STORED_BYTES_MIN, get_stored)?))
        })?,
        inbox: g.list(WAITING_BYTES_MIN, get_waiting)?,
        delayed: g.list(8 + WAITING_BYTES_MIN, |g| Ok((get_time(g)?, get_waiting(g)?)))?,
        tasks: g.list(TASK_BYTES_MIN, get_task)?,
        committed: g.option(Get::u128)?.map(LeaseToken),
        held: g.option(|g| g.option(get_time))?,
        delayed_until: None,
        delivery: g.u32()?,
        lsn,
    };
    get_delays(g, &mut snapshot)?;
    Ok(snapshot)
}
