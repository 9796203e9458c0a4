//! Adapters that are right until two things meet.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_trait::async_trait;
use durable_core::backend::{
    AbandonOutcome, ActivityLease, ActivityWork, Backend, BackendResult, CommitOutcome,
    Disposition, Envelope, InboxMessage, InstanceRecord, OrchestrationStatus, ReceiveActivities,
    ReceiveTurns, SendOutcome, TurnCommit, TurnLease, TurnWork,
};
use durable_core::env::SharedEnv;
use durable_core::ids::{ExecutionId, InstanceId, LeaseToken, MessageId};
use durable_core::time::Timestamp;

use super::Memory;
use crate::tamper::Tamper;

/// Drops a creating message that finds another generation alive.
pub(super) struct CreatesOrNothing;

#[async_trait]
impl Tamper for CreatesOrNothing {
    async fn send(
        &self,
        inner: &dyn Backend,
        envelopes: Vec<Envelope>,
    ) -> Vec<BackendResult<SendOutcome>> {
        let mut answers = Vec::new();
        for envelope in envelopes {
            let found = inner.read_records(vec![envelope.target.clone()]).await.pop();
            let other = found.and_then(Result::ok).flatten().is_some_and(|record| {
                let alive = !record.status.is_terminal()
                    && record.status != OrchestrationStatus::AwaitingStart;
                alive && envelope.execution.is_some_and(|e| e != record.execution)
            });
            if other && envelope.creates.is_some() {
                answers.push(Ok(SendOutcome::Accepted));
            } else {
                answers.extend(inner.send(vec![envelope]).await);
            }
        }
        answers
    }
}

/// Giving back for later writes over the hold.
#[derive(Default)]
pub(super) struct DelaysEndHolds {
    sent: Memory<Vec<Envelope>>,
    given_back: Memory<BTreeSet<InstanceId>>,
}

#[async_trait]
impl Tamper for DelaysEndHolds {
    fn on_send(&self, envelope: Envelope) -> Envelope {
        self.sent.lock().push(envelope.clone());
        envelope
    }

    fn on_turns(&self, mut works: Vec<TurnWork>) -> Vec<TurnWork> {
        let (sent, given_back) = (self.sent.lock(), self.given_back.lock());
        for work in works.iter_mut().filter(|w| given_back.contains(&w.lease.instance)) {
            let known: BTreeSet<_> = work.messages.iter().map(|m| m.id).collect();
            let held = sent.iter().filter(|e| e.target == work.lease.instance);
            work.messages.extend(held.filter(|e| !known.contains(&e.id)).map(|e| InboxMessage {
                id: e.id,
                enqueued_at: Timestamp::EPOCH,
                body: e.body.clone(),
            }));
        }
        works
    }

    async fn abandon_turns(
        &self,
        inner: &dyn Backend,
        leases: Vec<TurnLease>,
        delay: Duration,
    ) -> Vec<BackendResult<AbandonOutcome>> {
        if !delay.is_zero() {
            self.given_back.lock().extend(leases.iter().map(|l| l.instance.clone()));
        }
        inner.abandon_turns(leases, delay).await
    }
}

/// Finds some of what comes back when leases end, and never the rest.
#[derive(Default)]
pub(super) struct FindsSomeEnded {
    /// All that come back at the first time, or the first of them.
    pub(super) all_at_first: bool,
    turns: Memory<bool>,
    tasks: Memory<bool>,
}

impl FindsSomeEnded {
    pub(super) fn first_time_only() -> Self {
        Self { all_at_first: true, ..Self::default() }
    }

    fn keep<T>(&self, found: &Memory<bool>, works: Vec<T>, delivery: fn(&T) -> u32) -> Vec<T> {
        let mut found = found.lock();
        let (before, mut now) = (*found, false);
        let kept = works.into_iter().filter(|work| {
            let again = delivery(work) > 1;
            let keep = !again || (!before && (self.all_at_first || !now));
            now |= again;
            keep
        });
        let kept = kept.collect();
        *found |= now;
        kept
    }
}

impl Tamper for FindsSomeEnded {
    fn on_turns(&self, works: Vec<TurnWork>) -> Vec<TurnWork> {
        self.keep(&self.turns, works, |work| work.delivery)
    }

    fn on_activities(&self, works: Vec<ActivityWork>) -> Vec<ActivityWork> {
        self.keep(&self.tasks, works, |work| work.delivery)
    }
}

/// Cancels what is queued, and not what waits for its time.
#[derive(Default)]
pub(super) struct CancelsTheQueued(Memory<BTreeSet<MessageId>>);

