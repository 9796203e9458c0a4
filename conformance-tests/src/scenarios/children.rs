//! Child orchestrations.

use std::time::Duration;

use durable_core::backend::{InstanceQuery, OrchestrationStatus};
use durable_core::client::InstanceHandle;
use durable_core::error::ErrorKind;
use durable_core::ids::InstanceId;
use durable_core::model::{Failure, FailureKind, RetryPolicy};
use durable_core::replay::{OrchestrationContext, TaskError};
use futures_util::future::join_all;

use super::stage::{CHILDREN, Stage, act, orch};
use super::{Scenario, scenarios};
use crate::check::Checked;

pub(super) fn list() -> Vec<Scenario> {
    scenarios![
        s13_children_run_one_by_one,
        s13_children_run_in_parallel,
        s13_children_have_children,
        s14_a_child_has_the_id_that_it_was_given,
        s14_a_child_knows_its_parent,
        s14_the_id_of_a_live_instance_is_refused,
        s15_a_failing_child_can_be_caught,
        s15_an_uncaught_failure_of_a_child_fails_the_parent,
        s16_a_child_is_tried_again_until_it_succeeds,
        s16_a_child_under_a_given_id_is_tried_again,
        s16_exhausted_retries_raise_the_last_error,
        s17_a_detached_child_outlives_its_parent,
        s18_a_hundred_children_run_at_once,
        s19_a_listing_may_leave_children_out,
    ]
}

async fn add(ctx: OrchestrationContext, n: u64) -> Result<u64, Failure> {
    Ok(ctx.call(act::<u64, u64>("inc"), n).await?)
}

async fn s13_children_run_one_by_one(s: Stage) -> Checked {
    let code = |ctx: OrchestrationContext, n: u64| async move {
        let mut n = n;
        for _ in 0..4 {
            n = ctx.call_child(orch::<u64, u64>("child"), n).await?;
        }
        Ok::<_, Failure>(n)
    };
    let worker = s.worker().orchestration_fn("child", add).orchestration_fn("main", code);
    let _worker = worker.start().await?;
    ensure_eq!(s.run::<u64, u64>("main", "a", 1).await?, 5, "the output");
    Ok(())
}

async fn parallel(ctx: OrchestrationContext, width: u64) -> Result<Vec<u64>, Failure> {
    let calls = (0..width).map(|n| ctx.call_child(orch::<u64, u64>("child"), n));
    let results = join_all(calls.collect::<Vec<_>>()).await;
    Ok(results.into_iter().collect::<Result<_, _>>()?)
}

async fn s13_children_run_in_parallel(s: Stage) -> Checked {
    let worker = s.worker().orchestration_fn("child", add).orchestration_fn("main", parallel);
    let _worker = worker.start().await?;
    let (handle, out) = s.run_a::<_, Vec<u64>>("main", 10_u64).await?;
    ensure_eq!(out, (1..=10).collect::<Vec<u64>>(), "the outputs");
    s.side_by_side(&handle, CHILDREN, 10).await
}

async fn s13_children_have_children(s: Stage) -> Checked {
    let code = |ctx: OrchestrationContext, depth: u64| async move {
        if depth == 0 {
            return Ok(1);
        }
        let (left, right) = (
            ctx.call_child(orch::<u64, u64>("tree"), depth - 1),
            ctx.call_child(orch::<u64, u64>("tree"), depth - 1),
        );
        Ok::<_, Failure>(left.await? + right.await?)
    };
    let _worker = s.worker().orchestration_fn("tree", code).start().await?;
    ensure_eq!(s.run::<u64, u64>("tree", "a", 3).await?, 8, "the leaves");
    Ok(())
}

async fn s14_a_child_has_the_id_that_it_was_given(s: Stage) -> Checked {
    let code = |ctx: OrchestrationContext, n: u64| async move {
        let child = ctx.child(orch::<u64, u64>("child")).id(InstanceId::new("kid")?);
        Ok::<_, Failure>(child.tag("colour", "red").call(n).await?)
    };
    let worker = s.worker().orchestration_fn("child", add).orchestration_fn("main", code);
    let _worker = worker.start().await?;
    ensure_eq!(s.run::<u64, u64>("main", "a", 1).await?, 2, "the output");
    let kid = s.client.instance("kid")?.status().await?;
    ensure_eq!(kid.status(), OrchestrationStatus::Completed, "the status of the child");
    ensure_eq!(kid.parent().map(InstanceId::as_str), Some("a"), "the parent in its record");
    ensure_eq!(kid.tags(), &[("colour".to_owned(), "red".to_owned())], "the child's labels");
    Ok(())
}

