//! Adapters that keep a habit of the store beneath them: whole seconds, batches of twenty-five,
//! keys without case, deletion by prefix, positions instead of keys.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_trait::async_trait;
use durable_core::backend::{
    AbandonOutcome, ActivityLease, ActivityWork, Backend, BackendResult, CommitOutcome,
    CreateInstance, CreateOutcome, Disposition, Envelope, HistoryPage, HistoryRead, InstancePage,
    InstanceQuery, InstanceRecord, PageCursor, PurgeOutcome, ReceiveActivities, ReceiveTracking,
    RenewOutcome, SendOutcome, TrackingLease, TrackingWork, TurnCommit, TurnLease, TurnWork,
};
use durable_core::env::SharedEnv;
use durable_core::ids::{HubName, InstanceId, MessageId, QueueName};
use durable_core::time::Timestamp;

use super::Memory;
use crate::tamper::Tamper;

const SECOND: u64 = 1_000_000;

fn whole(at: Timestamp, micros: u64) -> Timestamp {
    at - Duration::from_micros(at.as_micros() % micros)
}

/// Changes records that are read or listed by a function.
pub(super) struct ChangedRecords(pub(super) fn(&mut InstanceRecord));

#[async_trait]
impl Tamper for ChangedRecords {
    async fn read_records(
        &self,
        inner: &dyn Backend,
        instances: Vec<InstanceId>,
    ) -> Vec<BackendResult<Option<InstanceRecord>>> {
        let mut answers = inner.read_records(instances).await;
        answers.iter_mut().flatten().flatten().for_each(self.0);
        answers
    }

    async fn list(&self, inner: &dyn Backend, query: InstanceQuery) -> BackendResult<InstancePage> {
        let mut page = inner.list(query).await?;
        page.items.iter_mut().for_each(self.0);
        Ok(page)
    }
}

fn times(record: &mut InstanceRecord, micros: u64) {
    record.created_at = whole(record.created_at, micros);
    record.updated_at = whole(record.updated_at, micros);
    record.completed_at = record.completed_at.map(|at| whole(at, micros));
}

pub(super) fn times_in_seconds(record: &mut InstanceRecord) {
    times(record, SECOND);
}

pub(super) fn times_in_milliseconds(record: &mut InstanceRecord) {
    times(record, 1_000);
}

pub(super) fn details_of_64_kib(record: &mut InstanceRecord) {
    record.details.truncate(64 * 1024);
}

pub(super) fn lengths_in_16_bits(record: &mut InstanceRecord) {
    record.events &= 0xffff;
}

pub(super) fn turns_counted_to_four(work: &mut TurnWork) {
    work.delivery = work.delivery.min(4);
}

pub(super) fn tasks_counted_to_four(work: &mut ActivityWork) {
    work.delivery = work.delivery.min(4);
}

pub(super) fn tasks_of_a_mebibyte(work: &mut ActivityWork) {
    work.body.truncate(1 << 20);
}

pub(super) fn timers_rounded_up(commit: &mut TurnCommit) {
    for message in &mut commit.messages {
        message.visible_at =
            message.visible_at.map(|at| whole(at + Duration::from_micros(SECOND - 1), SECOND));
    }
}

pub(super) fn a_hundred_tasks(commit: &mut TurnCommit) {
    commit.activities.truncate(100);
}

pub(super) fn a_hundred_read(commit: &mut TurnCommit) {
    commit.consumed.truncate(100);
}

pub(super) fn twenty_five_cancelled(commit: &mut TurnCommit) {
    commit.cancelled.truncate(25);
}

/// The last of each full batch of twenty-five is lost.
pub(super) fn full_batches_lose_one(commit: &mut TurnCommit) {
    let mut at = 0;
    commit.messages.retain(|_| {
        at += 1;
        at % 25 != 0
    });
}

/// What is given back waits for whole seconds.
pub(super) struct DelaysInSeconds;

fn seconds(delay: Duration) -> Duration {
    Duration::from_secs(delay.as_secs())
}

