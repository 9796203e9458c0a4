//! One activity: decode, run user code within its limits, make the commit.

use std::future::{Future, poll_fn};
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tracing::{Instrument, Span};

use super::lease_keeper::Running;
use super::pace::Pace;
use super::shared::Shared;
use crate::activity::{ActivityCall, ActivityContext, ActivityShared};
use crate::backend::{ActivityCommit, ActivityLease, ActivityWork, Envelope};
use crate::env::{BoxFuture, timeout};
use crate::ids::{ExecutionId, MessageId};
use crate::model::event::{ActivityCompleted, ActivityFailed};
use crate::model::wire;
use crate::model::{ActivityTask, Failure, FailureKind, Message};
use crate::replay::HandlerResult;
use crate::telemetry;
use crate::time::Timestamp;

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

/// What is needed to report a result.
struct Report {
    lease: ActivityLease,
    execution: ExecutionId,
    id: u64,
}

impl Report {
    fn commit(self, shared: &Shared, result: HandlerResult) -> ActivityCommit {
        let Self { lease, execution, id } = self;
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
        ActivityCommit { lease, completion }
    }
}

/// User code; a panic becomes a failure.
struct Code(BoxFuture<'static, HandlerResult>);

impl Future for Code {
    type Output = HandlerResult;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<HandlerResult> {
        let polled = std::panic::catch_unwind(AssertUnwindSafe(|| self.0.as_mut().poll(cx)));
        polled.unwrap_or_else(|panic| {
            Poll::Ready(Err(crate::replay::panic_failure("activity", &*panic)))
        })
    }
}

/// An activity whose code was called.
struct Begun {
    report: Report,
    code: Code,
    context: Arc<ActivityShared>,
    span: Span,
    now: Timestamp,
    heartbeat: Option<Duration>,
    limit: Option<Duration>,
}

/// Why no code runs.
enum Instead {
    Result(Box<(Report, Failure)>),
    /// Give it back, to be fetched again after this long.
    Abandon(ActivityLease, Duration),
}

impl Instead {
    async fn carry_out(self, shared: &Arc<Shared>) -> Option<ActivityCommit> {
        match self {
            Self::Result(ended) => {
                let (report, failure) = *ended;
                Some(report.commit(shared, Err(failure)))
            }
            Self::Abandon(lease, delay) => {
                abandon(shared, lease, delay).await;
                None
            }
        }
    }
}

/// Calls the code, which does nothing yet.
fn begin(shared: &Arc<Shared>, work: ActivityWork, task: ActivityTask) -> Result<Begun, Instead> {
    let report = |lease| Report { lease, execution: work.execution, id: task.id };
    let max = shared.options.deliveries_max;
    if shared.task_excuses.too_many(&work.lease.task, work.delivery, max) {
        let text = format!(
            "activity `{}` (DT0013) was handed out {} times without a result: its workers crash or lose their leases",
            task.name,
            work.delivery - 1
        );
        let failure = Failure::of_kind(FailureKind::Poisoned, text);
        return Err(Instead::Result(Box::new((report(work.lease), failure))));
    }
    let Some(handler) = shared.registry.find_activity(&task.name) else {
        return Err(match not_served(shared, &work, &task) {
            NotServed::Failure(failure) => Instead::Result(Box::new((report(work.lease), failure))),
            NotServed::LeaveToOthers(delay) => Instead::Abandon(work.lease, delay),
        });
    };
    let span = tracing::debug_span!(
        "activity.run",
        instance = %work.lease.instance,
        name = %task.name,
        attempt = task.attempt,
        delivery = work.delivery,
    );
    let now = shared.env.now();
    let report = report(work.lease);
    let (limit, heartbeat, input) = (task.start_to_close, task.heartbeat, task.input);
    let call = ActivityCall {
        hub: Arc::clone(&shared.hub),
        instance: report.lease.instance.clone(),
        execution: work.execution,
        name: task.name,
        call: task.call,
        attempt: task.attempt,
        delivery: work.delivery,
        earlier_progress: work.progress,
    };
    let data = shared.registry.values();
    let context = Arc::new(ActivityShared::new(Arc::clone(&shared.env), data, call, now));
    let ctx = ActivityContext::new(Arc::clone(&context));
    let made = std::panic::catch_unwind(AssertUnwindSafe(|| handler.run(ctx, input)));
    let code = Code(made.unwrap_or_else(|panic| {
        let failure = crate::replay::panic_failure("activity", &*panic);
        Box::pin(std::future::ready(Err(failure)))
    }));
    Ok(Begun { report, code, context, span, now, heartbeat, limit })
}

/// An activity under way; ends with what there is to commit.
pub(super) type Run = BoxFuture<'static, Option<ActivityCommit>>;

/// Runs it once. `None` when there is nothing to commit.
pub(super) async fn run(
    shared: Arc<Shared>,
    running: Arc<Running>,
    work: ActivityWork,
    task: ActivityTask,
) -> Option<ActivityCommit> {
    match begin(&shared, work, task) {
        Ok(begun) => begun.finish(shared, running).await,
        Err(instead) => instead.carry_out(&shared).await,
    }
}

/// Takes only its first step, for an activity that mostly needs no more. What is then left of
/// it comes back as a run of its own.
pub(super) async fn run_quick(
    shared: &Arc<Shared>,
    running: &Arc<Running>,
    pace: &Pace,
    work: ActivityWork,
    task: ActivityTask,
) -> Result<Option<ActivityCommit>, Run> {
    let mut begun = match begin(shared, work, task) {
        Ok(begun) => begun,
        Err(instead) => return Ok(instead.carry_out(shared).await),
    };
    let Begun { code, span, .. } = &mut begun;
    let step = poll_fn(|cx| Poll::Ready(span.in_scope(|| Pin::new(&mut *code).poll(cx)))).await;
    pace.learn(step.is_ready(), shared.env.now().since(begun.now));
    match step {
        Poll::Ready(result) => Ok(Some(begun.report.commit(shared, result))),
        Poll::Pending => Err(Box::pin(begun.finish(Arc::clone(shared), Arc::clone(running)))),
    }
}

impl Begun {
    /// Runs the code within its limits, watched over.
    async fn finish(self, shared: Arc<Shared>, running: Arc<Running>) -> Option<ActivityCommit> {
        let Self { report, code, context, span, now, heartbeat, limit } = self;
        let watched = running.watch(report.lease.clone(), Arc::clone(&context), heartbeat, now);
        let ended = tokio::select! {
            biased;
            done = within(&shared, limit, code).instrument(span) => Some(done),
            () = stopped(&shared, &context) => None,
        };
        let timed_out = watched.timed_out();
        drop(watched);
        let result = match (timed_out, ended) {
            (Some(text), _) => Err(Failure::of_kind(FailureKind::TimedOut, text)),
            // It was told to stop, and did: its error says nothing about the work.
            (None, Some(Err(_))) if context.is_cancelled() => {
                abandon(&shared, report.lease, Duration::ZERO).await;
                return None;
            }
            (None, Some(result)) => result,
            // The result is not wanted by anybody.
            (None, None) => return None,
        };
        if matches!(&result, Err(failure) if failure.kind() == FailureKind::TimedOut) {
            context.cancel();
        }
        Some(report.commit(&shared, result))
    }
}

/// Runs code within its time limit.
async fn within(shared: &Arc<Shared>, limit: Option<Duration>, code: Code) -> HandlerResult {
    let Some(limit) = limit else {
        return code.await;
    };
    timeout(&*shared.env, limit, code).await.unwrap_or_else(|_| {
        let text = format!("the activity did not end within {limit:?}");
        Err(Failure::of_kind(FailureKind::TimedOut, text))
    })
}

/// Completes some time after the activity was cancelled.
async fn stopped(shared: &Arc<Shared>, context: &Arc<ActivityShared>) {
    ActivityContext::new(Arc::clone(context)).cancelled().await;
    shared.env.sleep(shared.options.cancel_grace).await;
}

enum NotServed {
    Failure(Failure),
    LeaveToOthers(Duration),
}

fn not_served(shared: &Arc<Shared>, work: &ActivityWork, task: &ActivityTask) -> NotServed {
    let served = shared.registry.activity_names();
    if work.delivery < NOT_SERVED_DELIVERIES && shared.backend.capabilities().multi_process {
        // Others may serve it: let them have a go first.
        return NotServed::LeaveToOthers(Duration::from_millis(200) * 2_u32.pow(work.delivery));
    }
    let text = format!(
        "no worker serves activity `{}` (DT0004) on queue(s) {}; served here: {}",
        task.name,
        shared.options.queues.iter().map(|q| q.as_str()).collect::<Vec<_>>().join(", "),
        if served.is_empty() { "none".to_owned() } else { served.join(", ") },
    );
    tracing::warn!(instance = %work.lease.instance, "{text}");
    NotServed::Failure(Failure::of_kind(FailureKind::NotRegistered, text))
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
