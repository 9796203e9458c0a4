//! Generations, terminate, suspend, scheduled starts, ids that are used again.

use std::time::Duration;

use durable_core::backend::{OrchestrationStatus as Status, ReusePolicy};
use durable_core::client::InstanceHandle;
use durable_core::error::ErrorKind;
use durable_core::model::{Failure, FailureKind};
use durable_core::replay::OrchestrationContext;
use futures_util::future::join_all;

use super::stage::{Stage, act, orch};
use super::{Scenario, scenarios};
use crate::check::{self, Checked};

pub(super) fn list() -> Vec<Scenario> {
    scenarios![
        s33_generations_follow_each_other,
        s33_generations_have_children,
        s33_a_later_generation_may_fail,
        s33_a_new_generation_may_run_another_version,
        s34_a_running_instance_is_terminated,
        s34_its_children_are_terminated_with_it,
        s34_its_children_may_be_spared,
        s34_a_scheduled_instance_is_terminated_and_never_starts,
        s34_a_suspended_instance_is_terminated,
        s35_events_during_a_suspension_come_after_it_in_order,
        s35_a_suspended_instance_makes_no_progress,
        s36_a_scheduled_instance_does_not_start_early,
        s37_an_id_can_be_used_again_after_each_end,
        s37_a_running_instance_is_not_replaced,
        s38_of_forty_equal_starts_one_succeeds,
        s39_recreation_wins_against_events_in_flight,
        s64_workers_start_and_stop_at_will,
        s74_each_version_runs_its_own_code,
        s50_code_that_does_not_fit_blocks_and_fitting_code_goes_on,
    ]
}

type Handle<O> = InstanceHandle<O, Failure>;

async fn wait_for(ctx: OrchestrationContext, (): ()) -> Result<u64, Failure> {
    ctx.event("go").await
}

async fn s33_generations_follow_each_other(s: Stage) -> Checked {
    let code = |ctx: OrchestrationContext, left: u64| async move {
        let n = ctx.call(act::<u64, u64>("inc"), left).await?;
        if left > 0 {
            return ctx.continue_as_new(&(left - 1)).await;
        }
        Ok::<_, Failure>((n, ctx.generation()))
    };
    let _worker = s.worker().orchestration_fn("main", code).start().await?;
    let handle: Handle<(u64, u32)> = s.start("main", "a", 3_u64).await?;
    ensure_eq!(s.result(&handle).await?, (1, 4), "output and generation");
    ensure_eq!(s.runs(), 4, "runs of the activity");
    ensure_eq!(handle.status().await?.generation(), 4, "generations");
    Ok(())
}

async fn s33_generations_have_children(s: Stage) -> Checked {
    let child = |ctx: OrchestrationContext, n: u64| async move {
        Ok::<_, Failure>(ctx.call(act::<u64, u64>("inc"), n).await?)
    };
    let code = |ctx: OrchestrationContext, (left, sum): (u64, u64)| async move {
        let sum = sum + ctx.call_child(orch::<u64, u64>("child"), left).await?;
        if left > 0 {
            return ctx.continue_as_new(&(left - 1, sum)).await;
        }
        Ok::<_, Failure>(sum)
    };
    let worker = s.worker().orchestration_fn("child", child).orchestration_fn("main", code);
    let _worker = worker.start().await?;
    ensure_eq!(s.run::<_, u64>("main", "a", (3_u64, 0_u64)).await?, 10, "the sum");
    Ok(())
}

async fn s33_a_later_generation_may_fail(s: Stage) -> Checked {
    let code = |ctx: OrchestrationContext, left: u64| async move {
        if left > 0 {
            return ctx.continue_as_new(&(left - 1)).await;
        }
        Err::<u64, _>(Failure::new("at last"))
    };
    let _worker = s.worker().orchestration_fn("main", code).start().await?;
    let handle: Handle<u64> = s.start("main", "a", 2_u64).await?;
    ensure_eq!(s.failure(&handle).await?.message(), "at last", "the message");
    Ok(())
}

fn versions(s: &Stage) -> durable_core::worker::WorkerBuilder {
    let mut registry = durable_core::registry::Registry::default();
    registry.orchestration_fn("main", "v1", |ctx: OrchestrationContext, go_on: bool| async move {
        if go_on {
            return ctx.continue_as_new_version("v2", &false).await;
        }
        Ok::<_, Failure>("one".to_owned())
    });
    registry.orchestration_fn("main", "v2", |ctx: OrchestrationContext, _: bool| async move {
        Ok::<_, Failure>(format!("two by {}", ctx.version()))
    });
    s.worker().registry(registry)
}

