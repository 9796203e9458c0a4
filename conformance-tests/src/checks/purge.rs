//! Removing terminal instances.

use std::time::Duration;

use durable_core::backend::{
    CommitOutcome, Envelope, InstanceQuery, OrchestrationStatus, PurgeOutcome, SendOutcome,
};

use crate::check::{Check, Checked, Need};
use crate::driver::turns::bodies;
use crate::driver::{Hub, iid};

pub(super) fn list() -> Vec<Check> {
    let mut checks = area!("purge";
        H5 an_absent_instance_is_answered_as_absent,
        H5 a_purged_instance_has_no_record,
        H5 a_purged_instance_has_no_history,
        H5 a_purged_instance_has_no_executions,
        H5 a_purged_instance_is_not_listed,
        H5 a_purge_may_be_repeated,
        H5 kept_generations_are_purged_too,
        H5 a_purge_leaves_other_instances_alone,
        H5 a_purge_that_is_refused_changes_nothing,
        C9 purges_of_a_batch_are_answered_in_order,
        C9 an_id_twice_in_a_batch_is_purged_once,
        C9 an_empty_batch_has_no_answers,
        H5 a_purged_id_can_be_created_again,
        H5 a_message_to_a_purged_instance_is_refused,
        H5 a_successor_starts_with_an_empty_inbox,
        H5 a_message_to_the_purged_execution_does_not_reach_the_successor,
        H5 a_message_of_a_commit_to_the_purged_execution_does_not_reach_the_successor,
        H5 the_last_holder_of_a_purged_instance_cannot_commit,
        H5 the_final_commit_of_a_purged_instance_does_not_bring_it_back,
        H5 a_purged_instance_does_not_come_back_by_its_timers,
        H5 a_successor_may_be_purged_too,
        H5 many_instances_are_purged_in_one_batch,
    );
    for status in OrchestrationStatus::ALL {
        if status == OrchestrationStatus::AwaitingStart {
            continue;
        }
        let verb = if status.is_terminal() { "is" } else { "is_not" };
        let name =
            format!("an_instance_that_is_{}_{verb}_purged", format!("{status:?}").to_lowercase());
        checks.push(Check::new("purge", name, "H5", Need::Nothing, move |h| {
            purge_in_status(h, status)
        }));
    }
    checks
}

async fn purge_in_status(h: Hub, status: OrchestrationStatus) -> Checked {
    let inst = h.created("a").await?;
    if status != OrchestrationStatus::Pending {
        h.step(&h.turn_of(&inst).await?).status(status)?.apply().await?;
    }
    let expected =
        if status.is_terminal() { PurgeOutcome::Purged } else { PurgeOutcome::NotTerminal };
    ensure_eq!(h.purge(&inst.id).await?, expected, "outcome");
    ensure_eq!(
        h.record(&inst.id).await?.is_none(),
        status.is_terminal(),
        "whether the record is gone"
    );
    Ok(())
}

async fn an_absent_instance_is_answered_as_absent(h: Hub) -> Checked {
    ensure_eq!(h.purge(&iid("nobody")?).await?, PurgeOutcome::NoInstance, "outcome");
    Ok(())
}

async fn a_purged_instance_has_no_record(h: Hub) -> Checked {
    let inst = h.completed("a").await?;
    h.purged(&inst).await?;
    ensure!(h.record(&inst.id).await?.is_none(), "the record is still there");
    Ok(())
}

async fn a_purged_instance_has_no_history(h: Hub) -> Checked {
    let inst = h.completed("a").await?;
    h.purged(&inst).await?;
    ensure!(h.history_texts(&inst).await?.is_empty(), "the history is still there");
    Ok(())
}

async fn a_purged_instance_has_no_executions(h: Hub) -> Checked {
    let inst = h.completed("a").await?;
    h.purged(&inst).await?;
    ensure_eq!(h.executions(&inst.id).await?, [], "the executions");
    Ok(())
}

async fn a_purged_instance_is_not_listed(h: Hub) -> Checked {
    let (gone, stays) = (h.completed("gone").await?, h.completed("stays").await?);
    h.index(&[gone.id.clone(), stays.id]).await?;
    h.purged(&gone).await?;
    h.listed(InstanceQuery::default(), &["stays"]).await
}

