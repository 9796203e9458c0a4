//! Messages to other partitions: from the outbox that the commit put them into to their target.
//!
//! Each message has a number that rises within its outbox, and the target remembers the last it
//! took from there. So it is taken once and in order, whoever relays it, and however often and
//! late. Whoever commits relays; what is left behind for a second is relayed by whoever receives.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use durable_core::backend::{BackendError, BackendErrorKind, BackendResult};
use futures_util::future::join_all;
use parking_lot::Mutex;
use redis::Value;
use tokio::sync::{Notify, watch};

use crate::args::Args;
use crate::error::Effect;
use crate::link::{Link, unexpected};
use crate::partition::Partition;
use crate::reply::{Reply, read};
use crate::scripts::SCRIPTS;

const OPERATION: &str = "relay";

/// Most messages that one script delivers.
const MESSAGES_MAX: usize = 64;

/// Most outboxes that are relayed at the same time.
const AT_ONCE: usize = 16;

/// Source and target.
pub(crate) type Route = (u16, u16);

/// Which outboxes have something, as far as this process knows.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    due: Mutex<BTreeSet<Route>>,
    bell: Notify,
}

impl Routes {
    /// Something was put into these outboxes.
    pub(crate) fn add(&self, routes: impl IntoIterator<Item = Route>) {
        let mut due = self.due.lock();
        let count = due.len();
        due.extend(routes);
        if due.len() > count {
            drop(due);
            self.bell.notify_one();
        }
    }

    /// All that is due, once there is something.
    async fn take(&self) -> Vec<Route> {
        loop {
            let due = std::mem::take(&mut *self.due.lock());
            if !due.is_empty() {
                return due.into_iter().collect();
            }
            self.bell.notified().await;
        }
    }
}

/// What the task that relays needs.
pub(crate) struct Relay {
    pub(crate) link: Link,
    pub(crate) partitions: Arc<[Partition]>,
    pub(crate) routes: Arc<Routes>,
    /// Ends the task when the sender is dropped.
    pub(crate) stop: watch::Receiver<()>,
}

/// Messages as they stand in an outbox; the number comes first.
struct Batch {
    entries: Vec<Bytes>,
}

impl Batch {
    /// The number of the first one.
    fn first(&self) -> &[u8] {
        self.entries.first().map_or(&[], |entry| number(entry))
    }
}

/// The digits that a message begins with.
fn number(entry: &Bytes) -> &[u8] {
    &entry[..entry.len().min(16)]
}

impl Relay {
    /// Relays until the hub is closed or dropped.
    pub(crate) async fn run(self) {
        let mut stop = self.stop.clone();
        let all = async {
            loop {
                let routes = self.routes.take().await;
                for some in routes.chunks(AT_ONCE) {
                    join_all(some.iter().map(|route| self.relay(*route))).await;
                }
            }
        };
        tokio::select! {
            () = all => {}
            _ = stop.changed() => {}
        }
    }

    /// Empties an outbox. What fails is taken up again by whoever receives.
    async fn relay(&self, (from, to): Route) {
        if let Err(error) = self.try_relay(from, to).await {
            tracing::debug!(%error, from, to, "messages to another partition are late");
        }
    }

    async fn try_relay(&self, from: u16, to: u16) -> BackendResult<()> {
        let mut batch = self.next(from, to, None).await?;
        while !batch.entries.is_empty() {
            match self.deliver(from, to, &batch.entries).await {
                Ok(()) => {}
                Err(error) if is_about_content(&error) => {
                    self.deliver_singly(from, to, &batch.entries).await?;
                }
                Err(error) => return Err(error),
            }
            batch = self.next(from, to, Some(&batch)).await?;
        }
        Ok(())
    }

    /// Removes what was taken and reads what comes next.
    async fn next(&self, from: u16, to: u16, taken: Option<&Batch>) -> BackendResult<Batch> {
        let script = &SCRIPTS.relay_out;
        let args = Args::of(script, &self.partitions[usize::from(from)])
            .number(to.into())
            .bytes(taken.map_or(&[], Batch::first))
            .count(taken.map_or(0, |batch| batch.entries.len()))
            .count(MESSAGES_MAX);
        let answer = self.link.call(OPERATION, Effect::Writes, script, args.into_call()).await?;
        let mut reply = Reply::new(OPERATION, answer)?;
        let mut entries = Vec::new();
        while !reply.is_empty() {
            entries.push(read(OPERATION, "an outbox", reply.bytes())?);
        }
        Ok(Batch { entries })
    }

    async fn deliver(&self, from: u16, to: u16, entries: &[Bytes]) -> BackendResult<()> {
        let script = &SCRIPTS.relay_in;
        let args = Args::of(script, &self.partitions[usize::from(to)]).number(from.into());
        let args = entries.iter().fold(args, |args, entry| args.bytes(entry));
        match self.link.call(OPERATION, Effect::Writes, script, args.into_call()).await? {
            Value::BulkString(_) => Ok(()),
            _ => Err(unexpected(OPERATION)),
        }
    }

    /// One that cannot be delivered must not hold up the others: it is dropped, and said so.
    async fn deliver_singly(&self, from: u16, to: u16, entries: &[Bytes]) -> BackendResult<()> {
        for entry in entries {
            match self.deliver(from, to, std::slice::from_ref(entry)).await {
                Err(error) if is_about_content(&error) => {
                    tracing::error!(%error, from, to, "a message to another partition is dropped");
                    let counted = Bytes::copy_from_slice(number(entry));
                    self.deliver(from, to, &[counted]).await?;
                }
                other => other?,
            }
        }
        Ok(())
    }
}

/// Whether an error comes from what is stored, not from how the servers are.
fn is_about_content(error: &BackendError) -> bool {
    use BackendErrorKind::{Corrupt, Incompatible, Internal, Invalid};
    matches!(error.kind(), Corrupt | Incompatible | Internal | Invalid)
}

/// Which partitions a text of numbers names.
pub(crate) fn read_targets(text: &[u8]) -> Vec<u16> {
    let text = std::str::from_utf8(text).unwrap_or_default();
    text.split(',').filter_map(|number| number.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn routes_are_taken_together_and_once() {
        let routes = Routes::default();
        routes.add([(0, 1), (2, 0)]);
        routes.add([(0, 1)]);
        assert_eq!(routes.take().await, vec![(0, 1), (2, 0)]);
        routes.add([(0, 1)]);
        assert_eq!(routes.take().await, vec![(0, 1)]);
    }

    #[test]
    fn targets_are_read_from_an_answer() {
        assert_eq!(read_targets(b"3,15"), vec![3, 15]);
        assert!(read_targets(b"x").is_empty());
    }
}