async fn s33_a_new_generation_may_run_another_version(s: Stage) -> Checked {
    let _worker = versions(&s).start().await?;
    let start = s.client.start(orch::<bool, String>("main"), true).id("a").version("v1");
    let handle = start.send().await?;
    ensure_eq!(s.result(&handle).await?, "two by v2", "the output");
    ensure_eq!(handle.status().await?.version(), "v2", "the version in the record");
    Ok(())
}

async fn s74_each_version_runs_its_own_code(s: Stage) -> Checked {
    let _worker = versions(&s).start().await?;
    for (version, expected) in [("v1", "one"), ("v2", "two by v2")] {
        let start = s.client.start(orch::<bool, String>("main"), false).id(version);
        let handle = start.version(version).send().await?;
        ensure_eq!(s.result(&handle).await?, expected, "the output of {version}");
    }
    let unknown = s.client.start(orch::<bool, String>("main"), false).id("v3").version("v3");
    let handle = unknown.send().await?;
    let blocked = s.status(&handle, Status::Blocked).await?;
    let code = blocked.report().map(|r| r.code.clone());
    ensure_eq!(code.as_deref(), Some("DT0003"), "the report of an unknown version");
    Ok(())
}

async fn s34_a_running_instance_is_terminated(s: Stage) -> Checked {
    let _worker = s.worker().orchestration_fn("main", wait_for).start().await?;
    let handle: Handle<u64> = s.start("main", "a", ()).await?;
    s.until(&handle, |status| status.events() > 0).await?;
    let reason = "enough ".repeat(500);
    handle.terminate(reason.clone()).await?;
    let failure = s.failure(&handle).await?;
    ensure_eq!(failure.kind(), FailureKind::Terminated, "the kind of the failure");
    ensure_eq!(failure.message(), reason, "the reason");
    ensure_eq!(handle.status().await?.status(), Status::Terminated, "the status");
    Ok(())
}

/// A parent that waits for a child that waits.
async fn family(s: &Stage) -> Checked<(durable_core::worker::Worker, Handle<u64>, Handle<u64>)> {
    let code = |ctx: OrchestrationContext, (): ()| async move {
        let child = ctx.child(orch::<(), u64>("child")).id("kid".parse()?);
        Ok::<_, Failure>(child.call(()).await?)
    };
    let worker = s.worker().orchestration_fn("child", wait_for).orchestration_fn("main", code);
    let worker = worker.start().await?;
    let parent: Handle<u64> = s.start("main", "a", ()).await?;
    let kid = s.client.instance("kid")?.typed::<u64, Failure>();
    let born = async {
        while !kid.exists().await? {
            s.hub.instant().await;
        }
        Ok(())
    };
    s.get("the birth of the child", born).await?;
    s.until(&kid, |status| status.events() > 0).await?;
    Ok((worker, parent, kid))
}

async fn s34_its_children_are_terminated_with_it(s: Stage) -> Checked {
    let (_worker, parent, kid) = family(&s).await?;
    parent.terminate("enough").await?;
    s.status(&parent, Status::Terminated).await?;
    s.status(&kid, Status::Terminated).await?;
    Ok(())
}

async fn s34_its_children_may_be_spared(s: Stage) -> Checked {
    let (_worker, parent, kid) = family(&s).await?;
    parent.terminate_alone("enough").await?;
    s.status(&parent, Status::Terminated).await?;
    kid.raise_event("go", &4).send().await?;
    ensure_eq!(s.result(&kid).await?, 4, "the output of the child");
    Ok(())
}

async fn s34_a_scheduled_instance_is_terminated_and_never_starts(s: Stage) -> Checked {
    let _worker = s.worker().orchestration_fn("main", wait_for).start().await?;
    let start = s.client.start(orch::<(), u64>("main"), ()).id("a");
    let handle = start.after(Duration::from_secs(365 * 24 * 3600)).send().await?;
    handle.terminate("never mind").await?;
    let ended = s.status(&handle, Status::Terminated).await?;
    let history = handle.history().collect().await?;
    let started = history.iter().any(|e| e.event.kind() == "ExecutionStarted");
    ensure!(!started, "it has started: {:?}", ended.status());
    Ok(())
}

async fn s34_a_suspended_instance_is_terminated(s: Stage) -> Checked {
    let _worker = s.worker().orchestration_fn("main", wait_for).start().await?;
    let handle: Handle<u64> = s.start("main", "a", ()).await?;
    handle.suspend("lunch").await?;
    s.status(&handle, Status::Suspended).await?;
    handle.terminate("enough").await?;
    s.status(&handle, Status::Terminated).await?;
    Ok(())
}

