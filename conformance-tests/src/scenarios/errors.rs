//! Failures, retries, panics, sagas, names that nobody serves.

use std::time::Duration;

use durable_core::activity::ActivityContext;
use durable_core::backend::OrchestrationStatus as Status;
use durable_core::client::InstanceHandle;
use durable_core::model::{Failure, FailureKind, RetryPolicy};
use durable_core::replay::{OrchestrationContext, TaskError};
use futures_util::future::join_all;

use super::stage::{Stage, act};
use super::{Scenario, scenarios};
use crate::check::Checked;

pub(super) fn list() -> Vec<Scenario> {
    scenarios![
        s11_an_unknown_orchestration_waits_for_a_worker_that_knows_it,
        s11_an_unknown_activity_fails_its_call,
        s43_the_error_of_an_activity_can_be_caught,
        s43_an_uncaught_error_of_an_activity_fails_the_instance,
        s44_an_error_of_the_orchestration_fails_it,
        s44_a_panic_of_the_orchestration_fails_it,
        s44_a_panic_of_an_activity_can_be_caught,
        s46_retries_end_with_the_first_success,
        s46_exhausted_retries_raise_the_last_error,
        s46_an_error_that_is_not_to_be_retried_is_not,
        s46_a_predicate_decides_what_is_retried,
        s47_ten_failing_activities_can_be_caught_in_a_loop,
        s48_one_failure_among_parallel_activities_surfaces,
        sagas_undo_what_was_done_newest_first,
        an_activity_past_its_time_limit_fails,
    ]
}

type Handle<O> = InstanceHandle<O, Failure>;

async fn plus_one(ctx: OrchestrationContext, n: u64) -> Result<u64, Failure> {
    Ok(ctx.call(act::<u64, u64>("inc"), n).await?)
}

async fn s11_an_unknown_orchestration_waits_for_a_worker_that_knows_it(s: Stage) -> Checked {
    let other = s.worker().orchestration_fn("other", plus_one).start().await?;
    let handle: Handle<u64> = s.start("main", "a", 1_u64).await?;
    let blocked = s.status(&handle, Status::Blocked).await?;
    ensure_eq!(blocked.report().map(|r| r.code.as_str()), Some("DT0003"), "the report");
    other.shutdown().await;
    let _worker = s.worker().orchestration_fn("main", plus_one).start().await?;
    ensure_eq!(s.result(&handle).await?, 2, "the output");
    Ok(())
}

async fn s11_an_unknown_activity_fails_its_call(s: Stage) -> Checked {
    let code = |ctx: OrchestrationContext, n: u64| async move {
        match ctx.call(act::<u64, u64>("nobody"), n).await {
            Err(TaskError::Engine(f)) if f.kind() == FailureKind::NotRegistered => {
                Ok(f.message().contains("`nobody`"))
            }
            other => Err(Failure::new(format!("{other:?}"))),
        }
    };
    let _worker = s.worker().orchestration_fn("main", code).start().await?;
    ensure!(s.run::<u64, bool>("main", "a", 1).await?, "the message does not name the activity");
    Ok(())
}

async fn s43_the_error_of_an_activity_can_be_caught(s: Stage) -> Checked {
    let code = |ctx: OrchestrationContext, (): ()| async move {
        match ctx.call(act::<String, u64>("fail"), "oh no".to_owned()).await {
            Err(TaskError::Application(failure)) => Ok(failure.message().to_owned()),
            other => Err(Failure::new(format!("{other:?}"))),
        }
    };
    let _worker = s.worker().orchestration_fn("main", code).start().await?;
    ensure_eq!(s.run::<(), String>("main", "a", ()).await?, "oh no", "the message");
    Ok(())
}

async fn fails(ctx: OrchestrationContext, text: String) -> Result<u64, Failure> {
    Ok(ctx.call(act::<String, u64>("fail"), text).await?)
}

async fn s43_an_uncaught_error_of_an_activity_fails_the_instance(s: Stage) -> Checked {
    let _worker = s.worker().orchestration_fn("main", fails).start().await?;
    let handle: Handle<u64> = s.start("main", "a", "oh no".to_owned()).await?;
    ensure_eq!(s.failure(&handle).await?.message(), "oh no", "the message");
    ensure_eq!(handle.status().await?.status(), Status::Failed, "the status");
    Ok(())
}

