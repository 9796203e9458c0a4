//! The far end of the network: latency, trace and audit around one hub.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use durable_core::backend::{
    ActivityCommit, ActivityWork, Backend, BackendResult, Capabilities, CommitOutcome,
    CreateInstance, CreateOutcome, Envelope, HistoryPage, HistoryRead, InstanceRecord,
    OrchestrationStatus, PurgeOutcome, ReceiveActivities, ReceiveTurns, RenewActivity,
    RenewOutcome, SendOutcome, TurnCommit, TurnWork,
};
use durable_core::ids::{InstanceId, LeaseToken, MessageId};

use super::audit::Audit;
use super::executor::Executor;
use super::process::wall_clock;
use super::reached::Notes;
use crate::tamper::Tamper;

#[derive(Default)]
struct State {
    audit: Audit,
    sent: std::collections::BTreeSet<MessageId>,
    tasks: BTreeMap<MessageId, LeaseToken>,
    completed: std::collections::BTreeSet<MessageId>,
    suspended: std::collections::BTreeSet<InstanceId>,
}

/// What stands between a hub and all its callers.
pub(super) struct Server {
    executor: Arc<Executor>,
    notes: Arc<Notes>,
    capabilities: Capabilities,
    state: Mutex<State>,
}

impl Server {
    /// `networked`: callers are told that other processes share the hub, and so repeat commits
    /// whose answer was lost.
    pub(super) fn new(
        executor: &Arc<Executor>,
        notes: &Arc<Notes>,
        capabilities: &Capabilities,
        networked: bool,
    ) -> Self {
        let mut capabilities = capabilities.clone();
        capabilities.multi_process = networked;
        Self {
            executor: Arc::clone(executor),
            notes: Arc::clone(notes),
            capabilities,
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time of a packet on its way: mostly short.
    async fn travel(&self) {
        let draw = self.executor.random();
        let micros = match draw % 16 {
            0..8 => return,
            8..14 => (draw >> 8) % 2_000,
            _ => (draw >> 8) % 30_000,
        };
        super::process::Process::visitor(&self.executor).nap(Duration::from_micros(micros)).await;
    }

    fn trace(&self, verb: &str, number: usize) {
        self.notes.trace(self.executor.now(), verb, number as u64);
    }

    fn note_commit(&self, commit: &TurnCommit, outcome: CommitOutcome) {
        let state = &mut *self.state();
        let notes = &*self.notes;
        match outcome {
            CommitOutcome::LeaseLost => notes.reached("a turn's lease was lost"),
            CommitOutcome::Conflict => notes.reached("a commit was in conflict"),
            _ if state.audit.knows(commit.lease.token) => {
                notes.reached("a commit was repeated after it was applied");
            }
            _ => {
                state.audit.applied(commit, wall_clock(&self.executor), notes);
                note_applied(state, commit, notes);
            }
        }
    }
}

fn note_applied(state: &mut State, commit: &TurnCommit, notes: &Notes) {
    notes.reached_if(commit.next.is_some(), "continued as new");
    notes.reached_if(
        commit.next.as_ref().is_some_and(|n| n.chunk.events > 1),
        "unread events were carried over",
    );
    notes.reached_if(!commit.cancelled.is_empty(), "work was cancelled");
    notes.reached_if(commit.chunk.is_none(), "a turn changed nothing");
    let instance = &commit.lease.instance;
    match commit.record.as_ref().map(|r| r.status) {
        Some(OrchestrationStatus::Suspended) => {
            state.suspended.insert(instance.clone());
            notes.reached("an instance was suspended");
        }
        Some(OrchestrationStatus::Running) if state.suspended.remove(instance) => {
            notes.reached("an instance was resumed");
        }
        Some(OrchestrationStatus::Terminated) => notes.reached("an instance was terminated"),
        Some(OrchestrationStatus::Failed) => notes.reached("an instance failed"),
        Some(OrchestrationStatus::Quarantined) => notes.reached("an instance was quarantined"),
        _ => {}
    }
}

#[async_trait]
impl Tamper for Server {
    fn capabilities(&self) -> Option<&Capabilities> {
        Some(&self.capabilities)
    }

    async fn create_instances(
        &self,
        inner: &dyn Backend,
        requests: Vec<CreateInstance>,
    ) -> Vec<BackendResult<CreateOutcome>> {
        self.travel().await;
        let targets: Vec<_> =
            requests.iter().map(|r| (r.start.target.clone(), r.start.id)).collect();
        let answers = inner.create_instances(requests).await;
        for ((instance, id), answer) in targets.iter().zip(&answers) {
            let state = &mut *self.state();
            match answer {
                Ok(CreateOutcome::Created) if state.sent.insert(*id) => {
                    state.audit.created(instance);
                }
                Ok(CreateOutcome::Created) => self.notes.reached("a creation was repeated"),
                Ok(CreateOutcome::Exists(_)) => self.notes.reached("a creation found another"),
                Err(_) => {}
            }
        }
        self.trace("create", answers.len());
        self.travel().await;
        answers
    }

    async fn send(
        &self,
        inner: &dyn Backend,
        envelopes: Vec<Envelope>,
    ) -> Vec<BackendResult<SendOutcome>> {
        self.travel().await;
        let ids: Vec<_> = envelopes.iter().map(|e| e.id).collect();
        let answers = inner.send(envelopes).await;
        for (id, answer) in ids.into_iter().zip(&answers) {
            match answer {
                Ok(SendOutcome::Accepted) => {
                    let first = self.state().sent.insert(id);
                    self.notes.reached_if(!first, "a message was sent again");
                }
                Ok(SendOutcome::Terminal) => self.notes.reached("a message came after the end"),
                Ok(SendOutcome::NoInstance) => self.notes.reached("a message found nobody"),
                _ => {}
            }
        }
        self.trace("send", answers.len());
        self.travel().await;
        answers
    }

    async fn receive_turns(
        &self,
        inner: &dyn Backend,
        request: ReceiveTurns,
    ) -> BackendResult<Vec<TurnWork>> {
        self.travel().await;
        let works = inner.receive_turns(request).await?;
        self.state().audit.lent(&works);
        for work in &works {
            self.notes.reached_if(work.delivery > 1, "a turn was handed out again");
            self.notes.reached_if(work.messages.is_empty(), "a hold ran out");
            self.trace(work.lease.instance.as_str(), work.messages.len());
        }
        self.travel().await;
        Ok(works)
    }

    async fn renew_turns(
        &self,
        inner: &dyn Backend,
        leases: Vec<durable_core::backend::TurnLease>,
        lease_for: Duration,
    ) -> Vec<BackendResult<RenewOutcome>> {
        self.travel().await;
        inner.renew_turns(leases, lease_for).await
    }

    async fn commit_turns(
        &self,
        inner: &dyn Backend,
        commits: Vec<TurnCommit>,
    ) -> Vec<BackendResult<CommitOutcome>> {
        self.travel().await;
        let answers = inner.commit_turns(commits.clone()).await;
        for (commit, answer) in commits.iter().zip(&answers) {
            if let Ok(outcome) = answer {
                self.note_commit(commit, *outcome);
                self.trace(commit.lease.instance.as_str(), *outcome as usize);
            }
        }
        self.travel().await;
        answers
    }

    async fn receive_activities(
        &self,
        inner: &dyn Backend,
        request: ReceiveActivities,
    ) -> BackendResult<Vec<ActivityWork>> {
        self.travel().await;
        let works = inner.receive_activities(request).await?;
        for work in &works {
            self.state().tasks.insert(work.lease.task, work.lease.token);
            self.notes.reached_if(work.delivery > 1, "an activity was handed out again");
        }
        self.trace("activities", works.len());
        self.travel().await;
        Ok(works)
    }

    async fn renew_activities(
        &self,
        inner: &dyn Backend,
        renewals: Vec<RenewActivity>,
    ) -> Vec<BackendResult<RenewOutcome>> {
        self.travel().await;
        let answers = inner.renew_activities(renewals).await;
        for answer in &answers {
            match answer {
                Ok(RenewOutcome::Renewed) => self.notes.reached("an activity's lease was renewed"),
                Ok(RenewOutcome::Lost) => self.notes.reached("a renewal came too late"),
                Ok(RenewOutcome::Cancelled) => {
                    self.notes.reached("a running activity was cancelled")
                }
                _ => {}
            }
        }
        self.trace("renew", answers.len());
        self.travel().await;
        answers
    }

    async fn commit_activities(
        &self,
        inner: &dyn Backend,
        commits: Vec<ActivityCommit>,
    ) -> Vec<BackendResult<CommitOutcome>> {
        self.travel().await;
        let leases: Vec<_> = commits.iter().map(|c| (c.lease.task, c.lease.token)).collect();
        let answers = inner.commit_activities(commits).await;
        for ((task, token), answer) in leases.into_iter().zip(&answers) {
            let state = &mut *self.state();
            match answer {
                Ok(CommitOutcome::Applied) if state.tasks.get(&task) != Some(&token) => {
                    self.notes.violated("fencing", format!("a stale holder completed {task:?}"));
                }
                Ok(CommitOutcome::Applied) if !state.completed.insert(task) => {
                    self.notes.reached("a completion was repeated after it was applied");
                }
                Ok(CommitOutcome::LeaseLost) => self.notes.reached("an activity's lease was lost"),
                _ => {}
            }
            self.trace("complete", answer.as_ref().map_or(9, |a| *a as usize));
        }
        self.travel().await;
        answers
    }

    async fn read_records(
        &self,
        inner: &dyn Backend,
        instances: Vec<InstanceId>,
    ) -> Vec<BackendResult<Option<InstanceRecord>>> {
        self.travel().await;
        let records = inner.read_records(instances).await;
        for record in records.iter().flatten().flatten() {
            self.state().audit.check_end(record, &self.notes);
        }
        self.travel().await;
        records
    }

    async fn read_history(
        &self,
        inner: &dyn Backend,
        read: HistoryRead,
    ) -> BackendResult<HistoryPage> {
        self.travel().await;
        self.notes.reached("a history was replayed from nothing");
        let page = inner.read_history(read).await;
        self.travel().await;
        page
    }

    async fn watch(
        &self,
        inner: &dyn Backend,
        instance: &InstanceId,
        seen: u64,
        wait: Duration,
    ) -> BackendResult<Option<InstanceRecord>> {
        self.travel().await;
        let record = inner.watch(instance, seen, wait).await?;
        if let Some(record) = &record {
            self.state().audit.check_end(record, &self.notes);
        }
        self.travel().await;
        Ok(record)
    }

    async fn watch_end(
        &self,
        inner: &dyn Backend,
        instance: &InstanceId,
        wait: Duration,
    ) -> BackendResult<Option<InstanceRecord>> {
        self.travel().await;
        let record = inner.watch_end(instance, wait).await?;
        if let Some(record) = &record {
            self.state().audit.check_end(record, &self.notes);
        }
        self.travel().await;
        Ok(record)
    }

    async fn purge(
        &self,
        inner: &dyn Backend,
        instances: Vec<InstanceId>,
    ) -> Vec<BackendResult<PurgeOutcome>> {
        self.travel().await;
        let answers = inner.purge(instances.clone()).await;
        for (instance, answer) in instances.iter().zip(&answers) {
            if matches!(answer, Ok(PurgeOutcome::Purged)) {
                self.notes.reached("an instance was purged");
                self.state().audit.purged(instance);
            }
        }
        self.trace("purge", answers.len());
        self.travel().await;
        answers
    }
}
