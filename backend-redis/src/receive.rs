//! Waiting for work.

use std::future::Future;
use std::sync::atomic::Ordering;
use std::time::Duration;

use durable_core::backend::{BackendError, BackendErrorKind, BackendResult};
use durable_core::env::timeout;
use durable_core::ids::QueueName;
use durable_core::time::Timestamp;
use futures_util::future::join_all;

use crate::backend::RedisBackend;
use crate::loans::{Lent, Loans};
use crate::partition::Partition;

/// Most partitions that are looked at together.
const AT_ONCE: usize = 16;

/// How long the look at one of several partitions may take: a node that hangs must not hold up
/// what the others have.
const LOOK_LIMIT: Duration = Duration::from_secs(5);

/// The same where the look before was not answered in time either. A node that is slow but not
/// hung answers some looks in time; what the others bring goes back.
const LOOK_LIMIT_LATE: Duration = Duration::from_millis(200);

/// How long one of several partitions that cannot be looked at is left alone.
const REST: Duration = Duration::from_millis(500);

/// What one look at a queue of a partition found.
pub(crate) struct Look<T: Lent> {
    pub(crate) works: Loans<T>,
    pub(crate) rest: LookRest,
}

/// What it left.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LookRest {
    /// There is more for others.
    pub(crate) more: bool,
    /// When to look again at the latest.
    pub(crate) next: Option<Duration>,
}

/// What became of looking.
struct Found<T: Lent> {
    works: Loans<T>,
    /// Nothing before then, unless the bell rings.
    until: Timestamp,
    /// Why some partition could not be looked at, and whether that holds for all.
    failure: Option<BackendError>,
    all_failed: bool,
}

/// Which bell a queue has.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Bell {
    Turns,
    Activities,
    Tracking,
}

/// What is asked for.
#[derive(Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub(crate) bell: Bell,
    pub(crate) queues: &'a [QueueName],
    pub(crate) max: usize,
    pub(crate) wait: Duration,
}

/// Rings for the others unless the look it was rung for came to its end.
struct PassOn<'a> {
    backend: &'a RedisBackend,
    bell: Option<Bell>,
}

impl Drop for PassOn<'_> {
    fn drop(&mut self) {
        if let Some(bell) = self.bell {
            self.backend.doorbell().ring_queue(bell);
        }
    }
}