async fn s44_an_error_of_the_orchestration_fails_it(s: Stage) -> Checked {
    let code =
        |_: OrchestrationContext, text: String| async move { Err::<u64, _>(Failure::new(text)) };
    let _worker = s.worker().orchestration_fn("main", code).start().await?;
    let handle: Handle<u64> = s.start("main", "a", "no".to_owned()).await?;
    ensure_eq!(s.failure(&handle).await?.message(), "no", "the message");
    Ok(())
}

async fn s44_a_panic_of_the_orchestration_fails_it(s: Stage) -> Checked {
    let code = |_: OrchestrationContext, n: u64| async move {
        if n > 0 {
            std::panic::panic_any("planned panic");
        }
        Ok::<_, Failure>(n)
    };
    let _worker = s.worker().orchestration_fn("main", code).start().await?;
    let handle: Handle<u64> = s.start("main", "a", 1_u64).await?;
    let failure = s.failure(&handle).await?;
    ensure_eq!(failure.kind(), FailureKind::Panicked, "the kind");
    ensure!(failure.message().contains("planned panic"), "the message: {failure}");
    ensure_eq!(s.run::<u64, u64>("main", "b", 0).await?, 0, "the output of another");
    Ok(())
}

async fn s44_a_panic_of_an_activity_can_be_caught(s: Stage) -> Checked {
    let code = |ctx: OrchestrationContext, n: u64| async move {
        match ctx.call(act::<u64, u64>("panics"), n).await {
            Err(TaskError::Engine(f)) if f.kind() == FailureKind::Panicked => Ok(n),
            other => Err(Failure::new(format!("{other:?}"))),
        }
    };
    let _worker = s
        .worker()
        .activity_fn("panics", |_ctx, n: u64| async move {
            if n > 0 {
                std::panic::panic_any("planned panic");
            }
            Ok::<_, Failure>(n)
        })
        .orchestration_fn("main", code)
        .start()
        .await?;
    ensure_eq!(s.run::<u64, u64>("main", "a", 3).await?, 3, "the output");
    Ok(())
}

fn quick(attempts: u32) -> RetryPolicy {
    RetryPolicy::new(attempts).first_interval(Duration::from_millis(10))
}

/// How many attempts a history shows, and how many timers between them.
async fn attempts(handle: &Handle<u64>) -> Checked<(usize, usize)> {
    let history = handle.history().collect().await?;
    let count = |kind| history.iter().filter(|e| e.event.kind() == kind).count();
    Ok((count("ActivityScheduled"), count("TimerCreated")))
}

async fn s46_retries_end_with_the_first_success(s: Stage) -> Checked {
    let code = |ctx: OrchestrationContext, n: u64| async move {
        Ok::<_, Failure>(ctx.activity(act::<u64, u64>("third")).retry(quick(9)).call(n).await?)
    };
    let _worker = s.worker().orchestration_fn("main", code).start().await?;
    let handle: Handle<u64> = s.start("main", "a", 7_u64).await?;
    ensure_eq!(s.result(&handle).await?, 7, "the output");
    ensure_eq!(attempts(&handle).await?, (3, 2), "attempts, and timers between them");
    Ok(())
}

async fn s46_exhausted_retries_raise_the_last_error(s: Stage) -> Checked {
    let code = |ctx: OrchestrationContext, text: String| async move {
        Ok::<_, Failure>(ctx.activity(act::<String, u64>("fail")).retry(quick(3)).call(text).await?)
    };
    let _worker = s.worker().orchestration_fn("main", code).start().await?;
    let handle: Handle<u64> = s.start("main", "a", "still no".to_owned()).await?;
    ensure_eq!(s.failure(&handle).await?.message(), "still no", "the message");
    ensure_eq!(attempts(&handle).await?, (3, 2), "attempts, and timers between them");
    Ok(())
}

async fn s46_an_error_that_is_not_to_be_retried_is_not(s: Stage) -> Checked {
    let code = |ctx: OrchestrationContext, n: u64| async move {
        Ok::<_, Failure>(ctx.activity(act::<u64, u64>("final")).retry(quick(5)).call(n).await?)
    };
    let _worker = s
        .worker()
        .activity_fn("final", |_ctx, _: u64| async {
            Err::<u64, _>(Failure::non_retryable("never again"))
        })
        .orchestration_fn("main", code)
        .start()
        .await?;
    let handle: Handle<u64> = s.start("main", "a", 1_u64).await?;
    ensure_eq!(s.failure(&handle).await?.message(), "never again", "the message");
    ensure_eq!(attempts(&handle).await?, (1, 0), "attempts");
    Ok(())
}

