//! The atomic unit of an activity.

use std::time::Duration;

use durable_core::backend::{CommitOutcome, Envelope, OrchestrationStatus};
use durable_core::ids::LeaseToken;

use crate::check::{Check, Checked};
use crate::driver::turns::bodies;
use crate::driver::{Hub, Inst, iid, only};

pub(super) fn list() -> Vec<Check> {
    area!("activity_commit";
        A1 a_completion_is_delivered,
        A1 a_completion_is_delivered_unchanged,
        A1 a_completed_task_is_gone,
        A1 a_completed_task_does_not_come_back_when_its_lease_ends,
        A1 an_unknown_token_delivers_nothing,
        A1 a_stale_holder_delivers_nothing,
        A1 the_second_holder_delivers_once,
        A1 an_abandoned_task_cannot_be_completed,
        A1 an_unknown_task_delivers_nothing,
        A1 the_token_of_another_task_delivers_nothing,
        A1 a_task_under_the_name_of_another_instance_delivers_nothing,
        A2 a_repeated_completion_is_delivered_once,
        A2 a_repeated_completion_with_another_body_delivers_the_first,
        A2 a_repetition_after_the_message_was_read_delivers_nothing,
        T5 a_cancelled_task_delivers_nothing,
        C10 a_task_of_a_terminal_instance_delivers_nothing,
        C5 a_task_of_an_older_generation_delivers_nothing,
        C5 a_task_of_a_purged_instance_delivers_nothing,
        H5 a_task_of_a_purged_instance_does_not_reach_its_successor,
        O10 a_completion_does_not_end_a_hold,
        O10 a_completion_waits_for_the_end_of_a_hold,
        T4 a_completion_during_a_turn_is_not_lost,
        C6 completions_arrive_in_the_order_of_their_commits,
        C9 commits_of_a_batch_are_answered_in_order,
        C9 a_lost_commit_does_not_fail_its_neighbours,
        C9 completions_of_one_batch_for_one_instance_all_arrive,
        C9 an_empty_batch_has_no_answers,
        C8 a_completion_wakes_a_waiting_receive needs Push,
        A1 a_completion_may_wait_for_its_time,
    )
}

async fn a_completion_is_delivered(h: Hub) -> Checked {
    let (inst, task) = h.with_activity("a").await?;
    h.completes(&task, "done").await?;
    ensure_eq!(bodies(&h.turn_of(&inst).await?), ["done"], "the inbox");
    Ok(())
}

async fn a_completion_is_delivered_unchanged(h: Hub) -> Checked {
    let (inst, task) = h.with_activity("a").await?;
    let commit = h.activity_commit(&task, "\0 done \u{1f980}");
    let (id, body) = (commit.completion.id, commit.completion.body.clone());
    ensure_eq!(
        only(h.backend().commit_activities(vec![commit]).await)?,
        CommitOutcome::Applied,
        "outcome"
    );
    let work = h.turn_of(&inst).await?;
    ensure_eq!((work.messages[0].id, &work.messages[0].body), (id, &body), "id and body");
    Ok(())
}

async fn a_completed_task_is_gone(h: Hub) -> Checked {
    let (_, task) = h.with_activity("a").await?;
    h.completes(&task, "done").await?;
    h.no_activity("the task is completed").await
}

async fn a_completed_task_does_not_come_back_when_its_lease_ends(h: Hub) -> Checked {
    h.scheduling("a", 1).await?;
    let task = h.short_activity().await?;
    h.completes(&task, "done").await?;
    h.pass_lease().await;
    h.no_activity("the task is completed").await
}

async fn an_unknown_token_delivers_nothing(h: Hub) -> Checked {
    let (_, mut task) = h.with_activity("a").await?;
    task.lease.token = LeaseToken(!task.lease.token.0);
    ensure_eq!(h.complete(&task, "forged").await?, CommitOutcome::LeaseLost, "outcome");
    h.no_turn("a forged completion was refused").await
}

async fn a_stale_holder_delivers_nothing(h: Hub) -> Checked {
    h.scheduling("a", 1).await?;
    let stale = h.short_activity().await?;
    h.pass_lease().await;
    h.activity().await?;
    ensure_eq!(h.complete(&stale, "stale").await?, CommitOutcome::LeaseLost, "outcome");
    h.no_turn("the completion of a stale holder was refused").await
}

async fn the_second_holder_delivers_once(h: Hub) -> Checked {
    let inst = h.scheduling("a", 1).await?;
    let stale = h.short_activity().await?;
    h.pass_lease().await;
    let current = h.activity().await?;
    h.complete(&stale, "stale").await?;
    h.completes(&current, "current").await?;
    h.complete(&stale, "stale again").await?;
    h.settle().await;
    ensure_eq!(bodies(&h.turn_of(&inst).await?), ["current"], "the inbox");
    Ok(())
}

async fn an_abandoned_task_cannot_be_completed(h: Hub) -> Checked {
    let (_, task) = h.with_activity("a").await?;
    h.abandon_activity(&task.lease, Duration::ZERO).await?;
    ensure_eq!(h.complete(&task, "too late").await?, CommitOutcome::LeaseLost, "outcome");
    h.no_turn("the task was given back").await?;
    h.activity().await?;
    Ok(())
}

