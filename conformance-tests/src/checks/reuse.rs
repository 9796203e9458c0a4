//! Creating an instance whose id is taken.

use durable_core::backend::{CommitOutcome, CreateOutcome, OrchestrationStatus, ReusePolicy};

use crate::check::{Check, Checked, Need};
use crate::driver::turns::bodies;
use crate::driver::{Hub, Inst};

pub(super) fn list() -> Vec<Check> {
    let mut checks = area!("reuse";
        O4 the_answer_shows_who_has_the_id,
        O4 a_refused_creation_leaves_the_inbox_alone,
        O4 a_replacing_creation_raises_the_revision,
        O4 a_replacing_creation_drops_the_old_history,
        O4 a_replaced_instance_starts_with_an_empty_history,
        O4 a_replacing_creation_delivers_its_start_once,
        O4 a_replaced_instance_runs_to_its_end,
        O4 an_id_can_be_reused_many_times,
        O4 a_message_to_the_replaced_execution_is_dropped,
        O4 a_timer_of_the_replaced_execution_never_fires,
        O4 a_task_of_the_replaced_execution_is_not_handed_out,
        C2 the_last_holder_of_the_replaced_execution_cannot_commit,
        O4 the_final_commit_of_the_replaced_execution_cannot_be_repeated_into_the_new_one,
        O4 a_replacing_creation_may_be_scheduled,
        O1 of_replacing_creations_in_a_batch_one_wins,
    );
    for status in OrchestrationStatus::ALL {
        if status == OrchestrationStatus::AwaitingStart {
            continue;
        }
        for (policy, reuse) in POLICIES {
            let created = *reuse == ReusePolicy::ReplaceTerminal && status.is_terminal();
            let verb = if created { "replaces" } else { "leaves" };
            let name = format!(
                "{policy}_{verb}_an_instance_that_is_{}",
                format!("{status:?}").to_lowercase()
            );
            checks.push(Check::new("reuse", name, "O4", Need::Nothing, move |h| {
                policy_on_status(h, status, *reuse, created)
            }));
        }
    }
    checks
}

const POLICIES: &[(&str, ReusePolicy)] = &[
    ("reject", ReusePolicy::Reject),
    ("return_existing", ReusePolicy::ReturnExisting),
    ("replace_terminal", ReusePolicy::ReplaceTerminal),
];

/// An instance in that status.
async fn in_status(h: &Hub, status: OrchestrationStatus) -> Checked<Inst> {
    let inst = h.created("a").await?;
    if status != OrchestrationStatus::Pending {
        h.step(&h.turn_of(&inst).await?).status(status)?.apply().await?;
    }
    Ok(inst)
}

async fn policy_on_status(
    h: Hub,
    status: OrchestrationStatus,
    reuse: ReusePolicy,
    created: bool,
) -> Checked {
    let old = in_status(&h, status).await?;
    let mut request = h.creation("a")?;
    request.reuse = reuse;
    let new = request.start.execution;
    let answer = h.create(request).await?;
    ensure_eq!(matches!(answer, CreateOutcome::Created), created, "whether it was created");
    let record = h.record_of(&old).await?;
    let (execution, status) =
        if created { (new, OrchestrationStatus::Pending) } else { (Some(old.execution), status) };
    ensure_eq!(
        (Some(record.execution), record.status),
        (execution, status),
        "execution and status afterwards"
    );
    Ok(())
}

async fn the_answer_shows_who_has_the_id(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    match h.create(h.creation("a")?).await? {
        CreateOutcome::Exists(found) => ensure_eq!(*found, h.record_of(&inst).await?, "the record"),
        CreateOutcome::Created => return Err(crate::Failure::new("created twice")),
    }
    Ok(())
}

async fn a_refused_creation_leaves_the_inbox_alone(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    h.create(h.creation("a")?).await?;
    h.no_turn("the creation was refused").await?;
    ensure_eq!(bodies(&h.woken(&inst, "event").await?), ["event"], "the inbox");
    Ok(())
}

/// Replaces the instance and insists on success.
async fn replace(h: &Hub) -> Checked<Inst> {
    let mut request = h.creation("a")?;
    request.reuse = ReusePolicy::ReplaceTerminal;
    h.must_create(request).await
}

async fn a_replacing_creation_raises_the_revision(h: Hub) -> Checked {
    let old = h.running("a").await?;
    for body in ["1", "2", "3"] {
        h.step(&h.woken(&old, body).await?).status(OrchestrationStatus::Running)?.apply().await?;
    }
    h.step(&h.woken(&old, "end").await?).status(OrchestrationStatus::Failed)?.apply().await?;
    let before = h.record_of(&old).await?.revision;
    let new = replace(&h).await?;
    let after = h.record_of(&new).await?.revision;
    ensure!(after > before, "revision {after} after {before}");
    Ok(())
}

async fn a_replacing_creation_drops_the_old_history(h: Hub) -> Checked {
    let old = h.completed("a").await?;
    let new = replace(&h).await?;
    ensure!(h.history_texts(&old).await?.is_empty(), "the old history is still there");
    ensure_eq!(h.executions(&new.id).await?, [new.execution], "the executions");
    Ok(())
}

