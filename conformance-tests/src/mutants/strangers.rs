//! Adapters as somebody might write them who read the contract in a hurry.

use std::time::Duration;

use async_trait::async_trait;
use durable_core::backend::{
    AbandonOutcome, ActivityCommit, ActivityLease, ActivityWork, Backend, BackendError,
    BackendErrorKind, BackendResult, CommitOutcome, CreateInstance, CreateOutcome, Envelope,
    HistoryPage, HistoryRead, InstanceQuery, InstanceRecord, PurgeOutcome, ReceiveActivities,
    ReceiveTracking, ReceiveTurns, RenewActivity, RenewOutcome, SendOutcome, TrackingWork,
    TurnCommit, TurnLease, TurnWork,
};
use durable_core::env::SharedEnv;
use durable_core::ids::{ExecutionId, InstanceId};
use durable_core::time::Timestamp;

use super::queues::deaf;
use crate::tamper::Tamper;

/// Changes what is asked for when work is received.
pub(super) struct ChangedRequests {
    pub(super) turns: fn(&mut ReceiveTurns),
    pub(super) tasks: fn(&mut ReceiveActivities),
    pub(super) tracking: fn(&mut ReceiveTracking),
}

/// Asks for what it was asked for.
pub(super) const AS_ASKED: ChangedRequests =
    ChangedRequests { turns: |_| (), tasks: |_| (), tracking: |_| () };

#[async_trait]
impl Tamper for ChangedRequests {
    async fn receive_turns(
        &self,
        inner: &dyn Backend,
        mut request: ReceiveTurns,
    ) -> BackendResult<Vec<TurnWork>> {
        (self.turns)(&mut request);
        inner.receive_turns(request).await
    }

    async fn receive_activities(
        &self,
        inner: &dyn Backend,
        mut request: ReceiveActivities,
    ) -> BackendResult<Vec<ActivityWork>> {
        (self.tasks)(&mut request);
        inner.receive_activities(request).await
    }

    async fn receive_tracking(
        &self,
        inner: &dyn Backend,
        mut request: ReceiveTracking,
    ) -> BackendResult<Vec<TrackingWork>> {
        (self.tracking)(&mut request);
        inner.receive_tracking(request).await
    }
}

/// Renews for another time than was asked for.
pub(super) struct RenewsFor(pub(super) fn(Duration) -> Duration);

#[async_trait]
impl Tamper for RenewsFor {
    async fn renew_turns(
        &self,
        inner: &dyn Backend,
        leases: Vec<TurnLease>,
        lease_for: Duration,
    ) -> Vec<BackendResult<RenewOutcome>> {
        inner.renew_turns(leases, (self.0)(lease_for)).await
    }

    async fn renew_activities(
        &self,
        inner: &dyn Backend,
        mut renewals: Vec<RenewActivity>,
    ) -> Vec<BackendResult<RenewOutcome>> {
        for renewal in &mut renewals {
            renewal.lease_for = (self.0)(renewal.lease_for);
        }
        inner.renew_activities(renewals).await
    }
}

/// Tells holders of tasks that nobody wants to go on.
pub(super) struct NeverCancelled;

#[async_trait]
impl Tamper for NeverCancelled {
    async fn renew_activities(
        &self,
        inner: &dyn Backend,
        renewals: Vec<RenewActivity>,
    ) -> Vec<BackendResult<RenewOutcome>> {
        let go_on = |outcome| match outcome {
            RenewOutcome::Cancelled => RenewOutcome::Renewed,
            other => other,
        };
        inner.renew_activities(renewals).await.into_iter().map(|a| a.map(go_on)).collect()
    }
}

/// Sends the messages of a commit, then looks whether it may be applied.
pub(super) struct SendsFirst;

#[async_trait]
impl Tamper for SendsFirst {
    async fn commit_turns(
        &self,
        inner: &dyn Backend,
        commits: Vec<TurnCommit>,
    ) -> Vec<BackendResult<CommitOutcome>> {
        inner.send(commits.iter().flat_map(|c| c.messages.clone()).collect()).await;
        inner.commit_turns(commits).await
    }
}

/// Delivers a completion, then looks whether it may be.
pub(super) struct CompletesFirst;

#[async_trait]
impl Tamper for CompletesFirst {
    async fn commit_activities(
        &self,
        inner: &dyn Backend,
        commits: Vec<ActivityCommit>,
    ) -> Vec<BackendResult<CommitOutcome>> {
        inner.send(commits.iter().map(|c| c.completion.clone()).collect()).await;
        inner.commit_activities(commits).await
    }
}

/// Stops at the first commit of a batch that cannot be applied, and says nothing.
pub(super) struct StopsHalfWay;