async fn s35_events_during_a_suspension_come_after_it_in_order(s: Stage) -> Checked {
    let code = |ctx: OrchestrationContext, count: u64| async move {
        let mut all = Vec::new();
        for _ in 0..count {
            all.push(ctx.event::<u64>("n").await?);
        }
        Ok::<_, Failure>(all)
    };
    let _worker = s.worker().orchestration_fn("main", code).start().await?;
    let handle: Handle<Vec<u64>> = s.start("main", "a", 6_u64).await?;
    for n in 0..6_u64 {
        match n {
            2 => {
                handle.suspend("lunch").await?;
                s.status(&handle, Status::Suspended).await?;
            }
            4 => {
                let status = handle.status().await?.status();
                ensure_eq!(status, Status::Suspended, "the status before it is resumed");
                handle.resume("back").await?;
            }
            _ => {}
        }
        handle.raise_event("n", &n).send().await?;
    }
    ensure_eq!(s.result(&handle).await?, [0, 1, 2, 3, 4, 5], "the events");
    Ok(())
}

async fn s35_a_suspended_instance_makes_no_progress(s: Stage) -> Checked {
    let code = |ctx: OrchestrationContext, (): ()| async move {
        ctx.event::<u64>("go").await?;
        Ok::<_, Failure>(ctx.call(act::<u64, u64>("inc"), 1).await?)
    };
    let _worker = s.worker().orchestration_fn("main", code).start().await?;
    let handle: Handle<u64> = s.start("main", "a", ()).await?;
    handle.suspend("lunch").await?;
    let suspended = s.status(&handle, Status::Suspended).await?;
    ensure_eq!(suspended.suspended_reason(), Some("lunch"), "the reason");
    handle.raise_event("go", &1).send().await?;
    s.hub.grace().await;
    ensure_eq!(handle.status().await?.status(), Status::Suspended, "the status");
    ensure_eq!(s.runs(), 0, "runs of the activity");
    handle.resume("back").await?;
    ensure_eq!(s.result(&handle).await?, 2, "the output");
    Ok(())
}

async fn s36_a_scheduled_instance_does_not_start_early(s: Stage) -> Checked {
    let code =
        |ctx: OrchestrationContext, (): ()| async move { Ok::<_, Failure>(ctx.now().as_micros()) };
    let _worker = s.worker().orchestration_fn("main", code).start().await?;
    let at = s.hub.now() + Duration::from_millis(400);
    let handle = s.client.start(orch::<(), u64>("main"), ()).id("a").at(at).send().await?;
    let began = s.result(&handle).await?;
    ensure!(began >= at.as_micros(), "it began {} µs early", at.as_micros() - began);
    let much_later = s.hub.now() + Duration::from_secs(365 * 24 * 3600);
    let waits = s.client.start(orch::<(), u64>("main"), ()).id("b").at(much_later).send().await?;
    ensure_eq!(waits.status().await?.start_at(), Some(much_later), "the time in the status");
    Ok(())
}

async fn s37_an_id_can_be_used_again_after_each_end(s: Stage) -> Checked {
    let code = |ctx: OrchestrationContext, what: u64| async move {
        match what {
            0 => Ok(0),
            1 => Err(Failure::new("one")),
            _ => ctx.event::<u64>("go").await,
        }
    };
    let _worker = s.worker().orchestration_fn("main", code).start().await?;
    let mut executions = Vec::new();
    for what in [0, 1, 2, 0] {
        let start = s.client.start(orch::<u64, u64>("main"), what).id("a");
        let handle = start.reuse(ReusePolicy::ReplaceTerminal).send().await?;
        if what == 2 {
            handle.terminate("enough").await?;
        }
        let ended = handle.wait_until(|status| status.status().is_terminal());
        executions.push(s.get("the end", ended).await?.execution());
        let again = s.client.start(orch::<u64, u64>("main"), 0).id("a").send().await;
        let refused = again.err().map(|e| e.kind());
        ensure_eq!(refused, Some(ErrorKind::AlreadyExists), "a start under the default policy");
    }
    executions.sort_unstable();
    executions.dedup();
    ensure_eq!(executions.len(), 4, "different executions");
    Ok(())
}

async fn s37_a_running_instance_is_not_replaced(s: Stage) -> Checked {
    let _worker = s.worker().orchestration_fn("main", wait_for).start().await?;
    let handle: Handle<u64> = s.start("main", "a", ()).await?;
    let again = s.client.start(orch::<(), u64>("main"), ()).id("a");
    let again = again.reuse(ReusePolicy::ReplaceTerminal).send().await;
    let refused = again.err().map(|e| e.kind());
    ensure_eq!(refused, Some(ErrorKind::AlreadyExists), "the second start");
    handle.raise_event("go", &3).send().await?;
    ensure_eq!(s.result(&handle).await?, 3, "the output of the first");
    Ok(())
}