async fn an_unknown_task_delivers_nothing(h: Hub) -> Checked {
    let (_, mut task) = h.with_activity("a").await?;
    task.lease.task.seq += 1;
    ensure_eq!(h.complete(&task, "of no task").await?, CommitOutcome::LeaseLost, "outcome");
    h.no_turn("there is no such task").await
}

async fn the_token_of_another_task_delivers_nothing(h: Hub) -> Checked {
    h.scheduling("a", 2).await?;
    let tasks = h.activities_all(2).await?;
    let mut mixed = tasks[0].clone();
    mixed.lease.token = tasks[1].lease.token;
    ensure_eq!(h.complete(&mixed, "mixed").await?, CommitOutcome::LeaseLost, "outcome");
    h.no_turn("the token belongs to another task").await?;
    h.completes(&tasks[0], "one").await?;
    h.completes(&tasks[1], "two").await
}

async fn a_task_under_the_name_of_another_instance_delivers_nothing(h: Hub) -> Checked {
    let other = h.running("other").await?;
    let (inst, task) = h.with_activity("a").await?;
    let mut forged = task.clone();
    forged.lease.instance = other.id;
    forged.execution = other.execution;
    ensure_eq!(h.complete(&forged, "forged").await?, CommitOutcome::LeaseLost, "outcome");
    h.no_turn("the task is of another instance").await?;
    h.completes(&task, "done").await?;
    h.turn_of(&inst).await?;
    Ok(())
}

async fn a_repeated_completion_is_delivered_once(h: Hub) -> Checked {
    let (inst, task) = h.with_activity("a").await?;
    let commit = h.activity_commit(&task, "done");
    for _ in 0..3 {
        let outcome = only(h.backend().commit_activities(vec![commit.clone()]).await)?;
        ensure!(outcome != CommitOutcome::Conflict, "a completion answered {outcome:?}");
    }
    h.settle().await;
    ensure_eq!(bodies(&h.turn_of(&inst).await?), ["done"], "the inbox");
    Ok(())
}

async fn a_repeated_completion_with_another_body_delivers_the_first(h: Hub) -> Checked {
    let (inst, task) = h.with_activity("a").await?;
    h.completes(&task, "first").await?;
    h.complete(&task, "second").await?;
    h.settle().await;
    ensure_eq!(bodies(&h.turn_of(&inst).await?), ["first"], "the inbox");
    Ok(())
}

async fn a_repetition_after_the_message_was_read_delivers_nothing(h: Hub) -> Checked {
    let (inst, task) = h.with_activity("a").await?;
    h.completes(&task, "done").await?;
    h.step(&h.turn_of(&inst).await?).apply().await?;
    h.complete(&task, "done").await?;
    h.no_turn("the completion was delivered and read").await
}

async fn a_cancelled_task_delivers_nothing(h: Hub) -> Checked {
    let (inst, task) = h.with_activity("a").await?;
    h.step(&h.woken(&inst, "cancel it").await?).cancel(1).apply().await?;
    h.complete(&task, "unwanted").await?;
    h.no_turn("nobody wants the result").await
}

async fn end(h: &Hub, inst: &Inst) -> Checked {
    h.step(&h.woken(inst, "end").await?).status(OrchestrationStatus::Completed)?.apply().await
}

async fn a_task_of_a_terminal_instance_delivers_nothing(h: Hub) -> Checked {
    let (inst, task) = h.with_activity("a").await?;
    end(&h, &inst).await?;
    h.complete(&task, "too late").await?;
    h.no_turn("the instance is terminal").await
}

async fn a_task_of_an_older_generation_delivers_nothing(h: Hub) -> Checked {
    let (inst, task) = h.with_activity("a").await?;
    h.step(&h.woken(&inst, "go on").await?).next(h.execution(), false)?.apply().await?;
    h.complete(&task, "of the old generation").await?;
    h.no_turn("the generation that wanted the result is over").await
}

async fn a_task_of_a_purged_instance_delivers_nothing(h: Hub) -> Checked {
    let (inst, task) = h.with_activity("a").await?;
    end(&h, &inst).await?;
    h.purged(&inst).await?;
    h.complete(&task, "too late").await?;
    h.no_turn("the instance is purged").await?;
    ensure!(h.record(&inst.id).await?.is_none(), "a purged instance is back");
    Ok(())
}

async fn a_task_of_a_purged_instance_does_not_reach_its_successor(h: Hub) -> Checked {
    let (inst, task) = h.with_activity("a").await?;
    end(&h, &inst).await?;
    h.purged(&inst).await?;
    let successor = h.running("a").await?;
    h.complete(&task, "of the purged instance").await?;
    h.no_turn("the completion is of another execution").await?;
    ensure_eq!(bodies(&h.woken(&successor, "mine").await?), ["mine"], "the inbox");
    Ok(())
}

