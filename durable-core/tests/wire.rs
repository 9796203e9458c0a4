//! The byte form of engine records: frozen, and safe against any bytes.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use bytes::Bytes;
use durable_core::backend::HistoryChunk;
use durable_core::ids::{ExecutionId, InstanceId, MessageId, Name};
use durable_core::limits::RECORD_BYTES_MAX;
use durable_core::model::event::*;
use durable_core::model::message::{Control, ScheduledStart, Terminate};
use durable_core::model::wire::{self, ChunkWriter, WireError};
use durable_core::model::{
    ActivityTask, BlockReport, Failure, HistoryEvent, Message, RecordDetails, TrackingRecord,
};
use durable_core::payload::Payload;
use durable_core::time::Timestamp;

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn id(text: &str) -> InstanceId {
    InstanceId::new(text).unwrap()
}

fn payload() -> Option<Payload> {
    Some(Payload::new(&b"{\"a\":1}"[..]))
}

fn parent() -> Parent {
    Parent { instance: id("parent"), execution: ExecutionId(7), id: 3 }
}

fn started() -> ExecutionStarted {
    ExecutionStarted {
        name: name("orchestration"),
        version: "2.0".into(),
        input: payload(),
        parent: Some(parent()),
        created_at: Timestamp::from_micros(1_700_000_000_000_001),
        generation: 2,
        tags: vec![("k".into(), "v".into())],
        seen: vec![MessageId { source: u128::MAX, seq: 9 }],
    }
}

fn every_event() -> Vec<HistoryEvent> {
    use HistoryEvent as E;
    let failure = Failure::non_retryable("no").with_details(Payload::new(&b"1"[..]));
    vec![
        E::ExecutionStarted(started()),
        E::TurnStarted(TurnStarted { at: Timestamp::from_micros(5) }),
        E::ActivityScheduled(ActivityScheduled {
            id: 1,
            name: name("a"),
            input: None,
            call: 1,
            attempt: 1,
        }),
        E::ActivityCompleted(ActivityCompleted { id: 1, output: Some(Payload::default()) }),
        E::ActivityFailed(ActivityFailed { id: 1, failure: failure.clone() }),
        E::TimerCreated(TimerCreated { id: 2, fire_at: Timestamp::MAX }),
        E::TimerFired(TimerFired { id: 2 }),
        E::ChildScheduled(ChildScheduled {
            id: 3,
            instance: id("child"),
            name: name("c"),
            version: String::new(),
            input: payload(),
            detached: true,
        }),
        E::ChildCompleted(ChildCompleted { id: 3, output: None }),
        E::ChildFailed(ChildFailed { id: 3, failure: failure.clone() }),
        E::EventRaised(EventRaised {
            message: MessageId { source: 1, seq: 2 },
            name: name("e"),
            payload: payload(),
        }),
        E::EventSent(EventSent { id: 4, instance: id("other"), name: name("e"), payload: None }),
        E::ExecutionCompleted(ExecutionCompleted { output: payload() }),
        E::ExecutionFailed(ExecutionFailed { failure }),
        E::ExecutionTerminated(ExecutionTerminated { reason: "r".into() }),
        E::ContinuedAsNew(ContinuedAsNew {
            execution: ExecutionId(8),
            version: "3".into(),
            input: None,
        }),
        E::ExecutionSuspended(ExecutionSuspended { reason: "s".into() }),
        E::ExecutionResumed(ExecutionResumed { reason: "s".into() }),
        E::VersionMarked(VersionMarked { id: 5, change: "x".into(), version: 1 }),
    ]
}

fn every_message() -> Vec<Message> {
    let failure = Failure::new("no");
    vec![
        Message::Start(started()),
        Message::ActivityCompleted(ActivityCompleted { id: 1, output: payload() }),
        Message::ActivityFailed(ActivityFailed { id: 1, failure: failure.clone() }),
        Message::TimerFired(TimerFired { id: 1 }),
        Message::ChildCompleted(ChildCompleted { id: 1, output: payload() }),
        Message::ChildFailed(ChildFailed { id: 1, failure }),
        Message::EventRaised(EventRaised {
            message: MessageId::random(1),
            name: name("e"),
            payload: None,
        }),
        Message::Terminate(Terminate { reason: "r".into(), cascade: true }),
        Message::Suspend(Control { reason: "r".into() }),
        Message::Resume(Control { reason: "r".into() }),
        Message::Poke,
        Message::StartAt(ScheduledStart { at: Timestamp::from_millis(5), start: started() }),
    ]
}

fn chunk(events: &[HistoryEvent]) -> HistoryChunk {
    let mut writer = ChunkWriter::default();
    for event in events {
        writer.push(event);
    }
    writer.finish().unwrap()
}

fn details() -> RecordDetails {
    RecordDetails {
        input: payload(),
        output: None,
        failure: Some(Failure::new("f")),
        custom_status: payload(),
        report: Some(BlockReport {
            code: "DT0001".into(),
            message: "m".into(),
            expected: Some("e".into()),
            found: None,
            event: Some(4),
            hint: "h".into(),
        }),
        suspended: Some("s".into()),
        tags: vec![("a".into(), "b".into())],
        parent: Some(parent()),
        start_at: Some(Timestamp::EPOCH),
    }
}

fn task() -> ActivityTask {
    ActivityTask {
        id: 9,
        name: name("a"),
        input: payload(),
        call: 8,
        attempt: 2,
        start_to_close: Some(std::time::Duration::from_millis(1_500)),
        heartbeat: None,
    }
}

