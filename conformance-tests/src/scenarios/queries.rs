//! Listings, histories of all generations, purge.

use durable_core::backend::{InstanceQuery, OrchestrationStatus as Status};
use durable_core::client::InstanceHandle;
use durable_core::error::ErrorKind;
use durable_core::model::Failure;
use durable_core::replay::OrchestrationContext;

use super::stage::{Stage, act};
use super::{Scenario, scenarios};
use crate::check::Checked;

pub(super) fn list() -> Vec<Scenario> {
    scenarios![
        s69_instances_are_listed_by_status_name_and_prefix,
        s70_the_history_of_each_generation_can_be_read,
        s71_a_purged_instance_is_gone,
        s71_a_running_instance_is_not_purged,
        s71_many_instances_are_purged_page_by_page,
    ]
}

async fn plain(ctx: OrchestrationContext, fail: bool) -> Result<u64, Failure> {
    let n = ctx.call(act::<u64, u64>("inc"), 1).await?;
    if fail { Err(Failure::new("planned")) } else { Ok(n) }
}

/// Three completed instances `ok-…`, two failed ones `bad-…`.
async fn five(s: &Stage) -> Checked<durable_core::worker::Worker> {
    let worker = s.worker().orchestration_fn("main", plain).start().await?;
    for (id, fail) in
        [("ok-1", false), ("bad-1", true), ("ok-2", false), ("bad-2", true), ("ok-3", false)]
    {
        let handle: InstanceHandle<u64, Failure> = s.start("main", id, fail).await?;
        let ended = handle.wait_until(|status| status.status().is_terminal());
        s.get("the end", ended).await?;
    }
    Ok(worker)
}

async fn s69_instances_are_listed_by_status_name_and_prefix(s: Stage) -> Checked {
    let _worker = five(&s).await?;
    let all = InstanceQuery::default;
    let failed = InstanceQuery { statuses: vec![Status::Failed], ..all() };
    s.hub.listed(failed, &["bad-1", "bad-2"]).await?;
    let prefix = InstanceQuery { id_prefix: Some("ok-".to_owned()), page_items: 1, ..all() };
    s.hub.listed(prefix, &["ok-1", "ok-2", "ok-3"]).await?;
    let name = InstanceQuery { name: Some("other".to_owned()), ..all() };
    s.hub.listed(name, &[]).await
}

async fn s70_the_history_of_each_generation_can_be_read(mut s: Stage) -> Checked {
    s.options.keep_generations = true;
    let code = |ctx: OrchestrationContext, left: u64| async move {
        ctx.call(act::<u64, u64>("inc"), left).await?;
        if left > 0 {
            return ctx.continue_as_new(&(left - 1)).await;
        }
        Ok::<_, Failure>(ctx.generation())
    };
    let _worker = s.worker().orchestration_fn("main", code).start().await?;
    let handle: InstanceHandle<u32, Failure> = s.start("main", "a", 2_u64).await?;
    ensure_eq!(s.result(&handle).await?, 3, "the generations");
    let executions = s.hub.backend().executions(handle.id()).await?;
    ensure_eq!(executions.len(), 3, "executions kept");
    for (n, execution) in executions.into_iter().enumerate() {
        let history = handle.history().of_execution(execution).collect().await?;
        let last = history.last().map(|e| e.event.kind());
        let expected = if n == 2 { "ExecutionCompleted" } else { "ContinuedAsNew" };
        ensure_eq!(last, Some(expected), "the last event of generation {n}");
        let numbers: Vec<_> = history.iter().map(|e| e.number).collect();
        ensure_eq!(numbers, (1..=history.len() as u64).collect::<Vec<_>>(), "the numbers");
    }
    Ok(())
}

async fn s71_a_purged_instance_is_gone(s: Stage) -> Checked {
    let _worker = five(&s).await?;
    let handle = s.client.instance("ok-2")?;
    handle.purge().await?;
    ensure!(!handle.exists().await?, "it is still there");
    let again = handle.purge().await.err().map(|e| e.kind());
    ensure_eq!(again, Some(ErrorKind::NotFound), "a second purge");
    let again: u64 = s.run("main", "ok-2", false).await?;
    ensure_eq!(again, 2, "the output of its successor");
    Ok(())
}

async fn s71_a_running_instance_is_not_purged(s: Stage) -> Checked {
    let code = |ctx: OrchestrationContext, (): ()| async move { ctx.event::<u64>("go").await };
    let _worker = s.worker().orchestration_fn("main", code).start().await?;
    let handle: InstanceHandle<u64, Failure> = s.start("main", "a", ()).await?;
    let refused = handle.purge().await.err().map(|e| e.kind());
    ensure_eq!(refused, Some(ErrorKind::InvalidArgument), "the purge");
    handle.raise_event("go", &2).send().await?;
    ensure_eq!(s.result(&handle).await?, 2, "the output");
    Ok(())
}

async fn s71_many_instances_are_purged_page_by_page(s: Stage) -> Checked {
    let _worker = five(&s).await?;
    s.hub.listed(InstanceQuery::default(), &["ok-1", "ok-2", "ok-3", "bad-1", "bad-2"]).await?;
    let query = InstanceQuery {
        statuses: vec![Status::Completed],
        page_items: 2,
        ..InstanceQuery::default()
    };
    ensure_eq!(s.client.purge_all(query).await?, 3, "instances purged");
    s.hub.listed(InstanceQuery::default(), &["bad-1", "bad-2"]).await
}
