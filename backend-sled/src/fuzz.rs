//! Every decoder against hostile bytes.

use std::sync::Arc;

use bytes::Bytes;
use conformance_tests::fuzz::{Target, fuzz};
use durable_core::backend::sealed::Put;
use durable_core::backend::{
    Disposition, Envelope, HistoryChunk, InstanceRecord, NextGeneration, OrchestrationStatus,
    TurnCommit, TurnLease,
};
use durable_core::hot::{SlotSnapshot, StoredChunk, TaskSnapshot, Waiting};
use durable_core::ids::{ExecutionId, InstanceId, LeaseToken, MessageId, Name, QueueName};
use durable_core::time::Timestamp;

use crate::disk::{read_row, seal_history, seal_row};
use crate::high_water::read_number;
use crate::log::{Change, Group, read_group, seal_envelopes, unseal_envelopes};
use crate::values::{CHUNK_BYTES_MIN, get_chunk, unseal};

/// A short item of a list takes this much more in memory than as bytes.
const BYTES_PER_BYTE: u64 = 24;

fn instance() -> InstanceId {
    InstanceId::new("order-1").unwrap()
}

fn id(seq: u64) -> MessageId {
    MessageId { source: 7, seq }
}

fn record() -> InstanceRecord {
    InstanceRecord {
        instance: instance(),
        execution: ExecutionId(5),
        generation: 2,
        name: Name::new("order").unwrap(),
        version: "1.0".to_owned(),
        status: OrchestrationStatus::Running,
        created_at: Timestamp::from_micros(1),
        updated_at: Timestamp::from_micros(2),
        completed_at: Some(Timestamp::from_micros(3)),
        parent: Some(instance()),
        events: 4,
        revision: 5,
        details: Bytes::from_static(b"details"),
    }
}

fn envelope(seq: u64) -> Envelope {
    Envelope {
        execution: Some(ExecutionId(5)),
        visible_at: Some(Timestamp::from_micros(9)),
        queue: QueueName::new("mail").unwrap(),
        control: true,
        creates: Some(Arc::new(record())),
        ..Envelope::new(id(seq), instance(), 3, Bytes::from_static(b"body"))
    }
}

fn chunk() -> HistoryChunk {
    HistoryChunk { events: 2, bytes: Bytes::from_static(b"two events") }
}

fn turn() -> TurnCommit {
    TurnCommit {
        lease: TurnLease { instance: instance(), token: LeaseToken(11) },
        execution: ExecutionId(5),
        expected_events: 4,
        at: Timestamp::from_micros(12),
        chunk: Some(chunk()),
        consumed: vec![id(1), id(2)],
        cancelled: vec![id(3)],
        activities: vec![envelope(4), envelope(5)],
        messages: vec![Envelope::new(id(6), instance(), 0, Bytes::new())],
        tracking: Some(envelope(7)),
        record: Some(record()),
        next: Some(NextGeneration {
            execution: ExecutionId(6),
            chunk: chunk(),
            keep_history: true,
        }),
        disposition: Disposition::Hold { until: Some(Timestamp::from_micros(13)) },
    }
}

fn snapshot() -> SlotSnapshot {
    let stored = |bytes| StoredChunk { events: 2, bytes };
    let waiting = |seq| Waiting {
        id: id(seq),
        execution: Some(ExecutionId(5)),
        control: false,
        enqueued_at: Timestamp::from_micros(1),
        body: Bytes::from_static(b"event"),
    };
    SlotSnapshot {
        delayed_until: Some(Timestamp::from_millis(8)),
        record: record(),
        history: vec![stored(None), stored(Some(Bytes::from_static(b"events")))],
        older: vec![(ExecutionId(4), vec![stored(None)])],
        inbox: vec![waiting(1), waiting(2)],
        delayed: vec![(Timestamp::from_micros(8), waiting(3))],
        tasks: vec![TaskSnapshot {
            visible_at: Some(Timestamp::from_millis(9)),
            id: id(4),
            execution: ExecutionId(5),
            queue: QueueName::default(),
            enqueued_at: Timestamp::from_micros(1),
            delivery: 2,
            progress: Some(Bytes::from_static(b"half")),
            body: Bytes::from_static(b"task"),
        }],
        committed: Some(LeaseToken(9)),
        held: Some(None),
        delivery: 1,
        lsn: 77,
    }
}