async fn s14_a_child_knows_its_parent(s: Stage) -> Checked {
    let child = |ctx: OrchestrationContext, (): ()| async move {
        Ok::<_, Failure>(ctx.parent().map(|p| p.instance.to_string()))
    };
    let code = |ctx: OrchestrationContext, (): ()| async move {
        Ok::<_, Failure>(ctx.call_child(orch::<(), Option<String>>("child"), ()).await?)
    };
    let worker = s.worker().orchestration_fn("child", child).orchestration_fn("main", code);
    let _worker = worker.start().await?;
    let parent: Option<String> = s.run("main", "mother", ()).await?;
    ensure_eq!(parent.as_deref(), Some("mother"), "the parent");
    ensure_eq!(s.run::<(), Option<String>>("child", "orphan", ()).await?, None, "no parent");
    Ok(())
}

async fn s14_the_id_of_a_live_instance_is_refused(s: Stage) -> Checked {
    let code = |ctx: OrchestrationContext, n: u64| async move {
        let own = ctx.instance_id();
        match ctx.child(orch::<u64, u64>("child")).id(own).call(n).await {
            Err(TaskError::Engine(f)) if f.kind() == FailureKind::AlreadyExists => Ok(7),
            other => Err(Failure::new(format!("{other:?}"))),
        }
    };
    let worker = s.worker().orchestration_fn("child", add).orchestration_fn("main", code);
    let _worker = worker.start().await?;
    ensure_eq!(s.run::<u64, u64>("main", "a", 1).await?, 7, "the output");
    Ok(())
}

async fn broken(_: OrchestrationContext, text: String) -> Result<u64, Failure> {
    Err(Failure::new(text))
}

async fn s15_a_failing_child_can_be_caught(s: Stage) -> Checked {
    let code = |ctx: OrchestrationContext, (): ()| async move {
        let call = ctx.call_child(orch::<String, u64>("broken"), "oh no".to_owned());
        match call.await {
            Err(TaskError::Application(failure)) => Ok(failure.message().to_owned()),
            other => Err(Failure::new(format!("{other:?}"))),
        }
    };
    let worker = s.worker().orchestration_fn("broken", broken).orchestration_fn("main", code);
    let _worker = worker.start().await?;
    ensure_eq!(s.run::<(), String>("main", "a", ()).await?, "oh no", "the message caught");
    Ok(())
}

async fn s15_an_uncaught_failure_of_a_child_fails_the_parent(s: Stage) -> Checked {
    let code = |ctx: OrchestrationContext, (): ()| async move {
        let call = ctx.call_child(orch::<String, u64>("broken"), "oh no".to_owned());
        Ok::<_, Failure>(call.await?)
    };
    let worker = s.worker().orchestration_fn("broken", broken).orchestration_fn("main", code);
    let _worker = worker.start().await?;
    let handle: InstanceHandle<u64, Failure> = s.start("main", "a", ()).await?;
    ensure_eq!(s.failure(&handle).await?.message(), "oh no", "the message");
    Ok(())
}

/// A child that succeeds at the third try, by an activity that counts.
async fn retried(s: Stage, id: Option<&'static str>) -> Checked {
    let runs = s.runs.clone();
    let child = move |_: OrchestrationContext, n: u64| {
        let runs = runs.clone();
        async move {
            // Not replay-safe on purpose: it ends in its first turn.
            let tries = runs.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            if tries < 2 { Err(Failure::new("too early")) } else { Ok(n) }
        }
    };
    let code = move |ctx: OrchestrationContext, n: u64| async move {
        let policy = RetryPolicy::new(8).first_interval(Duration::from_millis(20));
        let mut child = ctx.child(orch::<u64, u64>("child")).retry(policy);
        if let Some(id) = id {
            child = child.id(InstanceId::new(id)?);
        }
        Ok::<_, Failure>(child.call(n).await?)
    };
    let worker = s.worker().orchestration_fn("child", child).orchestration_fn("main", code);
    let _worker = worker.start().await?;
    let (handle, out) = s.run_a::<_, u64>("main", 5_u64).await?;
    ensure_eq!(out, 5, "the output");
    // A turn that is run again counts as a try of its own.
    let tries = s.kinds(&handle).await?.iter().filter(|kind| **kind == CHILDREN.0).count();
    ensure!((2..=3).contains(&tries), "{tries} children for two failures and a success");
    if let Some(id) = id {
        let status = s.client.instance(id)?.status().await?.status();
        ensure_eq!(status, OrchestrationStatus::Completed, "the status of the last child");
    }
    Ok(())
}

