//! Adapters whose queues lose, repeat, reorder or forget.

use std::time::Duration;

use async_trait::async_trait;
use durable_core::backend::{
    AbandonOutcome, ActivityCommit, ActivityLease, ActivityWork, Backend, BackendResult,
    CommitOutcome, CreateInstance, CreateOutcome, Envelope, ReceiveActivities, ReceiveTurns,
    RenewActivity, RenewOutcome, SendOutcome, TrackingLease, TurnLease, TurnWork,
};
use durable_core::env::SharedEnv;
use durable_core::ids::LeaseToken;

use super::Memory;
use crate::tamper::Tamper;

/// Changes turns that are handed out by a function.
pub(super) struct ChangedTurns(pub(super) fn(&mut TurnWork));

impl Tamper for ChangedTurns {
    fn on_turns(&self, mut works: Vec<TurnWork>) -> Vec<TurnWork> {
        works.iter_mut().for_each(self.0);
        works
    }
}

/// Changes tasks that are handed out by a function.
pub(super) struct ChangedTasks(pub(super) fn(&mut ActivityWork));

impl Tamper for ChangedTasks {
    fn on_activities(&self, mut works: Vec<ActivityWork>) -> Vec<ActivityWork> {
        works.iter_mut().for_each(self.0);
        works
    }
}

/// Changes what clients send by a function.
pub(super) struct ChangedSends(pub(super) fn(&mut Envelope));

impl Tamper for ChangedSends {
    fn on_send(&self, mut envelope: Envelope) -> Envelope {
        (self.0)(&mut envelope);
        envelope
    }
}

pub(super) fn newest_first(work: &mut TurnWork) {
    work.messages.reverse();
}

pub(super) fn turn_always_first_delivery(work: &mut TurnWork) {
    work.delivery = 1;
}

pub(super) fn task_always_first_delivery(work: &mut ActivityWork) {
    work.delivery = 1;
}

pub(super) fn no_progress(work: &mut ActivityWork) {
    work.progress = None;
}

pub(super) fn trimmed_bodies(work: &mut TurnWork) {
    for message in &mut work.messages {
        let end = message.body.iter().position(|b| *b == 0).unwrap_or(message.body.len());
        message.body.truncate(end);
    }
}

pub(super) fn any_generation(envelope: &mut Envelope) {
    if envelope.creates.is_none() {
        envelope.execution = None;
    }
}

pub(super) fn no_control(envelope: &mut Envelope) {
    envelope.control = false;
}

pub(super) fn send_at_once(envelope: &mut Envelope) {
    envelope.visible_at = None;
}

/// Stores a repeated message twice: every send gets an id of its own.
pub(super) struct NoDedupe(pub(super) SharedEnv);

impl Tamper for NoDedupe {
    fn on_send(&self, mut envelope: Envelope) -> Envelope {
        envelope.id.source ^= self.0.random_u128();
        envelope
    }
}

/// Accepts a batch of messages back to front.
pub(super) struct BatchBackwards;

#[async_trait]
impl Tamper for BatchBackwards {
    async fn send(
        &self,
        inner: &dyn Backend,
        mut envelopes: Vec<Envelope>,
    ) -> Vec<BackendResult<SendOutcome>> {
        envelopes.reverse();
        let mut answers = inner.send(envelopes).await;
        answers.reverse();
        answers
    }
}

/// Says yes to messages that it drops.
pub(super) struct PoliteDrop(pub(super) SendOutcome);

#[async_trait]
impl Tamper for PoliteDrop {
    async fn send(
        &self,
        inner: &dyn Backend,
        envelopes: Vec<Envelope>,
    ) -> Vec<BackendResult<SendOutcome>> {
        let polite = |outcome| if outcome == self.0 { SendOutcome::Accepted } else { outcome };
        inner.send(envelopes).await.into_iter().map(|answer| answer.map(polite)).collect()
    }
}

/// A waiting receive that sleeps through every bell: it looks, waits, and looks again. `look` never
/// waits.
pub(super) async fn deaf<T, F>(
    env: &SharedEnv,
    wait: Duration,
    look: impl Fn() -> F,
) -> BackendResult<Vec<T>>
where
    F: Future<Output = BackendResult<Vec<T>>>,
{
    let works = look().await?;
    if !works.is_empty() || wait.is_zero() {
        return Ok(works);
    }
    env.sleep(wait).await;
    look().await
}

/// A waiting receive of turns sleeps through every bell.
pub(super) struct DeafTurns(pub(super) SharedEnv);

#[async_trait]
impl Tamper for DeafTurns {
    async fn receive_turns(
        &self,
        inner: &dyn Backend,
        request: ReceiveTurns,
    ) -> BackendResult<Vec<TurnWork>> {
        let now = ReceiveTurns { wait: Duration::ZERO, ..request.clone() };
        deaf(&self.0, request.wait, || inner.receive_turns(now.clone())).await
    }
}

/// A waiting receive of tasks sleeps through every bell.
pub(super) struct DeafTasks(pub(super) SharedEnv);

#[async_trait]
impl Tamper for DeafTasks {
    async fn receive_activities(
        &self,
        inner: &dyn Backend,
        request: ReceiveActivities,
    ) -> BackendResult<Vec<ActivityWork>> {
        let now = ReceiveActivities { wait: Duration::ZERO, ..request.clone() };
        deaf(&self.0, request.wait, || inner.receive_activities(now.clone())).await
    }
}

