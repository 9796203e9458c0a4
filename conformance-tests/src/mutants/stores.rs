//! Adapters that read, list, watch, purge or close wrongly.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use durable_core::backend::{
    Backend, BackendError, BackendErrorKind, BackendResult, CommitOutcome, HistoryPage,
    HistoryRead, InstancePage, InstanceQuery, InstanceRecord, PurgeOutcome, SendOutcome,
    TurnCommit,
};
use durable_core::env::SharedEnv;
use durable_core::ids::{ExecutionId, InstanceId};

use super::Memory;
use crate::tamper::Tamper;

/// The first read after a commit shows what was there before it.
#[derive(Default)]
pub(super) struct StaleRead(Memory<BTreeMap<InstanceId, InstanceRecord>>);

#[async_trait]
impl Tamper for StaleRead {
    async fn commit_turns(
        &self,
        inner: &dyn Backend,
        commits: Vec<TurnCommit>,
    ) -> Vec<BackendResult<CommitOutcome>> {
        let ids = commits.iter().map(|c| c.lease.instance.clone()).collect();
        let before = inner.read_records(ids).await;
        let before = before.into_iter().flatten().flatten();
        self.0.lock().extend(before.map(|r| (r.instance.clone(), r)));
        inner.commit_turns(commits).await
    }

    async fn read_records(
        &self,
        inner: &dyn Backend,
        instances: Vec<InstanceId>,
    ) -> Vec<BackendResult<Option<InstanceRecord>>> {
        let stale: Vec<_> = instances.iter().map(|id| self.0.lock().remove(id)).collect();
        let fresh = inner.read_records(instances).await;
        fresh.into_iter().zip(stale).map(|(f, s)| s.map_or(f, |s| Ok(Some(s)))).collect()
    }
}

/// The revision of a record never rises.
pub(super) struct FrozenRevision;

#[async_trait]
impl Tamper for FrozenRevision {
    async fn read_records(
        &self,
        inner: &dyn Backend,
        instances: Vec<InstanceId>,
    ) -> Vec<BackendResult<Option<InstanceRecord>>> {
        let freeze = |record: InstanceRecord| InstanceRecord { revision: 1, ..record };
        let records = inner.read_records(instances).await;
        records.into_iter().map(|answer| answer.map(|record| record.map(freeze))).collect()
    }
}

/// A watch sees only what has changed before it began.
pub(super) struct BlindWatch(pub(super) SharedEnv);

#[async_trait]
impl Tamper for BlindWatch {
    async fn watch(
        &self,
        inner: &dyn Backend,
        instance: &InstanceId,
        seen: u64,
        wait: Duration,
    ) -> BackendResult<Option<InstanceRecord>> {
        let now = inner.watch(instance, seen, Duration::ZERO).await?;
        if now.is_none() {
            self.0.sleep(wait).await;
        }
        Ok(now)
    }
}

/// A wait for the end sees only what has ended before it began.
pub(super) struct BlindEnd(pub(super) SharedEnv);

#[async_trait]
impl Tamper for BlindEnd {
    async fn watch_end(
        &self,
        inner: &dyn Backend,
        instance: &InstanceId,
        wait: Duration,
    ) -> BackendResult<Option<InstanceRecord>> {
        let now = inner.watch_end(instance, Duration::ZERO).await?;
        if now.as_ref().is_some_and(|record| !record.status.is_terminal()) {
            self.0.sleep(wait).await;
        }
        Ok(now)
    }
}

/// What goes wrong at the boundary of two pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Boundary {
    Skip,
    Repeat,
}

/// Skips or repeats an instance at each page boundary.
pub(super) struct BadPages(pub(super) Boundary);

#[async_trait]
impl Tamper for BadPages {
    async fn list(&self, inner: &dyn Backend, query: InstanceQuery) -> BackendResult<InstancePage> {
        let mut page = inner.list(query).await?;
        if page.next.is_some() {
            match self.0 {
                Boundary::Skip => drop(page.items.pop()),
                Boundary::Repeat => page.items.extend(page.items.last().cloned()),
            }
        }
        Ok(page)
    }
}

/// Answers with everything, whatever the size of the page.
pub(super) struct EndlessPage;

#[async_trait]
impl Tamper for EndlessPage {
    async fn list(&self, inner: &dyn Backend, query: InstanceQuery) -> BackendResult<InstancePage> {
        inner.list(InstanceQuery { page_items: 10_000, ..query }).await
    }
}

/// Ends a listing after its first page.
pub(super) struct FirstPageOnly;

