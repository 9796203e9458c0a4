//! A decorator that changes what passes through a backend: the base of broken adapters and of
//! emulated engine bugs.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use durable_core::backend::{
    AbandonOutcome, ActivityCommit, ActivityLease, ActivityQueue, ActivityWork, Backend,
    BackendResult, Capabilities, CommitOutcome, CreateInstance, CreateOutcome, Envelope,
    HistoryPage, HistoryRead, HistoryStore, InstancePage, InstanceQuery, InstanceRecord,
    OrchestrationQueue, PurgeOutcome, ReceiveActivities, ReceiveTracking, ReceiveTurns,
    RenewActivity, RenewOutcome, SendOutcome, TrackingLease, TrackingQueue, TrackingWork,
    TurnCommit, TurnLease, TurnWork,
};
use durable_core::ids::{ExecutionId, HubName, InstanceId};

/// What to change. Every method passes through by default; the short ones change values on
/// their way, the long ones replace a whole verb.
#[async_trait]
pub trait Tamper: Send + Sync + 'static {
    /// Claims other capabilities than the backend has.
    fn capabilities(&self) -> Option<&Capabilities> {
        None
    }

    /// Changes an envelope that a client sends.
    fn on_send(&self, envelope: Envelope) -> Envelope {
        envelope
    }

    /// Changes turns that are handed out.
    fn on_turns(&self, works: Vec<TurnWork>) -> Vec<TurnWork> {
        works
    }

    /// Changes a turn that is committed.
    fn on_commit(&self, commit: TurnCommit) -> TurnCommit {
        commit
    }

    /// Changes tasks that are handed out.
    fn on_activities(&self, works: Vec<ActivityWork>) -> Vec<ActivityWork> {
        works
    }

    /// Changes a task's completion.
    fn on_completion(&self, commit: ActivityCommit) -> ActivityCommit {
        commit
    }

    /// Creates instances.
    async fn create_instances(
        &self,
        inner: &dyn Backend,
        requests: Vec<CreateInstance>,
    ) -> Vec<BackendResult<CreateOutcome>> {
        inner.create_instances(requests).await
    }

    /// Sends messages.
    async fn send(
        &self,
        inner: &dyn Backend,
        envelopes: Vec<Envelope>,
    ) -> Vec<BackendResult<SendOutcome>> {
        inner.send(envelopes.into_iter().map(|e| self.on_send(e)).collect()).await
    }

    /// Hands out turns.
    async fn receive_turns(
        &self,
        inner: &dyn Backend,
        request: ReceiveTurns,
    ) -> BackendResult<Vec<TurnWork>> {
        Ok(self.on_turns(inner.receive_turns(request).await?))
    }

    /// Renews turns.
    async fn renew_turns(
        &self,
        inner: &dyn Backend,
        leases: Vec<TurnLease>,
        lease_for: Duration,
    ) -> Vec<BackendResult<RenewOutcome>> {
        inner.renew_turns(leases, lease_for).await
    }

    /// Takes turns back.
    async fn abandon_turns(
        &self,
        inner: &dyn Backend,
        leases: Vec<TurnLease>,
        delay: Duration,
    ) -> Vec<BackendResult<AbandonOutcome>> {
        inner.abandon_turns(leases, delay).await
    }

    /// Commits turns.
    async fn commit_turns(
        &self,
        inner: &dyn Backend,
        commits: Vec<TurnCommit>,
    ) -> Vec<BackendResult<CommitOutcome>> {
        inner.commit_turns(commits.into_iter().map(|c| self.on_commit(c)).collect()).await
    }

    /// Hands out tasks.
    async fn receive_activities(
        &self,
        inner: &dyn Backend,
        request: ReceiveActivities,
    ) -> BackendResult<Vec<ActivityWork>> {
        Ok(self.on_activities(inner.receive_activities(request).await?))
    }

    /// Renews tasks.
    async fn renew_activities(
        &self,
        inner: &dyn Backend,
        renewals: Vec<RenewActivity>,
    ) -> Vec<BackendResult<RenewOutcome>> {
        inner.renew_activities(renewals).await
    }

    /// Takes tasks back.
    async fn abandon_activities(
        &self,
        inner: &dyn Backend,
        leases: Vec<ActivityLease>,
        delay: Duration,
    ) -> Vec<BackendResult<AbandonOutcome>> {
        inner.abandon_activities(leases, delay).await
    }

    /// Completes tasks.
    async fn commit_activities(
        &self,
        inner: &dyn Backend,
        commits: Vec<ActivityCommit>,
    ) -> Vec<BackendResult<CommitOutcome>> {
        inner.commit_activities(commits.into_iter().map(|c| self.on_completion(c)).collect()).await
    }

    /// Hands out tracking records.
    async fn receive_tracking(
        &self,
        inner: &dyn Backend,
        request: ReceiveTracking,
    ) -> BackendResult<Vec<TrackingWork>> {
        inner.receive_tracking(request).await
    }

    /// Acknowledges tracking records.
    async fn ack_tracking(
        &self,
        inner: &dyn Backend,
        leases: Vec<TrackingLease>,
    ) -> Vec<BackendResult<AbandonOutcome>> {
        inner.ack_tracking(leases).await
    }

    /// Reads records.
    async fn read_records(
        &self,
        inner: &dyn Backend,
        instances: Vec<InstanceId>,
    ) -> Vec<BackendResult<Option<InstanceRecord>>> {
        inner.read_records(instances).await
    }

    /// Reads part of a history.
    async fn read_history(
        &self,
        inner: &dyn Backend,
        read: HistoryRead,
    ) -> BackendResult<HistoryPage> {
        inner.read_history(read).await
    }

    /// Lists the generations whose history is kept.
    async fn executions(
        &self,
        inner: &dyn Backend,
        instance: &InstanceId,
    ) -> BackendResult<Vec<ExecutionId>> {
        inner.executions(instance).await
    }

    /// Watches an instance.
    async fn watch(
        &self,
        inner: &dyn Backend,
        instance: &InstanceId,
        seen: u64,
        wait: Duration,
    ) -> BackendResult<Option<InstanceRecord>> {
        inner.watch(instance, seen, wait).await
    }

    /// Waits for the end of an instance.
    async fn watch_end(
        &self,
        inner: &dyn Backend,
        instance: &InstanceId,
        wait: Duration,
    ) -> BackendResult<Option<InstanceRecord>> {
        inner.watch_end(instance, wait).await
    }

    /// Lists instances.
    async fn list(&self, inner: &dyn Backend, query: InstanceQuery) -> BackendResult<InstancePage> {
        inner.list(query).await
    }

    /// Purges instances.
    async fn purge(
        &self,
        inner: &dyn Backend,
        instances: Vec<InstanceId>,
    ) -> Vec<BackendResult<PurgeOutcome>> {
        inner.purge(instances).await
    }

    /// Closes the hub.
    async fn close(&self, inner: &dyn Backend) -> BackendResult<()> {
        inner.close().await
    }
}

