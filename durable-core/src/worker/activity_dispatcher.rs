//! The loop that fetches activities and sets them going.

use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::activity_commit::{Finished, commit, complete};
use super::activity_run::{self, Run};
use super::lease_keeper::Running;
use super::pace::Pace;
use super::shared::{Fetched, Shared};
use crate::backend::{ActivityWork, BackendErrorKind, ReceiveActivities};
use crate::telemetry;

const ERROR_PAUSE: Duration = Duration::from_secs(1);

/// Quick activities that are committed together; more would keep the first ones waiting.
const COMMIT_ITEMS: usize = 64;

/// Runs activities until the worker stops.
pub(super) async fn run(shared: Arc<Shared>, running: Arc<Running>) {
    let max = shared.options.activities_max;
    let permits = Arc::new(Semaphore::new(max));
    let (finished, inbox) = mpsc::channel(max.clamp(1, 4_096));
    shared.spawn(Box::pin(complete(Arc::clone(&shared), inbox)));
    while !shared.stopping() {
        let Ok(first) = Arc::clone(&permits).acquire_owned().await else { return };
        let wanted = (permits.available_permits() + 1).min(256);
        let request = ReceiveActivities {
            max: wanted,
            lease_for: shared.options.lease,
            wait: shared.options.idle_wait,
            queues: shared.options.queues.clone(),
            worker: shared.worker,
        };
        let received = match shared.fetch(shared.backend.receive_activities(request)).await {
            Fetched::Work(received) => received,
            Fetched::Stop(last) => {
                for work in last.into_iter().flatten().flatten() {
                    activity_run::abandon(&shared, work.lease, Duration::ZERO).await;
                }
                return;
            }
        };
        match received {
            Ok(works) => {
                let dispatch = Dispatch { shared: &shared, running: &running, finished: &finished };
                dispatch.all(works, first, &permits).await;
            }
            Err(error) if error.kind() == BackendErrorKind::Closed => return,
            Err(error) => {
                tracing::warn!(%error, "{}", telemetry::FETCH_FAILED);
                drop(first);
                shared.pause_after(&error, ERROR_PAUSE).await;
            }
        }
    }
}

/// Sets the activities of a fetch going.
struct Dispatch<'a> {
    shared: &'a Arc<Shared>,
    running: &'a Arc<Running>,
    finished: &'a mpsc::Sender<Finished>,
}

impl Dispatch<'_> {
    /// Runs quick activities here and commits them together; any other gets a task.
    async fn all(
        &self,
        works: Vec<ActivityWork>,
        first: OwnedSemaphorePermit,
        permits: &Arc<Semaphore>,
    ) {
        let mut permit = Some(first);
        let mut done = Vec::new();
        for work in works {
            // No more come than were asked for, and nobody else takes permits.
            let own = permit.take().or_else(|| Arc::clone(permits).try_acquire_owned().ok());
            let Some(permit) = own else { break };
            let Some(task) = activity_run::decode(self.shared, &work).await else { continue };
            let (pace, delivery) = (self.shared.pace(&task.name), work.delivery);
            if !pace.is_quick() {
                let (shared, running) = (Arc::clone(self.shared), Arc::clone(self.running));
                let run = Box::pin(activity_run::run(shared, running, work, task));
                self.spawn(run, delivery, Some(pace), permit);
                continue;
            }
            match activity_run::run_quick(self.shared, self.running, &pace, work, task).await {
                Ok(commit) => {
                    done.extend(commit.map(|commit| Finished { commit, delivery, permit }));
                    if done.len() >= COMMIT_ITEMS {
                        self.commit(&mut done).await;
                    }
                }
                Err(run) => self.spawn(run, delivery, None, permit),
            }
        }
        self.commit(&mut done).await;
    }

    async fn commit(&self, done: &mut Vec<Finished>) {
        if !done.is_empty() {
            let batch = std::mem::take(done);
            self.shared.begin(Box::pin(commit(Arc::clone(self.shared), batch))).await;
        }
    }

    /// Gives a run a task; a pace is passed when its first step is still to come.
    fn spawn(
        &self,
        mut run: Run,
        delivery: u32,
        pace: Option<Arc<Pace>>,
        permit: OwnedSemaphorePermit,
    ) {
        let (shared, finished) = (Arc::clone(self.shared), self.finished.clone());
        self.shared.spawn(Box::pin(async move {
            let first = match pace {
                Some(pace) => pace.first_step(&*shared.env, &mut run).await,
                None => Poll::Pending,
            };
            let ended = match first {
                Poll::Ready(ended) => ended,
                Poll::Pending => run.await,
            };
            if let Some(commit) = ended {
                // The receiver ends only after all senders.
                let _ = finished.send(Finished { commit, delivery, permit }).await;
            }
        }));
    }
}
