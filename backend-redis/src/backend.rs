//! One task hub: the backend value and its two atomic commits.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use durable_core::backend::sealed::Decoded;
use durable_core::backend::{
    ActivityCommit, Backend, BackendError, BackendErrorKind, BackendResult, Capabilities,
    CommitOutcome, Durability, TurnCommit,
};
use durable_core::env::SharedEnv;
use durable_core::ids::{HubName, InstanceId};
use parking_lot::Mutex;
use redis::Value;
use tokio::sync::watch;

use crate::args::Args;
use crate::config::RedisDurability;
use crate::doorbell::{Doorbell, Listener};
use crate::error::Effect;
use crate::grouped::Verb;
use crate::large_commit;
use crate::link::{Call, Link};
use crate::loans::{Followed, Lent, Loans, Returns};
use crate::offers::AllOffers;
use crate::partition::{self, Partition};
use crate::relay::{Relay, Route, Routes};
use crate::reply::{self, Reply, outcome};
use crate::scripts::{SCRIPTS, Script};

/// What `commit_turn.lua` answers, but for staged parts that are missing.
pub(crate) const TURN_OUTCOMES: [CommitOutcome; 3] =
    [CommitOutcome::Applied, CommitOutcome::LeaseLost, CommitOutcome::Conflict];

/// What `commit_activity.lua` answers.
pub(crate) const ACTIVITY_OUTCOMES: [CommitOutcome; 2] =
    [CommitOutcome::Applied, CommitOutcome::LeaseLost];

/// What the loss of power may cost with `everysec`: what was held back, and what was not flushed.
const EVERY_SECOND: Duration = Duration::from_secs(3);

/// A task hub on a Redis server.
pub struct RedisBackend {
    link: Link,
    partitions: Arc<[Partition]>,
    hub: HubName,
    env: SharedEnv,
    capabilities: Capabilities,
    doorbell: Arc<Doorbell>,
    /// Outboxes that have something for other partitions.
    pub(crate) routes: Arc<Routes>,
    returns: Returns,
    /// What waiting calls ask for.
    pub(crate) offers: AllOffers,
    closed: AtomicBool,
    /// Which partition is looked at first.
    pub(crate) turn: AtomicUsize,
    /// Dropped to end the task that listens.
    listening: Mutex<Option<watch::Sender<()>>>,
}

impl fmt::Debug for RedisBackend {
    /// Shows no content: payloads may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisBackend").field("hub", &self.hub).finish_non_exhaustive()
    }
}

impl RedisBackend {
    /// What a hub of so many partitions on servers of that durability can do.
    pub const fn capabilities(durability: RedisDurability, partitions: u16) -> Capabilities {
        let mut capabilities = Capabilities::new("redis");
        capabilities.durability = match durability {
            // It outlives every worker, but nothing of it is on a disk.
            RedisDurability::None => Durability::PowerLossWindow(Duration::MAX),
            RedisDurability::EverySecond => Durability::PowerLossWindow(EVERY_SECOND),
            RedisDurability::Always => Durability::PowerLoss,
        };
        capabilities.push = true;
        capabilities.multi_process = true;
        // Messages to other partitions follow after the commit.
        capabilities.instant_delivery = partitions <= 1;
        capabilities.indexes_itself = true;
        capabilities.consistent_listing = true;
        capabilities
    }

    pub(crate) fn open(
        link: Link,
        (prefix, hub, partitions): (&str, &HubName, u16),
        env: SharedEnv,
        durability: RedisDurability,
    ) -> Self {
        let count = partitions;
        let partitions: Arc<[Partition]> =
            Partition::all(prefix, hub, partitions, link.is_cluster()).into();
        let doorbell = Arc::new(Doorbell::new(partitions.len()));
        let (stop, stopped) = watch::channel(());
        let relay_stopped = stopped.clone();
        let listener = Listener {
            link: link.clone(),
            channels: partitions.iter().map(|p| [p.base.as_slice(), b"bell"].concat()).collect(),
            doorbell: Arc::clone(&doorbell),
            env: Arc::clone(&env),
            stop: stopped,
        };
        env.spawn(Box::pin(listener.run()));
        let routes = Arc::new(Routes::default());
        if partitions.len() > 1 {
            let (link, partitions, routes) = (link.clone(), partitions.clone(), routes.clone());
            env.spawn(Box::pin(Relay { link, partitions, routes, stop: relay_stopped }.run()));
        }
        Self {
            returns: Returns::new(&link, &partitions, &env),
            link,
            partitions,
            hub: hub.clone(),
            env,
            capabilities: Self::capabilities(durability, count),
            routes,
            doorbell,
            offers: AllOffers::default(),
            closed: AtomicBool::new(false),
            turn: AtomicUsize::new(0),
            listening: Mutex::new(Some(stop)),
        }
    }

