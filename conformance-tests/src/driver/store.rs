//! Records, histories, listings, purges, tracking.

use std::time::Duration;

use durable_core::backend::{
    AbandonOutcome, HistoryChunk, HistoryRead, InstanceQuery, InstanceRecord, PurgeOutcome,
    ReceiveTracking, TrackingWork,
};
use durable_core::ids::{ExecutionId, InstanceId};

use super::{Hub, Inst, only};
use crate::check::{Checked, Failure};

/// How many bytes a page of history may have in most checks.
const PAGE_BYTES: usize = 1 << 20;

/// Text of a tracking record and its lease.
pub(crate) type Tracking = TrackingWork;

impl Hub {
    pub(crate) async fn record(&self, id: &InstanceId) -> Checked<Option<InstanceRecord>> {
        only(self.backend().read_records(vec![id.clone()]).await)
    }

    /// The record that must exist.
    pub(crate) async fn record_of(&self, inst: &Inst) -> Checked<InstanceRecord> {
        self.record(&inst.id)
            .await?
            .ok_or_else(|| Failure::new(format!("there is no record of {}", inst.id)))
    }

    /// A whole history, page by page.
    pub(crate) async fn history_of(
        &self,
        id: &InstanceId,
        execution: ExecutionId,
    ) -> Checked<Vec<HistoryChunk>> {
        self.history_in_pages(id, execution, PAGE_BYTES).await
    }

    pub(crate) async fn history_in_pages(
        &self,
        id: &InstanceId,
        execution: ExecutionId,
        bytes_max: usize,
    ) -> Checked<Vec<HistoryChunk>> {
        let mut chunks = Vec::new();
        let mut from = 0;
        loop {
            let read = HistoryRead { instance: id.clone(), execution, from, bytes_max };
            let page = self.backend().read_history(read).await?;
            chunks.extend(page.chunks);
            match page.next {
                Some(next) => {
                    ensure!(next > from, "a page of history leads back from {from} to {next}");
                    from = next;
                }
                None => return Ok(chunks),
            }
        }
    }

    /// The contents of the current history's chunks, as text.
    pub(crate) async fn history_texts(&self, inst: &Inst) -> Checked<Vec<String>> {
        let chunks = self.history_of(&inst.id, inst.execution).await?;
        Ok(chunks.iter().map(|c| String::from_utf8_lossy(&c.bytes).into_owned()).collect())
    }

    pub(crate) async fn executions(&self, id: &InstanceId) -> Checked<Vec<ExecutionId>> {
        Ok(self.backend().executions(id).await?)
    }

    /// Brings the query index up to date where it does not follow by itself.
    pub(crate) async fn index(&self, ids: &[InstanceId]) -> Checked {
        if self.capabilities().indexes_itself {
            return Ok(());
        }
        let mut records = Vec::new();
        for record in self.backend().read_records(ids.to_vec()).await {
            records.extend(record?);
        }
        Ok(self.backend().index(records).await?)
    }

    /// A whole listing, page by page.
    pub(crate) async fn list(&self, mut query: InstanceQuery) -> Checked<Vec<InstanceRecord>> {
        let mut items = Vec::new();
        loop {
            let page = self.backend().list(query.clone()).await?;
            items.extend(page.items);
            match page.next {
                Some(cursor) => {
                    ensure!(query.cursor.as_ref() != Some(&cursor), "a cursor leads to itself");
                    query.cursor = Some(cursor);
                }
                None => return Ok(items),
            }
        }
    }

    /// The ids of a listing, sorted, once it shows what is expected or does not change any more.
    pub(crate) async fn listed(&self, query: InstanceQuery, expected: &[&str]) -> Checked {
        let mut expected: Vec<String> = expected.iter().map(|s| (*s).to_owned()).collect();
        expected.sort();
        let look = async {
            loop {
                let mut found: Vec<String> = self
                    .list(query.clone())
                    .await?
                    .into_iter()
                    .map(|r| r.instance.to_string())
                    .collect();
                found.sort();
                if found == expected || self.capabilities().consistent_listing {
                    return Ok::<_, Failure>(found);
                }
                self.grace().await;
            }
        };
        let found = self.soon(&format!("the listing of {expected:?}"), look).await??;
        ensure_eq!(found, expected, "the ids listed");
        Ok(())
    }

    pub(crate) async fn purge(&self, id: &InstanceId) -> Checked<PurgeOutcome> {
        only(self.backend().purge(vec![id.clone()]).await)
    }

    /// Purges and insists on success.
    pub(crate) async fn purged(&self, inst: &Inst) -> Checked {
        ensure_eq!(self.purge(&inst.id).await?, PurgeOutcome::Purged, "outcome of a purge");
        Ok(())
    }

    pub(crate) fn ask_tracking(&self, max: usize, wait: Duration) -> ReceiveTracking {
        ReceiveTracking { max, lease_for: self.timings().lease_long, wait }
    }

    pub(crate) async fn tracking_now(&self, max: usize) -> Checked<Vec<Tracking>> {
        self.settle().await;
        Ok(self.backend().receive_tracking(self.ask_tracking(max, Duration::ZERO)).await?)
    }

    /// What a receive brings that must bring something.
    pub(crate) async fn trackings(&self, request: ReceiveTracking) -> Checked<Vec<Tracking>> {
        let works = self
            .soon("the arrival of a tracking record", self.backend().receive_tracking(request))
            .await??;
        ensure!(!works.is_empty(), "no tracking record arrived");
        Ok(works)
    }

    /// The one tracking record that must be ready.
    pub(crate) async fn tracking(&self) -> Checked<Tracking> {
        let works = self.trackings(self.ask_tracking(1, self.wait())).await?;
        ensure_eq!(works.len(), 1, "tracking records received with a maximum of one");
        works.into_iter().next().ok_or_else(|| Failure::new("no tracking record"))
    }

    pub(crate) async fn ack(&self, work: &Tracking) -> Checked<AbandonOutcome> {
        only(self.backend().ack_tracking(vec![work.lease.clone()]).await)
    }

    /// Receives and removes `count` tracking records one after the other; the answer is their texts.
    pub(crate) async fn drain_tracking(&self, count: usize) -> Checked<Vec<String>> {
        let mut texts = Vec::new();
        for _ in 0..count {
            let work = self.tracking().await?;
            ensure_eq!(
                self.ack(&work).await?,
                AbandonOutcome::Done,
                "answer to an acknowledgement"
            );
            texts.push(String::from_utf8_lossy(&work.body).into_owned());
        }
        Ok(texts)
    }
}