#[async_trait]
impl Tamper for DelaysInSeconds {
    async fn abandon_turns(
        &self,
        inner: &dyn Backend,
        leases: Vec<TurnLease>,
        delay: Duration,
    ) -> Vec<BackendResult<AbandonOutcome>> {
        inner.abandon_turns(leases, seconds(delay)).await
    }

    async fn abandon_activities(
        &self,
        inner: &dyn Backend,
        leases: Vec<ActivityLease>,
        delay: Duration,
    ) -> Vec<BackendResult<AbandonOutcome>> {
        inner.abandon_activities(leases, seconds(delay)).await
    }
}

/// A renewal counts from the end of the lease, not from now.
pub(super) struct RenewalsAddUp {
    env: SharedEnv,
    ends: Memory<BTreeMap<InstanceId, Timestamp>>,
}

impl RenewalsAddUp {
    pub(super) fn new(env: SharedEnv) -> Self {
        Self { env, ends: Memory::default() }
    }
}

#[async_trait]
impl Tamper for RenewalsAddUp {
    async fn receive_turns(
        &self,
        inner: &dyn Backend,
        request: durable_core::backend::ReceiveTurns,
    ) -> BackendResult<Vec<TurnWork>> {
        let lease_for = request.lease_for;
        let works = inner.receive_turns(request).await?;
        let end = self.env.now() + lease_for;
        self.ends.lock().extend(works.iter().map(|w| (w.lease.instance.clone(), end)));
        Ok(works)
    }

    async fn renew_turns(
        &self,
        inner: &dyn Backend,
        leases: Vec<TurnLease>,
        lease_for: Duration,
    ) -> Vec<BackendResult<RenewOutcome>> {
        let now = self.env.now();
        let mut answers = Vec::new();
        for lease in leases {
            let end = self.ends.lock().get(&lease.instance).copied().unwrap_or(now).max(now);
            let added = end.since(now) + lease_for;
            self.ends.lock().insert(lease.instance.clone(), now + added);
            answers.extend(inner.renew_turns(vec![lease], added).await);
        }
        answers
    }
}

/// Finds instances by a simpler form of their ids.
pub(super) struct SimplerIds(pub(super) fn(&str) -> String);

impl SimplerIds {
    fn id(&self, id: &InstanceId) -> InstanceId {
        InstanceId::new((self.0)(id.as_str())).unwrap_or_else(|_| id.clone())
    }
}

pub(super) fn without_case(id: &str) -> String {
    id.to_lowercase()
}

pub(super) fn trimmed(id: &str) -> String {
    id.trim_end().to_owned()
}

/// One of the many compositions is enough.
pub(super) fn composed(id: &str) -> String {
    id.replace("e\u{301}", "\u{e9}")
}

#[async_trait]
impl Tamper for SimplerIds {
    async fn create_instances(
        &self,
        inner: &dyn Backend,
        mut requests: Vec<CreateInstance>,
    ) -> Vec<BackendResult<CreateOutcome>> {
        for request in &mut requests {
            request.start.target = self.id(&request.start.target);
        }
        inner.create_instances(requests).await
    }

    async fn read_records(
        &self,
        inner: &dyn Backend,
        instances: Vec<InstanceId>,
    ) -> Vec<BackendResult<Option<InstanceRecord>>> {
        inner.read_records(instances.iter().map(|id| self.id(id)).collect()).await
    }
}

/// Routes tasks by queue names without case.
pub(super) struct QueuesWithoutCase;

fn lower(queue: &QueueName) -> QueueName {
    QueueName::new(queue.as_str().to_lowercase()).unwrap_or_else(|_| queue.clone())
}

#[async_trait]
impl Tamper for QueuesWithoutCase {
    fn on_commit(&self, mut commit: TurnCommit) -> TurnCommit {
        for task in &mut commit.activities {
            task.queue = lower(&task.queue);
        }
        commit
    }

    async fn receive_activities(
        &self,
        inner: &dyn Backend,
        mut request: ReceiveActivities,
    ) -> BackendResult<Vec<ActivityWork>> {
        request.queues = request.queues.iter().map(lower).collect();
        inner.receive_activities(request).await
    }
}