/// Changes nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Untouched;

impl Tamper for Untouched {}

/// A backend with somebody's hands in it.
pub struct Tampered {
    inner: Arc<dyn Backend>,
    tamper: Box<dyn Tamper>,
}

impl fmt::Debug for Tampered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tampered({:?})", self.inner)
    }
}

impl Tampered {
    /// Puts changes around a backend.
    pub fn new(inner: Arc<dyn Backend>, tamper: Box<dyn Tamper>) -> Self {
        Self { inner, tamper }
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl OrchestrationQueue for Tampered {
    async fn create_instances(
        &self,
        requests: Vec<CreateInstance>,
    ) -> Vec<BackendResult<CreateOutcome>> {
        self.tamper.create_instances(&*self.inner, requests).await
    }

    async fn send(&self, envelopes: Vec<Envelope>) -> Vec<BackendResult<SendOutcome>> {
        self.tamper.send(&*self.inner, envelopes).await
    }

    async fn receive_turns(&self, request: ReceiveTurns) -> BackendResult<Vec<TurnWork>> {
        self.tamper.receive_turns(&*self.inner, request).await
    }

    async fn renew_turns(
        &self,
        leases: Vec<TurnLease>,
        lease_for: Duration,
    ) -> Vec<BackendResult<RenewOutcome>> {
        self.tamper.renew_turns(&*self.inner, leases, lease_for).await
    }

    async fn abandon_turns(
        &self,
        leases: Vec<TurnLease>,
        delay: Duration,
    ) -> Vec<BackendResult<AbandonOutcome>> {
        self.tamper.abandon_turns(&*self.inner, leases, delay).await
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl ActivityQueue for Tampered {
    async fn receive_activities(
        &self,
        request: ReceiveActivities,
    ) -> BackendResult<Vec<ActivityWork>> {
        self.tamper.receive_activities(&*self.inner, request).await
    }

    async fn renew_activities(
        &self,
        renewals: Vec<RenewActivity>,
    ) -> Vec<BackendResult<RenewOutcome>> {
        self.tamper.renew_activities(&*self.inner, renewals).await
    }

    async fn abandon_activities(
        &self,
        leases: Vec<ActivityLease>,
        delay: Duration,
    ) -> Vec<BackendResult<AbandonOutcome>> {
        self.tamper.abandon_activities(&*self.inner, leases, delay).await
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl TrackingQueue for Tampered {
    async fn receive_tracking(&self, request: ReceiveTracking) -> BackendResult<Vec<TrackingWork>> {
        self.tamper.receive_tracking(&*self.inner, request).await
    }

    async fn ack_tracking(&self, leases: Vec<TrackingLease>) -> Vec<BackendResult<AbandonOutcome>> {
        self.tamper.ack_tracking(&*self.inner, leases).await
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl HistoryStore for Tampered {
    async fn read_records(
        &self,
        instances: Vec<InstanceId>,
    ) -> Vec<BackendResult<Option<InstanceRecord>>> {
        self.tamper.read_records(&*self.inner, instances).await
    }

    async fn read_history(&self, read: HistoryRead) -> BackendResult<HistoryPage> {
        self.tamper.read_history(&*self.inner, read).await
    }

    async fn executions(&self, instance: &InstanceId) -> BackendResult<Vec<ExecutionId>> {
        self.tamper.executions(&*self.inner, instance).await
    }

    async fn watch(
        &self,
        instance: &InstanceId,
        seen: u64,
        wait: Duration,
    ) -> BackendResult<Option<InstanceRecord>> {
        self.tamper.watch(&*self.inner, instance, seen, wait).await
    }

    async fn watch_end(
        &self,
        instance: &InstanceId,
        wait: Duration,
    ) -> BackendResult<Option<InstanceRecord>> {
        self.tamper.watch_end(&*self.inner, instance, wait).await
    }

    async fn list(&self, query: InstanceQuery) -> BackendResult<InstancePage> {
        self.tamper.list(&*self.inner, query).await
    }

    async fn index(&self, records: Vec<InstanceRecord>) -> BackendResult<()> {
        self.inner.index(records).await
    }

    async fn purge(&self, instances: Vec<InstanceId>) -> Vec<BackendResult<PurgeOutcome>> {
        self.tamper.purge(&*self.inner, instances).await
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl Backend for Tampered {
    fn capabilities(&self) -> &Capabilities {
        self.tamper.capabilities().unwrap_or_else(|| self.inner.capabilities())
    }

    fn hub(&self) -> &HubName {
        self.inner.hub()
    }

    async fn commit_turns(&self, commits: Vec<TurnCommit>) -> Vec<BackendResult<CommitOutcome>> {
        self.tamper.commit_turns(&*self.inner, commits).await
    }

    async fn commit_activities(
        &self,
        commits: Vec<ActivityCommit>,
    ) -> Vec<BackendResult<CommitOutcome>> {
        self.tamper.commit_activities(&*self.inner, commits).await
    }

    async fn close(&self) -> BackendResult<()> {
        self.tamper.close(&*self.inner).await
    }
}
