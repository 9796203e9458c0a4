//! The core's decoders against hostile bytes.

#![allow(clippy::print_stdout, reason = "a campaign tells how it ended")]

use bytes::Bytes;
use conformance_tests::fuzz::{Target, fuzz};
use durable_core::backend::HistoryChunk;
use durable_core::model::wire::{self, ChunkWriter, WireError};

/// Every record of format 1, as frozen.
const GOLDEN: &str = include_str!("../../durable-core/tests/golden/format-1.txt");

/// Serde takes up to a megabyte for a list before it has seen its items.
const BYTES_AT_REST: u64 = 1_300_000;

/// A short event takes this much more in memory than as bytes.
const BYTES_PER_BYTE: u64 = 256;

fn examples(of: &str) -> Vec<Vec<u8>> {
    let lines = GOLDEN.lines().filter_map(|line| line.split_once(": "));
    let found = lines.filter(|(what, _)| what.starts_with(of)).map(|(_, hex)| unhex(hex));
    found.collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = text.trim().as_bytes().chunks(2);
    let byte = |pair: &[u8]| {
        let pair = std::str::from_utf8(pair).unwrap_or_default();
        u8::from_str_radix(pair, 16).expect("the golden file holds hexadecimal digits")
    };
    digits.map(byte).collect()
}

fn reseal(bytes: &mut [u8]) {
    if let Some((header, body)) = bytes.split_first_chunk_mut::<5>() {
        header[1..].copy_from_slice(&crc32c::crc32c(body).to_le_bytes());
    }
}

fn measure(run: &mut dyn FnMut()) -> u64 {
    allocation_counter::measure(run).bytes_max
}

fn target<'a>(name: &'static str, decode: &'a dyn Fn(&[u8]) -> bool) -> Target<'a> {
    let examples = examples(name);
    let (bytes_at_rest, bytes_per_byte) = (BYTES_AT_REST, BYTES_PER_BYTE);
    Target { name, examples, reseal, bytes_at_rest, bytes_per_byte, decode, measure }
}

/// What decodes must come back the same after it was encoded again.
fn again<T: PartialEq + std::fmt::Debug>(
    decoded: Result<T, WireError>,
    encode: impl Fn(&T) -> Bytes,
    decode: impl Fn(&[u8]) -> Result<T, WireError>,
) -> bool {
    let Ok(value) = decoded else { return false };
    assert_eq!(decode(&encode(&value)).ok().as_ref(), Some(&value));
    true
}

fn message(bytes: &[u8]) -> bool {
    again(wire::decode_message(bytes), wire::encode_message, wire::decode_message)
}

fn task(bytes: &[u8]) -> bool {
    again(wire::decode_task(bytes), wire::encode_task, wire::decode_task)
}

fn tracking(bytes: &[u8]) -> bool {
    again(wire::decode_tracking(bytes), wire::encode_tracking, wire::decode_tracking)
}

fn details(bytes: &[u8]) -> bool {
    again(wire::decode_details(bytes), wire::encode_details, wire::decode_details)
}

/// A block of one event, as the store says or does not say.
fn chunk(bytes: &[u8]) -> bool {
    let bytes = Bytes::copy_from_slice(bytes);
    let lying = HistoryChunk { events: u32::MAX, bytes: bytes.clone() };
    assert!(wire::decode_chunk(&lying).is_err(), "no block has so many events");
    let Ok(events) = wire::decode_chunk(&HistoryChunk { events: 1, bytes }) else { return false };
    let mut writer = ChunkWriter::default();
    events.iter().for_each(|event| writer.push(event));
    let block = writer.finish().expect("there is an event");
    assert_eq!(wire::decode_chunk(&block).ok(), Some(events));
    true
}

/// Proves G16, G18.
#[test]
fn hostile_bytes_break_no_decoder_of_the_core() {
    let targets = [
        target("event", &chunk),
        target("message", &message),
        target("task", &task),
        target("tracking", &tracking),
        target("details", &details),
    ];
    let fuzzed = fuzz(&targets);
    println!(
        "summary fuzz-core: records of the core: {} hostile inputs for {} decoders | no panic, no \
         decoder took more memory than in proportion, {} still valid and the same after encoding",
        fuzzed.inputs,
        targets.len(),
        fuzzed.accepted
    );
}