/// Hub names without case.
pub(super) fn hub_without_case(hub: &HubName) -> HubName {
    HubName::new(hub.as_str().to_lowercase()).unwrap_or_else(|_| hub.clone())
}

/// Purges everything whose key begins with that of the instance.
pub(super) struct PurgesByPrefix;

#[async_trait]
impl Tamper for PurgesByPrefix {
    async fn purge(
        &self,
        inner: &dyn Backend,
        instances: Vec<InstanceId>,
    ) -> Vec<BackendResult<PurgeOutcome>> {
        for id in &instances {
            let query = InstanceQuery {
                id_prefix: Some(id.as_str().to_owned()),
                page_items: 1_000,
                ..InstanceQuery::default()
            };
            let found = inner.list(query).await.unwrap_or_default().items;
            let related = found.into_iter().map(|r| r.instance).filter(|other| other != id);
            inner.purge(related.collect()).await;
        }
        inner.purge(instances).await
    }
}

/// The cursor of a listing is a position.
pub(super) struct PagesByPosition;

#[async_trait]
impl Tamper for PagesByPosition {
    async fn list(&self, inner: &dyn Backend, query: InstanceQuery) -> BackendResult<InstancePage> {
        let from = query.cursor.as_ref().and_then(|c| c.0.parse::<usize>().ok()).unwrap_or(0);
        let size = if query.page_items == 0 { 100 } else { query.page_items };
        let mut all = Vec::new();
        let mut next = InstanceQuery { cursor: None, page_items: 1_000, ..query };
        loop {
            let page = inner.list(next.clone()).await?;
            all.extend(page.items);
            next.cursor = page.next;
            if next.cursor.is_none() {
                break;
            }
        }
        let end = (from + size).min(all.len());
        let next = (end < all.len()).then(|| PageCursor(end.to_string()));
        Ok(InstancePage { items: all.drain(from.min(end)..end).collect(), next })
    }
}

/// A page holds a hundred at most, and then the listing ends.
pub(super) struct ListingsOfAHundred;

#[async_trait]
impl Tamper for ListingsOfAHundred {
    async fn list(&self, inner: &dyn Backend, query: InstanceQuery) -> BackendResult<InstancePage> {
        let most = if query.page_items > 100 { 100 } else { usize::MAX };
        let mut page = inner.list(query).await?;
        if page.items.len() > most {
            page.items.truncate(most);
            page.next = None;
        }
        Ok(page)
    }
}

/// A single item that is left for a page of its own is forgotten.
pub(super) struct ForgetsTheLastOne;

#[async_trait]
impl Tamper for ForgetsTheLastOne {
    async fn list(&self, inner: &dyn Backend, query: InstanceQuery) -> BackendResult<InstancePage> {
        let mut page = inner.list(query.clone()).await?;
        if let Some(cursor) = &page.next {
            let rest = InstanceQuery { cursor: Some(cursor.clone()), page_items: 2, ..query };
            if inner.list(rest).await?.items.len() == 1 {
                page.next = None;
            }
        }
        Ok(page)
    }
}

/// A block of history ends where a text of the store does.
pub(super) struct BlocksOf64KiB;

#[async_trait]
impl Tamper for BlocksOf64KiB {
    async fn read_history(
        &self,
        inner: &dyn Backend,
        read: HistoryRead,
    ) -> BackendResult<HistoryPage> {
        let mut page = inner.read_history(read).await?;
        page.chunks.iter_mut().for_each(|chunk| chunk.bytes.truncate(64 * 1024));
        Ok(page)
    }
}

/// Who continues as new finds its inbox back to front.
#[derive(Default)]
pub(super) struct BackwardsAfterGeneration(Memory<BTreeSet<InstanceId>>);

#[async_trait]
impl Tamper for BackwardsAfterGeneration {
    fn on_commit(&self, commit: TurnCommit) -> TurnCommit {
        if commit.next.is_some() {
            self.0.lock().insert(commit.lease.instance.clone());
        }
        commit
    }

