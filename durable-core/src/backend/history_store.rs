//! The history store: histories, records, listings, purge.

use std::time::Duration;

use async_trait::async_trait;

use super::{BackendResult, HistoryChunk, InstancePage, InstanceQuery, InstanceRecord};
use crate::ids::{ExecutionId, InstanceId};

/// Which part of a history to read.
#[derive(Debug, Clone)]
pub struct HistoryRead {
    /// Whose history.
    pub instance: InstanceId,
    /// Which generation.
    pub execution: ExecutionId,
    /// Number of the first event wanted, counted from 0. Must be the start of a chunk: 0 or
    /// a `next` of an earlier page.
    pub from: u64,
    /// Stop after this many bytes; at least one chunk is returned.
    pub bytes_max: usize,
}

/// Part of a history.
#[derive(Debug, Clone, Default)]
pub struct HistoryPage {
    /// Chunks in order, each as committed by one turn.
    pub chunks: Vec<HistoryChunk>,
    /// Where to go on, or `None` at the end.
    pub next: Option<u64>,
}

/// What became of a purge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PurgeOutcome {
    /// Record, history and everything else of the instance is gone.
    Purged,
    /// There is no such instance.
    NoInstance,
    /// The instance is not terminal; nothing was done.
    NotTerminal,
}

/// Histories and records of instances.
#[async_trait]
pub trait HistoryStore: Send + Sync {
    /// Reads records, each as of the last acknowledged commit (read-your-writes).
    ///
    /// # Checked by
    /// `history_store`
    async fn read_records(
        &self,
        instances: Vec<InstanceId>,
    ) -> Vec<BackendResult<Option<InstanceRecord>>>;

    /// Reads part of a history; an unknown instance or execution has an empty one.
    ///
    /// # Contract
    /// - H1: chunks are contiguous and exactly as committed; a hole or a damaged chunk is a
    ///   [`Corrupt`](super::BackendErrorKind::Corrupt) error, never a shorter answer.
    ///
    /// # Checked by
    /// `history_store`, `limits`
    async fn read_history(&self, read: HistoryRead) -> BackendResult<HistoryPage>;

    /// The generations whose history is kept, oldest first; the current one is last.
    ///
    /// # Checked by
    /// `generations`, `history_store`
    async fn executions(&self, instance: &InstanceId) -> BackendResult<Vec<ExecutionId>>;

    /// Waits until the instance's record has a revision above `seen` and answers with it, or
    /// `None` when `wait` passes first. An absent instance counts as revision 0.
    ///
    /// # Contract
    /// - H2: with [`Capabilities::push`](super::Capabilities::push) it returns as soon as the change is durable.
    ///
    /// # Checked by
    /// `concurrency`, `foreign_hubs`, `handles`, `watch`
    async fn watch(
        &self,
        instance: &InstanceId,
        seen: u64,
        wait: Duration,
    ) -> BackendResult<Option<InstanceRecord>>;

    /// Waits until the instance is terminal and answers with its record. When `wait` passes
    /// without a change first, the answer is the record as it stands. `None` when there is no
    /// such instance. Changes before the end need not wake the caller, which is what an adapter
    /// with push gains by its own version of this.
    ///
    /// # Contract
    /// - H6: with [`Capabilities::push`](super::Capabilities::push) it returns as soon as the end is durable.
    ///
    /// # Checked by
    /// `watch`
    async fn watch_end(
        &self,
        instance: &InstanceId,
        wait: Duration,
    ) -> BackendResult<Option<InstanceRecord>> {
        let read = self.read_records(vec![instance.clone()]).await.pop().transpose()?;
        let Some(mut record) = read.flatten() else { return Ok(None) };
        while !record.status.is_terminal() {
            match self.watch(instance, record.revision, wait).await? {
                Some(newer) => record = newer,
                None => break,
            }
        }
        Ok(Some(record))
    }

    /// One page of instances that match, in an order that is stable between pages.
    ///
    /// # Contract
    /// - H3: an instance that matches during the whole listing appears exactly once.
    /// - H4: a page may be empty and still have a cursor; only an absent cursor is the end.
    ///
    /// # Checked by
    /// `concurrency`, `errors`, `limits`, `paging`
    async fn list(&self, query: InstanceQuery) -> BackendResult<InstancePage>;

    /// Upserts records into the query index where the given revision is higher. A no-op for
    /// adapters whose listing is authoritative
    /// ([`Capabilities::indexes_itself`](super::Capabilities::indexes_itself)).
    ///
    /// # Checked by
    /// `paging`
    async fn index(&self, records: Vec<InstanceRecord>) -> BackendResult<()>;

    /// Removes terminal instances.
    ///
    /// # Contract
    /// - H5: after a purge no stale message can touch a new instance of the same id.
    ///
    /// # Checked by
    /// `activity_commit`, `concurrency`, `foreign_hubs`, `placeholders`, `purge`
    async fn purge(&self, instances: Vec<InstanceId>) -> Vec<BackendResult<PurgeOutcome>>;
}