async fn s38_of_forty_equal_starts_one_succeeds(s: Stage) -> Checked {
    let code = |ctx: OrchestrationContext, n: u64| async move {
        Ok::<_, Failure>(ctx.call(act::<u64, u64>("inc"), n).await?)
    };
    let _worker = s.worker().orchestration_fn("main", code).start().await?;
    let starts = (0..40).map(|n| s.client.start(orch::<u64, u64>("main"), n).id("a").send());
    let answers = join_all(starts.collect::<Vec<_>>()).await;
    let mut winners = Vec::new();
    for answer in answers {
        match answer {
            Ok(handle) => winners.push(handle),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error.into()),
        }
    }
    ensure_eq!(winners.len(), 1, "starts that succeeded");
    s.result(&winners[0]).await?;
    ensure_eq!(s.runs(), 1, "runs of the activity");
    Ok(())
}

async fn s39_recreation_wins_against_events_in_flight(s: Stage) -> Checked {
    let _worker = s.worker().orchestration_fn("main", wait_for).start().await?;
    let mut executions = Vec::new();
    for round in 0..6_u64 {
        let start = s.client.start(orch::<(), u64>("main"), ()).id("a");
        let handle = start.reuse(ReusePolicy::ReplaceTerminal).send().await?;
        for _ in 0..5 {
            match handle.raise_event("go", &round).send().await {
                Err(error) if error.kind() == ErrorKind::Ended => {}
                answer => answer?,
            }
        }
        ensure_eq!(s.result(&handle).await?, round, "the output of round {round}");
        executions.push(handle.status().await?.execution());
    }
    executions.sort_unstable();
    executions.dedup();
    ensure_eq!(executions.len(), 6, "different executions");
    Ok(())
}

async fn s64_workers_start_and_stop_at_will(s: Stage) -> Checked {
    let code = |ctx: OrchestrationContext, n: u64| async move {
        let mut n = n;
        for _ in 0..6 {
            n = ctx.call(act::<u64, u64>("inc"), n).await?;
            ctx.sleep(Duration::from_millis(5)).await;
        }
        Ok::<_, Failure>(n)
    };
    let mut handles = Vec::new();
    for n in 0..10 {
        handles.push(s.start::<u64, u64>("main", &format!("i{n}"), n).await?);
    }
    for _ in 0..4 {
        let (one, two) = (
            s.worker().orchestration_fn("main", code).start().await?,
            s.worker().orchestration_fn("main", code).start().await?,
        );
        s.hub.instant().await;
        let (one, two) =
            (s.hub.soon("a stop", one.shutdown()), s.hub.soon("a stop", two.shutdown()));
        let (one, two) = (one.await?, two.await?);
        ensure!(one && two, "a worker did not drain");
    }
    let _last = s.worker().orchestration_fn("main", code).start().await?;
    for (n, handle) in handles.iter().enumerate() {
        ensure_eq!(s.result(handle).await?, n as u64 + 6, "the output of instance {n}");
    }
    Ok(())
}

async fn s50_code_that_does_not_fit_blocks_and_fitting_code_goes_on(s: Stage) -> Checked {
    let right = |ctx: OrchestrationContext, n: u64| async move {
        let n = ctx.call(act::<u64, u64>("inc"), n).await?;
        ctx.set_custom_status(&n)?;
        Ok::<_, Failure>(n + ctx.event::<u64>("go").await?)
    };
    let wrong = |ctx: OrchestrationContext, n: u64| async move {
        Ok::<_, Failure>(ctx.call(act::<u64, u64>("third"), n).await?)
    };
    let first = s.worker().orchestration_fn("main", right).start().await?;
    let handle: Handle<u64> = s.start("main", "a", 1_u64).await?;
    s.until(&handle, |status| status.raw_custom_status().is_some()).await?;
    first.shutdown().await;
    handle.raise_event("go", &10).send().await?;
    let second = s.worker().orchestration_fn("main", wrong).start().await?;
    let blocked = s.status(&handle, Status::Blocked).await?;
    let report = blocked.report().ok_or_else(|| check::Failure::new("no report"))?.to_string();
    ensure!(report.contains("`inc`") && report.contains("`third`"), "the report: {report}");
    second.shutdown().await;
    let _third = s.worker().orchestration_fn("main", right).start().await?;
    ensure_eq!(s.result(&handle).await?, 12, "the output after the fix");
    Ok(())
}
