//! The byte form of engine records: the only user of bincode.
//!
//! Every record is `format version (1 byte) | CRC32C of the rest (4 bytes, little endian) |
//! body`. A body is a sequence of kind numbers and bincode structs. Decoding is limited in
//! size, needs no recursion, and refuses trailing bytes. Formats are frozen by the golden
//! files in `tests/golden`; a change makes a new version.

use std::cell::Cell;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::details::RecordDetails;
use super::event::{self, HistoryEvent};
use super::message::Message;
use super::task::ActivityTask;
use super::tracking::TrackingRecord;
use crate::backend::HistoryChunk;
use crate::limits::RECORD_BYTES_MAX;

const FORMAT: u8 = 1;
const HEADER: usize = 5;

/// The most that one byte of a record stands for: a long number that is small.
const BYTES_PER_BYTE: usize = 16;

/// Decodes from the front, and takes no more memory than a limit.
fn decode_within<T: DeserializeOwned, const LIMIT: usize>(
    bytes: &[u8],
) -> Result<(T, usize), bincode::error::DecodeError> {
    bincode::serde::decode_from_slice(bytes, bincode::config::standard().with_limit::<LIMIT>())
}

/// Decodes from the front. A short record cannot ask for the memory of a long one: a length in
/// it is believed up to a limit that follows from how many bytes there are.
fn decode_prefix<T: DeserializeOwned>(
    bytes: &[u8],
) -> Result<(T, usize), bincode::error::DecodeError> {
    const SMALL: usize = 16 * 1024;
    const MEDIUM: usize = 256 * 1024;
    const LARGE: usize = 4 * 1024 * 1024;
    match bytes.len().saturating_mul(BYTES_PER_BYTE) {
        n if n <= SMALL => decode_within::<T, SMALL>(bytes),
        n if n <= MEDIUM => decode_within::<T, MEDIUM>(bytes),
        n if n <= LARGE => decode_within::<T, LARGE>(bytes),
        _ => decode_within::<T, RECORD_BYTES_MAX>(bytes),
    }
}

/// Why bytes are not a record.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// Fewer bytes than a header.
    #[error("record of {0} bytes is too short")]
    TooShort(usize),
    /// More bytes than allowed.
    #[error("record of {0} bytes is over the limit of {RECORD_BYTES_MAX}")]
    TooLong(usize),
    /// Written by a newer version of the library.
    #[error("record format {0} is not known to this version; upgrade this worker")]
    UnknownFormat(u8),
    /// The checksum does not match: the bytes were damaged.
    #[error("record is damaged: checksum {found:08x}, expected {expected:08x}")]
    Checksum {
        /// Stored checksum.
        expected: u32,
        /// Checksum of the bytes.
        found: u32,
    },
    /// A kind this version does not know.
    #[error("unknown {what} kind {number}; upgrade this worker")]
    UnknownKind {
        /// What was being read.
        what: &'static str,
        /// The number found.
        number: u8,
    },
    /// The body does not decode.
    #[error("record does not decode: {0}")]
    Body(#[from] bincode::error::DecodeError),
    /// Bytes are left over.
    #[error("{0} bytes are left over at the end of the record")]
    Trailing(usize),
    /// Fewer or more events than the store says.
    #[error("block holds {found} events, the store says {expected}")]
    EventCount {
        /// What the store says.
        expected: u32,
        /// What the block holds.
        found: u32,
    },
}

/// Builds one record.
#[derive(Debug)]
pub(super) struct Writer {
    out: Vec<u8>,
}

