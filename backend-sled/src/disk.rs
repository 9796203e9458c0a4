//! What is on disk of one hub, by key.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use bytes::Bytes;
use durable_core::backend::sealed::{Damaged, Put};
use durable_core::backend::{
    BackendError, BackendErrorKind, BackendResult, HistoryChunk, InstanceRecord,
};
use durable_core::hot::SlotSnapshot;
use durable_core::ids::{ExecutionId, InstanceId};

use crate::error::{damaged, from_sled};
use crate::halt::Halt;
use crate::keys;
use crate::values::{CHUNK_BYTES_MIN, get_chunk, get_snapshot, put_chunk, put_snapshot, unseal};
use crate::watchdog::Pulse;

/// The tree of a hub.
#[derive(Debug)]
pub(crate) struct Disk {
    pub(crate) db: sled::Db,
    pub(crate) tree: sled::Tree,
    /// How many rows and history values there must be; shows whether sled lost some.
    pub(crate) values: AtomicI64,
    /// Flushes since the hub was opened.
    pub(crate) flushes: AtomicU64,
    /// Why the store takes no more writes, if so.
    pub(crate) halt: Halt,
    pub(crate) pulse: Arc<Pulse>,
}

/// Where the log begins and what must be there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct DiskState {
    pub(crate) wal_from: u64,
    pub(crate) values: i64,
}

impl Disk {
    pub(crate) fn new(db: sled::Db, tree: sled::Tree, halt: Halt) -> Self {
        let (values, flushes) = (AtomicI64::new(0), AtomicU64::new(0));
        Self { db, tree, values, flushes, halt, pulse: Arc::default() }
    }

    pub(crate) fn flush(&self) -> BackendResult<()> {
        self.flushes.fetch_add(1, Ordering::Relaxed);
        self.write("flush", || self.db.flush().map(drop))
    }

    pub(crate) fn insert(
        &self,
        operation: &'static str,
        key: &[u8],
        value: Vec<u8>,
    ) -> BackendResult<()> {
        self.write(operation, || self.tree.insert(key, value).map(drop))
    }

    pub(crate) fn delete(&self, operation: &'static str, key: &[u8]) -> BackendResult<()> {
        self.write(operation, || self.tree.remove(key).map(drop))
    }

    pub(crate) fn apply(&self, operation: &'static str, batch: sled::Batch) -> BackendResult<()> {
        self.write(operation, || self.tree.apply_batch(batch))
    }

    /// Every write goes through here; after one that failed there is none.
    fn write(
        &self,
        operation: &'static str,
        run: impl FnOnce() -> sled::Result<()>,
    ) -> BackendResult<()> {
        self.halt.check(operation)?;
        let beat = self.pulse.beat();
        let written = run();
        drop(beat);
        written.map_err(|e| {
            let error = from_sled(operation, e);
            self.halt.stop(&self.db, &error);
            error
        })
    }

    pub(crate) fn read_state(&self) -> BackendResult<DiskState> {
        let Some(value) = self.tree.get(keys::META_STATE).map_err(|e| from_sled("open", e))? else {
            return Ok(DiskState { wal_from: 1, values: 0 });
        };
        let read = || {
            let mut g = unseal(&value)?;
            let state = DiskState { wal_from: g.u64()?, values: g.u64()? as i64 };
            g.end()?;
            Ok(state)
        };
        read().map_err(|why: Damaged| damaged("open", "the hub's state row", &why))
    }

    pub(crate) fn put_state(batch: &mut sled::Batch, state: DiskState) {
        let mut p = Put::default();
        p.u64(state.wal_from);
        p.u64(state.values as u64);
        batch.insert(keys::META_STATE, p.seal());
    }

    /// Inserts a value into a batch and counts it.
    pub(crate) fn put(
        &self,
        batch: &mut sled::Batch,
        key: Vec<u8>,
        value: Vec<u8>,
    ) -> BackendResult<()> {
        if !self.tree.contains_key(&key).map_err(|e| from_sled("checkpoint", e))? {
            self.values.fetch_add(1, Ordering::Relaxed);
        }
        batch.insert(key, value);
        Ok(())
    }

    /// Removes a value in a batch and counts it.
    pub(crate) fn remove(&self, batch: &mut sled::Batch, key: Vec<u8>) -> BackendResult<()> {
        if self.tree.contains_key(&key).map_err(|e| from_sled("checkpoint", e))? {
            self.values.fetch_sub(1, Ordering::Relaxed);
            batch.remove(key);
        }
        Ok(())
    }