    pub(crate) fn env(&self) -> &SharedEnv {
        &self.env
    }

    pub(crate) fn link(&self) -> &Link {
        &self.link
    }

    pub(crate) fn returns(&self) -> &Returns {
        &self.returns
    }

    pub(crate) fn doorbell(&self) -> &Doorbell {
        &self.doorbell
    }

    pub(crate) fn partitions(&self) -> &[Partition] {
        &self.partitions
    }

    pub(crate) fn numbered(&self, number: u16) -> &Partition {
        &self.partitions[usize::from(number)]
    }

    fn number_of(&self, instance: &InstanceId) -> u16 {
        // There are never more than `PARTITIONS_MAX`.
        partition::number_of(instance, u16::try_from(self.partitions.len()).unwrap_or(1))
    }

    /// Where an instance lives.
    pub(crate) fn partition(&self, instance: &InstanceId) -> &Partition {
        &self.partitions[usize::from(self.number_of(instance))]
    }

    pub(crate) fn check_open(&self, operation: &'static str) -> BackendResult<()> {
        if self.closed.load(Ordering::Acquire) {
            return Err(closed(operation));
        }
        Ok(())
    }

    /// The call of a script where an instance lives.
    pub(crate) fn args(&self, script: &Script, instance: &InstanceId) -> Args {
        Args::of(script, self.partition(instance))
    }

    /// Which outboxes the commits put something into.
    fn routes_of(&self, commits: &[TurnCommit]) -> Vec<Route> {
        if self.partitions.len() == 1 {
            return Vec::new();
        }
        let of = |c: &TurnCommit| {
            let home = self.partition(&c.lease.instance);
            let targets: Vec<u16> =
                c.messages.iter().filter_map(|m| home.home.elsewhere(&m.target)).collect();
            targets.into_iter().map(|target| (home.home.number, target))
        };
        commits.iter().flat_map(of).collect()
    }

    /// Twelve random bytes, of which a script makes the tokens of one batch.
    pub(crate) fn seed(&self) -> [u8; 12] {
        let mut seed = [0; 12];
        seed.copy_from_slice(&self.env.random_u128().to_le_bytes()[..12]);
        seed
    }

    /// Calls a script once, unless the hub is closed.
    pub(crate) async fn call(
        &self,
        operation: &'static str,
        effect: Effect,
        script: &Script,
        call: Args,
    ) -> BackendResult<Value> {
        self.check_open(operation)?;
        self.link.call(operation, effect, script, call.into_call()).await
    }

    /// Nothing on loan yet.
    pub(crate) fn no_loans<T: Lent>(&self) -> Loans<T> {
        Loans::new(Vec::new(), self.returns.clone())
    }

    /// Calls a script that hands out work; when the one who asks is gone by then, the work goes
    /// back. `read` reads the answer: the work, and what else is in it.
    pub(crate) fn lend<T: Lent, R: Send + 'static>(
        &self,
        operation: &'static str,
        script: &'static Script,
        args: Args,
        read: fn(Reply) -> Decoded<(Vec<T>, R)>,
    ) -> Followed<BackendResult<(Loans<T>, R)>> {
        let (link, returns, call) = (self.link.clone(), self.returns.clone(), args.into_call());
        self.returns.followed(async move {
            let answer = link.call(operation, Effect::Writes, script, call).await?;
            let reply = Reply::new(operation, answer)?;
            let (works, rest) = reply::read(operation, "an answer", read(reply))?;
            Ok((Loans::new(works, returns), rest))
        })
    }

    /// Calls a script for each item of a batch in one round trip; an answer of a number stands
    /// for one of `outcomes`.
    pub(crate) async fn each<I, T: Copy>(
        &self,
        operation: &'static str,
        script: &Script,
        items: &[I],
        outcomes: &[T],
        args: impl Fn(&I) -> Args,
    ) -> Vec<BackendResult<T>> {
        let calls: Vec<Call> = items.iter().map(|item| args(item).into_call()).collect();
        let answers = self.all(operation, Effect::Writes, script, calls).await;
        let read = |answer: BackendResult<Value>| outcome(operation, &answer?, outcomes);
        answers.into_iter().map(read).collect()
    }

    /// Calls a script many times, unless the hub is closed.
    pub(crate) async fn all(
        &self,
        operation: &'static str,
        effect: Effect,
        script: &Script,
        calls: Vec<Call>,
    ) -> Vec<BackendResult<Value>> {
        if self.check_open(operation).is_err() {
            return calls.iter().map(|_| Err(closed(operation))).collect();
        }
        self.link.call_all(operation, effect, script, calls).await
    }
}

