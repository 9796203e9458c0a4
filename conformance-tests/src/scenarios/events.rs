//! External events and continue-as-new.

use std::time::Duration;

use durable_core::client::InstanceHandle;
use durable_core::error::ErrorKind;
use durable_core::ids::InstanceId;
use durable_core::model::Failure;
use durable_core::replay::OrchestrationContext;

use super::stage::{Stage, act};
use super::{Scenario, scenarios};
use crate::check::Checked;

pub(super) fn list() -> Vec<Scenario> {
    scenarios![
        s20_an_event_wakes_a_waiting_instance,
        s20_events_of_several_names_are_kept_apart,
        s21_two_instances_converse,
        s23_a_counter_lives_by_continue_as_new,
        s24_a_hundred_events_arrive_in_order,
        s24_an_event_under_one_identity_is_read_once,
        s25_no_event_is_lost_between_generations,
        s26_an_event_for_nobody_is_refused,
        s26_an_event_after_the_end_is_refused,
        s27_a_limited_wait_ends_without_event,
        s27_a_limited_wait_takes_an_event,
        s27_an_event_during_an_activity_is_not_lost,
        s27_an_event_after_a_given_up_wait_is_not_lost,
        s28_an_event_before_the_start_comes_after_the_start,
    ]
}

type Handle<O> = InstanceHandle<O, Failure>;

async fn s20_an_event_wakes_a_waiting_instance(s: Stage) -> Checked {
    let code = |ctx: OrchestrationContext, (): ()| async move { ctx.event::<String>("go").await };
    let _worker = s.worker().orchestration_fn("main", code).start().await?;
    let handle: Handle<String> = s.start("main", "a", ()).await?;
    s.until(&handle, |status| status.events() > 0).await?;
    handle.raise_event("go", "now").send().await?;
    ensure_eq!(s.result(&handle).await?, "now", "the output");
    Ok(())
}

async fn s20_events_of_several_names_are_kept_apart(s: Stage) -> Checked {
    let code = |ctx: OrchestrationContext, (): ()| async move {
        let b: u64 = ctx.event("b").await?;
        let a: u64 = ctx.event("a").await?;
        Ok::<_, Failure>((a, b))
    };
    let _worker = s.worker().orchestration_fn("main", code).start().await?;
    let handle: Handle<(u64, u64)> = s.start("main", "a", ()).await?;
    handle.raise_event("a", &1).send().await?;
    handle.raise_event("b", &2).send().await?;
    ensure_eq!(s.result(&handle).await?, (1, 2), "the output");
    Ok(())
}

async fn s21_two_instances_converse(s: Stage) -> Checked {
    let ping = |ctx: OrchestrationContext, (): ()| async move {
        let mut n = 0;
        for _ in 0..5 {
            ctx.send_event(InstanceId::new("pong")?, "ping", &(n + 1))?;
            n = ctx.event::<u64>("pong").await?;
        }
        Ok::<_, Failure>(n)
    };
    let pong = |ctx: OrchestrationContext, (): ()| async move {
        let mut n = 0;
        for _ in 0..5 {
            n = ctx.event::<u64>("ping").await?;
            ctx.send_event(InstanceId::new("ping")?, "pong", &(n + 1))?;
        }
        Ok::<_, Failure>(n)
    };
    let worker = s.worker().orchestration_fn("ping", ping).orchestration_fn("pong", pong);
    let _worker = worker.start().await?;
    let pong: Handle<u64> = s.start("pong", "pong", ()).await?;
    ensure_eq!(s.run::<(), u64>("ping", "ping", ()).await?, 10, "the last word");
    ensure_eq!(s.result(&pong).await?, 9, "the last but one");
    Ok(())
}

async fn counter(ctx: OrchestrationContext, value: u64) -> Result<u64, Failure> {
    match ctx.event::<String>("operation").await?.as_str() {
        "incr" => ctx.continue_as_new(&(value + 1)).await,
        "decr" => ctx.continue_as_new(&(value - 1)).await,
        _ => Ok(value),
    }
}

async fn s23_a_counter_lives_by_continue_as_new(s: Stage) -> Checked {
    let _worker = s.worker().orchestration_fn("counter", counter).start().await?;
    let handle: Handle<u64> = s.start("counter", "a", 10_u64).await?;
    for operation in ["incr", "incr", "decr", "incr", "end"] {
        handle.raise_event("operation", operation).send().await?;
    }
    ensure_eq!(s.result(&handle).await?, 12, "the value");
    ensure_eq!(handle.status().await?.generation(), 5, "generations");
    Ok(())
}

async fn collect(ctx: OrchestrationContext, count: u64) -> Result<Vec<u64>, Failure> {
    let mut all = Vec::new();
    for _ in 0..count {
        all.push(ctx.event("n").await?);
    }
    Ok(all)
}

async fn s24_a_hundred_events_arrive_in_order(s: Stage) -> Checked {
    let _worker = s.worker().orchestration_fn("collect", collect).start().await?;
    let handle: Handle<Vec<u64>> = s.start("collect", "a", 100_u64).await?;
    for n in 0..100_u64 {
        handle.raise_event("n", &n).send().await?;
    }
    ensure_eq!(s.result(&handle).await?, (0..100).collect::<Vec<u64>>(), "the events");
    Ok(())
}

async fn s24_an_event_under_one_identity_is_read_once(s: Stage) -> Checked {
    let _worker = s.worker().orchestration_fn("collect", collect).start().await?;
    let handle: Handle<Vec<u64>> = s.start("collect", "a", 3_u64).await?;
    for n in 0..3_u64 {
        for _ in 0..3 {
            handle.raise_event("n", &n).dedupe_id(u128::from(n) + 1).send().await.ok();
        }
    }
    ensure_eq!(s.result(&handle).await?, [0, 1, 2], "the events");
    Ok(())
}

