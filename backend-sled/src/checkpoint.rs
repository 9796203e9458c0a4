//! Checkpoints: turn the log into rows, a slice of instances per group, then cut the log.
//!
//! A row holds an instance exactly as of the change number in it; replaying the rest of the
//! log applies to each instance only what its row does not have.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;

use durable_core::backend::{BackendResult, HistoryChunk};
use durable_core::hot::{HubState, SlotSnapshot, StoredChunk};
use durable_core::ids::{ExecutionId, InstanceId};

use crate::committer::Committer;
use crate::crash_point::crash_point;
use crate::disk::{Disk, DiskState, seal_history, seal_row};
use crate::error::from_sled;
use crate::hub::Inner;
use crate::keys;
use crate::log::seal_envelopes;

/// Instances written per group.
const SLICE: usize = 512;

/// Bytes of history up to which it is kept in the row.
const INLINE_BYTES: usize = 8 * 1024;

/// Log groups removed at a time.
const CUT: u64 = 1_024;

/// A checkpoint under way.
#[derive(Debug)]
pub(crate) struct Cycle {
    pending: VecDeque<InstanceId>,
    /// Groups before this one are no longer needed once all rows are written.
    upto: u64,
}

impl Cycle {
    /// Begins with everything that changed before the group of this number is written.
    pub(crate) fn begin(inner: &mut Inner, next_group: u64) -> Self {
        let mut pending = inner.state.take_touched();
        // Hash order is no order; neighbours on disk are cheaper to write together.
        pending.sort_unstable();
        Self { pending: pending.into(), upto: next_group }
    }

    /// The next instances to write.
    pub(crate) fn take_slice(&mut self) -> Vec<InstanceId> {
        let n = self.pending.len().min(SLICE);
        self.pending.drain(..n).collect()
    }
}

/// An instance as of one change number.
struct Row {
    id: InstanceId,
    /// `None` is gone.
    snapshot: Option<SlotSnapshot>,
    /// Whether what is on disk belongs to an instance that was purged.
    purged: bool,
}

/// What is written between two groups.
pub(crate) struct Slice {
    rows: Vec<Row>,
    tracking: Vec<u8>,
}

pub(crate) fn snapshots(inner: &Inner, ids: Vec<InstanceId>, last: u64) -> Slice {
    let state: &HubState = &inner.state;
    let rows = ids
        .into_iter()
        .map(|id| {
            let snapshot = state.snapshot(&id).map(|s| SlotSnapshot { lsn: last, ..s });
            Row { purged: inner.purged.contains(&id), id, snapshot }
        })
        .collect();
    Slice { rows, tracking: seal_envelopes(last, &state.open_tracking()) }
}

/// History that moves out of memory: whose, how many blocks.
struct Moved {
    instance: InstanceId,
    execution: ExecutionId,
    blocks: usize,
}

pub(crate) fn write(committer: &mut Committer, slice: Slice) -> BackendResult<()> {
    let hub = std::sync::Arc::clone(&committer.hub);
    let mut batch = sled::Batch::default();
    let mut moved = Vec::new();
    let mut ended = Vec::new();
    let mut gone = Vec::new();
    for Row { id, snapshot, purged } in slice.rows {
        if purged {
            gone.push(id.clone());
        }
        match snapshot {
            Some(snapshot) => {
                if snapshot.record.status.is_terminal() {
                    ended.push((id.clone(), snapshot.lsn));
                }
                write_row(&hub.disk, &mut batch, id, snapshot, purged, &mut moved)?;
            }
            None => remove_all(&hub.disk, &mut batch, &id)?,
        }
    }
    let done = hub.inner.lock().cycle.as_ref().is_some_and(|c| c.pending.is_empty());
    let upto = hub.inner.lock().cycle.as_ref().map_or(0, |c| c.upto);
    if done {
        batch.insert(keys::META_TRACKING, slice.tracking);
    }
    let wal_from = if done { upto } else { committer.wal_from };
    let values = hub.disk.values.load(Ordering::Relaxed);
    Disk::put_state(&mut batch, DiskState { wal_from, values });
    crash_point("rows are about to be written");
    hub.disk.apply("checkpoint", batch)?;
    crash_point("rows are written and still in memory");

    let mut inner = hub.inner.lock();
    for m in moved {
        inner.state.evict_history(&m.instance, m.execution, m.blocks);
    }
    for (id, lsn) in ended {
        // Unless it was started afresh meanwhile.
        if inner.state.lsn_of(&id) <= lsn
            && inner.state.record(&id).is_some_and(|r| r.status.is_terminal())
        {
            inner.state.forget(&id);
        }
    }
    for id in gone {
        inner.purged.remove(&id);
    }
    if done {
        inner.cycle = None;
    }
    drop(inner);
    if done {
        crash_point("all rows are written and the log is not cut");
        cut_log(committer, upto)?;
    }
    Ok(())
}

