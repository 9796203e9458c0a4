//! Every key. One tree per hub, one leading byte per kind of value.

use durable_core::ids::{ExecutionId, HubName, InstanceId};

/// Log groups: `w` + number, big endian.
pub(crate) const WAL: u8 = b'w';
/// Rows of live instances: `l` + id.
pub(crate) const LIVE: u8 = b'l';
/// Rows of terminal instances: `d` + id.
pub(crate) const DONE: u8 = b'd';
/// Histories: `h` + id + 0 + execution + number of the first event.
pub(crate) const HISTORY: u8 = b'h';
/// Format and hub name.
pub(crate) const META_FORMAT: &[u8] = b"mformat";
/// First log group that still counts, and how many rows there must be.
pub(crate) const META_STATE: &[u8] = b"mstate";
/// Tracking records taken over from the log.
pub(crate) const META_TRACKING: &[u8] = b"mtracking";

/// The tree of a hub.
pub(crate) fn tree(hub: &HubName) -> Vec<u8> {
    [b"hub\0", hub.as_str().as_bytes()].concat()
}

pub(crate) fn wal(number: u64) -> Vec<u8> {
    [&[WAL][..], &number.to_be_bytes()].concat()
}

pub(crate) fn wal_number(key: &[u8]) -> Option<u64> {
    key.get(1..)?.try_into().ok().map(u64::from_be_bytes)
}

pub(crate) fn row(kind: u8, instance: &InstanceId) -> Vec<u8> {
    [&[kind][..], instance.as_str().as_bytes()].concat()
}

/// The id in the key of a row.
pub(crate) fn row_id(key: &[u8]) -> Option<InstanceId> {
    InstanceId::new(std::str::from_utf8(key.get(1..)?).ok()?).ok()
}

/// All histories of an instance. Ids hold no control characters, so the zero ends them.
pub(crate) fn histories(instance: &InstanceId) -> Vec<u8> {
    [&[HISTORY][..], instance.as_str().as_bytes(), &[0]].concat()
}

/// The history of one generation.
pub(crate) fn generation(instance: &InstanceId, execution: ExecutionId) -> Vec<u8> {
    let mut key = histories(instance);
    key.extend_from_slice(&execution.0.to_be_bytes());
    key
}

pub(crate) fn history(instance: &InstanceId, execution: ExecutionId, first: u64) -> Vec<u8> {
    let mut key = generation(instance, execution);
    key.extend_from_slice(&first.to_be_bytes());
    key
}

/// The first event in the key of a history value.
pub(crate) fn history_first(key: &[u8]) -> Option<u64> {
    let at = key.len().checked_sub(8)?;
    key.get(at..)?.try_into().ok().map(u64::from_be_bytes)
}

/// The execution in the key of a history value.
pub(crate) fn history_execution(key: &[u8]) -> Option<ExecutionId> {
    let at = key.len().checked_sub(24)?;
    let bytes: [u8; 16] = key.get(at..at + 16)?.try_into().ok()?;
    Some(ExecutionId(u128::from_be_bytes(bytes)))
}
