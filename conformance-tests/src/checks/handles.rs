//! Several processes on one hub.

use std::time::Duration;

use durable_core::backend::{CommitOutcome, CreateOutcome, OrchestrationStatus};

use crate::check::{Check, Checked};
use crate::driver::Hub;
use crate::driver::turns::bodies;

pub(super) fn list() -> Vec<Check> {
    area!("handles";
        C8 a_message_of_one_process_reaches_another needs MultiProcess,
        C8 a_message_of_one_process_wakes_another needs MultiProcess,
        C8 an_activity_of_one_process_wakes_another needs MultiProcess,
        O8 an_instance_on_loan_to_one_process_is_not_lent_to_another needs MultiProcess,
        Q1 a_task_on_loan_to_one_process_is_not_lent_to_another needs MultiProcess,
        C2 a_token_is_worth_the_same_in_every_process needs MultiProcess,
        C2 a_stale_process_cannot_commit needs MultiProcess,
        O1 an_id_is_created_once_by_two_processes needs MultiProcess,
        O2 what_one_process_committed_another_reads needs MultiProcess,
        H2 a_watch_sees_the_commit_of_another_process needs MultiProcess,
        C12 closing_one_process_leaves_the_others_open needs MultiProcess,
        O8 the_work_of_a_closed_process_is_taken_over needs MultiProcess,
    )
}

async fn a_message_of_one_process_reaches_another(h: Hub) -> Checked {
    let other = h.second_handle().await?;
    let inst = h.running("a").await?;
    h.tell(&inst, "event").await?;
    ensure_eq!(bodies(&other.turn_of(&inst).await?), ["event"], "the inbox");
    Ok(())
}

async fn a_message_of_one_process_wakes_another(h: Hub) -> Checked {
    let other = h.second_handle().await?;
    let inst = h.running("a").await?;
    let of = inst.clone();
    let waiting = h.spawn(async move { other.turn_of(&of).await });
    h.grace().await;
    h.tell(&inst, "event").await?;
    ensure_eq!(bodies(&waiting.join(&h).await??), ["event"], "the inbox");
    Ok(())
}

async fn an_activity_of_one_process_wakes_another(h: Hub) -> Checked {
    let other = h.second_handle().await?;
    let waiting = h.spawn(async move { other.activity().await });
    h.grace().await;
    let inst = h.scheduling("a", 1).await?;
    ensure_eq!(waiting.join(&h).await??.lease.instance, inst.id, "the instance of the task");
    Ok(())
}

async fn an_instance_on_loan_to_one_process_is_not_lent_to_another(h: Hub) -> Checked {
    let other = h.second_handle().await?;
    let inst = h.created("a").await?;
    h.turn_of(&inst).await?;
    other.no_turn("the instance is on loan to another process").await
}

async fn a_task_on_loan_to_one_process_is_not_lent_to_another(h: Hub) -> Checked {
    let other = h.second_handle().await?;
    h.with_activity("a").await?;
    other.no_activity("the task is on loan to another process").await
}

async fn a_token_is_worth_the_same_in_every_process(h: Hub) -> Checked {
    let other = h.second_handle().await?;
    let inst = h.created("a").await?;
    let work = h.turn_of(&inst).await?;
    ensure_eq!(other.step(&work).commit().await?, CommitOutcome::Applied, "outcome");
    ensure_eq!(h.history_texts(&inst).await?, ["turn"], "the history");
    Ok(())
}

async fn a_stale_process_cannot_commit(h: Hub) -> Checked {
    let other = h.second_handle().await?;
    let inst = h.created("a").await?;
    let stale = h.short_turn_of(&inst).await?;
    h.pass_lease().await;
    let current = other.turn_of(&inst).await?;
    ensure_eq!(
        h.step(&stale).commit().await?,
        CommitOutcome::LeaseLost,
        "outcome of the stale process"
    );
    other.step(&current).apply().await
}

async fn an_id_is_created_once_by_two_processes(h: Hub) -> Checked {
    let other = h.second_handle().await?;
    let (one, two) = tokio::join!(h.create(h.creation("a")?), other.create(other.creation("a")?));
    let created = [one?, two?].iter().filter(|o| matches!(o, CreateOutcome::Created)).count();
    ensure_eq!(created, 1, "how many created it");
    Ok(())
}

async fn what_one_process_committed_another_reads(h: Hub) -> Checked {
    let other = h.second_handle().await?;
    let inst = h.running("a").await?;
    ensure_eq!(other.record_of(&inst).await?, h.record_of(&inst).await?, "the record");
    ensure_eq!(other.history_texts(&inst).await?, ["turn"], "the history");
    Ok(())
}

async fn a_watch_sees_the_commit_of_another_process(h: Hub) -> Checked {
    let other = h.second_handle().await?;
    let inst = h.running("a").await?;
    let (seen, id) = (h.record_of(&inst).await?.revision, inst.id.clone());
    let waiting = h.spawn(async move { other.backend().watch(&id, seen, other.wait()).await });
    h.grace().await;
    h.step(&h.woken(&inst, "end").await?).status(OrchestrationStatus::Completed)?.apply().await?;
    let found = waiting.join(&h).await??;
    ensure_eq!(found.map(|r| r.status), Some(OrchestrationStatus::Completed), "the status");
    Ok(())
}

async fn closing_one_process_leaves_the_others_open(h: Hub) -> Checked {
    let other = h.second_handle().await?;
    let inst = h.created("a").await?;
    other.backend().close().await?;
    h.step(&h.turn_of(&inst).await?).apply().await
}

async fn the_work_of_a_closed_process_is_taken_over(h: Hub) -> Checked {
    let other = h.second_handle().await?;
    let inst = h.created("a").await?;
    other.short_turn_of(&inst).await?;
    other.backend().close().await?;
    h.pass(Duration::ZERO).await;
    h.pass_lease().await;
    h.turn_of(&inst).await?;
    Ok(())
}