impl StopsHalfWay {
    async fn commit<C, F>(
        commits: Vec<C>,
        apply: impl Fn(C) -> F,
    ) -> Vec<BackendResult<CommitOutcome>>
    where
        F: Future<Output = Vec<BackendResult<CommitOutcome>>>,
    {
        let mut answers: Vec<BackendResult<CommitOutcome>> = Vec::new();
        for commit in commits {
            let stopped = answers.iter().any(|a| !matches!(a, Ok(CommitOutcome::Applied)));
            let answer =
                if stopped { Some(Ok(CommitOutcome::Applied)) } else { apply(commit).await.pop() };
            answers.extend(answer);
        }
        answers
    }
}

#[async_trait]
impl Tamper for StopsHalfWay {
    async fn commit_turns(
        &self,
        inner: &dyn Backend,
        commits: Vec<TurnCommit>,
    ) -> Vec<BackendResult<CommitOutcome>> {
        Self::commit(commits, |commit| inner.commit_turns(vec![commit])).await
    }

    async fn commit_activities(
        &self,
        inner: &dyn Backend,
        commits: Vec<ActivityCommit>,
    ) -> Vec<BackendResult<CommitOutcome>> {
        Self::commit(commits, |commit| inner.commit_activities(vec![commit])).await
    }
}

/// The outcome of one message is that of the whole batch.
pub(super) struct OneForAll;

#[async_trait]
impl Tamper for OneForAll {
    async fn send(
        &self,
        inner: &dyn Backend,
        envelopes: Vec<Envelope>,
    ) -> Vec<BackendResult<SendOutcome>> {
        let answers = inner.send(envelopes).await;
        let refused = answers.iter().flatten().find(|a| **a != SendOutcome::Accepted).copied();
        answers.into_iter().map(|a| a.map(|outcome| refused.unwrap_or(outcome))).collect()
    }

    async fn create_instances(
        &self,
        inner: &dyn Backend,
        requests: Vec<CreateInstance>,
    ) -> Vec<BackendResult<CreateOutcome>> {
        let answers = inner.create_instances(requests).await;
        let fails = answers.iter().any(|a| matches!(a, Ok(CreateOutcome::Exists(_))));
        let fail = |answer| match answer {
            Ok(CreateOutcome::Created) if fails => {
                Err(BackendError::new(BackendErrorKind::Invalid, "create_instances", "the batch"))
            }
            answer => answer,
        };
        answers.into_iter().map(fail).collect()
    }
}

/// Says yes, and forgets.
pub(super) struct Forgetful {
    pub(super) creations: bool,
    pub(super) messages: bool,
    pub(super) given_back: bool,
}

#[async_trait]
impl Tamper for Forgetful {
    async fn create_instances(
        &self,
        inner: &dyn Backend,
        requests: Vec<CreateInstance>,
    ) -> Vec<BackendResult<CreateOutcome>> {
        if self.creations {
            return requests.iter().map(|_| Ok(CreateOutcome::Created)).collect();
        }
        inner.create_instances(requests).await
    }

    async fn send(
        &self,
        inner: &dyn Backend,
        envelopes: Vec<Envelope>,
    ) -> Vec<BackendResult<SendOutcome>> {
        if self.messages {
            return envelopes.iter().map(|_| Ok(SendOutcome::Accepted)).collect();
        }
        inner.send(envelopes).await
    }

    async fn abandon_turns(
        &self,
        inner: &dyn Backend,
        leases: Vec<TurnLease>,
        delay: Duration,
    ) -> Vec<BackendResult<AbandonOutcome>> {
        if self.given_back {
            return leases.iter().map(|_| Ok(AbandonOutcome::Done)).collect();
        }
        inner.abandon_turns(leases, delay).await
    }

    async fn abandon_activities(
        &self,
        inner: &dyn Backend,
        leases: Vec<ActivityLease>,
        delay: Duration,
    ) -> Vec<BackendResult<AbandonOutcome>> {
        if self.given_back {
            return leases.iter().map(|_| Ok(AbandonOutcome::Done)).collect();
        }
        inner.abandon_activities(leases, delay).await
    }
}

/// Hands out the newest tracking records.
pub(super) struct NewestTracking;

#[async_trait]
impl Tamper for NewestTracking {
    async fn receive_tracking(
        &self,
        inner: &dyn Backend,
        request: ReceiveTracking,
    ) -> BackendResult<Vec<TrackingWork>> {
        let most = request.max;
        let all = ReceiveTracking { max: usize::MAX, ..request };
        let works = inner.receive_tracking(all).await?;
        Ok(works.into_iter().rev().take(most).collect())
    }
}

/// A waiting receive of tracking records sleeps through every bell.
pub(super) struct DeafTracking(pub(super) SharedEnv);

#[async_trait]
impl Tamper for DeafTracking {
    async fn receive_tracking(
        &self,
        inner: &dyn Backend,
        request: ReceiveTracking,
    ) -> BackendResult<Vec<TrackingWork>> {
        let now = ReceiveTracking { wait: Duration::ZERO, ..request.clone() };
        deaf(&self.0, request.wait, || inner.receive_tracking(now.clone())).await
    }
}

/// Lists the newest execution first.
pub(super) struct NewestExecution;