impl RedisBackend {
    /// Looks until there is something, the bell by the side, or until the wait has passed.
    /// `look` is given the partition and how much is wanted of it.
    pub(crate) async fn receive<'a, T: Lent, F>(
        &'a self,
        operation: &'static str,
        wanted: Wanted<'a>,
        look: impl Fn(u16, usize) -> F + Send + Sync,
    ) -> BackendResult<Vec<T>>
    where
        F: Future<Output = BackendResult<Look<T>>> + Send,
    {
        let deadline = self.env().now() + wanted.wait;
        let bells = &self.doorbell().bells;
        let notify = match wanted.bell {
            Bell::Turns => &bells.turns,
            Bell::Activities => &bells.activities,
            Bell::Tracking => &bells.tracking,
        };
        loop {
            // Listens before it looks, so that what comes in between is heard.
            let rung = notify.notified();
            tokio::pin!(rung);
            rung.as_mut().enable();
            self.check_open(operation)?;
            let found = self.look_around(operation, wanted, &look).await?;
            if !found.works.is_empty() {
                return Ok(found.works.take());
            }
            let now = self.env().now();
            if now >= deadline && found.until > now {
                // With one partition the error has come by the `?` above.
                return match found.failure {
                    Some(error) if found.all_failed => Err(error),
                    _ => Ok(Vec::new()),
                };
            }
            // A server that is slow to say "now" must not make this a busy loop.
            let pause = found.until.min(deadline).since(now).max(Duration::from_micros(50));
            tokio::select! {
                biased;
                () = rung => {}
                () = self.env().sleep(pause) => {}
            }
        }
    }

    /// Looks at all partitions that may have something, until there is enough.
    async fn look_around<'a, T: Lent, F>(
        &'a self,
        operation: &'static str,
        wanted: Wanted<'a>,
        look: &(impl Fn(u16, usize) -> F + Send + Sync),
    ) -> BackendResult<Found<T>>
    where
        F: Future<Output = BackendResult<Look<T>>> + Send,
    {
        let all = self.partitions();
        let now = self.env().now();
        let mut found = Found {
            works: self.no_loans(),
            until: Timestamp::MAX,
            failure: None,
            all_failed: true,
        };
        let mut open = Vec::new();
        // Each time another one is the first, so that none has to wait for ever.
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        for n in 0..all.len() {
            let partition = &all[(turn + n) % all.len()];
            let quiet = self.doorbell().quiet(wanted.bell, partition.home.number);
            match quiet.until(wanted.queues, now).filter(|_| wanted.wait > Duration::ZERO) {
                Some(until) => found.until = found.until.min(until),
                None => open.push(partition),
            }
        }
        found.all_failed = open.len() == all.len();
        // With one partition a look brings all that one call may take.
        let rounds_max = if all.len() == 1 { 1 } else { all.len() };
        let mut rounds = 0;
        while !open.is_empty() && found.works.len() < wanted.max && rounds < rounds_max {
            let wanted = Wanted { max: wanted.max - found.works.len(), ..wanted };
            let some: Vec<_> = open.drain(..open.len().min(wanted.max).min(AT_ONCE)).collect();
            let more = self.look_at(operation, wanted, &some, look, &mut found).await?;
            if !found.works.is_empty() {
                open.extend(more);
            }
            rounds += 1;
        }
        if !found.works.is_empty() && (found.until <= now || !open.is_empty()) {
            self.doorbell().ring_queue(wanted.bell);
        }
        Ok(found)
    }

    /// Looks at some partitions once; those that have more.
    async fn look_at<'a, T: Lent, F>(
        &'a self,
        operation: &'static str,
        wanted: Wanted<'a>,
        partitions: &[&'a Partition],
        look: &(impl Fn(u16, usize) -> F + Send + Sync),
        found: &mut Found<T>,
    ) -> BackendResult<Vec<&'a Partition>>
    where
        F: Future<Output = BackendResult<Look<T>>> + Send,
    {
        let quiet = |p: &Partition| self.doorbell().quiet(wanted.bell, p.home.number);
        let rings: Vec<u64> = partitions.iter().map(|p| quiet(p).rings()).collect();
        let mut pass_on = PassOn { backend: self, bell: Some(wanted.bell) };
        let looks: Vec<BackendResult<Look<T>>> = if let [only] = partitions
            && self.partitions().len() == 1
        {
            vec![Ok(look(only.home.number, wanted.max).await?)]
        } else {
            let (share, over) = (wanted.max / partitions.len(), wanted.max % partitions.len());
            let looks = partitions.iter().enumerate().map(|(n, partition)| {
                let look = look(partition.home.number, share + usize::from(n < over));
                let quiet = quiet(partition);
                async move {
                    let limit = if quiet.is_late() { LOOK_LIMIT_LATE } else { LOOK_LIMIT };
                    let looked = timeout(&**self.env(), limit, look).await;
                    quiet.set_late(looked.is_err());
                    looked.unwrap_or_else(|_| Err(late(operation)))
                }
            });
            join_all(looks).await
        };
        pass_on.bell = None;
        let now = self.env().now();
        let mut more = Vec::new();
        for ((partition, rings), looked) in partitions.iter().zip(rings).zip(looks) {
            let until = match looked {
                Ok(look) => {
                    found.all_failed = false;
                    found.works.append(look.works);
                    if look.rest.more {
                        more.push(*partition);
                        continue;
                    }
                    now + look.rest.next.unwrap_or(Duration::MAX).min(self.doorbell().trust())
                }
                Err(error) => {
                    tracing::debug!(%error, partition = partition.home.number, "cannot look for work");
                    found.failure = Some(error);
                    now + REST
                }
            };
            quiet(partition).emptied(rings, wanted.queues, until);
            found.until = found.until.min(until);
        }
        // Where nothing could be taken for all there was, the next look goes on at once.
        if !more.is_empty() && (found.works.is_empty() || self.partitions().len() == 1) {
            found.until = found.until.min(now);
        }
        Ok(more)
    }
}

fn late(operation: &'static str) -> BackendError {
    let text = "a node of the cluster does not answer in time";
    BackendError::new(BackendErrorKind::Unavailable, operation, text).unknown()
}