async fn a_purge_may_be_repeated(h: Hub) -> Checked {
    let inst = h.completed("a").await?;
    h.purged(&inst).await?;
    ensure_eq!(h.purge(&inst.id).await?, PurgeOutcome::NoInstance, "second outcome");
    Ok(())
}

async fn kept_generations_are_purged_too(h: Hub) -> Checked {
    let old = h.running("a").await?;
    h.step(&h.woken(&old, "go on").await?).next(h.execution(), true)?.apply().await?;
    h.step(&h.woken(&old, "end").await?).status(OrchestrationStatus::Completed)?.apply().await?;
    h.purged(&old).await?;
    ensure!(h.history_texts(&old).await?.is_empty(), "a kept history is still there");
    ensure_eq!(h.executions(&old.id).await?, [], "the executions");
    Ok(())
}

async fn a_purge_leaves_other_instances_alone(h: Hub) -> Checked {
    let gone = h.completed("a").await?;
    // Some live, and some have ended and could be purged themselves.
    let mut others = Vec::new();
    for name in ["a ", "aa", "A", "a/b", "a\u{0301}"] {
        others.push(h.running(name).await?);
    }
    for name in ["a:", "ab", "a b", "a/c", "a\u{0300}"] {
        others.push(h.completed(name).await?);
    }
    h.purged(&gone).await?;
    for other in others {
        ensure_eq!(h.history_texts(&other).await?, ["turn"], "the history of {}", other.id);
        h.record_of(&other).await?;
    }
    Ok(())
}

async fn a_purge_that_is_refused_changes_nothing(h: Hub) -> Checked {
    let inst = h.scheduling("a", 1).await?;
    h.tell(&inst, "event").await?;
    let before = h.record_of(&inst).await?;
    h.purge(&inst.id).await?;
    ensure_eq!(h.record_of(&inst).await?, before, "the record");
    ensure_eq!(h.history_texts(&inst).await?.len(), 2, "chunks");
    ensure_eq!(bodies(&h.turn_of(&inst).await?), ["event"], "the inbox");
    h.activity().await?;
    Ok(())
}

async fn purges_of_a_batch_are_answered_in_order(h: Hub) -> Checked {
    let (done, live) = (h.completed("done").await?, h.running("live").await?);
    let ids = vec![live.id, iid("nobody")?, done.id];
    let mut outcomes = Vec::new();
    for outcome in h.backend().purge(ids).await {
        outcomes.push(outcome?);
    }
    let expected = [PurgeOutcome::NotTerminal, PurgeOutcome::NoInstance, PurgeOutcome::Purged];
    ensure_eq!(outcomes, expected, "outcomes");
    Ok(())
}

async fn an_id_twice_in_a_batch_is_purged_once(h: Hub) -> Checked {
    let inst = h.completed("a").await?;
    let mut purged = 0;
    for outcome in h.backend().purge(vec![inst.id.clone(), inst.id]).await {
        purged += usize::from(outcome? == PurgeOutcome::Purged);
    }
    ensure_eq!(purged, 1, "how many purged it");
    Ok(())
}

async fn an_empty_batch_has_no_answers(h: Hub) -> Checked {
    ensure_eq!(h.backend().purge(Vec::new()).await.len(), 0, "answers");
    Ok(())
}

async fn a_purged_id_can_be_created_again(h: Hub) -> Checked {
    let old = h.completed("a").await?;
    h.purged(&old).await?;
    let new = h.running("a").await?;
    ensure_eq!(h.record_of(&new).await?.execution, new.execution, "the execution");
    ensure_eq!(h.history_texts(&new).await?, ["turn"], "the history");
    Ok(())
}

async fn a_message_to_a_purged_instance_is_refused(h: Hub) -> Checked {
    let inst = h.completed("a").await?;
    h.purged(&inst).await?;
    ensure_eq!(h.send(h.message(&inst.id, "late")).await?, SendOutcome::NoInstance, "answer");
    Ok(())
}