async fn s46_a_predicate_decides_what_is_retried(s: Stage) -> Checked {
    let code = |ctx: OrchestrationContext, n: u64| async move {
        let call = ctx.activity(act::<u64, u64>("count")).retry(quick(9));
        let call = call.retry_if(|error| !error.to_string().contains("attempt 2"));
        Ok::<_, Failure>(call.call(n).await?)
    };
    let _worker = s
        .worker()
        .activity_fn("count", |ctx: ActivityContext, _: u64| async move {
            Err::<u64, _>(Failure::new(format!("attempt {}", ctx.attempt())))
        })
        .orchestration_fn("main", code)
        .start()
        .await?;
    let handle: Handle<u64> = s.start("main", "a", 1_u64).await?;
    ensure_eq!(s.failure(&handle).await?.message(), "attempt 2", "the message");
    ensure_eq!(attempts(&handle).await?.0, 2, "attempts");
    Ok(())
}

async fn s47_ten_failing_activities_can_be_caught_in_a_loop(s: Stage) -> Checked {
    let code = |ctx: OrchestrationContext, (): ()| async move {
        let mut caught = 0;
        for n in 0..10 {
            caught += u64::from(ctx.call(act::<String, u64>("fail"), n.to_string()).await.is_err());
        }
        Ok::<_, Failure>(caught)
    };
    let _worker = s.worker().orchestration_fn("main", code).start().await?;
    ensure_eq!(s.run::<(), u64>("main", "a", ()).await?, 10, "errors caught");
    Ok(())
}

async fn s48_one_failure_among_parallel_activities_surfaces(s: Stage) -> Checked {
    let code = |ctx: OrchestrationContext, (): ()| async move {
        let good = (0..5).map(|n| ctx.call(act::<u64, u64>("inc"), n)).collect::<Vec<_>>();
        let bad = ctx.call(act::<String, u64>("fail"), "one of six".to_owned());
        let good = join_all(good).await.into_iter().filter(Result::is_ok).count();
        if good != 5 {
            return Err(Failure::new("a good one failed"));
        }
        Ok(bad.await?)
    };
    let _worker = s.worker().orchestration_fn("main", code).start().await?;
    let handle: Handle<u64> = s.start("main", "a", ()).await?;
    ensure_eq!(s.failure(&handle).await?.message(), "one of six", "the message");
    Ok(())
}

async fn sagas_undo_what_was_done_newest_first(s: Stage) -> Checked {
    let code = |ctx: OrchestrationContext, (): ()| async move {
        let mut saga = ctx.saga();
        for step in ["hotel", "flight", "car"] {
            saga.compensate(act::<String, String>("say"), format!("cancel {step}"));
            ctx.call(act::<String, String>("say"), format!("book {step}")).await?;
        }
        if ctx.call(act::<String, u64>("fail"), "no money".to_owned()).await.is_err() {
            saga.roll_back().await.map_err(|_| Failure::new("not undone"))?;
        }
        Ok::<_, Failure>(())
    };
    let _worker = s.worker().orchestration_fn("main", code).start().await?;
    let handle: Handle<()> = s.start("main", "a", ()).await?;
    s.result(&handle).await?;
    let mut said = Vec::new();
    for entry in handle.history().collect().await? {
        if let durable_core::model::HistoryEvent::ActivityScheduled(e) = entry.event
            && e.name.as_str() == "say"
            && let Some(input) = e.input
        {
            said.push(durable_core::payload::decode::<String>(&input).unwrap_or_default());
        }
    }
    let expected =
        ["book hotel", "book flight", "book car", "cancel car", "cancel flight", "cancel hotel"];
    ensure_eq!(said, expected, "the calls");
    Ok(())
}

async fn an_activity_past_its_time_limit_fails(s: Stage) -> Checked {
    let code = |ctx: OrchestrationContext, n: u64| async move {
        let call = ctx.activity(act::<u64, u64>("stuck")).start_to_close(Duration::from_millis(80));
        match call.call(n).await {
            Err(TaskError::Engine(f)) if f.kind() == FailureKind::TimedOut => Ok(n),
            other => Err(Failure::new(format!("{other:?}"))),
        }
    };
    let _worker = s
        .worker()
        .activity_fn("stuck", |_ctx, _: u64| std::future::pending::<Result<u64, Failure>>())
        .orchestration_fn("main", code)
        .start()
        .await?;
    ensure_eq!(s.run::<u64, u64>("main", "a", 4).await?, 4, "the output");
    Ok(())
}
