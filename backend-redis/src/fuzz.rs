//! Every decoder against hostile bytes, and answers of a server against what scripts never say.

use bytes::Bytes;
use conformance_tests::fuzz::{Target, fuzz};
use durable_core::backend::{HistoryChunk, InstanceRecord, OrchestrationStatus};
use durable_core::ids::{ExecutionId, InstanceId, MessageId, Name};
use durable_core::time::Timestamp;
use redis::Value;

use crate::reply::{Reply, outcome};
use crate::values::{
    Beside, chunk, message_id, read_chunk, read_decimal, read_instance, read_message,
    read_message_id, read_number, read_record, read_task, record,
};

/// Where the sealed part of a block of history begins: after the number of its first event.
const CHUNK_HEAD: usize = 16;

fn instance() -> InstanceId {
    InstanceId::new("order-1").unwrap()
}

fn beside() -> Beside {
    Beside { execution: ExecutionId(5), events: 4, revision: 3, updated_at: None }
}

fn record_example() -> Vec<u8> {
    record(&InstanceRecord {
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
        revision: 3,
        details: Bytes::from_static(b"details"),
    })
}

fn chunk_example() -> Vec<u8> {
    let sealed = chunk(&HistoryChunk { events: 2, bytes: Bytes::from_static(b"two events") });
    [b"0000000000000012".as_slice(), &sealed].concat()
}

fn message_example() -> Vec<u8> {
    [&[b'1'; 19][..], b"0000000000000012", b"body"].concat()
}

fn task_example() -> Vec<u8> {
    [b"0000000000000012".as_slice(), &[7; 16], b"004", b"mail", b"body"].concat()
}

fn seal_at(value: &mut [u8], at: usize) {
    let sealed = value.get_mut(at..).and_then(|sealed| sealed.split_first_chunk_mut::<5>());
    if let Some((header, body)) = sealed {
        header[1..].copy_from_slice(&crc32c::crc32c(body).to_le_bytes());
    }
}

fn measure(run: &mut dyn FnMut()) -> u64 {
    allocation_counter::measure(run).bytes_max
}

fn target<'a>(
    name: &'static str,
    example: Vec<u8>,
    reseal: fn(&mut [u8]),
    decode: &'a dyn Fn(&[u8]) -> bool,
) -> Target<'a> {
    let (examples, bytes_at_rest) = (vec![example], 4_096);
    Target { name, examples, reseal, bytes_at_rest, bytes_per_byte: 4, decode, measure }
}

/// Proves G16, G18.
#[test]
fn hostile_bytes_break_no_decoder_of_redis() {
    let bytes = Bytes::copy_from_slice;
    let record = |v: &[u8]| read_record(instance(), bytes(v), &beside()).is_ok();
    let block = |v: &[u8]| read_chunk(bytes(v)).is_ok();
    let message = |v: &[u8]| read_message(bytes(v)).is_ok();
    let task = |v: &[u8]| read_task(bytes(v)).is_ok();
    let id = |v: &[u8]| read_message_id(v).is_ok();
    let number = |v: &[u8]| read_number(v).is_ok();
    let decimal = |v: &[u8]| read_decimal(v).is_ok();
    let instance_id = |v: &[u8]| read_instance(v).is_ok();
    let id_example = message_id(MessageId { source: 7, seq: 8 }).to_vec();
    let targets = [
        target("record", record_example(), |v| seal_at(v, 0), &record),
        target("block of history", chunk_example(), |v| seal_at(v, CHUNK_HEAD), &block),
        target("message", message_example(), |_| {}, &message),
        target("task", task_example(), |_| {}, &task),
        target("message id", id_example, |_| {}, &id),
        target("number", vec![9; 16], |_| {}, &number),
        target("decimal", b"1234567".to_vec(), |_| {}, &decimal),
        target("instance id", b"order-1".to_vec(), |_| {}, &instance_id),
    ];
    let fuzzed = fuzz(&targets);
    println!(
        "summary fuzz-redis: what Redis stores and answers: {} hostile inputs for {} decoders | no \
         panic, no decoder took more memory than in proportion, {} still valid",
        fuzzed.inputs,
        targets.len(),
        fuzzed.accepted
    );
}

/// Answers that are none: of every kind a server knows.
fn odd_answers() -> Vec<Value> {
    vec![
        Value::Nil,
        Value::Okay,
        Value::Int(-1),
        Value::Int(99),
        Value::Int(i64::MIN),
        Value::Double(0.5),
        Value::Boolean(true),
        Value::BulkString(vec![0xff, 0xfe]),
        Value::SimpleString("OK".to_owned()),
        Value::Array(Vec::new()),
        Value::Array(vec![Value::Array(vec![Value::Nil])]),
        Value::Map(vec![(Value::Nil, Value::Nil)]),
        Value::Set(vec![Value::Int(1)]),
    ]
}

/// Proves G16.
#[test]
fn odd_answers_of_a_server_are_errors() {
    for answer in odd_answers() {
        assert!(outcome("test", &answer, &[0_u8, 1]).is_err(), "{answer:?}");
        let Ok(mut reply) = Reply::new("test", answer.clone()) else { continue };
        assert!(reply.signed().is_err(), "{answer:?}");
        let mut parts = Reply::new("test", Value::Array(vec![answer.clone()])).unwrap();
        if !matches!(answer, Value::Int(_) | Value::BulkString(_)) {
            assert!(parts.bytes().is_err(), "{answer:?}");
        }
    }
}