thread_local! {
    /// Where records are put together before they are copied to a place of their exact size;
    /// they are kept for long, so every unused byte would be too.
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Scratch space above this is given back.
const SCRATCH_BYTES_MAX: usize = 64 * 1024;

impl Writer {
    fn new() -> Self {
        // Whoever writes two records at once allocates for the second.
        let mut out = SCRATCH.take();
        out.clear();
        out.extend_from_slice(&[FORMAT, 0, 0, 0, 0]);
        Self { out }
    }

    pub(super) fn byte(&mut self, byte: u8) {
        self.out.push(byte);
    }

    pub(super) fn body<T: Serialize>(&mut self, value: &T) {
        // Encoding our own plain structs into memory has no failing case; a failure would
        // leave a record that does not decode, which readers report.
        let written = bincode::serde::encode_into_std_write(
            value,
            &mut self.out,
            bincode::config::standard(),
        );
        debug_assert!(written.is_ok(), "engine structs always encode");
    }

    pub(super) fn kind_and_body<T: Serialize>(&mut self, kind: u8, value: &T) {
        self.byte(kind);
        self.body(value);
    }

    fn finish(mut self) -> Bytes {
        let crc = crc32c::crc32c(&self.out[HEADER..]);
        self.out[1..HEADER].copy_from_slice(&crc.to_le_bytes());
        let record = Bytes::copy_from_slice(&self.out);
        if self.out.capacity() <= SCRATCH_BYTES_MAX {
            SCRATCH.set(self.out);
        }
        record
    }
}

/// Reads one record.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn open(record: &'a [u8]) -> Result<Self, WireError> {
        if record.len() > RECORD_BYTES_MAX {
            return Err(WireError::TooLong(record.len()));
        }
        let Some((header, rest)) = record.split_first_chunk::<HEADER>() else {
            return Err(WireError::TooShort(record.len()));
        };
        if header[0] != FORMAT {
            return Err(WireError::UnknownFormat(header[0]));
        }
        let expected = u32::from_le_bytes([header[1], header[2], header[3], header[4]]);
        let found = crc32c::crc32c(rest);
        if expected != found {
            return Err(WireError::Checksum { expected, found });
        }
        Ok(Self { rest })
    }

    pub(super) fn byte(&mut self) -> Result<u8, WireError> {
        let (&byte, rest) = self.rest.split_first().ok_or(WireError::TooShort(0))?;
        self.rest = rest;
        Ok(byte)
    }

    pub(super) fn body<T: DeserializeOwned>(&mut self) -> Result<T, WireError> {
        let (value, used) = decode_prefix(self.rest)?;
        self.rest = &self.rest[used..];
        Ok(value)
    }

    fn close(self) -> Result<(), WireError> {
        match self.rest.len() {
            0 => Ok(()),
            left => Err(WireError::Trailing(left)),
        }
    }
}

/// Collects the events of one turn into a block.
#[derive(Debug)]
pub struct ChunkWriter {
    writer: Writer,
    events: u32,
}

impl Default for ChunkWriter {
    fn default() -> Self {
        Self { writer: Writer::new(), events: 0 }
    }
}

impl ChunkWriter {
    /// Adds an event.
    pub fn push(&mut self, event: &HistoryEvent) {
        event::codec::write(event, &mut self.writer);
        self.events += 1;
    }

    /// How many events there are so far.
    pub fn events(&self) -> u32 {
        self.events
    }

    /// The block, or `None` without events.
    pub fn finish(self) -> Option<HistoryChunk> {
        (self.events > 0).then(|| HistoryChunk { events: self.events, bytes: self.writer.finish() })
    }
}

/// Decodes a block of events.
///
/// # Errors
/// Any [`WireError`]; nothing is returned of a damaged block.
pub fn decode_chunk(chunk: &HistoryChunk) -> Result<Vec<HistoryEvent>, WireError> {
    let mut reader = Reader::open(&chunk.bytes)?;
    // The count comes from outside. No event is shorter than its kind and one number.
    let mut events = Vec::with_capacity((chunk.events as usize).min(chunk.bytes.len() / 2));
    while !reader.rest.is_empty() {
        events.push(event::codec::read(&mut reader)?);
    }
    let found = u32::try_from(events.len()).unwrap_or(u32::MAX);
    if found != chunk.events {
        return Err(WireError::EventCount { expected: chunk.events, found });
    }
    Ok(events)
}

/// Encodes a message.
pub fn encode_message(message: &Message) -> Bytes {
    let mut writer = Writer::new();
    message.write(&mut writer);
    writer.finish()
}

/// Decodes a message.
///
/// # Errors
/// Any [`WireError`].
pub fn decode_message(bytes: &[u8]) -> Result<Message, WireError> {
    let mut reader = Reader::open(bytes)?;
    let message = Message::read(&mut reader)?;
    reader.close()?;
    Ok(message)
}

fn encode_one<T: Serialize>(value: &T) -> Bytes {
    let mut writer = Writer::new();
    writer.body(value);
    writer.finish()
}

fn decode_one<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, WireError> {
    let mut reader = Reader::open(bytes)?;
    let value = reader.body()?;
    reader.close()?;
    Ok(value)
}

macro_rules! single {
    ($encode:ident $decode:ident $ty:ty) => {
        /// Encodes this record.
        pub fn $encode(value: &$ty) -> Bytes {
            encode_one(value)
        }

        /// Decodes this record.
        ///
        /// # Errors
        /// Any [`WireError`].
        pub fn $decode(bytes: &[u8]) -> Result<$ty, WireError> {
            decode_one(bytes)
        }
    };
}

single!(encode_task decode_task ActivityTask);
single!(encode_tracking decode_tracking TrackingRecord);
single!(encode_details decode_details RecordDetails);
