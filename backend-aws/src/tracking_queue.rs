//! The tracking queue: records in the order of their stamps, one batch on loan at a time.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use durable_core::backend::sealed::Damaged;
use durable_core::backend::{
    AbandonOutcome, BackendResult, Envelope, ReceiveTracking, TrackingLease, TrackingQueue,
    TrackingWork,
};
use durable_core::hot::Signals;
use durable_core::ids::{InstanceId, LeaseToken, MessageId};

use crate::backend::AwsBackend;
use crate::blobs;
use crate::deliver::id_set;
use crate::hub::{Hub, interrupted};
use crate::item::{self, Item};
use crate::receive::{Bell, Look};
use crate::schema::{PK, SK};
use crate::table::{Written, damaged, text};
use crate::update::{Update, binary, id, number};
use crate::values::{id_text, read_id_text};

/// Partition of records, of parts of large ones, and where the loan is.
const RECORDS: &str = "k";
const PARTS: &str = "kb";
const LOAN: (&str, &str) = ("kl", "loan");

/// Most records in one batch; they are all in the loan.
const RECORDS_MAX: usize = 512;

/// Bytes that stand in the item of a record.
const INLINE: usize = 64 * 1_024;

/// How often a waiting call looks without being woken, in case a doorbell was lost.
const LOOK: Duration = Duration::from_secs(30);

const RECEIVE: &str = "receive_tracking";
const ACK: &str = "ack_tracking";

fn key(stamp: u64, record: MessageId) -> String {
    format!("{stamp:020}#{}", id_text(record))
}

impl Hub {
    /// Puts a record into the queue.
    pub(crate) async fn track(&self, stamp: u64, envelope: Envelope) -> BackendResult<()> {
        let key = key(stamp, envelope.id);
        let mut record: Item = [
            (PK.to_owned(), text(RECORDS)),
            (SK.to_owned(), text(&key)),
            ("i".to_owned(), text(envelope.target.as_str())),
            ("n".to_owned(), number(envelope.body.len() as u64)),
        ]
        .into();
        if envelope.body.len() <= INLINE {
            record.insert("b".to_owned(), binary(envelope.body.clone()));
        } else {
            let parts = blobs::parts(PARTS, &envelope.body, |n| format!("{key}#{n:06}"));
            self.table.put_all("track", parts).await?;
        }
        self.table.put_all("track", vec![record]).await?;
        self.bells.ring(Signals { tracking: true, ..Signals::default() });
        if self.tracking_poll.waiting.load(Ordering::Acquire) == 0 {
            // Somebody else may wait for it.
            let ring = (envelope.target.as_str().len().to_string(), Duration::ZERO);
            if let Err(error) = self.tracking.send("track", vec![ring]).await {
                tracing::debug!(%error, "a doorbell was not sent; whoever waits looks by itself");
            }
        }
        Ok(())
    }

    async fn look_for_tracking(
        self: Arc<Self>,
        max: usize,
        lease_for: Duration,
    ) -> BackendResult<Look<TrackingWork>> {
        let now = self.now();
        let loan = self.table.get(RECEIVE, LOAN.0, LOAN.1).await?;
        let read = |item: &Item| {
            let open = item.contains_key("ids");
            Ok::<_, Damaged>((open, item::time(item, "lu")?, item::id(item, "lt")?))
        };
        let old = loan.as_ref().map(read).transpose();
        let old = old.map_err(|why| damaged(RECEIVE, "the loan of tracking", &why))?;
        let (open, until, old) = old.unwrap_or((false, None, None));
        if let Some(until) = until.filter(|until| open && *until > now) {
            return Ok(Look { works: Vec::new(), more: false, next: Some(until) });
        }
        let (records, _) = self.table.range(RECEIVE, RECORDS, ("0", "~"), max).await?;
        if records.is_empty() {
            return Ok(Look { works: Vec::new(), more: false, next: Some(now + LOOK) });
        }
        let token = LeaseToken(self.env.random_u128());
        let mut works = Vec::with_capacity(records.len());
        for record in &records {
            works.push(self.tracked(record, token).await?);
        }
        let mut update = Update::default();
        update.set("lt", id(token.0));
        update.set("lu", number((now + lease_for).as_micros()));
        update.set("ids", id_set(works.iter().map(|w| w.lease.record)));
        update.when_still("lt", old.map(id));
        if !open {
            update.when("attribute_not_exists(ids)");
        }
        let next = Some(now + lease_for);
        Ok(match self.table.update(RECEIVE, LOAN, update).await? {
            Written::Done(_) => Look { works, more: false, next },
            Written::Refused(Some(item))
                if item::id(&item, "lt").ok().flatten() == Some(token.0) =>
            {
                Look { works, more: false, next }
            }
            Written::Refused(_) => Look { works: Vec::new(), more: true, next: None },
        })
    }

