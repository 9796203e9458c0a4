//! The loop that runs activities: fetch → run → commit.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tracing::Instrument;

use super::lease_keeper::Running;
use super::shared::Shared;
use crate::activity::{ActivityCall, ActivityContext, ActivityHandler, ActivityShared};
use crate::backend::{
    ActivityCommit, ActivityLease, ActivityWork, BackendErrorKind, CommitOutcome, Envelope,
    ReceiveActivities, Retry,
};
use crate::env::timeout;
use crate::ids::MessageId;
use crate::limits;
use crate::model::event::{ActivityCompleted, ActivityFailed};
use crate::model::wire;
use crate::model::{ActivityTask, Failure, FailureKind, Message};
use crate::payload::Payload;
use crate::replay::HandlerResult;
use crate::telemetry;

const ERROR_PAUSE: Duration = Duration::from_secs(1);

/// Deliveries of a task that nobody serves before it fails.
const NOT_SERVED_DELIVERIES: u32 = 5;

/// A finished activity on its way to the store. The permit makes room for the next one once
/// the result is safe.
struct Finished {
    commit: ActivityCommit,
    permit: OwnedSemaphorePermit,
}

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
        let received = tokio::select! {
            biased;
            received = shared.backend.receive_activities(request) => received,
            () = shared.stopped() => return,
        };
        match received {
            Ok(works) => {
                let mut permit = Some(first);
                for work in works {
                    // No more come than were asked for, and nobody else takes permits.
                    let own =
                        permit.take().or_else(|| Arc::clone(&permits).try_acquire_owned().ok());
                    let Some(own) = own else { break };
                    let task = run_one(
                        Arc::clone(&shared),
                        Arc::clone(&running),
                        work,
                        own,
                        finished.clone(),
                    );
                    shared.spawn(Box::pin(task));
                }
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

async fn run_one(
    shared: Arc<Shared>,
    running: Arc<Running>,
    work: ActivityWork,
    permit: OwnedSemaphorePermit,
    finished: mpsc::Sender<Finished>,
) {
    let task = match wire::decode_task(&work.body) {
        Ok(task) => task,
        Err(error) => {
            // Without the task nobody can be told; after enough deliveries it is left alone.
            tracing::error!(instance = %work.lease.instance, task = %work.lease.task, %error, "undecodable task");
            let delay = Duration::from_secs(60).saturating_mul(work.delivery);
            abandon(&shared, work.lease, delay).await;
            return;
        }
    };
    let id = task.id;
    let lease = work.lease.clone();
    let execution = work.execution;
    let result = match perform(&shared, &running, work, task).await {
        Performed::Result(result) => result,
        Performed::Stopped => return,
        Performed::Abandon(delay) => {
            abandon(&shared, lease, delay).await;
            return;
        }
    };
    let message = match result {
        Ok(output) => Message::ActivityCompleted(ActivityCompleted { id, output }),
        Err(failure) => {
            tracing::debug!(instance = %lease.instance, %failure, "{}", telemetry::ACTIVITY_FAILED);
            Message::ActivityFailed(ActivityFailed { id, failure })
        }
    };
    // The highest bit tells a completion from the task that has the same number.
    let message_id = MessageId { source: execution.0, seq: id | 1 << 63 };
    let body = wire::encode_message(&message);
    let mut completion =
        Envelope::new(message_id, lease.instance.clone(), shared.order_key(), body);
    completion.execution = Some(execution);
    let commit = ActivityCommit { lease, completion };
    // The receiver ends only after all senders.
    let _ = finished.send(Finished { commit, permit }).await;
}

enum Performed {
    Result(HandlerResult),
    /// The result is not wanted by anybody.
    Stopped,
    Abandon(Duration),
}

async fn perform(
    shared: &Arc<Shared>,
    running: &Arc<Running>,
    work: ActivityWork,
    task: ActivityTask,
) -> Performed {
    if work.delivery > shared.options.deliveries_max {
        let text = format!(
            "activity `{}` (DT0013) was handed out {} times without a result: its workers crash or lose their leases",
            task.name,
            work.delivery - 1
        );
        return Performed::Result(Err(Failure::of_kind(FailureKind::Poisoned, text)));
    }
    let Some(handler) = shared.registry.find_activity(&task.name) else {
        return not_served(shared, &work, &task);
    };
    let span = tracing::debug_span!(
        "activity.run",
        instance = %work.lease.instance,
        name = %task.name,
        attempt = task.attempt,
        delivery = work.delivery,
    );
    let now = shared.env.now();
    let (start_to_close, heartbeat) = (task.start_to_close, task.heartbeat);
    let call = ActivityCall {
        hub: Arc::clone(&shared.hub),
        instance: work.lease.instance.clone(),
        execution: work.execution,
        name: task.name,
        call: task.call,
        attempt: task.attempt,
        delivery: work.delivery,
        earlier_progress: work.progress,
    };
    let data = shared.registry.values();
    let context = Arc::new(ActivityShared::new(Arc::clone(&shared.env), data, call, now));
    let watched = running.watch(work.lease, Arc::clone(&context), heartbeat, now);
    let ctx = ActivityContext::new(Arc::clone(&context));
    let input = task.input;
    let run = run_handler(shared, handler, ctx, input, start_to_close).instrument(span);
    let ended = tokio::select! {
        biased;
        done = run => Some(done),
        () = stopped(shared, &context) => None,
    };
    let timed_out = watched.timed_out();
    drop(watched);
    match (timed_out, ended) {
        (Some(text), _) => Performed::Result(Err(Failure::of_kind(FailureKind::TimedOut, text))),
        (None, Some(result)) => {
            if matches!(&result, Err(failure) if failure.kind() == FailureKind::TimedOut) {
                context.cancel();
            }
            Performed::Result(result)
        }
        (None, None) => Performed::Stopped,
    }
}

/// Runs user code within its time limit; a panic becomes a failure.
async fn run_handler(
    shared: &Arc<Shared>,
    handler: Arc<dyn ActivityHandler>,
    ctx: ActivityContext,
    input: Option<Payload>,
    limit: Option<Duration>,
) -> HandlerResult {
    let run = async move {
        let made = std::panic::catch_unwind(AssertUnwindSafe(|| handler.run(ctx, input)));
        let ended = match made {
            Ok(future) => AssertUnwindSafe(future).catch_unwind().await,
            Err(panic) => Err(panic),
        };
        ended.unwrap_or_else(|panic| Err(crate::replay::panic_failure("activity", &*panic)))
    };
    let Some(limit) = limit else {
        return run.await;
    };
    timeout(&*shared.env, limit, run).await.unwrap_or_else(|_| {
        let text = format!("the activity did not end within {limit:?}");
        Err(Failure::of_kind(FailureKind::TimedOut, text))
    })
}

/// Completes some time after the activity was cancelled.
async fn stopped(shared: &Arc<Shared>, context: &Arc<ActivityShared>) {
    ActivityContext::new(Arc::clone(context)).cancelled().await;
    shared.env.sleep(shared.options.cancel_grace).await;
}

fn not_served(shared: &Arc<Shared>, work: &ActivityWork, task: &ActivityTask) -> Performed {
    let served = shared.registry.activity_names();
    if work.delivery < NOT_SERVED_DELIVERIES && shared.backend.capabilities().multi_process {
        // Others may serve it: let them have a go first.
        return Performed::Abandon(Duration::from_millis(200) * 2_u32.pow(work.delivery));
    }
    let text = format!(
        "no worker serves activity `{}` (DT0004) on queue(s) {}; served here: {}",
        task.name,
        shared.options.queues.iter().map(|q| q.as_str()).collect::<Vec<_>>().join(", "),
        if served.is_empty() { "none".to_owned() } else { served.join(", ") },
    );
    tracing::warn!(instance = %work.lease.instance, "{text}");
    Performed::Result(Err(Failure::of_kind(FailureKind::NotRegistered, text)))
}

async fn abandon(shared: &Arc<Shared>, lease: ActivityLease, delay: Duration) {
    for given_back in shared.backend.abandon_activities(vec![lease], delay).await {
        if let Err(error) = given_back {
            // The lease ends by itself.
            tracing::debug!(%error, "could not give an activity back");
        }
    }
}

/// Gathers what has finished and commits it in batches.
async fn complete(shared: Arc<Shared>, mut inbox: mpsc::Receiver<Finished>) {
    let mut batch = Vec::new();
    while inbox.recv_many(&mut batch, limits::BATCH_ITEMS_MAX).await > 0 {
        let batch = std::mem::take(&mut batch);
        let task = commit(Arc::clone(&shared), batch);
        shared.spawn(Box::pin(task));
    }
}

async fn commit(shared: Arc<Shared>, batch: Vec<Finished>) {
    let mut pending = batch;
    let mut tries = 0_u32;
    while !pending.is_empty() && tries < 8 {
        let commits = pending.iter().map(|f| f.commit.clone()).collect();
        let results = shared.backend.commit_activities(commits).await;
        let mut failed = Vec::new();
        let mut delay = Duration::ZERO;
        for (finished, result) in pending.into_iter().zip(results) {
            match result {
                Ok(CommitOutcome::Applied) => drop(finished.permit),
                Ok(outcome) => {
                    tracing::debug!(instance = %finished.commit.lease.instance, ?outcome, "{}", telemetry::COMMIT_REFUSED);
                }
                Err(error) => {
                    tracing::warn!(instance = %finished.commit.lease.instance, %error, "{}", telemetry::COMMIT_FAILED);
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
