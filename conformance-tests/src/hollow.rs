//! Adapters that do nothing, to find checks that assert nothing.
//!
//! A check that passes on a backend which stores nothing says little. Those that pass for a good
//! reason are listed, with the reason, in the test that runs the whole suite over these.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use durable_core::backend::{
    AbandonOutcome, ActivityCommit, ActivityLease, ActivityQueue, ActivityWork, Backend,
    BackendError, BackendErrorKind, BackendResult, Capabilities, CommitOutcome, CreateInstance,
    CreateOutcome, Envelope, HistoryPage, HistoryRead, HistoryStore, InstancePage, InstanceQuery,
    InstanceRecord, OrchestrationQueue, PurgeOutcome, ReceiveActivities, ReceiveTracking,
    ReceiveTurns, RenewActivity, RenewOutcome, SendOutcome, TrackingLease, TrackingQueue,
    TrackingWork, TurnCommit, TurnLease, TurnWork,
};
use durable_core::env::SharedEnv;
use durable_core::ids::{ExecutionId, HubName, InstanceId};

use crate::fixture::{Fixture, Store, Timings};
use crate::memory::MemoryFixture;

/// How a backend that does nothing answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Hollow {
    /// Says yes to every write, and has nothing to show.
    Agrees,
    /// Says of every write that it came too late, and has nothing to show.
    Denies,
    /// Answers every call with an error.
    Refuses,
}

impl Hollow {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Agrees, Self::Denies, Self::Refuses];

    fn error(verb: &'static str) -> BackendError {
        BackendError::new(BackendErrorKind::Unavailable, verb, "this backend does nothing")
    }

    fn answer<T>(self, verb: &'static str, yes: T, no: T) -> BackendResult<T> {
        match self {
            Self::Agrees => Ok(yes),
            Self::Denies => Ok(no),
            Self::Refuses => Err(Self::error(verb)),
        }
    }

    /// The same answer for every item of a batch.
    fn answers<I, T: Clone>(
        self,
        verb: &'static str,
        items: &[I],
        yes: T,
        no: T,
    ) -> Vec<BackendResult<T>> {
        items.iter().map(|_| self.answer(verb, yes.clone(), no.clone())).collect()
    }
}

#[async_trait]
impl Fixture for Hollow {
    fn capabilities(&self) -> Capabilities {
        MemoryFixture.capabilities()
    }

    /// Nothing ever happens, so that waiting for it may be short.
    fn timings(&self) -> Timings {
        let mut timings = MemoryFixture.timings();
        timings.patience = Duration::from_millis(200);
        timings.grace = Duration::from_millis(2);
        timings.check_limit = Duration::from_secs(2);
        timings
    }

    async fn fresh(&self) -> BackendResult<Arc<dyn Store>> {
        Ok(Arc::new(*self))
    }
}

#[async_trait]
impl Store for Hollow {
    async fn open(&self, hub: &HubName, env: SharedEnv) -> BackendResult<Arc<dyn Backend>> {
        let capabilities = self.capabilities();
        Ok(Arc::new(HollowBackend { how: *self, hub: hub.clone(), env, capabilities }))
    }
}

/// One hub of it.
struct HollowBackend {
    how: Hollow,
    hub: HubName,
    env: SharedEnv,
    capabilities: Capabilities,
}

impl std::fmt::Debug for HollowBackend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HollowBackend({:?})", self.how)
    }
}

impl HollowBackend {
    /// Waits, politely, for what never comes.
    async fn nothing<T>(&self, verb: &'static str, wait: Duration) -> BackendResult<Vec<T>> {
        if self.how != Hollow::Refuses && !wait.is_zero() {
            self.env.sleep(wait).await;
        }
        self.how.answer(verb, Vec::new(), Vec::new())
    }
}

#[async_trait]
impl OrchestrationQueue for HollowBackend {
    async fn create_instances(
        &self,
        requests: Vec<CreateInstance>,
    ) -> Vec<BackendResult<CreateOutcome>> {
        let exists = |request: &CreateInstance| {
            let record = request.start.creates.as_deref().cloned();
            record.map_or(CreateOutcome::Created, |r| CreateOutcome::Exists(Box::new(r)))
        };
        let answer = |r: &CreateInstance| {
            self.how.answer("create_instances", CreateOutcome::Created, exists(r))
        };
        requests.iter().map(answer).collect()
    }

