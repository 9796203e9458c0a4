//! Waiting for work.

use std::future::Future;
use std::sync::atomic::Ordering;
use std::time::Duration;

use durable_core::backend::{BackendError, BackendErrorKind, BackendResult};
use durable_core::env::timeout;
use durable_core::time::Timestamp;
use futures_util::future::join_all;

use crate::args::Args;
use crate::backend::RedisBackend;
use crate::loans::{Lent, Loans};
use crate::partition::Partition;
use crate::taking::{Bell, Look, LookRest, Taking};

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

/// What became of looking.
struct Found<T: Lent> {
    works: Loans<T>,
    /// Nothing before then, unless the bell rings.
    until: Timestamp,
    /// Why some partition could not be looked at, and whether that holds for all.
    failure: Option<BackendError>,
    all_failed: bool,
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
    pub(crate) async fn receive<K: Taking>(&self, taking: &K) -> BackendResult<Vec<K::Work>> {
        let deadline = self.env().now() + taking.wait();
        let bells = &self.doorbell().bells;
        let notify = match K::BELL {
            Bell::Turns => &bells.turns,
            Bell::Activities => &bells.activities,
            Bell::Tracking => &bells.tracking,
        };
        loop {
            // Listens before it looks, so that what comes in between is heard.
            let rung = notify.notified();
            tokio::pin!(rung);
            rung.as_mut().enable();
            self.check_open(K::OPERATION)?;
            let found = self.look_around(taking).await?;
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
            let woken = async {
                tokio::select! {
                    biased;
                    () = rung => {}
                    () = self.env().sleep(pause) => {}
                }
            };
            let works = self.wait_for_gift(taking, woken).await;
            if !works.is_empty() {
                return Ok(works.take());
            }
        }
    }

    /// Waits until something wakes the call, or until a call of this process has brought what it
    /// asks for.
    async fn wait_for_gift<K: Taking>(
        &self,
        taking: &K,
        woken: impl Future<Output = ()> + Send,
    ) -> Loans<K::Work> {
        let Some(offers) = K::offers(self) else {
            woken.await;
            return self.no_loans();
        };
        let args = Args::of(K::script(), self.numbered(0));
        let mut made = offers.make(taking, taking.args(self, args, taking.max()));
        let (given, was_woken) = tokio::select! {
            biased;
            given = &mut made.given => (given, false),
            () = woken => {
                if offers.withdraw(&made) {
                    return self.no_loans();
                }
                // It comes with the answer of the call that has accepted the offer.
                (made.given.await, true)
            }
        };
        let Ok(given) = given else { return self.no_loans() };
        // Whoever goes away with work has not looked for what it was rung for.
        let mut pass_on = PassOn { backend: self, bell: was_woken.then_some(K::BELL) };
        let partition = self.numbered(given.home);
        let rest = taking.settle(self, partition, given.rest).await;
        if self.note_rest(taking, partition, given.rings, rest).is_none() {
            pass_on.bell = Some(K::BELL);
        }
        if given.works.is_empty() {
            pass_on.bell = None;
        }
        given.works
    }

    /// Looks at a partition.
    async fn look<K: Taking>(
        &self,
        taking: &K,
        home: &Partition,
        max: usize,
    ) -> BackendResult<Look<K::Work>> {
        let args = taking.args(self, Args::of(K::script(), home), max);
        self.check_open(K::OPERATION)?;
        let (works, rest) = self.lend(K::OPERATION, K::script(), args, K::read).await?;
        Ok(Look { works, rest: taking.settle(self, home, rest).await })
    }

    /// Notes what a look has left: until when there is nothing, or that there is more.
    fn note_rest<K: Taking>(
        &self,
        taking: &K,
        partition: &Partition,
        rings: u64,
        rest: LookRest,
    ) -> Option<Timestamp> {
        if rest.more {
            return None;
        }
        let trust = self.doorbell().trust();
        let until = self.env().now() + rest.next.unwrap_or(Duration::MAX).min(trust);
        self.doorbell().quiet(K::BELL, partition.home.number).emptied(
            rings,
            taking.queues(),
            until,
        );
        Some(until)
    }

    /// Looks at all partitions that may have something, until there is enough.
    async fn look_around<K: Taking>(&self, taking: &K) -> BackendResult<Found<K::Work>> {
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
            let quiet = self.doorbell().quiet(K::BELL, partition.home.number);
            match quiet.until(taking.queues(), now).filter(|_| taking.wait() > Duration::ZERO) {
                Some(until) => found.until = found.until.min(until),
                None => open.push(partition),
            }
        }
        found.all_failed = open.len() == all.len();
        // With one partition a look brings all that one call may take.
        let rounds_max = if all.len() == 1 { 1 } else { all.len() };
        let mut rounds = 0;
        while !open.is_empty() && found.works.len() < taking.max() && rounds < rounds_max {
            let max = taking.max() - found.works.len();
            let some: Vec<_> = open.drain(..open.len().min(max).min(AT_ONCE)).collect();
            let more = self.look_at(taking, max, &some, &mut found).await?;
            if !found.works.is_empty() {
                open.extend(more);
            }
            rounds += 1;
        }
        if !found.works.is_empty() && (found.until <= now || !open.is_empty()) {
            self.doorbell().ring_queue(K::BELL);
        }
        Ok(found)
    }

    /// Looks at some partitions once; those that have more.
    async fn look_at<'a, K: Taking>(
        &'a self,
        taking: &K,
        max: usize,
        partitions: &[&'a Partition],
        found: &mut Found<K::Work>,
    ) -> BackendResult<Vec<&'a Partition>> {
        let quiet = |p: &Partition| self.doorbell().quiet(K::BELL, p.home.number);
        let rings: Vec<u64> = partitions.iter().map(|p| quiet(p).rings()).collect();
        let mut pass_on = PassOn { backend: self, bell: Some(K::BELL) };
        let looks: Vec<BackendResult<Look<K::Work>>> = if let [only] = partitions
            && self.partitions().len() == 1
        {
            vec![Ok(self.look(taking, only, max).await?)]
        } else {
            let (share, over) = (max / partitions.len(), max % partitions.len());
            let looks = partitions.iter().enumerate().map(|(n, partition)| {
                let look = self.look(taking, partition, share + usize::from(n < over));
                let quiet = quiet(partition);
                async move {
                    let limit = if quiet.is_late() { LOOK_LIMIT_LATE } else { LOOK_LIMIT };
                    let looked = timeout(&**self.env(), limit, look).await;
                    quiet.set_late(looked.is_err());
                    looked.unwrap_or_else(|_| Err(late(K::OPERATION)))
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
                    let Some(until) = self.note_rest(taking, partition, rings, look.rest) else {
                        more.push(*partition);
                        continue;
                    };
                    until
                }
                Err(error) => {
                    tracing::debug!(%error, partition = partition.home.number, "cannot look for work");
                    found.failure = Some(error);
                    quiet(partition).emptied(rings, taking.queues(), now + REST);
                    now + REST
                }
            };
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