/// Says that leases were renewed, and lets them end.
pub(super) struct RenewsNothing;

#[async_trait]
impl Tamper for RenewsNothing {
    async fn renew_turns(
        &self,
        _: &dyn Backend,
        leases: Vec<TurnLease>,
        _: Duration,
    ) -> Vec<BackendResult<RenewOutcome>> {
        leases.iter().map(|_| Ok(RenewOutcome::Renewed)).collect()
    }

    async fn renew_activities(
        &self,
        _: &dyn Backend,
        renewals: Vec<RenewActivity>,
    ) -> Vec<BackendResult<RenewOutcome>> {
        renewals.iter().map(|_| Ok(RenewOutcome::Renewed)).collect()
    }
}

/// Gives back at once, whatever the delay.
pub(super) struct NoDelay;

#[async_trait]
impl Tamper for NoDelay {
    async fn abandon_turns(
        &self,
        inner: &dyn Backend,
        leases: Vec<TurnLease>,
        _: Duration,
    ) -> Vec<BackendResult<AbandonOutcome>> {
        inner.abandon_turns(leases, Duration::ZERO).await
    }

    async fn abandon_activities(
        &self,
        inner: &dyn Backend,
        leases: Vec<ActivityLease>,
        _: Duration,
    ) -> Vec<BackendResult<AbandonOutcome>> {
        inner.abandon_activities(leases, Duration::ZERO).await
    }
}

/// Hands out a second time what is on loan.
#[derive(Default)]
pub(super) struct LendsTwice {
    turns: Memory<Vec<TurnWork>>,
    tasks: Memory<Vec<ActivityWork>>,
}

#[async_trait]
impl Tamper for LendsTwice {
    fn on_turns(&self, works: Vec<TurnWork>) -> Vec<TurnWork> {
        let mut lent = self.turns.lock();
        if works.is_empty() {
            return std::mem::take(&mut *lent);
        }
        lent.clone_from(&works);
        works
    }

    fn on_activities(&self, works: Vec<ActivityWork>) -> Vec<ActivityWork> {
        let mut lent = self.tasks.lock();
        if works.is_empty() {
            return std::mem::take(&mut *lent);
        }
        lent.clone_from(&works);
        works
    }
}

/// Lets any holder complete a task: the token is not looked at.
#[derive(Default)]
pub(super) struct NoTaskFence(Memory<Vec<ActivityLease>>);

#[async_trait]
impl Tamper for NoTaskFence {
    fn on_activities(&self, works: Vec<ActivityWork>) -> Vec<ActivityWork> {
        self.0.lock().extend(works.iter().map(|w| w.lease.clone()));
        works
    }

    fn on_completion(&self, mut commit: ActivityCommit) -> ActivityCommit {
        let leases = self.0.lock();
        let current = leases.iter().rev().find(|l| l.task == commit.lease.task);
        if let Some(current) = current {
            commit.lease.token = current.token;
        }
        commit
    }
}

/// Delivers a completion again when its commit is repeated.
#[derive(Default)]
pub(super) struct DeliversTwice(Memory<Vec<LeaseToken>>);

#[async_trait]
impl Tamper for DeliversTwice {
    async fn commit_activities(
        &self,
        inner: &dyn Backend,
        commits: Vec<ActivityCommit>,
    ) -> Vec<BackendResult<CommitOutcome>> {
        let repeated: Vec<Envelope> = {
            let mut seen = self.0.lock();
            let known = commits.iter().filter(|c| seen.contains(&c.lease.token));
            let repeated = known.map(|c| c.completion.clone()).collect();
            seen.extend(commits.iter().map(|c| c.lease.token));
            repeated
        };
        let answers = inner.commit_activities(commits).await;
        inner.send(repeated).await;
        answers
    }
}

/// Completes the task and forgets the message.
pub(super) struct LosesCompletions;

impl Tamper for LosesCompletions {
    fn on_completion(&self, mut commit: ActivityCommit) -> ActivityCommit {
        commit.completion.execution = Some(durable_core::ids::ExecutionId(0));
        commit
    }
}

/// Acknowledges tracking records and keeps them.
pub(super) struct KeepsTracking;

#[async_trait]
impl Tamper for KeepsTracking {
    async fn ack_tracking(
        &self,
        _: &dyn Backend,
        leases: Vec<TrackingLease>,
    ) -> Vec<BackendResult<AbandonOutcome>> {
        leases.iter().map(|_| Ok(AbandonOutcome::Done)).collect()
    }
}

/// Says that it created what was there already.
pub(super) struct Overwrites;

#[async_trait]
impl Tamper for Overwrites {
    async fn create_instances(
        &self,
        inner: &dyn Backend,
        requests: Vec<CreateInstance>,
    ) -> Vec<BackendResult<CreateOutcome>> {
        let answers = inner.create_instances(requests).await;
        answers.into_iter().map(|answer| answer.map(|_| CreateOutcome::Created)).collect()
    }
}

/// Starts at once what was to be started later.
pub(super) struct StartsAtOnce;

#[async_trait]
impl Tamper for StartsAtOnce {
    async fn create_instances(
        &self,
        inner: &dyn Backend,
        mut requests: Vec<CreateInstance>,
    ) -> Vec<BackendResult<CreateOutcome>> {
        for request in &mut requests {
            request.start.visible_at = None;
        }
        inner.create_instances(requests).await
    }
}