/// Reads one event per generation.
async fn one_each(
    ctx: OrchestrationContext,
    (left, mut seen): (u64, Vec<u64>),
) -> Result<Vec<u64>, Failure> {
    seen.push(ctx.event("n").await?);
    if left > 1 {
        return ctx.continue_as_new(&(left - 1, seen)).await;
    }
    Ok(seen)
}

async fn s25_no_event_is_lost_between_generations(s: Stage) -> Checked {
    let _worker = s.worker().orchestration_fn("one_each", one_each).start().await?;
    let input = (30_u64, Vec::<u64>::new());
    let handle: Handle<Vec<u64>> = s.start("one_each", "a", input).await?;
    for n in 0..30_u64 {
        handle.raise_event("n", &n).send().await?;
    }
    ensure_eq!(s.result(&handle).await?, (0..30).collect::<Vec<u64>>(), "the events");
    Ok(())
}

async fn s26_an_event_for_nobody_is_refused(s: Stage) -> Checked {
    let nobody = s.client.instance("nobody")?;
    let Err(refused) = nobody.raise_event("go", &1).send().await else {
        return Err(crate::check::Failure::new("an event for nobody was accepted"));
    };
    ensure_eq!(refused.kind(), ErrorKind::NotFound, "the kind of the refusal");
    Ok(())
}

async fn s26_an_event_after_the_end_is_refused(s: Stage) -> Checked {
    let code = |_: OrchestrationContext, n: u64| async move { Ok::<_, Failure>(n) };
    let _worker = s.worker().orchestration_fn("main", code).start().await?;
    let handle: Handle<u64> = s.start("main", "a", 1_u64).await?;
    s.result(&handle).await?;
    let before = handle.status().await?.revision();
    let Err(refused) = handle.raise_event("go", &1).send().await else {
        return Err(crate::check::Failure::new("an event after the end was accepted"));
    };
    ensure_eq!(refused.kind(), ErrorKind::Ended, "the kind of the refusal");
    ensure_eq!(handle.status().await?.revision(), before, "the revision");
    Ok(())
}

async fn s27_a_limited_wait_ends_without_event(s: Stage) -> Checked {
    let code = |ctx: OrchestrationContext, (): ()| async move {
        let waited = ctx.event_within::<u64>("go", Duration::from_millis(100)).await;
        Ok::<_, Failure>(waited.is_err())
    };
    let _worker = s.worker().orchestration_fn("main", code).start().await?;
    ensure!(s.run::<(), bool>("main", "a", ()).await?, "an event was read that nobody raised");
    Ok(())
}

async fn s27_a_limited_wait_takes_an_event(s: Stage) -> Checked {
    let code = |ctx: OrchestrationContext, (): ()| async move {
        match ctx.event_within::<u64>("go", Duration::from_secs(3_600)).await {
            Ok(event) => event,
            Err(_) => Err(Failure::new("too late")),
        }
    };
    let _worker = s.worker().orchestration_fn("main", code).start().await?;
    let handle: Handle<u64> = s.start("main", "a", ()).await?;
    handle.raise_event("go", &5).send().await?;
    ensure_eq!(s.result(&handle).await?, 5, "the event");
    Ok(())
}

async fn s27_an_event_during_an_activity_is_not_lost(s: Stage) -> Checked {
    let code = |ctx: OrchestrationContext, (): ()| async move {
        let mut sum = 0;
        for n in 0..5 {
            sum += ctx.call(act::<u64, u64>("inc"), n).await?;
            sum += ctx.event::<u64>("n").await?;
        }
        Ok::<_, Failure>(sum)
    };
    let _worker = s.worker().orchestration_fn("main", code).start().await?;
    let handle: Handle<u64> = s.start("main", "a", ()).await?;
    for _ in 0..5 {
        handle.raise_event("n", &100).send().await?;
    }
    ensure_eq!(s.result(&handle).await?, 515, "the sum");
    Ok(())
}

async fn s27_an_event_after_a_given_up_wait_is_not_lost(s: Stage) -> Checked {
    let code = |ctx: OrchestrationContext, (): ()| async move {
        drop(ctx.event::<u64>("go"));
        let late = ctx.event_within::<u64>("go", Duration::from_millis(20)).await;
        ctx.set_custom_status("waited")?;
        ctx.call(act::<u64, u64>("inc"), 1).await?;
        match late {
            Ok(event) => event,
            Err(_) => ctx.event::<u64>("go").await,
        }
    };
    let _worker = s.worker().orchestration_fn("main", code).start().await?;
    let handle: Handle<u64> = s.start("main", "a", ()).await?;
    s.until(&handle, |status| status.raw_custom_status().is_some()).await?;
    handle.raise_event("go", &9).send().await?;
    ensure_eq!(s.result(&handle).await?, 9, "the event");
    Ok(())
}

async fn s28_an_event_before_the_start_comes_after_the_start(s: Stage) -> Checked {
    let early = s.client.instance("a")?;
    for n in 0..3_u64 {
        early.raise_event("n", &n).buffer_before_start().send().await?;
    }
    let _worker = s.worker().orchestration_fn("collect", collect).start().await?;
    let handle: Handle<Vec<u64>> = s.start("collect", "a", 4_u64).await?;
    handle.raise_event("n", &3_u64).send().await?;
    ensure_eq!(s.result(&handle).await?, [0, 1, 2, 3], "the events");
    Ok(())
}
