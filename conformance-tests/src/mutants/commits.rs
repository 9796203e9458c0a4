//! Adapters that commit wrongly.

use std::collections::BTreeMap;

use async_trait::async_trait;
use durable_core::backend::{
    ActivityCommit, Backend, BackendResult, CommitOutcome, Disposition, Envelope, ReceiveTurns,
    TurnCommit, TurnWork,
};
use durable_core::ids::{InstanceId, LeaseToken, MessageId, QueueName};
use durable_core::time::Timestamp;

use super::Memory;
use crate::tamper::Tamper;

/// Changes every commit by a function.
pub(super) struct Changed(pub(super) fn(&mut TurnCommit));

impl Tamper for Changed {
    fn on_commit(&self, mut commit: TurnCommit) -> TurnCommit {
        (self.0)(&mut commit);
        commit
    }
}

pub(super) fn drop_messages(commit: &mut TurnCommit) {
    commit.messages.clear();
}

pub(super) fn drop_activities(commit: &mut TurnCommit) {
    commit.activities.clear();
}

pub(super) fn drop_record(commit: &mut TurnCommit) {
    commit.record = None;
}

pub(super) fn drop_events(commit: &mut TurnCommit) {
    commit.chunk = None;
}

pub(super) fn drop_tracking(commit: &mut TurnCommit) {
    commit.tracking = None;
}

pub(super) fn drop_generation(commit: &mut TurnCommit) {
    commit.next = None;
}

pub(super) fn forget_generations(commit: &mut TurnCommit) {
    if let Some(next) = &mut commit.next {
        next.keep_history = false;
    }
}

pub(super) fn cancel_nothing(commit: &mut TurnCommit) {
    commit.cancelled.clear();
}

pub(super) fn consume_nothing(commit: &mut TurnCommit) {
    commit.consumed.clear();
}

pub(super) fn hold_nothing(commit: &mut TurnCommit) {
    commit.disposition = Disposition::Ready;
}

pub(super) fn one_queue(commit: &mut TurnCommit) {
    for task in &mut commit.activities {
        task.queue = QueueName::default();
    }
}

pub(super) fn early_timers(commit: &mut TurnCommit) {
    for message in &mut commit.messages {
        message.visible_at =
            message.visible_at.map(|at| Timestamp::from_micros(at.as_micros().saturating_sub(1)));
    }
}

pub(super) fn timers_at_once(commit: &mut TurnCommit) {
    for message in &mut commit.messages {
        message.visible_at = None;
    }
}

pub(super) fn any_generation(commit: &mut TurnCommit) {
    for message in &mut commit.messages {
        message.execution = None;
    }
}

pub(super) fn reversed(commit: &mut TurnCommit) {
    commit.messages.reverse();
}

/// Answers that it was applied, and does nothing.
pub(super) struct AckOnly;

#[async_trait]
impl Tamper for AckOnly {
    async fn commit_turns(
        &self,
        _: &dyn Backend,
        commits: Vec<TurnCommit>,
    ) -> Vec<BackendResult<CommitOutcome>> {
        commits.iter().map(|_| Ok(CommitOutcome::Applied)).collect()
    }
}

/// Answers that a completion was applied, and does nothing.
pub(super) struct AckActivityOnly;

#[async_trait]
impl Tamper for AckActivityOnly {
    async fn commit_activities(
        &self,
        _: &dyn Backend,
        commits: Vec<ActivityCommit>,
    ) -> Vec<BackendResult<CommitOutcome>> {
        commits.iter().map(|_| Ok(CommitOutcome::Applied)).collect()
    }
}

/// Lets any holder commit, whatever its token.
#[derive(Default)]
pub(super) struct NoFence(Memory<BTreeMap<InstanceId, LeaseToken>>);

#[async_trait]
impl Tamper for NoFence {
    fn on_turns(&self, works: Vec<TurnWork>) -> Vec<TurnWork> {
        let mut tokens = self.0.lock();
        for work in &works {
            tokens.insert(work.lease.instance.clone(), work.lease.token);
        }
        works
    }

    fn on_commit(&self, mut commit: TurnCommit) -> TurnCommit {
        if let Some(token) = self.0.lock().get(&commit.lease.instance) {
            commit.lease.token = *token;
        }
        commit
    }
}

