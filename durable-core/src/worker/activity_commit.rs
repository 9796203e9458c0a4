//! Commits of finished activities, in batches.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::shared::Shared;
use crate::backend::{ActivityCommit, CommitOutcome, Retry};
use crate::limits;
use crate::telemetry;

/// A finished activity on its way to the store. The permit makes room for the next one once
/// the result is safe.
pub(super) struct Finished {
    pub(super) commit: ActivityCommit,
    /// Which delivery of the task it is, from 1.
    pub(super) delivery: u32,
    pub(super) permit: OwnedSemaphorePermit,
}

/// Gathers what has finished and commits it in batches, until all senders are gone.
pub(super) async fn complete(shared: Arc<Shared>, mut inbox: mpsc::Receiver<Finished>) {
    let mut batch = Vec::new();
    while inbox.recv_many(&mut batch, limits::BATCH_ITEMS_MAX).await > 0 {
        let batch = std::mem::take(&mut batch);
        let task = commit(Arc::clone(&shared), batch);
        shared.begin(Box::pin(task)).await;
    }
}

pub(super) async fn commit(shared: Arc<Shared>, batch: Vec<Finished>) {
    let mut pending = batch;
    let mut tries = 0_u32;
    while !pending.is_empty() && tries < 8 {
        let commits = pending.iter().map(|f| f.commit.clone()).collect();
        let results = shared.backend.commit_activities(commits).await;
        let mut failed = Vec::new();
        let mut delay = Duration::ZERO;
        for (finished, result) in pending.into_iter().zip(results) {
            match result {
                Ok(CommitOutcome::Applied) => {
                    shared.task_excuses.forget(&finished.commit.lease.task);
                    drop(finished.permit);
                }
                Ok(outcome) => {
                    shared.task_excuses.forget(&finished.commit.lease.task);
                    tracing::debug!(instance = %finished.commit.lease.instance, ?outcome, "{} (DT0007)", telemetry::COMMIT_REFUSED);
                }
                Err(error) => {
                    tracing::warn!(instance = %finished.commit.lease.instance, %error, "{}", telemetry::COMMIT_FAILED);
                    // If it comes to nothing, the store is to blame.
                    shared.task_excuses.add(&finished.commit.lease.task, finished.delivery);
                    if let Retry::After(advised) = error.advice() {
                        delay = delay.max(advised);
                        failed.push(finished);
                    }
                }
            }
        }
        pending = failed;
        tries += 1;
        if !pending.is_empty() {
            shared.env.sleep(delay).await;
        }
    }
}
