//! Results, sequences, fan-outs, values that replay must repeat.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use durable_core::client::InstanceHandle;
use durable_core::model::Failure;
use durable_core::replay::OrchestrationContext;
use futures_util::future::join_all;

use super::stage::{ACTIVITIES, Stage, act, orch};
use super::{Scenario, scenarios};
use crate::check::Checked;

pub(super) fn list() -> Vec<Scenario> {
    scenarios![
        s01_an_orchestration_returns_its_input,
        s02_an_activity_returns_a_value,
        s02_an_activity_may_return_nothing,
        s03_a_sequence_runs_each_activity_once,
        s03_many_instances_run_sequences_at_once,
        s04_an_instance_in_memory_is_not_replayed,
        s05_a_fan_out_keeps_its_order,
        s05_two_fan_outs_follow_each_other,
        s06_a_fan_out_of_a_thousand_is_committed,
        s07_two_hundred_activities_at_once_sum_up,
        s08_ids_and_times_are_the_same_at_replay,
        s08_the_time_does_not_run_backward,
        s08_what_runs_again_is_said_to_be_replayed,
        s09_many_instances_wait_at_once,
        s10_an_activity_longer_than_its_lease_runs_once needs InjectedClock,
        s12_a_custom_status_is_visible_while_running_and_afterwards,
        s12_a_custom_status_may_be_removed,
    ]
}

async fn s01_an_orchestration_returns_its_input(s: Stage) -> Checked {
    let worker = s
        .worker()
        .orchestration_fn("same", |_ctx, text: String| async move { Ok::<_, Failure>(text) })
        .start()
        .await?;
    let out: String = s.run("same", "a", "hello".to_owned()).await?;
    ensure_eq!(out, "hello", "the output");
    drop(worker);
    Ok(())
}

async fn s02_an_activity_returns_a_value(s: Stage) -> Checked {
    let code = |ctx: OrchestrationContext, n: u64| async move {
        Ok::<_, Failure>(ctx.call(act::<u64, u64>("inc"), n).await?)
    };
    let _worker = s.worker().orchestration_fn("main", code).start().await?;
    ensure_eq!(s.run::<u64, u64>("main", "a", 41).await?, 42, "the output");
    Ok(())
}

async fn s02_an_activity_may_return_nothing(s: Stage) -> Checked {
    let code = |ctx: OrchestrationContext, (): ()| async move {
        ctx.call(act::<(), ()>("nothing"), ()).await?;
        Ok::<_, Failure>(ctx.call(act::<u64, Option<u64>>("none"), 1).await?)
    };
    let _worker = s
        .worker()
        .activity_fn("nothing", |_ctx, (): ()| async { Ok::<_, Failure>(()) })
        .activity_fn("none", |_ctx, _: u64| async { Ok::<_, Failure>(None::<u64>) })
        .orchestration_fn("main", code)
        .start()
        .await?;
    ensure_eq!(s.run::<(), Option<u64>>("main", "a", ()).await?, None, "the output");
    Ok(())
}

async fn count_up(ctx: OrchestrationContext, steps: u64) -> Result<u64, Failure> {
    let mut n = 0;
    for _ in 0..steps {
        n = ctx.call(act::<u64, u64>("inc"), n).await?;
    }
    Ok(n)
}

async fn s03_a_sequence_runs_each_activity_once(s: Stage) -> Checked {
    let _worker = s.worker().orchestration_fn("main", count_up).start().await?;
    let handle: InstanceHandle<u64, Failure> = s.start("main", "a", 12_u64).await?;
    ensure_eq!(s.result(&handle).await?, 12, "the output");
    ensure_eq!(s.runs(), 12, "runs of the activity");
    let history = handle.history().collect().await?;
    let scheduled = history.iter().filter(|e| e.event.kind() == "ActivityScheduled").count();
    ensure_eq!(scheduled, 12, "scheduled activities in history");
    Ok(())
}

async fn s03_many_instances_run_sequences_at_once(s: Stage) -> Checked {
    let _worker = s.worker().orchestration_fn("main", count_up).start().await?;
    let mut handles = Vec::new();
    for n in 0..20 {
        handles.push(s.start::<u64, u64>("main", &format!("i{n}"), n).await?);
    }
    for (n, handle) in handles.iter().enumerate() {
        ensure_eq!(s.result(handle).await?, n as u64, "the output of instance {n}");
    }
    ensure_eq!(s.runs(), 190, "runs of the activity");
    Ok(())
}