    async fn send(&self, envelopes: Vec<Envelope>) -> Vec<BackendResult<SendOutcome>> {
        self.how.answers("send", &envelopes, SendOutcome::Accepted, SendOutcome::NoInstance)
    }

    async fn receive_turns(&self, request: ReceiveTurns) -> BackendResult<Vec<TurnWork>> {
        self.nothing("receive_turns", request.wait).await
    }

    async fn renew_turns(
        &self,
        leases: Vec<TurnLease>,
        _: Duration,
    ) -> Vec<BackendResult<RenewOutcome>> {
        self.how.answers("renew_turns", &leases, RenewOutcome::Renewed, RenewOutcome::Lost)
    }

    async fn abandon_turns(
        &self,
        leases: Vec<TurnLease>,
        _: Duration,
    ) -> Vec<BackendResult<AbandonOutcome>> {
        self.how.answers("abandon_turns", &leases, AbandonOutcome::Done, AbandonOutcome::Lost)
    }
}

#[async_trait]
impl ActivityQueue for HollowBackend {
    async fn receive_activities(
        &self,
        request: ReceiveActivities,
    ) -> BackendResult<Vec<ActivityWork>> {
        self.nothing("receive_activities", request.wait).await
    }

    async fn renew_activities(
        &self,
        renewals: Vec<RenewActivity>,
    ) -> Vec<BackendResult<RenewOutcome>> {
        self.how.answers("renew_activities", &renewals, RenewOutcome::Renewed, RenewOutcome::Lost)
    }

    async fn abandon_activities(
        &self,
        leases: Vec<ActivityLease>,
        _: Duration,
    ) -> Vec<BackendResult<AbandonOutcome>> {
        self.how.answers("abandon_activities", &leases, AbandonOutcome::Done, AbandonOutcome::Lost)
    }
}

#[async_trait]
impl TrackingQueue for HollowBackend {
    async fn receive_tracking(&self, request: ReceiveTracking) -> BackendResult<Vec<TrackingWork>> {
        self.nothing("receive_tracking", request.wait).await
    }

    async fn ack_tracking(&self, leases: Vec<TrackingLease>) -> Vec<BackendResult<AbandonOutcome>> {
        self.how.answers("ack_tracking", &leases, AbandonOutcome::Done, AbandonOutcome::Lost)
    }
}

#[async_trait]
impl HistoryStore for HollowBackend {
    async fn read_records(
        &self,
        instances: Vec<InstanceId>,
    ) -> Vec<BackendResult<Option<InstanceRecord>>> {
        self.how.answers("read_records", &instances, None, None)
    }

    async fn read_history(&self, _: HistoryRead) -> BackendResult<HistoryPage> {
        self.how.answer("read_history", HistoryPage::default(), HistoryPage::default())
    }

    async fn executions(&self, _: &InstanceId) -> BackendResult<Vec<ExecutionId>> {
        self.how.answer("executions", Vec::new(), Vec::new())
    }

    async fn watch(
        &self,
        _: &InstanceId,
        _: u64,
        wait: Duration,
    ) -> BackendResult<Option<InstanceRecord>> {
        Ok(self.nothing("watch", wait).await?.pop())
    }

    async fn list(&self, _: InstanceQuery) -> BackendResult<InstancePage> {
        self.how.answer("list", InstancePage::default(), InstancePage::default())
    }

    async fn index(&self, _: Vec<InstanceRecord>) -> BackendResult<()> {
        self.how.answer("index", (), ())
    }

    async fn purge(&self, instances: Vec<InstanceId>) -> Vec<BackendResult<PurgeOutcome>> {
        self.how.answers("purge", &instances, PurgeOutcome::Purged, PurgeOutcome::NoInstance)
    }
}

#[async_trait]
impl Backend for HollowBackend {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn hub(&self) -> &HubName {
        &self.hub
    }

    async fn commit_turns(&self, commits: Vec<TurnCommit>) -> Vec<BackendResult<CommitOutcome>> {
        let (yes, no) = (CommitOutcome::Applied, CommitOutcome::LeaseLost);
        self.how.answers("commit_turns", &commits, yes, no)
    }

    async fn commit_activities(
        &self,
        commits: Vec<ActivityCommit>,
    ) -> Vec<BackendResult<CommitOutcome>> {
        let (yes, no) = (CommitOutcome::Applied, CommitOutcome::LeaseLost);
        self.how.answers("commit_activities", &commits, yes, no)
    }

    async fn close(&self) -> BackendResult<()> {
        self.how.answer("close", (), ())
    }
}