    fn on_turns(&self, mut works: Vec<TurnWork>) -> Vec<TurnWork> {
        for work in &mut works {
            if self.0.lock().remove(&work.lease.instance) {
                work.messages.reverse();
            }
        }
        works
    }
}

/// What is sent to a held instance is dropped, control messages excepted.
#[derive(Default)]
pub(super) struct HeldAreDeaf(Memory<BTreeSet<InstanceId>>);

#[async_trait]
impl Tamper for HeldAreDeaf {
    fn on_commit(&self, commit: TurnCommit) -> TurnCommit {
        let mut held = self.0.lock();
        match commit.disposition {
            Disposition::Hold { .. } => held.insert(commit.lease.instance.clone()),
            _ => held.remove(&commit.lease.instance),
        };
        drop(held);
        commit
    }

    async fn send(
        &self,
        inner: &dyn Backend,
        envelopes: Vec<Envelope>,
    ) -> Vec<BackendResult<SendOutcome>> {
        let mut answers = Vec::new();
        for envelope in envelopes {
            let deaf = !envelope.control && self.0.lock().contains(&envelope.target);
            if deaf {
                answers.push(Ok(SendOutcome::Accepted));
            } else {
                answers.extend(inner.send(vec![envelope]).await);
            }
        }
        answers
    }
}

/// Control messages come first, held or not.
#[derive(Default)]
pub(super) struct ControlComesFirst(Memory<BTreeSet<MessageId>>);

impl Tamper for ControlComesFirst {
    fn on_send(&self, envelope: Envelope) -> Envelope {
        if envelope.control {
            self.0.lock().insert(envelope.id);
        }
        envelope
    }

    fn on_turns(&self, mut works: Vec<TurnWork>) -> Vec<TurnWork> {
        let control = self.0.lock();
        for work in &mut works {
            work.messages.sort_by_key(|message| !control.contains(&message.id));
        }
        works
    }
}

/// Who acknowledges a tracking record acknowledges all before it.
#[derive(Default)]
pub(super) struct AcksUpToHere(Memory<Vec<TrackingLease>>);

#[async_trait]
impl Tamper for AcksUpToHere {
    async fn receive_tracking(
        &self,
        inner: &dyn Backend,
        request: ReceiveTracking,
    ) -> BackendResult<Vec<TrackingWork>> {
        let works = inner.receive_tracking(request).await?;
        self.0.lock().extend(works.iter().map(|w| w.lease.clone()));
        Ok(works)
    }

    async fn ack_tracking(
        &self,
        inner: &dyn Backend,
        leases: Vec<TrackingLease>,
    ) -> Vec<BackendResult<AbandonOutcome>> {
        let earlier: Vec<TrackingLease> = {
            let known = self.0.lock();
            let last = known.iter().rposition(|lease| leases.contains(lease)).unwrap_or(0);
            known[..last].iter().filter(|lease| !leases.contains(lease)).cloned().collect()
        };
        inner.ack_tracking(earlier).await;
        inner.ack_tracking(leases).await
    }
}

/// The newest task first.
pub(super) struct NewestTaskFirst;

impl Tamper for NewestTaskFirst {
    fn on_activities(&self, mut works: Vec<ActivityWork>) -> Vec<ActivityWork> {
        works.reverse();
        works
    }
}

/// The lengths of histories wrap round.
pub(super) struct LengthsIn16Bits;

#[async_trait]
impl Tamper for LengthsIn16Bits {
    fn on_turns(&self, mut works: Vec<TurnWork>) -> Vec<TurnWork> {
        works.iter_mut().for_each(|work| work.events &= 0xffff);
        works
    }

    async fn commit_turns(
        &self,
        inner: &dyn Backend,
        mut commits: Vec<TurnCommit>,
    ) -> Vec<BackendResult<CommitOutcome>> {
        let ids = commits.iter().map(|c| c.lease.instance.clone()).collect();
        let records = inner.read_records(ids).await;
        for (commit, record) in commits.iter_mut().zip(records) {
            let events = record.ok().flatten().map_or(0, |record| record.events);
            if events & 0xffff == commit.expected_events {
                commit.expected_events = events;
            }
        }
        inner.commit_turns(commits).await
    }
}
