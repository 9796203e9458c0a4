//! The log: what is written before anything is acknowledged.
//!
//! One value holds a group of changes: `first change number | changes`. A change is
//! `time | kind | body`; change numbers are contiguous.

use bytes::Bytes;
use durable_core::backend::sealed::{Damaged, Decoded, Get, Put};
use durable_core::backend::{Envelope, TurnCommit};
use durable_core::ids::{InstanceId, MessageId};
use durable_core::time::Timestamp;

use crate::values::{
    ENVELOPE_BYTES_MIN, get_envelope, get_instance, get_message_id, get_time, get_turn,
    put_envelope, put_instance, put_message_id, put_time, put_turn, unseal,
};

/// Bytes after which a group is split into several values.
const GROUP_BYTES_MAX: usize = 512 * 1024;

/// A change of the hub.
#[derive(Debug)]
pub(crate) enum Change {
    /// An instance was created.
    Create(Envelope),
    /// A message was sent.
    Send(Envelope),
    /// A turn was committed.
    Turn(Box<TurnCommit>),
    /// An activity was completed.
    Activity(MessageId, Envelope),
    /// An instance was purged.
    Purge(InstanceId),
    /// Tracking records were dealt with.
    Tracked(MessageId),
    /// An instance was handed out this often without a commit.
    TurnDelivery(InstanceId, u32),
    /// A task was handed out this often.
    TaskDelivery(MessageId, u32),
    /// An instance was given back after so many deliveries, to be handed out at that time.
    TurnGivenBack(InstanceId, u32, Timestamp),
    /// A task was given back after so many deliveries, to be handed out at that time.
    TaskGivenBack(MessageId, u32, Timestamp),
    /// A task got this far.
    Progress(MessageId, Bytes),
}

impl Change {
    fn put(&self, p: &mut Put) {
        match self {
            Self::Create(e) => {
                p.u8(1);
                put_envelope(p, e);
            }
            Self::Send(e) => {
                p.u8(2);
                put_envelope(p, e);
            }
            Self::Turn(c) => {
                p.u8(3);
                put_turn(p, c);
            }
            Self::Activity(task, completion) => {
                p.u8(4);
                put_message_id(p, *task);
                put_envelope(p, completion);
            }
            Self::Purge(id) => {
                p.u8(5);
                put_instance(p, id);
            }
            Self::Tracked(id) => {
                p.u8(6);
                put_message_id(p, *id);
            }
            Self::TurnDelivery(id, n) => {
                p.u8(7);
                put_instance(p, id);
                p.u32(*n);
            }
            Self::TaskDelivery(id, n) => {
                p.u8(8);
                put_message_id(p, *id);
                p.u32(*n);
            }
            Self::TurnGivenBack(id, n, until) => {
                p.u8(9);
                put_instance(p, id);
                p.u32(*n);
                put_time(p, *until);
            }
            Self::TaskGivenBack(id, n, until) => {
                p.u8(10);
                put_message_id(p, *id);
                p.u32(*n);
                put_time(p, *until);
            }
            Self::Progress(id, progress) => {
                p.u8(11);
                put_message_id(p, *id);
                p.bytes(progress);
            }
        }
    }

    fn get(g: &mut Get) -> Decoded<Self> {
        Ok(match g.u8()? {
            1 => Self::Create(get_envelope(g)?),
            2 => Self::Send(get_envelope(g)?),
            3 => Self::Turn(Box::new(get_turn(g)?)),
            4 => Self::Activity(get_message_id(g)?, get_envelope(g)?),
            5 => Self::Purge(get_instance(g)?),
            6 => Self::Tracked(get_message_id(g)?),
            7 => Self::TurnDelivery(get_instance(g)?, g.u32()?),
            8 => Self::TaskDelivery(get_message_id(g)?, g.u32()?),
            9 => Self::TurnGivenBack(get_instance(g)?, g.u32()?, get_time(g)?),
            10 => Self::TaskGivenBack(get_message_id(g)?, g.u32()?, get_time(g)?),
            11 => Self::Progress(get_message_id(g)?, g.bytes()?),
            _ => return Err(Damaged("a change is of an unknown kind; upgrade this program")),
        })
    }
}

/// Changes that wait to be written.
#[derive(Debug, Default)]
pub(crate) struct Group {
    finished: Vec<Put>,
    current: Put,
    first: u64,
}

impl Group {
    /// Adds the change of this number.
    pub(crate) fn add(&mut self, number: u64, now: Timestamp, change: &Change) {
        if self.current.is_empty() {
            self.first = number;
            self.current.u64(number);
        }
        put_time(&mut self.current, now);
        change.put(&mut self.current);
        if self.current.len() >= GROUP_BYTES_MAX {
            self.finished.push(std::mem::take(&mut self.current));
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.finished.is_empty() && self.current.is_empty()
    }

    /// The values to write.
    pub(crate) fn into_values(mut self) -> Vec<Vec<u8>> {
        if !self.current.is_empty() {
            self.finished.push(self.current);
        }
        self.finished.into_iter().map(Put::seal).collect()
    }
}

/// A change as read back.
#[derive(Debug)]
pub(crate) struct Logged {
    pub(crate) number: u64,
    pub(crate) now: Timestamp,
    pub(crate) change: Change,
}

/// Reads one value of the log.
pub(crate) fn read_group(value: &[u8]) -> Decoded<Vec<Logged>> {
    let mut g = unseal(value)?;
    let mut number = g.u64()?;
    let mut changes = Vec::new();
    while !g.is_empty() {
        let now = get_time(&mut g)?;
        changes.push(Logged { number, now, change: Change::get(&mut g)? });
        number += 1;
    }
    g.end()?;
    Ok(changes)
}

/// A list of envelopes as one value.
pub(crate) fn seal_envelopes(lsn: u64, envelopes: &[Envelope]) -> Vec<u8> {
    let mut p = Put::default();
    p.u64(lsn);
    p.list(envelopes, put_envelope);
    p.seal()
}

/// Reads a list of envelopes.
pub(crate) fn unseal_envelopes(value: &Bytes) -> Decoded<(u64, Vec<Envelope>)> {
    let mut g = unseal(value)?;
    let lsn = g.u64()?;
    let envelopes = g.list(ENVELOPE_BYTES_MIN, get_envelope)?;
    g.end()?;
    Ok((lsn, envelopes))
}