#[async_trait]
impl Tamper for CancelsTheQueued {
    fn on_commit(&self, mut commit: TurnCommit) -> TurnCommit {
        let mut waiting = self.0.lock();
        waiting.extend(commit.activities.iter().filter(|t| t.visible_at.is_some()).map(|t| t.id));
        commit.cancelled.retain(|id| !waiting.contains(id));
        commit
    }

    async fn abandon_activities(
        &self,
        inner: &dyn Backend,
        leases: Vec<ActivityLease>,
        delay: Duration,
    ) -> Vec<BackendResult<AbandonOutcome>> {
        if !delay.is_zero() {
            self.0.lock().extend(leases.iter().map(|l| l.task));
        }
        inner.abandon_activities(leases, delay).await
    }
}

/// Tasks that wait for their time outlive the execution that scheduled them.
pub(super) struct DelayedTasksOutlive {
    env: SharedEnv,
    waiting: Memory<Vec<Envelope>>,
    orphans: Memory<Vec<Envelope>>,
    ends: fn(&TurnCommit) -> bool,
}

impl DelayedTasksOutlive {
    pub(super) fn new(env: SharedEnv, ends: fn(&TurnCommit) -> bool) -> Self {
        Self { env, waiting: Memory::default(), orphans: Memory::default(), ends }
    }
}

pub(super) fn ends_the_instance(commit: &TurnCommit) -> bool {
    commit.record.as_ref().is_some_and(|record| record.status.is_terminal())
}

pub(super) fn ends_the_generation(commit: &TurnCommit) -> bool {
    commit.next.is_some()
}

#[async_trait]
impl Tamper for DelayedTasksOutlive {
    fn on_commit(&self, commit: TurnCommit) -> TurnCommit {
        let mut waiting = self.waiting.lock();
        if (self.ends)(&commit) {
            self.orphans.lock().append(&mut waiting);
        }
        waiting.extend(commit.activities.iter().filter(|t| t.visible_at.is_some()).cloned());
        drop(waiting);
        commit
    }

    async fn receive_activities(
        &self,
        inner: &dyn Backend,
        request: ReceiveActivities,
    ) -> BackendResult<Vec<ActivityWork>> {
        let mut works = inner.receive_activities(request).await?;
        let now = self.env.now();
        let mut orphans = self.orphans.lock();
        let due = orphans.iter().position(|task| task.visible_at.is_some_and(|at| at <= now));
        works.extend(due.map(|at| orphans.remove(at)).map(|task| ActivityWork {
            lease: ActivityLease { task: task.id, instance: task.target, token: LeaseToken(1) },
            execution: task.execution.unwrap_or(ExecutionId(0)),
            delivery: 1,
            enqueued_at: now,
            progress: None,
            body: task.body,
        }));
        Ok(works)
    }
}

/// A commit keeps something of the record that is there.
pub(super) struct KeepsOfRecord(pub(super) fn(&mut InstanceRecord, &InstanceRecord));

#[async_trait]
impl Tamper for KeepsOfRecord {
    async fn commit_turns(
        &self,
        inner: &dyn Backend,
        mut commits: Vec<TurnCommit>,
    ) -> Vec<BackendResult<CommitOutcome>> {
        let ids = commits.iter().map(|c| c.lease.instance.clone()).collect();
        let records = inner.read_records(ids).await;
        for (commit, old) in commits.iter_mut().zip(records) {
            if let (Some(record), Ok(Some(old))) = (&mut commit.record, old) {
                (self.0)(record, &old);
            }
        }
        inner.commit_turns(commits).await
    }
}

/// A commit that holds its instance is not recognised when it is repeated.
#[derive(Default)]
pub(super) struct ForgetsHolds(Memory<BTreeSet<u128>>);

#[async_trait]
impl Tamper for ForgetsHolds {
    async fn commit_turns(
        &self,
        inner: &dyn Backend,
        commits: Vec<TurnCommit>,
    ) -> Vec<BackendResult<CommitOutcome>> {
        let holds = |c: &TurnCommit| matches!(c.disposition, Disposition::Hold { .. });
        let tokens: Vec<_> = commits.iter().map(|c| holds(c).then_some(c.lease.token.0)).collect();
        let answers = inner.commit_turns(commits).await;
        let mut seen = self.0.lock();
        let again: Vec<bool> =
            tokens.into_iter().map(|token| token.is_some_and(|t| !seen.insert(t))).collect();
        drop(seen);
        let lost = |(answer, again)| if again { Ok(CommitOutcome::LeaseLost) } else { answer };
        answers.into_iter().zip(again).map(lost).collect()
    }
}