#[async_trait]
impl Tamper for NewestExecution {
    async fn executions(
        &self,
        inner: &dyn Backend,
        instance: &InstanceId,
    ) -> BackendResult<Vec<ExecutionId>> {
        let mut executions = inner.executions(instance).await?;
        executions.reverse();
        Ok(executions)
    }
}

/// Purging is always a success.
pub(super) struct PurgedAnyway;

#[async_trait]
impl Tamper for PurgedAnyway {
    async fn purge(
        &self,
        inner: &dyn Backend,
        instances: Vec<InstanceId>,
    ) -> Vec<BackendResult<PurgeOutcome>> {
        let polite = |outcome| match outcome {
            PurgeOutcome::NoInstance => PurgeOutcome::Purged,
            other => other,
        };
        inner.purge(instances).await.into_iter().map(|a| a.map(polite)).collect()
    }
}

/// A block of history that is larger than the page is left out.
pub(super) struct StrictPages;

#[async_trait]
impl Tamper for StrictPages {
    async fn read_history(
        &self,
        inner: &dyn Backend,
        read: HistoryRead,
    ) -> BackendResult<HistoryPage> {
        let most = read.bytes_max;
        let mut page = inner.read_history(read).await?;
        page.chunks.retain(|chunk| chunk.bytes.len() <= most);
        Ok(page)
    }
}

/// A watch looks once.
pub(super) struct GlancesOnly;

#[async_trait]
impl Tamper for GlancesOnly {
    async fn watch(
        &self,
        inner: &dyn Backend,
        instance: &InstanceId,
        seen: u64,
        _: Duration,
    ) -> BackendResult<Option<InstanceRecord>> {
        inner.watch(instance, seen, Duration::ZERO).await
    }
}

/// A terminal instance is as good as none.
pub(super) struct TerminalIsAbsent;

#[async_trait]
impl Tamper for TerminalIsAbsent {
    async fn send(
        &self,
        inner: &dyn Backend,
        envelopes: Vec<Envelope>,
    ) -> Vec<BackendResult<SendOutcome>> {
        let absent = |outcome| match outcome {
            SendOutcome::Terminal => SendOutcome::NoInstance,
            other => other,
        };
        inner.send(envelopes).await.into_iter().map(|a| a.map(absent)).collect()
    }
}

pub(super) fn turns_on_loan_for_ever(request: &mut ReceiveTurns) {
    request.lease_for = FOR_EVER;
}

pub(super) fn tasks_on_loan_for_ever(request: &mut ReceiveActivities) {
    request.lease_for = FOR_EVER;
}

pub(super) fn tracking_on_loan_for_ever(request: &mut ReceiveTracking) {
    request.lease_for = FOR_EVER;
}

const FOR_EVER: Duration = Duration::from_secs(1_000 * 24 * 3600);

pub(super) fn turns_on_loan_half_as_long(request: &mut ReceiveTurns) {
    request.lease_for /= 2;
}

pub(super) fn tasks_on_loan_half_as_long(request: &mut ReceiveActivities) {
    request.lease_for /= 2;
}

pub(super) fn tracking_on_loan_half_as_long(request: &mut ReceiveTracking) {
    request.lease_for /= 2;
}

pub(super) fn turns_at_once(request: &mut ReceiveTurns) {
    request.wait = Duration::ZERO;
}

pub(super) fn tasks_at_once(request: &mut ReceiveActivities) {
    request.wait = Duration::ZERO;
}

pub(super) fn tracking_at_once(request: &mut ReceiveTracking) {
    request.wait = Duration::ZERO;
}

pub(super) fn whole_inboxes(request: &mut ReceiveTurns) {
    request.messages_max = usize::MAX;
}

pub(super) fn first_queue(request: &mut ReceiveActivities) {
    request.queues.truncate(1);
}

pub(super) fn all_tasks(request: &mut ReceiveActivities) {
    request.max = usize::MAX;
}

pub(super) fn all_tracking(request: &mut ReceiveTracking) {
    request.max = usize::MAX;
}

pub(super) fn any_name(query: &mut InstanceQuery) {
    query.name = None;
}

pub(super) fn created_then_too(query: &mut InstanceQuery) {
    query.created_before = query.created_before.map(|at| at + Duration::from_micros(1));
}

pub(super) fn first_status(query: &mut InstanceQuery) {
    query.statuses.truncate(1);
}

pub(super) fn by_number_only(envelope: &mut Envelope) {
    envelope.id.source = 1;
}

pub(super) fn arrived_at_the_beginning(work: &mut TurnWork) {
    for message in &mut work.messages {
        message.enqueued_at = Timestamp::EPOCH;
    }
}

pub(super) fn empty_progress_is_none(work: &mut ActivityWork) {
    work.progress = work.progress.take().filter(|progress| !progress.is_empty());
}

pub(super) fn queued_at_the_beginning(work: &mut ActivityWork) {
    work.enqueued_at = Timestamp::EPOCH;
}
