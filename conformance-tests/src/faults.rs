//! A decorator that makes any backend misbehave, by plan or by seed, within what the contract
//! allows a store and a network to do.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
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
use durable_core::env::{BoxFuture, SharedEnv};
use durable_core::ids::{ExecutionId, HubName, InstanceId};

use crate::manual_env::{GOLDEN, mix};

/// What goes wrong in one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Fault {
    /// Not performed; the caller is told so.
    FailBefore,
    /// Performed, but the answer is lost: the caller is told that nobody knows.
    FailAfter,
    /// Performed late, after the plan's stall has passed.
    StallBefore,
    /// Performed, but answered late, after the plan's stall has passed.
    StallAfter,
    /// Performed twice; the first answer counts.
    Duplicate,
    /// The batch is performed back to front; the answers are in the caller's order.
    Reorder,
    /// The inner call's future is dropped after a few polls, as if the caller had gone; whoever
    /// still listens is told that nobody knows.
    Drop,
}

impl Fault {
    /// Every kind of fault.
    pub const ALL: [Self; 7] = [
        Self::FailBefore,
        Self::FailAfter,
        Self::StallBefore,
        Self::StallAfter,
        Self::Duplicate,
        Self::Reorder,
        Self::Drop,
    ];
}

/// When which fault happens.
#[derive(Debug, Clone)]
pub struct FaultPlan {
    at: BTreeMap<u64, Fault>,
    nth: Vec<(&'static str, u64, Fault)>,
    random: Option<Random>,
    stall: Duration,
}

#[derive(Debug, Clone)]
struct Random {
    seed: u64,
    per_mille: u64,
    kinds: Vec<Fault>,
}

impl FaultPlan {
    /// No faults; calls are only counted.
    pub fn none() -> Self {
        Self { at: BTreeMap::new(), nth: Vec::new(), random: None, stall: Duration::from_secs(120) }
    }

    /// These faults at these calls, counted from 0.
    pub fn at(faults: impl IntoIterator<Item = (u64, Fault)>) -> Self {
        Self { at: faults.into_iter().collect(), ..Self::none() }
    }

    /// One fault, at the n-th call of one verb, counted from 0.
    pub fn nth_of(verb: &'static str, nth: u64, fault: Fault) -> Self {
        Self::nths_of([(verb, nth, fault)])
    }

    /// Several faults, each at the n-th call of its verb, counted from 0.
    pub fn nths_of(faults: impl IntoIterator<Item = (&'static str, u64, Fault)>) -> Self {
        Self { nth: faults.into_iter().collect(), ..Self::none() }
    }

    /// Faults of these kinds in so many of a thousand calls, chosen by the seed.
    pub fn seeded(seed: u64, per_mille: u64, kinds: &[Fault]) -> Self {
        Self { random: Some(Random { seed, per_mille, kinds: kinds.to_vec() }), ..Self::none() }
    }

    /// How long a stall lasts; longer than the leases in use, to be of interest.
    #[must_use]
    pub fn with_stall(mut self, stall: Duration) -> Self {
        self.stall = stall;
        self
    }

    /// The fault of a call, by its number or its number among the calls of its verb alone: the
    /// same plan always decides alike.
    fn fault(&self, call: u64, verb: &'static str, of_verb: u64) -> Option<Fault> {
        let planned = self.nth.iter().find(|(wanted, nth, _)| (*wanted, *nth) == (verb, of_verb));
        if let Some((_, _, fault)) = planned {
            return Some(*fault);
        }
        if let Some(fault) = self.at.get(&call) {
            return Some(*fault);
        }
        let random = self.random.as_ref()?;
        let draw = mix(random.seed ^ call.wrapping_add(1).wrapping_mul(GOLDEN));
        if draw % 1000 >= random.per_mille || random.kinds.is_empty() {
            return None;
        }
        let kind = mix(draw) % random.kinds.len() as u64;
        random.kinds.get(usize::try_from(kind).unwrap_or(0)).copied()
    }
}

/// One call that had a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Injected {
    /// Number of the call.
    pub call: u64,
    /// The verb called.
    pub verb: &'static str,
    /// What went wrong.
    pub fault: Fault,
}

struct State {
    plan: FaultPlan,
    calls: u64,
    calls_of: BTreeMap<&'static str, u64>,
    injected: Vec<Injected>,
}

/// Any backend, with faults.
pub struct FaultyBackend {
    inner: Arc<dyn Backend>,
    env: SharedEnv,
    state: Mutex<State>,
}

impl fmt::Debug for FaultyBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FaultyBackend({:?})", self.inner)
    }
}