/// Counts how often the code begins, and how often it comes to a step that is new.
async fn beginnings_and_news(s: &Stage) -> Checked<(u64, u64)> {
    let (begun, new) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
    let (begins, is_new) = (Arc::clone(&begun), Arc::clone(&new));
    let code = move |ctx: OrchestrationContext, steps: u64| {
        let (begins, is_new) = (Arc::clone(&begins), Arc::clone(&is_new));
        async move {
            begins.fetch_add(1, Ordering::SeqCst);
            let mut n = 0;
            for _ in 0..steps {
                is_new.fetch_add(u64::from(!ctx.is_replaying()), Ordering::SeqCst);
                n = ctx.call(act::<u64, u64>("inc"), n).await?;
            }
            Ok::<_, Failure>(n)
        }
    };
    let _worker = s.worker().orchestration_fn("main", code).start().await?;
    ensure_eq!(s.run::<u64, u64>("main", "a", 6).await?, 6, "the output");
    Ok((begun.load(Ordering::SeqCst), new.load(Ordering::SeqCst)))
}

async fn s04_an_instance_in_memory_is_not_replayed(s: Stage) -> Checked {
    let (begun, _) = beginnings_and_news(&s).await?;
    if s.options.sticky_bytes == 0 {
        ensure!(begun >= 7, "kept nowhere, the code began {begun} times in seven turns");
    } else if s.options.sticky_bytes > 1 << 20 {
        ensure_eq!(begun, 1, "how often the code began");
    }
    Ok(())
}

async fn s08_what_runs_again_is_said_to_be_replayed(mut s: Stage) -> Checked {
    // The paranoid mode runs what is new twice.
    s.options.paranoid = false;
    let (_, new) = beginnings_and_news(&s).await?;
    ensure_eq!(new, 6, "steps that were said to be new");
    Ok(())
}

async fn fan_out(ctx: &OrchestrationContext, from: u64, width: u64) -> Result<Vec<u64>, Failure> {
    let calls = (from..from + width).map(|n| ctx.call(act::<u64, u64>("inc"), n));
    let results = join_all(calls.collect::<Vec<_>>()).await;
    Ok(results.into_iter().collect::<Result<_, _>>()?)
}

async fn s05_a_fan_out_keeps_its_order(s: Stage) -> Checked {
    let code = |ctx: OrchestrationContext, n: u64| async move { fan_out(&ctx, 0, n).await };
    let _worker = s.worker().orchestration_fn("main", code).start().await?;
    let (handle, out) = s.run_a::<_, Vec<u64>>("main", 60_u64).await?;
    ensure_eq!(out, (1..=60).collect::<Vec<u64>>(), "the outputs");
    ensure_eq!(s.runs(), 60, "runs of the activity");
    s.side_by_side(&handle, ACTIVITIES, 60).await
}

async fn s05_two_fan_outs_follow_each_other(s: Stage) -> Checked {
    let code = |ctx: OrchestrationContext, n: u64| async move {
        let first = fan_out(&ctx, 0, n).await?;
        let second = fan_out(&ctx, first.iter().sum(), n).await?;
        Ok::<_, Failure>(second.iter().sum::<u64>())
    };
    let _worker = s.worker().orchestration_fn("main", code).start().await?;
    ensure_eq!(s.run::<u64, u64>("main", "a", 10).await?, 605, "the output");
    Ok(())
}

async fn s06_a_fan_out_of_a_thousand_is_committed(s: Stage) -> Checked {
    let code = |ctx: OrchestrationContext, n: u64| async move { fan_out(&ctx, 0, n).await };
    let _worker = s.worker().orchestration_fn("main", code).start().await?;
    let (handle, out) = s.run_a::<_, Vec<u64>>("main", 1_000_u64).await?;
    ensure!(out.iter().copied().eq(1..=1_000), "the results are others, or in another order");
    s.side_by_side(&handle, ACTIVITIES, 1_000).await?;
    Ok(())
}

async fn s07_two_hundred_activities_at_once_sum_up(s: Stage) -> Checked {
    let code = |ctx: OrchestrationContext, (): ()| async move {
        Ok::<_, Failure>(fan_out(&ctx, 0, 200).await?.iter().sum::<u64>())
    };
    let _worker = s.worker().orchestration_fn("main", code).start().await?;
    let (handle, sum) = s.run_a::<_, u64>("main", ()).await?;
    ensure_eq!(sum, 19_900 + 200, "the sum");
    s.side_by_side(&handle, ACTIVITIES, 200).await
}

async fn s08_ids_and_times_are_the_same_at_replay(s: Stage) -> Checked {
    let code = |ctx: OrchestrationContext, (): ()| async move {
        let mut seen = Vec::new();
        for _ in 0..4 {
            let drawn = format!("{} {} {}", ctx.new_uuid(), ctx.random(), ctx.now().as_micros());
            let said = ctx.call(act::<String, String>("say"), drawn.clone()).await?;
            // After a replay `drawn` is drawn again, `said` is what was recorded.
            if said != drawn || seen.contains(&said) {
                return Err(Failure::new(format!("{said} is not {drawn}")));
            }
            seen.push(said);
        }
        Ok(seen.len())
    };
    let _worker = s.worker().orchestration_fn("main", code).start().await?;
    ensure_eq!(s.run::<(), usize>("main", "a", ()).await?, 4, "the number of draws");
    Ok(())
}