#[async_trait]
impl Tamper for FirstPageOnly {
    async fn list(&self, inner: &dyn Backend, query: InstanceQuery) -> BackendResult<InstancePage> {
        Ok(InstancePage { next: None, ..inner.list(query).await? })
    }
}

/// Ignores the status filter.
pub(super) struct NoFilter;

#[async_trait]
impl Tamper for NoFilter {
    async fn list(&self, inner: &dyn Backend, query: InstanceQuery) -> BackendResult<InstancePage> {
        inner.list(InstanceQuery { statuses: Vec::new(), ..query }).await
    }
}

/// Purges the living too.
#[derive(Default)]
pub(super) struct PurgesTheLiving(Memory<Vec<InstanceId>>);

#[async_trait]
impl Tamper for PurgesTheLiving {
    async fn purge(
        &self,
        inner: &dyn Backend,
        instances: Vec<InstanceId>,
    ) -> Vec<BackendResult<PurgeOutcome>> {
        let answers = inner.purge(instances.clone()).await;
        let dead = answers.into_iter().zip(instances).map(|(answer, id)| {
            if matches!(answer, Ok(PurgeOutcome::NotTerminal)) {
                self.0.lock().push(id);
                return Ok(PurgeOutcome::Purged);
            }
            answer
        });
        dead.collect()
    }

    async fn read_records(
        &self,
        inner: &dyn Backend,
        instances: Vec<InstanceId>,
    ) -> Vec<BackendResult<Option<InstanceRecord>>> {
        let gone: Vec<bool> = instances.iter().map(|id| self.0.lock().contains(id)).collect();
        let records = inner.read_records(instances).await;
        records.into_iter().zip(gone).map(|(r, gone)| if gone { Ok(None) } else { r }).collect()
    }
}

/// Says that it purged, and purges nothing.
pub(super) struct PurgesNothing;

#[async_trait]
impl Tamper for PurgesNothing {
    async fn purge(
        &self,
        _: &dyn Backend,
        instances: Vec<InstanceId>,
    ) -> Vec<BackendResult<PurgeOutcome>> {
        instances.iter().map(|_| Ok(PurgeOutcome::Purged)).collect()
    }
}

/// A purge takes the record and leaves the history.
#[derive(Default)]
pub(super) struct LeavesHistory(Memory<BTreeMap<(InstanceId, ExecutionId), HistoryPage>>);

#[async_trait]
impl Tamper for LeavesHistory {
    async fn purge(
        &self,
        inner: &dyn Backend,
        instances: Vec<InstanceId>,
    ) -> Vec<BackendResult<PurgeOutcome>> {
        for instance in &instances {
            for execution in inner.executions(instance).await.unwrap_or_default() {
                let instance = instance.clone();
                let read = HistoryRead { instance, execution, from: 0, bytes_max: usize::MAX };
                let key = (read.instance.clone(), execution);
                if let Ok(page) = inner.read_history(read).await {
                    self.0.lock().insert(key, page);
                }
            }
        }
        inner.purge(instances).await
    }

    async fn read_history(
        &self,
        inner: &dyn Backend,
        read: HistoryRead,
    ) -> BackendResult<HistoryPage> {
        let left = self.0.lock().get(&(read.instance.clone(), read.execution)).cloned();
        let page = inner.read_history(read).await?;
        Ok(if page.chunks.is_empty() { left.unwrap_or(page) } else { page })
    }
}

/// Leaves a hole in a history of several pages.
pub(super) struct HoleInHistory;

#[async_trait]
impl Tamper for HoleInHistory {
    async fn read_history(
        &self,
        inner: &dyn Backend,
        read: HistoryRead,
    ) -> BackendResult<HistoryPage> {
        let mut page = inner.read_history(read).await?;
        if page.chunks.len() > 2 {
            page.chunks.remove(1);
        }
        Ok(page)
    }
}

/// Reports a closed hub as one that cannot be reached: callers would try for ever.
pub(super) struct WrongKind;

#[async_trait]
impl Tamper for WrongKind {
    async fn send(
        &self,
        inner: &dyn Backend,
        envelopes: Vec<durable_core::backend::Envelope>,
    ) -> Vec<BackendResult<SendOutcome>> {
        let unavailable = |error: BackendError| {
            BackendError::new(BackendErrorKind::Unavailable, "send", error.context())
        };
        let answers = inner.send(envelopes).await;
        answers.into_iter().map(|answer| answer.map_err(unavailable)).collect()
    }
}

/// Goes on after it was closed.
pub(super) struct NeverCloses;

#[async_trait]
impl Tamper for NeverCloses {
    async fn close(&self, _: &dyn Backend) -> BackendResult<()> {
        Ok(())
    }
}