fn tracking() -> TrackingRecord {
    TrackingRecord {
        instance: id("i"),
        execution: ExecutionId(1),
        name: name("o"),
        status: 2,
        at: Timestamp::EPOCH,
        first_event: 3,
        events: 4,
    }
}

/// Every record of this version, in one fixed order.
fn corpus() -> Vec<(String, Bytes)> {
    let mut all = Vec::new();
    for event in every_event() {
        all.push((format!("event {}", event.kind()), chunk(&[event]).bytes));
    }
    for (n, message) in every_message().iter().enumerate() {
        all.push((format!("message {n}"), wire::encode_message(message)));
    }
    all.push(("task".into(), wire::encode_task(&task())));
    all.push(("tracking".into(), wire::encode_tracking(&tracking())));
    all.push(("details".into(), wire::encode_details(&details())));
    all
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[test]
fn format_1_is_frozen() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/format-1.txt");
    let now: String =
        corpus().iter().map(|(what, bytes)| format!("{what}: {}\n", hex(bytes))).collect();
    if std::env::var_os("WRITE_GOLDEN").is_some() {
        std::fs::write(path, &now).unwrap();
    }
    let golden = std::fs::read_to_string(path).unwrap();
    for (is, was) in now.lines().zip(golden.lines()) {
        assert_eq!(
            is, was,
            "the byte form of a stored record changed: old stores would not be readable"
        );
    }
    assert_eq!(now.lines().count(), golden.lines().count());
}

#[test]
fn everything_comes_back_as_it_was() {
    let events = every_event();
    assert_eq!(wire::decode_chunk(&chunk(&events)).unwrap(), events);
    for message in every_message() {
        assert_eq!(wire::decode_message(&wire::encode_message(&message)).unwrap(), message);
    }
    assert_eq!(wire::decode_task(&wire::encode_task(&task())).unwrap(), task());
    assert_eq!(wire::decode_tracking(&wire::encode_tracking(&tracking())).unwrap(), tracking());
    assert_eq!(wire::decode_details(&wire::encode_details(&details())).unwrap(), details());
}

#[test]
fn numbers_of_kinds_are_unique_and_in_order() {
    let numbers: Vec<_> = every_event().iter().map(HistoryEvent::number).collect();
    assert_eq!(numbers, (1..=19).collect::<Vec<u8>>());
}

fn decode_all(bytes: &Bytes) {
    let _ = wire::decode_message(bytes);
    let _ = wire::decode_task(bytes);
    let _ = wire::decode_details(bytes);
    let _ = wire::decode_tracking(bytes);
    for events in [1, u32::MAX] {
        let _ = wire::decode_chunk(&HistoryChunk { events, bytes: bytes.clone() });
    }
}

/// Makes the checksum right again, so that a mutation reaches the decoders behind it.
fn reseal(bytes: &mut [u8]) {
    if bytes.len() >= 5 {
        let crc = crc32c::crc32c(&bytes[5..]);
        bytes[1..5].copy_from_slice(&crc.to_le_bytes());
    }
}

#[test]
fn no_bytes_crash_a_decoder() {
    let seed = 0x5eed_u64;
    println!("seed {seed:#x}");
    let mut state = seed;
    let mut next = move || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize
    };
    for (_, bytes) in corpus() {
        for round in 0..2_000 {
            let mut mutated = bytes.to_vec();
            for _ in 0..=next() % 4 {
                let at = next() % mutated.len();
                match next() % 5 {
                    0 => mutated[at] ^= 1 << (next() % 8),
                    1 => mutated[at] = [0, 1, 0x7f, 0xfb, 0xfc, 0xfd, 0xfe, 0xff][next() % 8],
                    2 => mutated.truncate(at.max(1)),
                    3 => mutated.insert(at, next() as u8),
                    _ => mutated.extend_from_slice(&bytes[..at.min(bytes.len())]),
                }
            }
            if round % 2 == 0 {
                reseal(&mut mutated);
            }
            decode_all(&Bytes::from(mutated));
        }
    }
}

#[test]
fn damage_is_told_apart_from_the_unknown() {
    let good = wire::encode_message(&Message::Poke).to_vec();
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        change(&mut bytes);
        wire::decode_message(&bytes).unwrap_err()
    };
    assert!(matches!(with(&|b| b[5] ^= 1), WireError::Checksum { .. }));
    assert!(matches!(with(&|b| b[0] = 9), WireError::UnknownFormat(9)));
    assert!(matches!(with(&|b| b.truncate(4)), WireError::TooShort(4)));
    assert!(matches!(
        with(&|b| {
            b[5] = 200;
            reseal(b)
        }),
        WireError::UnknownKind { number: 200, .. }
    ));
    assert!(matches!(
        with(&|b| {
            b.push(0);
            reseal(b)
        }),
        WireError::Trailing(1)
    ));
    assert!(matches!(
        wire::decode_message(&vec![1; RECORD_BYTES_MAX + 1]),
        Err(WireError::TooLong(_))
    ));
}

#[test]
fn a_block_with_another_number_of_events_is_refused() {
    let mut block = chunk(&every_event());
    block.events -= 1;
    assert!(matches!(
        wire::decode_chunk(&block),
        Err(WireError::EventCount { expected: 18, found: 19 })
    ));
}

#[test]
fn a_hostile_length_is_an_error_not_an_allocation() {
    // A details record whose first field claims 2^62 bytes.
    let mut bytes = vec![1, 0, 0, 0, 0, 1, 0xfd];
    bytes.extend_from_slice(&(1_u64 << 62).to_le_bytes());
    reseal(&mut bytes);
    assert!(matches!(wire::decode_details(&bytes), Err(WireError::Body(_))));
}