/// Tells the relay of outboxes when a commit ends, however it ends.
struct Announce<'a> {
    routes: &'a Routes,
    of: Vec<Route>,
}

impl Drop for Announce<'_> {
    fn drop(&mut self) {
        self.routes.add(self.of.drain(..));
    }
}

fn closed(operation: &'static str) -> BackendError {
    BackendError::new(BackendErrorKind::Closed, operation, "the backend was closed")
}

#[async_trait]
impl Backend for RedisBackend {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn hub(&self) -> &HubName {
        &self.hub
    }

    async fn commit_turns(&self, commits: Vec<TurnCommit>) -> Vec<BackendResult<CommitOutcome>> {
        let mut outcomes: Vec<Option<BackendResult<CommitOutcome>>> = Vec::new();
        outcomes.resize_with(commits.len(), || None);
        // Before the outcome is known, because the call may be dropped; the relay's own call mostly
        // comes behind on the same connection, and whoever receives makes up for one that does not.
        let _announce = Announce { routes: &self.routes, of: self.routes_of(&commits) };
        if let [one] = commits.as_slice()
            && let Some(outcome) = self.turn_along(one).await
        {
            return vec![outcome];
        }
        let (large, small): (Vec<_>, Vec<_>) =
            commits.into_iter().enumerate().partition(|(_, c)| large_commit::is_large(c));
        let is_end = |c: &TurnCommit| c.record.as_ref().is_some_and(|r| r.status.is_terminal());
        let ended = small.iter().filter(|(_, c)| is_end(c)).map(|(_, c)| c.lease.instance.clone());
        let ended: Vec<InstanceId> = ended.collect();
        let verb = Verb {
            operation: "commit_turns",
            one: &SCRIPTS.commit_turn,
            several: &SCRIPTS.commit_turns,
            outcomes: &TURN_OUTCOMES,
        };
        let weight = |c: &(usize, TurnCommit)| large_commit::weight(&c.1);
        let home = |c: &(usize, TurnCommit)| self.partition(&c.1.lease.instance);
        let answers = self.grouped(&verb, &small, home, weight, |args, c| args.turn(&c.1, 0));
        let answers = self.looked_behind(&ended, answers).await;
        for ((n, _), answer) in small.iter().zip(answers) {
            outcomes[*n] = Some(answer);
        }
        for (n, commit) in large {
            outcomes[n] = Some(self.commit_large(commit).await);
        }
        outcomes.into_iter().flatten().collect()
    }

    async fn commit_activities(
        &self,
        commits: Vec<ActivityCommit>,
    ) -> Vec<BackendResult<CommitOutcome>> {
        if let [one] = commits.as_slice()
            && let Some(outcome) = self.activity_along(one).await
        {
            return vec![outcome];
        }
        let verb = Verb {
            operation: "commit_activities",
            one: &SCRIPTS.commit_activity,
            several: &SCRIPTS.commit_activities,
            outcomes: &ACTIVITY_OUTCOMES,
        };
        let home = |c: &ActivityCommit| self.partition(&c.lease.instance);
        self.grouped(&verb, &commits, home, |_| 1, Args::completion).await
    }

    async fn close(&self) -> BackendResult<()> {
        self.closed.store(true, Ordering::Release);
        drop(self.listening.lock().take());
        // Waiting calls come back with the error.
        self.doorbell.ring_all();
        Ok(())
    }
}