async fn s16_a_child_is_tried_again_until_it_succeeds(s: Stage) -> Checked {
    // The paranoid mode runs the code of a turn twice, and would count twice.
    let mut s = s;
    s.options.paranoid = false;
    retried(s, None).await
}

async fn s16_a_child_under_a_given_id_is_tried_again(s: Stage) -> Checked {
    let mut s = s;
    s.options.paranoid = false;
    retried(s, Some("kid")).await
}

async fn s16_exhausted_retries_raise_the_last_error(s: Stage) -> Checked {
    let code = |ctx: OrchestrationContext, (): ()| async move {
        let policy = RetryPolicy::new(3).first_interval(Duration::from_millis(10));
        let child = ctx.child(orch::<String, u64>("broken")).retry(policy);
        Ok::<_, Failure>(child.call("still no".to_owned()).await?)
    };
    let worker = s.worker().orchestration_fn("broken", broken).orchestration_fn("main", code);
    let _worker = worker.start().await?;
    let handle: InstanceHandle<u64, Failure> = s.start("main", "a", ()).await?;
    ensure_eq!(s.failure(&handle).await?.message(), "still no", "the message");
    let history = handle.history().collect().await?;
    let children = history.iter().filter(|e| e.event.kind() == "ChildScheduled").count();
    ensure_eq!(children, 3, "children started");
    Ok(())
}

async fn s17_a_detached_child_outlives_its_parent(s: Stage) -> Checked {
    let child = |ctx: OrchestrationContext, (): ()| async move { ctx.event::<u64>("go").await };
    let code = |ctx: OrchestrationContext, (): ()| async move {
        let id = ctx.child(orch::<(), u64>("child")).start_detached(())?;
        Ok::<_, Failure>(id.to_string())
    };
    let worker = s.worker().orchestration_fn("child", child).orchestration_fn("main", code);
    let _worker = worker.start().await?;
    let id: String = s.run("main", "a", ()).await?;
    let child = s.client.instance(&id)?.typed::<u64, Failure>();
    // Where messages follow after the commit, so does the child.
    while !s.hub.capabilities().instant_delivery
        && child.status().await.is_err_and(|error| error.kind() == ErrorKind::NotFound)
    {
        s.hub.grace().await;
    }
    ensure!(!child.status().await?.status().is_terminal(), "the child has ended too");
    child.raise_event("go", &3).send().await?;
    ensure_eq!(s.result(&child).await?, 3, "the output of the child");
    Ok(())
}

async fn s18_a_hundred_children_run_at_once(s: Stage) -> Checked {
    let worker = s.worker().orchestration_fn("child", add).orchestration_fn("main", parallel);
    let _worker = worker.start().await?;
    let (handle, out) = s.run_a::<_, Vec<u64>>("main", 100_u64).await?;
    ensure_eq!(out.iter().sum::<u64>(), 5_050, "the sum");
    s.side_by_side(&handle, CHILDREN, 100).await
}

async fn s19_a_listing_may_leave_children_out(s: Stage) -> Checked {
    let worker = s.worker().orchestration_fn("child", add).orchestration_fn("main", parallel);
    let _worker = worker.start().await?;
    s.run::<u64, Vec<u64>>("main", "a", 3).await?;
    let all = InstanceQuery { name: Some("child".to_owned()), ..InstanceQuery::default() };
    ensure_eq!(s.hub.list(all).await?.len(), 3, "children listed");
    let roots = InstanceQuery { roots_only: true, ..InstanceQuery::default() };
    s.hub.listed(roots, &["a"]).await
}
