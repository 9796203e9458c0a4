//! Durable timers.

use std::time::Duration;

use durable_core::model::Failure;
use durable_core::replay::OrchestrationContext;
use durable_core::time::Timestamp;

use super::stage::{Stage, TIMERS, act};
use super::{Scenario, scenarios};
use crate::check::Checked;

pub(super) fn list() -> Vec<Scenario> {
    scenarios![
        s29_a_timer_lasts_at_least_as_long_as_asked,
        s29_timers_follow_each_other,
        s29_timers_run_side_by_side,
        s30_a_given_up_timer_does_not_hold_the_end_up,
        s30_the_loser_of_a_race_is_forgotten,
        s30_an_activity_past_its_limit_is_given_up,
        s31_a_timer_in_the_past_fires_at_once,
        s32_a_timer_after_continue_as_new_fires,
    ]
}

async fn s29_a_timer_lasts_at_least_as_long_as_asked(s: Stage) -> Checked {
    let code = |ctx: OrchestrationContext, (): ()| async move {
        let before = ctx.now();
        ctx.sleep(Duration::from_millis(200)).await;
        Ok::<_, Failure>(ctx.now().since(before).as_millis() as u64)
    };
    let _worker = s.worker().orchestration_fn("main", code).start().await?;
    let before = s.hub.now();
    let slept: u64 = s.run("main", "a", ()).await?;
    ensure!(slept >= 200, "the orchestration saw {slept} ms pass");
    let passed = s.hub.now().since(before);
    ensure!(passed >= Duration::from_millis(200), "only {passed:?} passed");
    Ok(())
}

async fn s29_timers_follow_each_other(s: Stage) -> Checked {
    let code = |ctx: OrchestrationContext, count: u64| async move {
        let before = ctx.now();
        for _ in 0..count {
            ctx.sleep(Duration::from_millis(20)).await;
        }
        Ok::<_, Failure>(ctx.now().since(before).as_millis() as u64)
    };
    let _worker = s.worker().orchestration_fn("main", code).start().await?;
    let (handle, slept) = s.run_a::<_, u64>("main", 10_u64).await?;
    ensure!(slept >= 200, "ten timers of 20 ms took {slept} ms");
    let kinds = s.kinds(&handle).await?;
    let timers: Vec<_> = kinds.into_iter().filter(|k| [TIMERS.0, TIMERS.1].contains(k)).collect();
    ensure_eq!(timers, [TIMERS.0, TIMERS.1].repeat(10), "the timers in history");
    Ok(())
}

async fn s29_timers_run_side_by_side(s: Stage) -> Checked {
    let code = |ctx: OrchestrationContext, count: u64| async move {
        let timers: Vec<_> = (1..=count).map(|n| ctx.sleep(Duration::from_millis(n))).collect();
        for timer in timers {
            timer.await;
        }
        Ok::<_, Failure>(count)
    };
    let _worker = s.worker().orchestration_fn("main", code).start().await?;
    let (handle, out) = s.run_a::<_, u64>("main", 50_u64).await?;
    ensure_eq!(out, 50, "the output");
    s.side_by_side(&handle, TIMERS, 50).await
}

async fn s30_a_given_up_timer_does_not_hold_the_end_up(s: Stage) -> Checked {
    let code = |ctx: OrchestrationContext, n: u64| async move {
        let timer = ctx.sleep(Duration::from_secs(365 * 24 * 3600));
        let n = ctx.call(act::<u64, u64>("inc"), n).await?;
        drop(timer);
        Ok::<_, Failure>(n)
    };
    let _worker = s.worker().orchestration_fn("main", code).start().await?;
    ensure_eq!(s.run::<u64, u64>("main", "a", 1).await?, 2, "the output");
    Ok(())
}

async fn s30_the_loser_of_a_race_is_forgotten(s: Stage) -> Checked {
    let code = |ctx: OrchestrationContext, n: u64| async move {
        let mut n = n;
        for _ in 0..3 {
            let call = ctx.call(act::<u64, u64>("inc"), n);
            n = match ctx.timeout(Duration::from_secs(24 * 3600), call).await {
                Ok(result) => result?,
                Err(_) => return Err(Failure::new("too late")),
            };
        }
        Ok(n)
    };
    let _worker = s.worker().orchestration_fn("main", code).start().await?;
    let (handle, out) = s.run_a::<_, u64>("main", 1_u64).await?;
    ensure_eq!(out, 4, "the output");
    // More than the limits pass, and none of the three timers is heard of again.
    let before = s.kinds(&handle).await?;
    ensure!(!before.contains(&TIMERS.1), "a timer fired: {before:?}");
    if s.hub.capabilities().injected_clock {
        s.hub.pass(Duration::from_secs(48 * 3600)).await;
        s.hub.grace().await;
        ensure_eq!(s.kinds(&handle).await?, before, "the history after the limits");
    }
    Ok(())
}

async fn s30_an_activity_past_its_limit_is_given_up(s: Stage) -> Checked {
    let code = |ctx: OrchestrationContext, n: u64| async move {
        let call = ctx.call(act::<u64, u64>("stuck"), n);
        let late = ctx.timeout(Duration::from_millis(50), call).await.is_err();
        Ok::<_, Failure>(late)
    };
    let _worker = s
        .worker()
        .activity_fn("stuck", |ctx: durable_core::activity::ActivityContext, n: u64| async move {
            ctx.cancelled().await;
            Ok::<_, Failure>(n)
        })
        .orchestration_fn("main", code)
        .start()
        .await?;
    ensure!(s.run::<u64, bool>("main", "a", 1).await?, "the limit did not pass");
    Ok(())
}

async fn s31_a_timer_in_the_past_fires_at_once(s: Stage) -> Checked {
    let code = |ctx: OrchestrationContext, n: u64| async move {
        ctx.sleep_until(Timestamp::EPOCH).await;
        ctx.sleep(Duration::ZERO).await;
        Ok::<_, Failure>(n)
    };
    let _worker = s.worker().orchestration_fn("main", code).start().await?;
    ensure_eq!(s.run::<u64, u64>("main", "a", 1).await?, 1, "the output");
    Ok(())
}

async fn s32_a_timer_after_continue_as_new_fires(s: Stage) -> Checked {
    let code = |ctx: OrchestrationContext, left: u64| async move {
        ctx.sleep(Duration::from_millis(10)).await;
        if left > 0 {
            return ctx.continue_as_new(&(left - 1)).await;
        }
        ctx.sleep(Duration::from_millis(10)).await;
        Ok::<_, Failure>(ctx.generation())
    };
    let _worker = s.worker().orchestration_fn("main", code).start().await?;
    ensure_eq!(s.run::<u64, u32>("main", "a", 3).await?, 4, "the generations");
    Ok(())
}
