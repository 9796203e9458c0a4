//! The two hubs of a sequence, and what is on loan of both.

use std::collections::BTreeMap;
use std::time::Duration;

use durable_core::backend::{ActivityWork, TurnWork};
use durable_core::ids::{ExecutionId, InstanceId, LeaseToken};
use durable_core::time::Timestamp;

use super::op::{Draw, Kind, Op};
use crate::check::Checked;
use crate::driver::{Hub, iid};

/// The instances of a sequence.
pub(super) const NAMES: [&str; 4] = ["a", "b", "c", "a/b"];

/// The same piece of work as both hubs handed it out.
#[derive(Debug, Clone)]
pub(super) struct Held<T> {
    pub(super) reference: T,
    pub(super) subject: T,
    /// When the leases end.
    pub(super) until: Timestamp,
}

/// The reference and the adapter under test, which get the same calls.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) reference: Hub,
    pub(super) subject: Hub,
    pub(super) turns: Vec<Held<TurnWork>>,
    /// Loans that are certainly over.
    pub(super) old_turns: Vec<Held<TurnWork>>,
    pub(super) tasks: Vec<Held<ActivityWork>>,
    pub(super) old_tasks: Vec<Held<ActivityWork>>,
    /// Tokens of applied commits, by the reference's.
    pub(super) committed: BTreeMap<LeaseToken, LeaseToken>,
    /// Every execution that there has been.
    pub(super) executions: Vec<(InstanceId, ExecutionId)>,
    /// Revisions at the last audit: the reference's and the subject's.
    pub(super) revisions: BTreeMap<InstanceId, (u64, u64)>,
    pub(super) actions: u64,
}

impl Pair {
    pub(super) async fn new(subject: Hub) -> Checked<Self> {
        let reference = subject.reference().await?;
        Ok(Self {
            reference,
            subject,
            turns: Vec::new(),
            old_turns: Vec::new(),
            tasks: Vec::new(),
            old_tasks: Vec::new(),
            committed: BTreeMap::new(),
            executions: Vec::new(),
            revisions: BTreeMap::new(),
            actions: 0,
        })
    }

    pub(super) async fn step(&mut self, op: Op) -> Checked {
        let draw = &mut Draw::new(op.seed);
        match op.kind {
            Kind::Create => self.create(draw).await,
            Kind::Send => self.send(draw, 1).await,
            Kind::SendTwice => self.send(draw, 2).await,
            Kind::ReceiveTurns => self.receive_turns(draw).await,
            Kind::CommitTurn => self.commit_turn(draw, 1).await,
            Kind::CommitTwice => self.commit_turn(draw, 2).await,
            Kind::CommitStale => self.commit_stale(draw).await,
            Kind::RenewTurn => self.renew_turn(draw).await,
            Kind::AbandonTurn => self.abandon_turn(draw).await,
            Kind::ReceiveTasks => self.receive_tasks(draw).await,
            Kind::Complete => self.complete(draw, 1).await,
            Kind::CompleteTwice => self.complete(draw, 2).await,
            Kind::CompleteStale => self.complete_stale(draw).await,
            Kind::RenewTask => self.renew_task(draw).await,
            Kind::AbandonTask => self.abandon_task(draw).await,
            Kind::Track => self.track().await,
            Kind::Purge => self.purge(draw).await,
            Kind::List => self.list(draw).await,
            Kind::Audit => self.audit().await,
            Kind::Time => self.pass(draw).await,
            Kind::Reopen => self.reopen(draw).await,
        }
    }

    pub(super) fn name(draw: &mut Draw) -> Checked<InstanceId> {
        iid(NAMES[draw.index(NAMES.len())])
    }

    /// Whether this step may set times.
    pub(super) fn has_time(&self) -> bool {
        self.subject.capabilities().injected_clock
    }

    /// A time that lies ahead, and is no other step's.
    pub(super) fn ahead(&mut self, draw: &mut Draw) -> Timestamp {
        self.actions += 1;
        let seconds = Duration::from_secs(1 + draw.below(100));
        self.subject.now() + seconds + Duration::from_micros(self.actions)
    }

    /// A lease, or a delay.
    pub(super) fn lease(&self, draw: &mut Draw) -> Duration {
        let timings = self.subject.timings();
        let short = self.has_time() && draw.percent(40);
        if short { timings.lease_short } else { timings.lease_long }
    }

    pub(super) fn delay(&self, draw: &mut Draw) -> Duration {
        let delayed = self.has_time() && draw.percent(50);
        if delayed { Duration::from_secs(1 + draw.below(90)) } else { Duration::ZERO }
    }

    /// Moves the clock. Everything whose time has come is handed out at once: who gets what is
    /// over, and what arrives before what, would otherwise be left to the adapter.
    async fn pass(&mut self, draw: &mut Draw) -> Checked {
        let steps = [1, 1_000, 31_000, 61_000, 3_600_000];
        let time = Duration::from_millis(steps[draw.index(steps.len())]);
        self.subject.pass(time).await;
        self.receive_turns(draw).await?;
        self.receive_tasks(draw).await?;
        let now = self.subject.now();
        // Over, and nobody else has it: an adapter may or may not take a late commit.
        self.turns.retain(|held| held.until > now);
        self.tasks.retain(|held| held.until > now);
        Ok(())
    }

    /// Gives everything back, then closes the hub or drops it, and opens it again. The reference
    /// has no other life.
    async fn reopen(&mut self, draw: &mut Draw) -> Checked {
        while !self.turns.is_empty() {
            self.give_back_turn(0, Duration::ZERO).await?;
        }
        while !self.tasks.is_empty() {
            self.give_back_task(0, Duration::ZERO).await?;
        }
        let subject = self.subject.clone();
        let kept = std::mem::replace(&mut self.subject, self.reference.clone());
        drop(kept);
        self.subject = if draw.percent(50) {
            subject.reopen().await?
        } else {
            subject.abandon_and_open().await?
        };
        self.audit().await
    }
}