/// A group with each kind of change.
fn groups() -> Vec<Vec<u8>> {
    let mut group = Group::default();
    let changes = [
        Change::Create(envelope(1)),
        Change::Send(envelope(2)),
        Change::Turn(Box::new(turn())),
        Change::Activity(id(3), envelope(4)),
        Change::Purge(instance()),
        Change::Tracked(id(5)),
        Change::TurnDelivery(instance(), 3),
        Change::TaskDelivery(id(6), 3),
    ];
    for (number, change) in (1..).zip(&changes) {
        group.add(number, Timestamp::from_micros(1), change);
    }
    group.into_values()
}

fn reseal(value: &mut [u8]) {
    if let Some((header, body)) = value.split_first_chunk_mut::<5>() {
        header[1..].copy_from_slice(&crc32c::crc32c(body).to_le_bytes());
    }
}

fn measure(run: &mut dyn FnMut()) -> u64 {
    allocation_counter::measure(run).bytes_max
}

fn target<'a>(
    name: &'static str,
    examples: Vec<Vec<u8>>,
    decode: &'a dyn Fn(&[u8]) -> bool,
) -> Target<'a> {
    let bytes_at_rest = 4_096;
    Target {
        name,
        examples,
        reseal,
        bytes_at_rest,
        bytes_per_byte: BYTES_PER_BYTE,
        decode,
        measure,
    }
}

/// What is read is written as the same bytes again.
fn row(value: &[u8]) -> bool {
    let Ok(snapshot) = read_row(&instance(), value) else { return false };
    assert_eq!(seal_row(&snapshot)[5..], value[5..]);
    true
}

fn history(value: &[u8]) -> bool {
    let read = unseal(value).and_then(|mut g| {
        let chunks = g.list(CHUNK_BYTES_MIN, get_chunk)?;
        g.end().map(|()| chunks)
    });
    let Ok(chunks) = read else { return false };
    assert_eq!(seal_history(&chunks)[5..], value[5..]);
    true
}

fn state(value: &[u8]) -> bool {
    unseal(value)
        .and_then(|mut g| {
            g.u64()?;
            g.u64()?;
            g.end()
        })
        .is_ok()
}

fn state_example() -> Vec<u8> {
    let mut p = Put::default();
    p.u64(3);
    p.u64(4);
    p.seal()
}

fn high_water_example() -> Vec<u8> {
    let number = 300_u64.to_le_bytes();
    [&number[..], &crc32c::crc32c(&number).to_le_bytes()].concat()
}

/// Proves G16, G18.
#[test]
fn hostile_bytes_break_no_decoder_of_sled() {
    let tracking = seal_envelopes(4, &[envelope(1), envelope(2)]);
    let group = |value: &[u8]| read_group(value).is_ok();
    let tracked = |value: &[u8]| unseal_envelopes(&Bytes::copy_from_slice(value)).is_ok();
    let water = |bytes: &[u8]| read_number(bytes).is_some();
    let targets = [
        target("group of the log", groups(), &group),
        target("row", vec![seal_row(&snapshot())], &row),
        target("history", vec![seal_history(&[chunk(), chunk()])], &history),
        target("tracking records", vec![tracking], &tracked),
        target("state", vec![state_example()], &state),
        target("high water", vec![high_water_example()], &water),
    ];
    let fuzzed = fuzz(&targets);
    println!(
        "summary fuzz-sled: what sled stores: {} hostile inputs for {} decoders | no panic, no \
         decoder took more memory than in proportion, {} still valid",
        fuzzed.inputs,
        targets.len(),
        fuzzed.accepted
    );
}
