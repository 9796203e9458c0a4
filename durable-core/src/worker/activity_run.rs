//! One activity: decode, run user code within its limits, make the commit.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tracing::Instrument;

use super::lease_keeper::Running;
use super::shared::Shared;
use crate::activity::{ActivityCall, ActivityContext, ActivityHandler, ActivityShared};
use crate::backend::{ActivityCommit, ActivityLease, ActivityWork, Envelope};
use crate::env::timeout;
use crate::ids::MessageId;
use crate::model::event::{ActivityCompleted, ActivityFailed};
use crate::model::wire;
use crate::model::{ActivityTask, Failure, FailureKind, Message};
use crate::payload::Payload;
use crate::replay::HandlerResult;
use crate::telemetry;

/// Deliveries of a task that nobody serves before it fails.
const NOT_SERVED_DELIVERIES: u32 = 5;

/// Reads the task, or gives the work back.
pub(super) async fn decode(shared: &Arc<Shared>, work: &ActivityWork) -> Option<ActivityTask> {
    match wire::decode_task(&work.body) {
        Ok(task) => Some(task),
        Err(error) => {
            // Without the task nobody can be told; after enough deliveries it is left alone.
            tracing::error!(instance = %work.lease.instance, task = %work.lease.task, %error, "undecodable task");
            let delay = Duration::from_secs(60).saturating_mul(work.delivery);
            abandon(shared, work.lease.clone(), delay).await;
            None
        }
    }
}

/// Runs it once. `None` when there is nothing to commit.
pub(super) async fn run(
    shared: Arc<Shared>,
    running: Arc<Running>,
    work: ActivityWork,
    task: ActivityTask,
) -> Option<ActivityCommit> {
    let id = task.id;
    let lease = work.lease.clone();
    let execution = work.execution;
    let result = match perform(&shared, &running, work, task).await {
        Performed::Result(result) => result,
        Performed::Stopped => return None,
        Performed::Abandon(delay) => {
            abandon(&shared, lease, delay).await;
            return None;
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
    Some(ActivityCommit { lease, completion })
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
    let max = shared.options.deliveries_max;
    if shared.task_excuses.too_many(&work.lease.task, work.delivery, max) {
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
        // It was told to stop, and did: its error says nothing about the work.
        (None, Some(Err(_))) if context.is_cancelled() => Performed::Abandon(Duration::ZERO),
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

/// Gives an activity back, for others to fetch after the delay.
pub(super) async fn abandon(shared: &Arc<Shared>, lease: ActivityLease, delay: Duration) {
    for given_back in shared.backend.abandon_activities(vec![lease], delay).await {
        if let Err(error) = given_back {
            // The lease ends by itself.
            tracing::debug!(%error, "could not give an activity back");
        }
    }
}