async fn a_successor_starts_with_an_empty_inbox(h: Hub) -> Checked {
    let old = h.running("a").await?;
    let work = h.woken(&old, "end").await?;
    h.tell(&old, "unread").await?;
    h.step(&work).status(OrchestrationStatus::Completed)?.apply().await?;
    h.purged(&old).await?;
    let new = h.created("a").await?;
    ensure_eq!(bodies(&h.turn_of(&new).await?), ["start"], "the inbox");
    Ok(())
}

async fn a_message_to_the_purged_execution_does_not_reach_the_successor(h: Hub) -> Checked {
    let old = h.completed("a").await?;
    h.purged(&old).await?;
    h.running("a").await?;
    h.send(Envelope { execution: Some(old.execution), ..h.message(&old.id, "for the old one") })
        .await?;
    h.no_turn("the message was for the purged execution").await
}

async fn a_message_of_a_commit_to_the_purged_execution_does_not_reach_the_successor(
    h: Hub,
) -> Checked {
    let child = h.created("child").await?;
    let work = h.turn_of(&child).await?;
    let parent = h.completed("parent").await?;
    h.purged(&parent).await?;
    h.running("parent").await?;
    let report =
        Envelope { execution: Some(parent.execution), ..h.message(&parent.id, "child is done") };
    h.step(&work).message(report).apply().await?;
    h.no_turn("the message was for the purged execution").await
}

async fn the_last_holder_of_a_purged_instance_cannot_commit(h: Hub) -> Checked {
    let inst = h.created("a").await?;
    let stale = h.short_turn_of(&inst).await?;
    h.pass_lease().await;
    h.step(&h.turn_of(&inst).await?).status(OrchestrationStatus::Completed)?.apply().await?;
    h.purged(&inst).await?;
    let successor = h.created("a").await?;
    ensure_eq!(h.step(&stale).commit().await?, CommitOutcome::LeaseLost, "outcome");
    ensure!(h.history_texts(&successor).await?.is_empty(), "a stale holder wrote history");
    Ok(())
}

async fn the_final_commit_of_a_purged_instance_does_not_bring_it_back(h: Hub) -> Checked {
    let inst = h.created("a").await?;
    let last = h.step(&h.turn_of(&inst).await?).status(OrchestrationStatus::Completed)?;
    last.clone().apply().await?;
    h.purged(&inst).await?;
    last.commit().await?;
    ensure!(h.record(&inst.id).await?.is_none(), "the purged instance is back");
    Ok(())
}

async fn a_purged_instance_does_not_come_back_by_its_timers(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    h.step(&h.woken(&inst, "set").await?).timer(1, h.later(), "timer").apply().await?;
    h.step(&h.woken(&inst, "end").await?).status(OrchestrationStatus::Completed)?.apply().await?;
    h.purged(&inst).await?;
    h.pass_delay().await;
    h.no_turn("the instance is purged").await?;
    ensure!(h.record(&inst.id).await?.is_none(), "the purged instance is back");
    Ok(())
}

async fn a_successor_may_be_purged_too(h: Hub) -> Checked {
    for _ in 0..5 {
        let inst = h.completed("a").await?;
        h.purged(&inst).await?;
    }
    ensure!(h.record(&iid("a")?).await?.is_none(), "the record is still there");
    Ok(())
}

async fn many_instances_are_purged_in_one_batch(h: Hub) -> Checked {
    let mut ids = Vec::new();
    for number in 0..100 {
        ids.push(h.created(&format!("i{number}")).await?.id);
    }
    let mut commits = Vec::new();
    for work in h.turns_of_all(100).await? {
        commits.push(h.step(&work).status(OrchestrationStatus::Failed)?.commit);
    }
    for outcome in h.backend().commit_turns(commits).await {
        outcome?;
    }
    for outcome in h.backend().purge(ids.clone()).await {
        ensure_eq!(outcome?, PurgeOutcome::Purged, "outcome");
    }
    for record in h.backend().read_records(ids).await {
        ensure!(record?.is_none(), "a record is still there");
    }
    h.pass(Duration::ZERO).await;
    h.no_turn("everything is purged").await
}