    /// The row of a terminal instance.
    pub(crate) fn read_done(&self, instance: &InstanceId) -> BackendResult<Option<SlotSnapshot>> {
        let key = keys::row(keys::DONE, instance);
        let value = self.tree.get(key).map_err(|e| from_sled("read_records", e))?;
        value.map(|value| read_row(instance, &value)).transpose()
    }

    /// The record in the row of a terminal instance.
    pub(crate) fn read_done_record(
        &self,
        instance: &InstanceId,
    ) -> BackendResult<Option<InstanceRecord>> {
        Ok(self.read_done(instance)?.map(|snapshot| snapshot.record))
    }

    /// Blocks of a generation's history that are on disk, from an event on, until there are
    /// enough bytes. Answers with the number of the event after them.
    pub(crate) fn read_history(
        &self,
        instance: &InstanceId,
        execution: ExecutionId,
        from: u64,
        bytes_max: usize,
        chunks: &mut Vec<HistoryChunk>,
    ) -> BackendResult<u64> {
        let prefix = keys::generation(instance, execution);
        let what = || format!("the history of instance `{instance}`");
        let mut next = from;
        let mut bytes = 0;
        // The value that holds `from` may begin before it.
        let until = keys::history(instance, execution, from);
        let before = self.tree.range(prefix.clone()..=until).next_back();
        let begin = match before.transpose().map_err(|e| from_sled("read_history", e))? {
            Some((key, _)) => key.to_vec(),
            None => prefix.clone(),
        };
        for item in self.tree.range(begin..) {
            let (key, value) = item.map_err(|e| from_sled("read_history", e))?;
            if !key.starts_with(&prefix) {
                break;
            }
            let mut at = keys::history_first(&key).unwrap_or(u64::MAX);
            if at > next {
                return Err(damaged("read_history", &what(), &Damaged("a part of it is missing")));
            }
            let read = || unseal(&value).and_then(|mut g| g.list(CHUNK_BYTES_MIN, get_chunk));
            for chunk in read().map_err(|why| damaged("read_history", &what(), &why))? {
                let events = u64::from(chunk.events);
                if at >= next && (bytes < bytes_max || chunks.is_empty()) {
                    bytes += chunk.bytes.len();
                    chunks.push(chunk);
                    next = at + events;
                }
                at += events;
            }
            if bytes >= bytes_max {
                break;
            }
        }
        Ok(next)
    }
}

pub(crate) fn read_row(instance: &InstanceId, value: &[u8]) -> BackendResult<SlotSnapshot> {
    let read = || {
        let mut g = unseal(value)?;
        let snapshot = get_snapshot(&mut g)?;
        g.end()?;
        if snapshot.record.instance != *instance {
            return Err(Damaged("it is another instance's"));
        }
        Ok(snapshot)
    };
    read()
        .map_err(|why| damaged("read_records", &format!("the row of instance `{instance}`"), &why))
}

pub(crate) fn seal_row(snapshot: &SlotSnapshot) -> Vec<u8> {
    let mut p = Put::default();
    put_snapshot(&mut p, snapshot);
    p.seal()
}

pub(crate) fn seal_history(chunks: &[HistoryChunk]) -> Vec<u8> {
    let mut p = Put::default();
    p.list(chunks, put_chunk);
    p.seal()
}

/// Format and name of the hub, so that a foreign or newer store is refused.
pub(crate) fn check_format(disk: &Disk, hub: &str) -> BackendResult<()> {
    let expected = [b"durable hub 1 ", hub.as_bytes()].concat();
    match disk.tree.get(keys::META_FORMAT).map_err(|e| from_sled("open", e))? {
        None => disk.insert("open", keys::META_FORMAT, expected),
        Some(found) if found == expected => Ok(()),
        Some(found) => {
            let found = String::from_utf8_lossy(&found).into_owned();
            let text = format!(
                "the store says {found:?}, this version reads \"durable hub 1 {hub}\"; upgrade this program"
            );
            Err(BackendError::new(BackendErrorKind::Incompatible, "open", text))
        }
    }
}

/// Bytes that outlive the value they were read from.
pub(crate) fn owned(value: &sled::IVec) -> Bytes {
    Bytes::copy_from_slice(value)
}