fn write_row(
    disk: &Disk,
    batch: &mut sled::Batch,
    id: InstanceId,
    mut snapshot: SlotSnapshot,
    purged: bool,
    moved: &mut Vec<Moved>,
) -> BackendResult<()> {
    let execution = snapshot.record.execution;
    let mut kept = vec![execution];
    move_history(disk, batch, &id, execution, &mut snapshot.history, moved)?;
    for (execution, chunks) in &mut snapshot.older {
        kept.push(*execution);
        move_history(disk, batch, &id, *execution, chunks, moved)?;
    }
    let (kind, other) = if snapshot.record.status.is_terminal() {
        (keys::DONE, keys::LIVE)
    } else {
        (keys::LIVE, keys::DONE)
    };
    let has_past = purged || snapshot.record.generation > 1 || snapshot.record.revision > 3;
    if has_past {
        remove_histories(disk, batch, &id, &kept)?;
    }
    disk.put(batch, keys::row(kind, &id), seal_row(&snapshot))?;
    disk.remove(batch, keys::row(other, &id))
}

/// Puts history that is too long for a row into a value of its own.
fn move_history(
    disk: &Disk,
    batch: &mut sled::Batch,
    id: &InstanceId,
    execution: ExecutionId,
    chunks: &mut Vec<StoredChunk>,
    moved: &mut Vec<Moved>,
) -> BackendResult<()> {
    let stored = chunks.iter().take_while(|c| c.bytes.is_none()).count();
    let bytes: usize = chunks.iter().filter_map(|c| c.bytes.as_ref()).map(bytes::Bytes::len).sum();
    if chunks.len() == stored || (stored == 0 && bytes <= INLINE_BYTES) {
        return Ok(());
    }
    let first: u64 = chunks[..stored].iter().map(|c| u64::from(c.events)).sum();
    let tail: Vec<_> = chunks[stored..]
        .iter()
        .map(|c| HistoryChunk { events: c.events, bytes: c.bytes.clone().unwrap_or_default() })
        .collect();
    disk.put(batch, keys::history(id, execution, first), seal_history(&tail))?;
    moved.push(Moved { instance: id.clone(), execution, blocks: chunks.len() });
    let events = chunks.iter().map(|c| c.events).sum();
    *chunks = vec![StoredChunk { events, bytes: None }];
    Ok(())
}

fn remove_histories(
    disk: &Disk,
    batch: &mut sled::Batch,
    id: &InstanceId,
    kept: &[ExecutionId],
) -> BackendResult<()> {
    for key in disk.tree.scan_prefix(keys::histories(id)).keys() {
        let key = key.map_err(|e| from_sled("checkpoint", e))?;
        if keys::history_execution(&key).is_none_or(|e| !kept.contains(&e)) {
            disk.remove(batch, key.to_vec())?;
        }
    }
    Ok(())
}

fn remove_all(disk: &Disk, batch: &mut sled::Batch, id: &InstanceId) -> BackendResult<()> {
    remove_histories(disk, batch, id, &[])?;
    disk.remove(batch, keys::row(keys::LIVE, id))?;
    disk.remove(batch, keys::row(keys::DONE, id))
}

/// Removes log groups that the rows have made superfluous. What a crash leaves of them is
/// below `wal_from` and removed at the next open.
fn cut_log(committer: &mut Committer, upto: u64) -> BackendResult<()> {
    let disk = &committer.hub.disk;
    let mut from = committer.wal_from;
    while from < upto {
        let end = (from + CUT).min(upto);
        let mut batch = sled::Batch::default();
        for number in from..end {
            batch.remove(keys::wal(number));
        }
        disk.apply("checkpoint", batch)?;
        from = end;
        crash_point("the log is cut in part");
    }
    committer.wal_from = upto;
    Ok(())
}