impl FaultyBackend {
    /// Puts faults around a backend. Stalls are measured by `env`.
    pub fn new(inner: Arc<dyn Backend>, env: SharedEnv, plan: FaultPlan) -> Self {
        let state = State { plan, calls: 0, calls_of: BTreeMap::new(), injected: Vec::new() };
        Self { inner, env, state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on nothing goes wrong any more.
    pub fn heal(&self) {
        self.state().plan = FaultPlan::none();
    }

    /// How many calls there have been.
    pub fn calls(&self) -> u64 {
        self.state().calls
    }

    /// What went wrong so far, in order.
    pub fn injected(&self) -> Vec<Injected> {
        self.state().injected.clone()
    }

    fn next_fault(&self, verb: &'static str) -> (Option<Fault>, Duration) {
        let mut state = self.state();
        let call = state.calls;
        state.calls += 1;
        let of_verb = state.calls_of.entry(verb).or_insert(0);
        let nth = *of_verb;
        *of_verb += 1;
        let fault = state.plan.fault(call, verb, nth);
        if let Some(fault) = fault {
            state.injected.push(Injected { call, verb, fault });
        }
        (fault, state.plan.stall)
    }

    /// Calls the inner backend with a batch, with or without a fault.
    async fn batch<'a, I, T>(
        &'a self,
        verb: &'static str,
        items: Vec<I>,
        call: impl Fn(&'a dyn Backend, Vec<I>) -> BoxFuture<'a, Vec<BackendResult<T>>>,
    ) -> Vec<BackendResult<T>>
    where
        I: Clone,
    {
        let count = items.len();
        let (fault, stall) = self.next_fault(verb);
        match fault {
            None => call(&*self.inner, items).await,
            Some(Fault::FailBefore) => fail_all(count, || not_applied(verb)),
            Some(Fault::FailAfter) => {
                call(&*self.inner, items).await;
                fail_all(count, || unknown(verb))
            }
            Some(Fault::StallBefore) => {
                self.env.sleep(stall).await;
                call(&*self.inner, items).await
            }
            Some(Fault::StallAfter) => {
                let answers = call(&*self.inner, items).await;
                self.env.sleep(stall).await;
                answers
            }
            Some(Fault::Duplicate) => {
                let answers = call(&*self.inner, items.clone()).await;
                call(&*self.inner, items).await;
                answers
            }
            Some(Fault::Reorder) => {
                let items = items.into_iter().rev().collect();
                let mut answers = call(&*self.inner, items).await;
                answers.reverse();
                answers
            }
            Some(Fault::Drop) => match abandoned(call(&*self.inner, items)).await {
                Some(answers) => answers,
                None => fail_all(count, || unknown(verb)),
            },
        }
    }

    /// Calls the inner backend for one answer. Such calls have no order, and a receive that is
    /// performed twice would only take twice as much.
    async fn single<'a, T>(
        &'a self,
        verb: &'static str,
        call: impl Fn(&'a dyn Backend) -> BoxFuture<'a, BackendResult<T>>,
    ) -> BackendResult<T> {
        let (fault, stall) = self.next_fault(verb);
        match fault {
            None | Some(Fault::Duplicate | Fault::Reorder) => call(&*self.inner).await,
            Some(Fault::FailBefore) => Err(not_applied(verb)),
            Some(Fault::FailAfter) => {
                call(&*self.inner).await?;
                Err(unknown(verb))
            }
            Some(Fault::StallBefore) => {
                self.env.sleep(stall).await;
                call(&*self.inner).await
            }
            Some(Fault::StallAfter) => {
                let answer = call(&*self.inner).await;
                self.env.sleep(stall).await;
                answer
            }
            Some(Fault::Drop) => match abandoned(call(&*self.inner)).await {
                Some(answer) => answer,
                None => Err(unknown(verb)),
            },
        }
    }
}

fn not_applied(verb: &'static str) -> BackendError {
    BackendError::new(BackendErrorKind::Unavailable, verb, "injected fault: not performed")
}

fn unknown(verb: &'static str) -> BackendError {
    BackendError::new(BackendErrorKind::Unavailable, verb, "injected fault: the answer is lost")
        .unknown()
}

fn fail_all<T>(count: usize, error: impl Fn() -> BackendError) -> Vec<BackendResult<T>> {
    (0..count).map(|_| Err(error())).collect()
}

/// Polls twice and drops; the answer if that was enough.
async fn abandoned<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    for _ in 0..2 {
        if let Poll::Ready(done) = futures_util::poll!(future.as_mut()) {
            return Some(done);
        }
        tokio::task::yield_now().await;
    }
    None
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl OrchestrationQueue for FaultyBackend {
    async fn create_instances(
        &self,
        requests: Vec<CreateInstance>,
    ) -> Vec<BackendResult<CreateOutcome>> {
        self.batch("create_instances", requests, |inner, items| inner.create_instances(items)).await
    }

    async fn send(&self, envelopes: Vec<Envelope>) -> Vec<BackendResult<SendOutcome>> {
        self.batch("send", envelopes, |inner, items| inner.send(items)).await
    }

    async fn receive_turns(&self, request: ReceiveTurns) -> BackendResult<Vec<TurnWork>> {
        self.single("receive_turns", |inner| inner.receive_turns(request.clone())).await
    }

    async fn renew_turns(
        &self,
        leases: Vec<TurnLease>,
        lease_for: Duration,
    ) -> Vec<BackendResult<RenewOutcome>> {
        self.batch("renew_turns", leases, |inner, items| inner.renew_turns(items, lease_for)).await
    }

    async fn abandon_turns(
        &self,
        leases: Vec<TurnLease>,
        delay: Duration,
    ) -> Vec<BackendResult<AbandonOutcome>> {
        self.batch("abandon_turns", leases, |inner, items| inner.abandon_turns(items, delay)).await
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl ActivityQueue for FaultyBackend {
    async fn receive_activities(
        &self,
        request: ReceiveActivities,
    ) -> BackendResult<Vec<ActivityWork>> {
        self.single("receive_activities", |inner| inner.receive_activities(request.clone())).await
    }

    async fn renew_activities(
        &self,
        renewals: Vec<RenewActivity>,
    ) -> Vec<BackendResult<RenewOutcome>> {
        self.batch("renew_activities", renewals, |inner, items| inner.renew_activities(items)).await
    }

    async fn abandon_activities(
        &self,
        leases: Vec<ActivityLease>,
        delay: Duration,
    ) -> Vec<BackendResult<AbandonOutcome>> {
        self.batch("abandon_activities", leases, |inner, items| {
            inner.abandon_activities(items, delay)
        })
        .await
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl TrackingQueue for FaultyBackend {
    async fn receive_tracking(&self, request: ReceiveTracking) -> BackendResult<Vec<TrackingWork>> {
        self.single("receive_tracking", |inner| inner.receive_tracking(request.clone())).await
    }

    async fn ack_tracking(&self, leases: Vec<TrackingLease>) -> Vec<BackendResult<AbandonOutcome>> {
        self.batch("ack_tracking", leases, |inner, items| inner.ack_tracking(items)).await
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl HistoryStore for FaultyBackend {
    async fn read_records(
        &self,
        instances: Vec<InstanceId>,
    ) -> Vec<BackendResult<Option<InstanceRecord>>> {
        self.batch("read_records", instances, |inner, items| inner.read_records(items)).await
    }

    async fn read_history(&self, read: HistoryRead) -> BackendResult<HistoryPage> {
        self.single("read_history", |inner| inner.read_history(read.clone())).await
    }

    async fn executions(&self, instance: &InstanceId) -> BackendResult<Vec<ExecutionId>> {
        let instance = instance.clone();
        self.single("executions", |inner| {
            let instance = instance.clone();
            Box::pin(async move { inner.executions(&instance).await })
        })
        .await
    }

    async fn watch(
        &self,
        instance: &InstanceId,
        seen: u64,
        wait: Duration,
    ) -> BackendResult<Option<InstanceRecord>> {
        let instance = instance.clone();
        self.single("watch", |inner| {
            let instance = instance.clone();
            Box::pin(async move { inner.watch(&instance, seen, wait).await })
        })
        .await
    }

    async fn watch_end(
        &self,
        instance: &InstanceId,
        wait: Duration,
    ) -> BackendResult<Option<InstanceRecord>> {
        let instance = instance.clone();
        self.single("watch_end", |inner| {
            let instance = instance.clone();
            Box::pin(async move { inner.watch_end(&instance, wait).await })
        })
        .await
    }

    async fn list(&self, query: InstanceQuery) -> BackendResult<InstancePage> {
        self.single("list", |inner| inner.list(query.clone())).await
    }

    async fn index(&self, records: Vec<InstanceRecord>) -> BackendResult<()> {
        self.single("index", |inner| inner.index(records.clone())).await
    }

    async fn purge(&self, instances: Vec<InstanceId>) -> Vec<BackendResult<PurgeOutcome>> {
        self.batch("purge", instances, |inner, items| inner.purge(items)).await
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl Backend for FaultyBackend {
    fn capabilities(&self) -> &Capabilities {
        self.inner.capabilities()
    }

    fn hub(&self) -> &HubName {
        self.inner.hub()
    }

    async fn commit_turns(&self, commits: Vec<TurnCommit>) -> Vec<BackendResult<CommitOutcome>> {
        self.batch("commit_turns", commits, |inner, items| inner.commit_turns(items)).await
    }

    async fn commit_activities(
        &self,
        commits: Vec<ActivityCommit>,
    ) -> Vec<BackendResult<CommitOutcome>> {
        self.batch("commit_activities", commits, |inner, items| inner.commit_activities(items))
            .await
    }

    /// Closing is never faulty: it is the end of the experiment.
    async fn close(&self) -> BackendResult<()> {
        self.inner.close().await
    }
}