/// Who does not keep one history keeps none.
#[derive(Default)]
pub(super) struct DropsAllHistories(Memory<BTreeSet<InstanceId>>);

#[async_trait]
impl Tamper for DropsAllHistories {
    fn on_commit(&self, commit: TurnCommit) -> TurnCommit {
        if commit.next.as_ref().is_some_and(|next| !next.keep_history) {
            self.0.lock().insert(commit.lease.instance.clone());
        }
        commit
    }

    async fn executions(
        &self,
        inner: &dyn Backend,
        instance: &InstanceId,
    ) -> BackendResult<Vec<ExecutionId>> {
        let mut executions = inner.executions(instance).await?;
        if self.0.lock().contains(instance) {
            executions.drain(..executions.len().saturating_sub(1));
        }
        Ok(executions)
    }
}

/// Hands out an instance when a hold or a delay would have ended, also if it was over before.
pub(super) struct WakesAtOldTimes {
    env: SharedEnv,
    wakes: Memory<BTreeMap<InstanceId, Timestamp>>,
}

impl WakesAtOldTimes {
    pub(super) fn new(env: SharedEnv) -> Self {
        Self { env, wakes: Memory::default() }
    }
}

#[async_trait]
impl Tamper for WakesAtOldTimes {
    fn on_commit(&self, commit: TurnCommit) -> TurnCommit {
        if let Disposition::Hold { until: Some(until) } = commit.disposition {
            self.wakes.lock().insert(commit.lease.instance.clone(), until);
        }
        commit
    }

    async fn abandon_turns(
        &self,
        inner: &dyn Backend,
        leases: Vec<TurnLease>,
        delay: Duration,
    ) -> Vec<BackendResult<AbandonOutcome>> {
        let until = self.env.now() + delay;
        self.wakes.lock().extend(leases.iter().map(|l| (l.instance.clone(), until)));
        inner.abandon_turns(leases, delay).await
    }

    async fn receive_turns(
        &self,
        inner: &dyn Backend,
        request: ReceiveTurns,
    ) -> BackendResult<Vec<TurnWork>> {
        let mut works = inner.receive_turns(request).await?;
        let now = self.env.now();
        let mut wakes = self.wakes.lock();
        let due = wakes.iter().find(|(_, at)| **at <= now).map(|(id, _)| id.clone());
        if let Some(instance) = due.filter(|_| works.is_empty()) {
            wakes.remove(&instance);
            works.push(TurnWork {
                lease: TurnLease { instance, token: LeaseToken(1) },
                execution: ExecutionId(0),
                events: 1,
                messages: Vec::new(),
                delivery: 1,
                committed: None,
            });
        }
        Ok(works)
    }
}

/// A task that is given back is queued as if it were new.
pub(super) struct QueuedAnew {
    env: SharedEnv,
    given_back: Memory<BTreeMap<MessageId, Timestamp>>,
}

impl QueuedAnew {
    pub(super) fn new(env: SharedEnv) -> Self {
        Self { env, given_back: Memory::default() }
    }
}

#[async_trait]
impl Tamper for QueuedAnew {
    fn on_activities(&self, mut works: Vec<ActivityWork>) -> Vec<ActivityWork> {
        for work in &mut works {
            if let Some(at) = self.given_back.lock().get(&work.lease.task) {
                work.enqueued_at = *at;
            }
        }
        works
    }

    async fn abandon_activities(
        &self,
        inner: &dyn Backend,
        leases: Vec<ActivityLease>,
        delay: Duration,
    ) -> Vec<BackendResult<AbandonOutcome>> {
        let now = self.env.now();
        self.given_back.lock().extend(leases.iter().map(|l| (l.task, now)));
        inner.abandon_activities(leases, delay).await
    }
}

/// Some of what clients sent ends with the generation that it found.
pub(super) struct EndsWithGeneration {
    which: fn(&Envelope) -> bool,
    sent: Memory<Vec<(InstanceId, MessageId)>>,
}

impl EndsWithGeneration {
    pub(super) fn new(which: fn(&Envelope) -> bool) -> Self {
        Self { which, sent: Memory::default() }
    }
}

impl Tamper for EndsWithGeneration {
    fn on_send(&self, envelope: Envelope) -> Envelope {
        if (self.which)(&envelope) {
            self.sent.lock().push((envelope.target.clone(), envelope.id));
        }
        envelope
    }

    fn on_commit(&self, mut commit: TurnCommit) -> TurnCommit {
        if commit.next.is_some() {
            let sent = self.sent.lock();
            let own = sent.iter().filter(|(id, _)| *id == commit.lease.instance);
            commit.cancelled.extend(own.map(|(_, id)| *id));
        }
        commit
    }
}