    async fn tracked(&self, record: &Item, token: LeaseToken) -> BackendResult<TrackingWork> {
        let wrong = |why| damaged(RECEIVE, "a tracking record", &Damaged(why));
        let text = |name| item::text(record, name).ok().flatten();
        let key = text(SK).ok_or_else(|| wrong("it has no key"))?;
        let (_, name) = key.split_once('#').ok_or_else(|| wrong("its key has no id"))?;
        let instance = text("i").and_then(|i| InstanceId::new(i).ok());
        let instance = instance.ok_or_else(|| wrong("it names no instance"))?;
        let length = item::number(record, "n").ok().flatten().unwrap_or(0);
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let body: Bytes = match item::bytes(record, "b").ok().flatten() {
            Some(body) => body,
            None => {
                let range = (format!("{key}#"), format!("{key}#~"));
                let count = blobs::part_count(length).max(1);
                let (parts, _) =
                    self.table.range(RECEIVE, PARTS, (&range.0, &range.1), count).await?;
                blobs::join(&parts, length).ok_or_else(|| wrong("a part is missing"))?
            }
        };
        let record = read_id_text(name).map_err(|why| wrong(why.0))?;
        let lease = TrackingLease { record, instance: instance.clone(), token };
        Ok(TrackingWork { lease, instance, body })
    }

    /// Removes records that are on loan under these leases; all of one batch.
    async fn ack(
        self: Arc<Self>,
        leases: Vec<TrackingLease>,
    ) -> BackendResult<Vec<AbandonOutcome>> {
        let loan = self.table.get(ACK, LOAN.0, LOAN.1).await?.unwrap_or_default();
        let token = item::id(&loan, "lt").ok().flatten();
        let mut open: foldhash::HashSet<Vec<u8>> = loan
            .get("ids")
            .and_then(|ids| ids.as_bs().ok())
            .into_iter()
            .flatten()
            .map(|b| b.as_ref().to_vec())
            .collect();
        let mut outcomes = Vec::with_capacity(leases.len());
        let mut done = Vec::new();
        for lease in &leases {
            let held =
                token == Some(lease.token.0) && open.remove(&crate::values::id_bytes(lease.record));
            outcomes.push(if held { AbandonOutcome::Done } else { AbandonOutcome::Lost });
            if held {
                done.push(lease.record);
            }
        }
        let Some(token) = token.filter(|_| !done.is_empty()) else { return Ok(outcomes) };
        self.remove_records(&done).await?;
        // Only when they are gone for good the next batch may go out.
        let mut update = Update::default();
        update.delete("ids", id_set(done));
        update.when_equal("lt", id(token));
        if let Written::Done(left) = self.table.update(ACK, LOAN, update).await?
            && !left.contains_key("ids")
        {
            self.bells.ring(Signals { tracking: true, ..Signals::default() });
        }
        Ok(outcomes)
    }

    async fn remove_records(&self, done: &[MessageId]) -> BackendResult<()> {
        let wanted: foldhash::HashSet<String> = done.iter().map(|id| id_text(*id)).collect();
        let (records, _) = self.table.range(ACK, RECORDS, ("0", "~"), RECORDS_MAX * 2).await?;
        let mut keys = Vec::new();
        for record in &records {
            let key = item::text(record, SK).ok().flatten().unwrap_or_default();
            if !key.split_once('#').is_some_and(|(_, name)| wanted.contains(name)) {
                continue;
            }
            let length = item::number(record, "n").ok().flatten().unwrap_or(0);
            let length = usize::try_from(length).unwrap_or(0);
            if length > INLINE {
                let parts = 0..blobs::part_count(length);
                keys.extend(parts.map(|n| (PARTS.to_owned(), format!("{key}#{n:06}"))));
            }
            keys.push((RECORDS.to_owned(), key.to_owned()));
        }
        self.table.delete_all(ACK, keys).await
    }
}

#[async_trait]
impl TrackingQueue for AwsBackend {
    async fn receive_tracking(&self, request: ReceiveTracking) -> BackendResult<Vec<TrackingWork>> {
        let hub = &self.hub;
        let (max, lease_for) = (request.max.clamp(1, RECORDS_MAX), request.lease_for);
        let look = || async move {
            let task = Arc::clone(hub);
            let found = hub.detached(task.look_for_tracking(max, lease_for)).await;
            found.ok_or_else(|| interrupted(RECEIVE))?
        };
        hub.receive(RECEIVE, Bell::Tracking, request.wait, look).await
    }

    async fn ack_tracking(&self, leases: Vec<TrackingLease>) -> Vec<BackendResult<AbandonOutcome>> {
        let count = leases.len();
        let again = |error: fn() -> durable_core::backend::BackendError| {
            (0..count).map(|_| Err(error())).collect()
        };
        if self.check_open(ACK).is_err() {
            return again(|| crate::hub::closed(ACK));
        }
        if leases.is_empty() {
            return Vec::new();
        }
        let hub = Arc::clone(&self.hub);
        match self.hub.detached(hub.ack(leases)).await {
            Some(Ok(outcomes)) => outcomes.into_iter().map(Ok).collect(),
            Some(Err(error)) => crate::hub::spread(error, count),
            None => again(|| interrupted(ACK)),
        }
    }
}
