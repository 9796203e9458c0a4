//! The backend value and its two atomic commits.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use async_trait::async_trait;
use durable_core::backend::{
    ActivityCommit, Backend, BackendError, BackendErrorKind, BackendResult, Capabilities,
    CommitOutcome, Durability, TurnCommit,
};
use durable_core::env::SharedEnv;
use durable_core::ids::HubName;

use crate::hub::{Hub, Running};
use crate::log::Change;
use crate::recovery;
use crate::store::SledStore;
use crate::tenant::Tenant;
use crate::watchdog;

/// One task hub in a folder.
#[derive(Debug)]
pub struct SledBackend {
    running: Running,
    capabilities: Capabilities,
    // Keeps the store open as long as one of its hubs is used.
    _store: Arc<SledStore>,
}

impl SledBackend {
    pub(crate) fn open(
        store: Arc<SledStore>,
        env: SharedEnv,
        name: HubName,
        tenant: Tenant,
    ) -> BackendResult<Self> {
        let committer = recovery::open(&store, env, name, tenant)?;
        let hub = Arc::clone(&committer.hub);
        // Before the thread that it watches, which an error would leave behind.
        watchdog::watch(&hub)?;
        let thread = std::thread::Builder::new()
            .name("sled-committer".to_owned())
            .spawn(move || committer.run());
        let committer = thread.map_err(|e| {
            BackendError::new(
                BackendErrorKind::Internal,
                "open",
                "cannot start the committer's thread",
            )
            .source(e)
        })?;
        Ok(Self {
            running: Running { hub, committer: Some(committer) },
            capabilities: Self::capabilities(),
            _store: store,
        })
    }

    /// What the adapter can do.
    pub fn capabilities() -> Capabilities {
        let mut capabilities = Capabilities::new("sled");
        capabilities.durability = Durability::PowerLoss;
        capabilities.push = true;
        capabilities.instant_delivery = true;
        capabilities.indexes_itself = true;
        capabilities.consistent_listing = true;
        capabilities.injected_clock = true;
        capabilities
    }

    /// How often the log was flushed to disk since the hub was opened: one flush makes any
    /// number of changes safe.
    pub fn flushes(&self) -> u64 {
        self.state().disk.flushes.load(Ordering::Relaxed)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.state().closed.load(Ordering::Acquire)
    }

    pub(crate) fn state(&self) -> &Arc<Hub> {
        &self.running.hub
    }
}

#[async_trait]
impl Backend for SledBackend {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn hub(&self) -> &HubName {
        &self.state().name
    }

    async fn commit_turns(&self, commits: Vec<TurnCommit>) -> Vec<BackendResult<CommitOutcome>> {
        let hub = self.state();
        let answers = hub.with(|inner, now| {
            let mut answers = Vec::with_capacity(commits.len());
            for commit in commits {
                let applied = hub.check_open("commit_turns").and_then(|()| {
                    // A repeated last commit may find its instance on disk already.
                    inner.load_done(&hub.disk, &commit.lease.instance, now)?;
                    if let Some(outcome) = inner.state.check_turn(&commit) {
                        // A repeated commit is answered when the first is safe.
                        return Ok((outcome, inner.state.lsn_of(&commit.lease.instance)));
                    }
                    for message in &commit.messages {
                        if message.creates.is_some() {
                            inner.load_done(&hub.disk, &message.target, now)?;
                        }
                    }
                    let change = Change::Turn(Box::new(commit));
                    let number = inner.log(now, &change);
                    if let Change::Turn(commit) = change {
                        inner.state.apply_turn(*commit, now);
                    }
                    Ok((CommitOutcome::Applied, number))
                });
                answers.push(applied);
            }
            answers
        });
        hub.answer("commit_turns", answers).await
    }

    async fn commit_activities(
        &self,
        commits: Vec<ActivityCommit>,
    ) -> Vec<BackendResult<CommitOutcome>> {
        let hub = self.state();
        let answers = hub.with(|inner, now| {
            let mut answers = Vec::with_capacity(commits.len());
            for commit in commits {
                let applied = hub.check_open("commit_activities").map(|()| {
                    if let Some(outcome) = inner.state.check_activity(&commit) {
                        // A repeated commit is answered when the first is safe.
                        return (outcome, inner.last);
                    }
                    let change = Change::Activity(commit.lease.task, commit.completion);
                    let number = inner.log(now, &change);
                    if let Change::Activity(task, completion) = change {
                        inner.state.apply_activity(task, completion, now);
                    }
                    (CommitOutcome::Applied, number)
                });
                answers.push(applied);
            }
            answers
        });
        hub.answer("commit_activities", answers).await
    }

    async fn close(&self) -> BackendResult<()> {
        let hub = self.state();
        if hub.closed.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        let last = {
            let mut inner = hub.inner.lock();
            inner.closing = true;
            inner.last
        };
        hub.work.notify_one();
        hub.bells.ring_all();
        let written = hub.safe("close", last).await;
        // The committer says so when it has ended; only then may the hub be opened again.
        let _ = hub.progress.reached(u64::MAX).await;
        written
    }
}