/// An instance with a task on loan, held without end.
async fn held_with_task(h: &Hub) -> Checked<(Inst, durable_core::backend::ActivityWork)> {
    let (inst, task) = h.with_activity("a").await?;
    h.step(&h.woken(&inst, "hold").await?).hold(None).apply().await?;
    Ok((inst, task))
}

async fn a_completion_does_not_end_a_hold(h: Hub) -> Checked {
    let (_, task) = held_with_task(&h).await?;
    h.completes(&task, "done").await?;
    h.no_turn("the instance is held").await
}

async fn a_completion_waits_for_the_end_of_a_hold(h: Hub) -> Checked {
    let (inst, task) = held_with_task(&h).await?;
    h.completes(&task, "done").await?;
    h.sent(h.control(&inst.id, "resume")).await?;
    h.step(&h.turn_of(&inst).await?).apply().await?;
    ensure_eq!(bodies(&h.turn_of(&inst).await?), ["done"], "the inbox");
    Ok(())
}

async fn a_completion_during_a_turn_is_not_lost(h: Hub) -> Checked {
    let (inst, task) = h.with_activity("a").await?;
    let work = h.woken(&inst, "go").await?;
    h.completes(&task, "done").await?;
    h.step(&work).apply().await?;
    ensure_eq!(bodies(&h.turn_of(&inst).await?), ["done"], "the inbox");
    Ok(())
}

async fn completions_arrive_in_the_order_of_their_commits(h: Hub) -> Checked {
    let inst = h.scheduling("a", 4).await?;
    let tasks = h.activities_all(4).await?;
    for at in [2, 0, 3, 1] {
        h.completes(&tasks[at], &format!("done {at}")).await?;
    }
    let expected = ["done 2", "done 0", "done 3", "done 1"];
    ensure_eq!(bodies(&h.turn_of(&inst).await?), expected, "the inbox");
    Ok(())
}

async fn commits_of_a_batch_are_answered_in_order(h: Hub) -> Checked {
    h.scheduling("a", 3).await?;
    let tasks = h.activities_all(3).await?;
    let mut commits: Vec<_> = tasks.iter().map(|t| h.activity_commit(t, "done")).collect();
    commits[0].lease.token = LeaseToken(3);
    let mut outcomes = Vec::new();
    for outcome in h.backend().commit_activities(commits).await {
        outcomes.push(outcome?);
    }
    let expected = [CommitOutcome::LeaseLost, CommitOutcome::Applied, CommitOutcome::Applied];
    ensure_eq!(outcomes, expected, "outcomes");
    Ok(())
}

async fn a_lost_commit_does_not_fail_its_neighbours(h: Hub) -> Checked {
    let inst = h.scheduling("a", 3).await?;
    let tasks = h.activities_all(3).await?;
    let mut commits: Vec<_> =
        tasks.iter().map(|t| h.activity_commit(t, &format!("{}", t.lease.task.seq))).collect();
    commits[0].lease.token = LeaseToken(3);
    h.backend().commit_activities(commits).await;
    let mut found = bodies(&h.turn_of(&inst).await?);
    found.sort();
    ensure_eq!(found, ["2", "3"], "the inbox");
    Ok(())
}

async fn completions_of_one_batch_for_one_instance_all_arrive(h: Hub) -> Checked {
    let inst = h.scheduling("a", 50).await?;
    let tasks = h.activities_all(50).await?;
    let commits = tasks.iter().map(|t| h.activity_commit(t, "done")).collect();
    for outcome in h.backend().commit_activities(commits).await {
        ensure_eq!(outcome?, CommitOutcome::Applied, "outcome");
    }
    h.settle().await;
    ensure_eq!(h.turn_of(&inst).await?.messages.len(), 50, "messages");
    Ok(())
}

async fn an_empty_batch_has_no_answers(h: Hub) -> Checked {
    ensure_eq!(h.backend().commit_activities(Vec::new()).await.len(), 0, "answers");
    Ok(())
}

async fn a_completion_wakes_a_waiting_receive(h: Hub) -> Checked {
    let (inst, task) = h.with_activity("a").await?;
    let waiter = h.clone();
    let waiting = h.spawn(async move { waiter.turn_of(&inst).await });
    h.grace().await;
    h.completes(&task, "done").await?;
    ensure_eq!(bodies(&waiting.join(&h).await??), ["done"], "the inbox");
    Ok(())
}

async fn a_completion_may_wait_for_its_time(h: Hub) -> Checked {
    let (inst, task) = h.with_activity("a").await?;
    let mut commit = h.activity_commit(&task, "later");
    let at = h.later();
    commit.completion = Envelope { visible_at: Some(at), ..commit.completion };
    ensure_eq!(
        only(h.backend().commit_activities(vec![commit]).await)?,
        CommitOutcome::Applied,
        "outcome"
    );
    h.no_turn_before(at, "the completion is for later").await?;
    h.pass_delay().await;
    ensure_eq!(bodies(&h.turn_of(&inst).await?), ["later"], "the inbox");
    ensure!(h.record(&iid("a")?).await?.is_some(), "the record is gone");
    Ok(())
}