/// Does not look at the history length: a commit of an older state is applied.
#[derive(Default)]
pub(super) struct NoVersion(Memory<BTreeMap<InstanceId, u64>>);

#[async_trait]
impl Tamper for NoVersion {
    fn on_turns(&self, works: Vec<TurnWork>) -> Vec<TurnWork> {
        let mut lengths = self.0.lock();
        for work in &works {
            lengths.insert(work.lease.instance.clone(), work.events);
        }
        works
    }

    fn on_commit(&self, mut commit: TurnCommit) -> TurnCommit {
        if let Some(events) = self.0.lock().get(&commit.lease.instance) {
            commit.expected_events = *events;
        }
        commit
    }
}

/// Sends the messages of a repeated commit again.
#[derive(Default)]
pub(super) struct TwiceApplied(Memory<Vec<LeaseToken>>);

#[async_trait]
impl Tamper for TwiceApplied {
    async fn commit_turns(
        &self,
        inner: &dyn Backend,
        commits: Vec<TurnCommit>,
    ) -> Vec<BackendResult<CommitOutcome>> {
        let again = |e: &Envelope| Envelope {
            id: MessageId { source: e.id.source ^ 1, seq: e.id.seq },
            ..e.clone()
        };
        let repeated: Vec<Envelope> = {
            let mut seen = self.0.lock();
            let known: Vec<bool> = commits.iter().map(|c| seen.contains(&c.lease.token)).collect();
            seen.extend(commits.iter().map(|c| c.lease.token));
            let repeated = commits.iter().zip(known).filter(|(_, known)| *known);
            repeated.flat_map(|(c, _)| c.messages.iter().map(again)).collect()
        };
        let answers = inner.commit_turns(commits).await;
        inner.send(repeated).await;
        answers
    }
}

/// Answers a repeated commit with a lost lease: the caller cannot know that it was applied.
#[derive(Default)]
pub(super) struct RepeatIsLost(Memory<Vec<LeaseToken>>);

#[async_trait]
impl Tamper for RepeatIsLost {
    async fn commit_turns(
        &self,
        inner: &dyn Backend,
        commits: Vec<TurnCommit>,
    ) -> Vec<BackendResult<CommitOutcome>> {
        let tokens: Vec<_> = commits.iter().map(|c| c.lease.token).collect();
        let answers = inner.commit_turns(commits).await;
        let mut seen = self.0.lock();
        let known: Vec<bool> = tokens.iter().map(|t| seen.contains(t)).collect();
        seen.extend(tokens);
        let lost = |(answer, known)| if known { Ok(CommitOutcome::LeaseLost) } else { answer };
        answers.into_iter().zip(known).map(lost).collect()
    }
}

/// One lost lease fails the whole batch.
pub(super) struct BatchPoison;

#[async_trait]
impl Tamper for BatchPoison {
    async fn commit_turns(
        &self,
        inner: &dyn Backend,
        commits: Vec<TurnCommit>,
    ) -> Vec<BackendResult<CommitOutcome>> {
        let answers = inner.commit_turns(commits).await;
        if answers.iter().any(|a| matches!(a, Ok(CommitOutcome::LeaseLost))) {
            return answers.iter().map(|_| Ok(CommitOutcome::LeaseLost)).collect();
        }
        answers
    }
}

/// Removes also the messages that arrived during the turn.
#[derive(Default)]
pub(super) struct ConsumesAll(Memory<Vec<MessageId>>);

#[async_trait]
impl Tamper for ConsumesAll {
    fn on_send(&self, envelope: Envelope) -> Envelope {
        self.0.lock().push(envelope.id);
        envelope
    }

    fn on_commit(&self, mut commit: TurnCommit) -> TurnCommit {
        if !commit.consumed.is_empty() {
            commit.consumed.extend(self.0.lock().iter().copied());
        }
        commit
    }
}

/// Hands out all that is ready, however few were asked for.
pub(super) struct MoreThanAsked;

#[async_trait]
impl Tamper for MoreThanAsked {
    async fn receive_turns(
        &self,
        inner: &dyn Backend,
        request: ReceiveTurns,
    ) -> BackendResult<Vec<TurnWork>> {
        inner.receive_turns(ReceiveTurns { max: usize::MAX, ..request }).await
    }
}