async fn a_replaced_instance_starts_with_an_empty_history(h: Hub) -> Checked {
    h.completed("a").await?;
    let new = replace(&h).await?;
    ensure!(h.history_texts(&new).await?.is_empty(), "the new history is not empty");
    let work = h.turn_of(&new).await?;
    ensure_eq!((work.events, work.delivery), (0, 1), "events and delivery of the first turn");
    Ok(())
}

async fn a_replacing_creation_delivers_its_start_once(h: Hub) -> Checked {
    h.completed("a").await?;
    let new = replace(&h).await?;
    let work = h.turn_of(&new).await?;
    ensure_eq!(
        (work.execution, bodies(&work)),
        (new.execution, vec!["start".to_owned()]),
        "the first turn"
    );
    h.step(&work).apply().await?;
    h.no_turn("the start was read").await
}

async fn a_replaced_instance_runs_to_its_end(h: Hub) -> Checked {
    h.completed("a").await?;
    let new = replace(&h).await?;
    let step = h.step(&h.turn_of(&new).await?).events(2, "again");
    step.status(OrchestrationStatus::Completed)?.apply().await?;
    ensure_eq!(h.history_texts(&new).await?, ["again"], "the history");
    Ok(())
}

async fn an_id_can_be_reused_many_times(h: Hub) -> Checked {
    h.completed("a").await?;
    let mut revision = 0;
    for _ in 0..10 {
        let inst = replace(&h).await?;
        h.step(&h.turn_of(&inst).await?).status(OrchestrationStatus::Failed)?.apply().await?;
        let now = h.record_of(&inst).await?.revision;
        ensure!(now > revision, "revision {now} after {revision}");
        revision = now;
    }
    Ok(())
}

async fn a_message_to_the_replaced_execution_is_dropped(h: Hub) -> Checked {
    let old = h.completed("a").await?;
    let new = replace(&h).await?;
    h.step(&h.turn_of(&new).await?).apply().await?;
    let mut message = h.message(&old.id, "for the old one");
    message.execution = Some(old.execution);
    h.send(message).await?;
    h.no_turn("the message was for the replaced execution").await
}

async fn a_timer_of_the_replaced_execution_never_fires(h: Hub) -> Checked {
    let old = h.running("a").await?;
    h.step(&h.woken(&old, "set").await?).timer(1, h.later(), "old timer").apply().await?;
    h.step(&h.woken(&old, "end").await?).status(OrchestrationStatus::Completed)?.apply().await?;
    let new = replace(&h).await?;
    h.step(&h.turn_of(&new).await?).apply().await?;
    h.pass_delay().await;
    h.no_turn("the timer was of the replaced execution").await
}

async fn a_task_of_the_replaced_execution_is_not_handed_out(h: Hub) -> Checked {
    let old = h.scheduling("a", 2).await?;
    h.step(&h.woken(&old, "end").await?).status(OrchestrationStatus::Completed)?.apply().await?;
    replace(&h).await?;
    h.no_activity("the tasks were of the replaced execution").await
}

async fn the_last_holder_of_the_replaced_execution_cannot_commit(h: Hub) -> Checked {
    let old = h.created("a").await?;
    let stale = h.short_turn_of(&old).await?;
    h.pass_lease().await;
    h.step(&h.turn_of(&old).await?).status(OrchestrationStatus::Completed)?.apply().await?;
    let new = replace(&h).await?;
    ensure_eq!(h.step(&stale).commit().await?, CommitOutcome::LeaseLost, "outcome");
    ensure!(h.history_texts(&new).await?.is_empty(), "a stale holder wrote history");
    Ok(())
}

async fn the_final_commit_of_the_replaced_execution_cannot_be_repeated_into_the_new_one(
    h: Hub,
) -> Checked {
    let old = h.created("a").await?;
    let last = h.step(&h.turn_of(&old).await?).status(OrchestrationStatus::Completed)?;
    last.clone().apply().await?;
    let new = replace(&h).await?;
    // It may still be recognised, but must change nothing.
    last.commit().await?;
    let record = h.record_of(&new).await?;
    ensure_eq!(
        (record.execution, record.status),
        (new.execution, OrchestrationStatus::Pending),
        "execution and status"
    );
    ensure_eq!(bodies(&h.turn_of(&new).await?), ["start"], "the inbox");
    Ok(())
}

async fn a_replacing_creation_may_be_scheduled(h: Hub) -> Checked {
    h.completed("a").await?;
    let mut request = h.creation("a")?;
    request.reuse = ReusePolicy::ReplaceTerminal;
    let at = h.later();
    request.start.visible_at = Some(at);
    let new = h.must_create(request).await?;
    h.no_turn_before(at, "the start lies ahead").await?;
    h.pass_delay().await;
    ensure_eq!(h.turn_of(&new).await?.execution, new.execution, "the execution handed out");
    Ok(())
}

async fn of_replacing_creations_in_a_batch_one_wins(h: Hub) -> Checked {
    h.completed("a").await?;
    let mut batch = vec![h.creation("a")?, h.creation("a")?, h.creation("a")?];
    for request in &mut batch {
        request.reuse = ReusePolicy::ReplaceTerminal;
    }
    let mut created = 0;
    for answer in h.backend().create_instances(batch).await {
        created += usize::from(matches!(answer?, CreateOutcome::Created));
    }
    ensure_eq!(created, 1, "how many created it");
    Ok(())
}