async fn s08_the_time_does_not_run_backward(s: Stage) -> Checked {
    let code = |ctx: OrchestrationContext, (): ()| async move {
        let mut last = ctx.now();
        let mut n = 0;
        for _ in 0..5 {
            n = ctx.call(act::<u64, u64>("inc"), n).await?;
            if ctx.now() < last {
                return Err(Failure::new("the time ran backward"));
            }
            last = ctx.now();
        }
        Ok(n)
    };
    let _worker = s.worker().orchestration_fn("main", code).start().await?;
    ensure_eq!(s.run::<(), u64>("main", "a", ()).await?, 5, "the output");
    Ok(())
}

async fn s09_many_instances_wait_at_once(s: Stage) -> Checked {
    let code = |ctx: OrchestrationContext, n: u64| async move {
        ctx.sleep(Duration::from_millis(300)).await;
        ctx.set_custom_status("waiting")?;
        Ok::<_, Failure>(n + ctx.event::<u64>("go").await?)
    };
    let _worker = s.worker().orchestration_fn("main", code).start().await?;
    let mut handles = Vec::new();
    for n in 0..50 {
        let start = s.client.start(orch::<u64, u64>("main"), n).send();
        handles.push(start.await?);
    }
    // None goes on before all wait: where a wait occupied a worker, some would never come to it.
    for handle in &handles {
        s.until(handle, |status| status.raw_custom_status().is_some()).await?;
    }
    for handle in &handles {
        handle.raise_event("go", &0).send().await?;
    }
    for (n, handle) in handles.iter().enumerate() {
        ensure_eq!(s.result(handle).await?, n as u64, "the output of instance {n}");
    }
    Ok(())
}

async fn s10_an_activity_longer_than_its_lease_runs_once(mut s: Stage) -> Checked {
    s.options.lease = Duration::from_secs(20);
    let (env, runs) = (s.env.clone(), s.runs.clone());
    let code = |ctx: OrchestrationContext, n: u64| async move {
        Ok::<_, Failure>(ctx.call(act::<u64, u64>("long"), n).await?)
    };
    let _worker = s
        .worker()
        .activity_fn("long", move |_ctx, n: u64| {
            runs.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            let env = env.clone();
            async move {
                env.sleep(Duration::from_secs(45)).await;
                Ok::<_, Failure>(n)
            }
        })
        .orchestration_fn("main", code)
        .start()
        .await?;
    ensure_eq!(s.run::<u64, u64>("main", "a", 5).await?, 5, "the output");
    ensure_eq!(s.runs(), 1, "runs of the activity");
    Ok(())
}

async fn s12_a_custom_status_is_visible_while_running_and_afterwards(s: Stage) -> Checked {
    let code = |ctx: OrchestrationContext, (): ()| async move {
        ctx.set_custom_status("half way")?;
        ctx.event::<u64>("go").await?;
        Ok::<_, Failure>(())
    };
    let _worker = s.worker().orchestration_fn("main", code).start().await?;
    let handle: InstanceHandle<(), Failure> = s.start("main", "a", ()).await?;
    s.until(&handle, |status| status.raw_custom_status().is_some()).await?;
    let status = handle.status().await?;
    ensure!(!status.status().is_terminal(), "it has ended before its event");
    let status = status.custom_status::<String>()?;
    ensure_eq!(status.as_deref(), Some("half way"), "the custom status while it runs");
    handle.raise_event("go", &1).send().await?;
    s.result(&handle).await?;
    let status = handle.status().await?.custom_status::<String>()?;
    ensure_eq!(status.as_deref(), Some("half way"), "the custom status at the end");
    Ok(())
}

async fn s12_a_custom_status_may_be_removed(s: Stage) -> Checked {
    let code = |ctx: OrchestrationContext, (): ()| async move {
        ctx.set_custom_status(&1)?;
        ctx.event::<u64>("go").await?;
        ctx.clear_custom_status();
        Ok::<_, Failure>(())
    };
    let _worker = s.worker().orchestration_fn("main", code).start().await?;
    let handle: InstanceHandle<(), Failure> = s.start("main", "a", ()).await?;
    s.until(&handle, |status| status.raw_custom_status().is_some()).await?;
    handle.raise_event("go", &1).send().await?;
    s.result(&handle).await?;
    ensure!(handle.status().await?.raw_custom_status().is_none(), "the status is still there");
    Ok(())
}
