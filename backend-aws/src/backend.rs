//! One task hub: the backend value and its two atomic commits.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use async_trait::async_trait;
use durable_core::backend::{
    ActivityCommit, Backend, BackendResult, Capabilities, CommitOutcome, Durability, TurnCommit,
};
use durable_core::env::{BoxFuture, SharedEnv};
use durable_core::ids::{HubName, InstanceId};
use foldhash::HashMap;
use futures_util::{StreamExt as _, stream};

use crate::client::Clients;
use crate::config::AwsSettings;
use crate::hub::{Hub, interrupted};
use crate::names::HubNames;
use crate::sqs::Queue;
use crate::table::Table;

/// Items of one batch that are under way at a time.
const AT_ONCE: usize = 32;

/// A task hub on DynamoDB and SQS.
pub struct AwsBackend {
    pub(crate) hub: Arc<Hub>,
}

impl fmt::Debug for AwsBackend {
    /// Shows no content: payloads may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwsBackend").field("hub", &self.hub.name).finish_non_exhaustive()
    }
}

impl AwsBackend {
    /// What a hub on DynamoDB and SQS can do.
    pub const fn capabilities() -> Capabilities {
        let mut capabilities = Capabilities::new("aws");
        capabilities.durability = Durability::Replicated;
        capabilities.push = true;
        capabilities.multi_process = true;
        capabilities.indexes_itself = true;
        // The services have no clock that could be asked: leases and timers go by the process's.
        capabilities.injected_clock = true;
        capabilities
    }

    pub(crate) fn open(
        clients: Clients,
        settings: AwsSettings,
        (hub, names): (&HubName, HubNames),
        env: SharedEnv,
    ) -> Self {
        let table = Table { client: clients.dynamodb, name: names.table };
        let queue = |name| Queue::new(clients.sqs.clone(), name);
        let queues = [queue(names.orchestrator), queue(names.worker), queue(names.tracking)];
        let own = (hub.clone(), settings, env);
        Self { hub: Arc::new(Hub::new(own, Self::capabilities(), table, queues)) }
    }

    pub(crate) fn check_open(&self, operation: &'static str) -> BackendResult<()> {
        self.hub.check_open(operation)
    }

    /// Applies a verb to each item of a batch. Items with the same key go one after the other in
    /// their order, others at the same time; all go to their end even when the caller does not
    /// wait for it.
    pub(crate) async fn each<I, T>(
        &self,
        operation: &'static str,
        items: Vec<I>,
        key: impl Fn(&I) -> Option<InstanceId>,
        verb: impl Fn(Arc<Hub>, I) -> BoxFuture<'static, BackendResult<T>> + Send + Sync + 'static,
    ) -> Vec<BackendResult<T>>
    where
        I: Send + 'static,
        T: Send + 'static,
    {
        let count = items.len();
        if let Err(error) = self.check_open(operation) {
            drop(error);
            return (0..count).map(|_| Err(crate::hub::closed(operation))).collect();
        }
        let mut groups: Vec<Vec<(usize, I)>> = Vec::new();
        let mut places: HashMap<InstanceId, usize> = HashMap::default();
        for (n, item) in items.into_iter().enumerate() {
            let place = match key(&item) {
                Some(key) => *places.entry(key).or_insert(groups.len()),
                None => groups.len(),
            };
            if place == groups.len() {
                groups.push(Vec::new());
            }
            groups[place].push((n, item));
        }
        let hub = Arc::clone(&self.hub);
        let verb = Arc::new(verb);
        let work = async move {
            let runs = groups.into_iter().map(|group| {
                let (hub, verb) = (Arc::clone(&hub), Arc::clone(&verb));
                async move {
                    let mut answers = Vec::with_capacity(group.len());
                    for (n, item) in group {
                        answers.push((n, verb(Arc::clone(&hub), item).await));
                    }
                    answers
                }
            });
            stream::iter(runs).buffer_unordered(AT_ONCE).concat().await
        };
        let mut answers = self.hub.detached(work).await.unwrap_or_default();
        if answers.len() != count {
            return (0..count).map(|_| Err(interrupted(operation))).collect();
        }
        answers.sort_by_key(|(n, _)| *n);
        answers.into_iter().map(|(_, answer)| answer).collect()
    }

    /// Applies a verb to the items of each instance together, in their order, and to different
    /// instances at the same time.
    pub(crate) async fn runs<I, T>(
        &self,
        operation: &'static str,
        items: Vec<I>,
        instance: impl Fn(&I) -> &InstanceId,
        verb: impl Fn(Arc<Hub>, Vec<I>) -> BoxFuture<'static, Vec<BackendResult<T>>>
        + Send
        + Sync
        + 'static,
    ) -> Vec<BackendResult<T>>
    where
        I: Send + 'static,
        T: Send + 'static,
    {
        let count = items.len();
        let mut runs: Vec<(Vec<usize>, Vec<I>)> = Vec::new();
        let mut places: HashMap<InstanceId, usize> = HashMap::default();
        for (n, item) in items.into_iter().enumerate() {
            let place = *places.entry(instance(&item).clone()).or_insert(runs.len());
            if place == runs.len() {
                runs.push((Vec::new(), Vec::new()));
            }
            runs[place].0.push(n);
            runs[place].1.push(item);
        }
        let verb = Arc::new(verb);
        let done = self.each(
            operation,
            runs,
            |_| None,
            move |hub, (places, items)| {
                let answers = verb(hub, items);
                Box::pin(
                    async move { Ok(places.into_iter().zip(answers.await).collect::<Vec<_>>()) },
                )
            },
        );
        let mut answers: Vec<_> = (0..count).map(|_| None).collect();
        for (n, answer) in done.await.into_iter().flatten().flatten() {
            answers[n] = Some(answer);
        }
        let missing = || self.check_open(operation).err().unwrap_or_else(|| interrupted(operation));
        answers.into_iter().map(|a| a.unwrap_or_else(|| Err(missing()))).collect()
    }
}

#[async_trait]
impl Backend for AwsBackend {
    fn capabilities(&self) -> &Capabilities {
        &self.hub.capabilities
    }

    fn hub(&self) -> &HubName {
        &self.hub.name
    }

    async fn commit_turns(&self, commits: Vec<TurnCommit>) -> Vec<BackendResult<CommitOutcome>> {
        let key = |c: &TurnCommit| Some(c.lease.instance.clone());
        self.each("commit_turns", commits, key, |hub, commit| {
            Box::pin(async move { hub.commit_turn(commit).await })
        })
        .await
    }

    async fn commit_activities(
        &self,
        commits: Vec<ActivityCommit>,
    ) -> Vec<BackendResult<CommitOutcome>> {
        self.runs(
            "commit_activities",
            commits,
            |commit| &commit.lease.instance,
            |hub, commits| Box::pin(async move { hub.complete_run(&commits).await }),
        )
        .await
    }

    async fn close(&self) -> BackendResult<()> {
        self.hub.closed.store(true, Ordering::Release);
        // Waiting calls come back with the error.
        self.hub.bells.ring_all();
        Ok(())
    }
}
