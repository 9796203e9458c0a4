//! Timers that are due later than a message can be delayed: entries in buckets of an hour.

use std::time::Duration;

use durable_core::backend::BackendResult;
use durable_core::ids::InstanceId;
use durable_core::time::Timestamp;

use crate::doorbell;
use crate::hub::Hub;
use crate::item::{self, Item};
use crate::schema::{self, PK, SK};
use crate::sqs::DELAY_MAX;
use crate::table::text;
use crate::update::{Update, number};

/// Entries are taken up this much before the longest delay, so that none is missed between two
/// looks.
pub(crate) const MARGIN: Duration = Duration::from_secs(120);

/// How often buckets are looked at.
pub(crate) const EVERY: Duration = Duration::from_secs(60);

/// Buckets of one hour.
const SHARDS: u32 = 4;

/// Hours looked at in one go, after a long absence.
const HOURS_MAX: u64 = 1_000;

/// Entries taken at a time.
const AT_ONCE: usize = 1_000;

fn hour(at: Timestamp) -> u64 {
    at.as_micros() / 3_600_000_000
}

fn bucket(hour: u64, shard: u32) -> String {
    format!("w{hour:010}#{shard}")
}

fn rank(due: Timestamp) -> String {
    format!("{:020}", due.as_micros())
}

/// An entry for an instance.
pub(crate) fn entry(instance: &InstanceId, due: Timestamp) -> Item {
    let shard = crc32c::crc32c(instance.as_str().as_bytes()) % SHARDS;
    [
        (PK.to_owned(), text(bucket(hour(due), shard))),
        (SK.to_owned(), text(format!("{}#{}", rank(due), instance.as_str()))),
    ]
    .into()
}

fn read(entry: &Item) -> Option<(Timestamp, InstanceId)> {
    let (due, instance) = item::text(entry, SK).ok()??.split_once('#')?;
    Some((Timestamp::from_micros(due.parse().ok()?), InstanceId::new(instance).ok()?))
}

impl Hub {
    /// Turns entries that are due before long into delayed doorbells. Reads are consistent: an
    /// entry is seen as soon as it is acknowledged.
    pub(crate) async fn take_up_timers(&self) -> BackendResult<()> {
        let operation = "timers";
        let now = self.now();
        let horizon = now + DELAY_MAX - Duration::from_secs(1);
        let mark = self.table.get(operation, "w", "mark").await?;
        let mark = mark.as_ref().and_then(|m| item::number(m, "h").ok().flatten());
        // Without a mark nobody has looked yet; timers are set at least a quarter of an hour ahead.
        let first = mark.unwrap_or_else(|| hour(now).saturating_sub(1));
        let last = hour(horizon).min(first.saturating_add(HOURS_MAX));
        for hour in first..=last {
            for shard in 0..SHARDS {
                self.take_up_bucket(&bucket(hour, shard), horizon).await?;
            }
        }
        // The hour before stays open for writers that are slow.
        let done = last.min(hour(now).saturating_sub(1));
        if mark.is_none_or(|mark| mark < done) {
            let mut update = Update::default();
            update.set("h", number(done));
            self.table.update(operation, ("w", "mark"), update).await?;
        }
        Ok(())
    }

    async fn take_up_bucket(&self, bucket: &str, horizon: Timestamp) -> BackendResult<()> {
        let operation = "timers";
        let to = format!("{}#\u{10ffff}", rank(horizon));
        loop {
            let (entries, more) = self.table.range(operation, bucket, ("0", &to), AT_ONCE).await?;
            let now = self.now();
            let mut rings = Vec::with_capacity(entries.len());
            let mut keys = Vec::with_capacity(entries.len());
            for entry in &entries {
                if let Some((due, instance)) = read(entry) {
                    rings.push((doorbell::of_instance(&instance), due.since(now)));
                }
                if let Some(sk) = item::text(entry, schema::SK).ok().flatten() {
                    keys.push((bucket.to_owned(), sk.to_owned()));
                }
            }
            if !rings.is_empty() {
                self.orchestrator.send(operation, rings).await?;
            }
            if !keys.is_empty() {
                self.table.delete_all(operation, keys).await?;
            }
            if !more {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_in_the_bucket_of_its_hour_and_comes_back() {
        let due = Timestamp::from_millis(1_800_000_000_123);
        let instance = InstanceId::new("a#b").unwrap();
        let entry = entry(&instance, due);
        assert!(item::text(&entry, PK).unwrap().unwrap().starts_with("w0000500000#"));
        assert_eq!(read(&entry), Some((due, instance)));
    }
}
