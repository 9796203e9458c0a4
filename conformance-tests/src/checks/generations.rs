//! Continue as new: one generation after the other.

use durable_core::backend::{CommitOutcome, Envelope, OrchestrationStatus};
use durable_core::ids::ExecutionId;

use crate::check::{Check, Checked};
use crate::driver::step::chunk;
use crate::driver::turns::bodies;
use crate::driver::{Hub, Inst};

pub(super) fn list() -> Vec<Check> {
    area!("generations";
        T6 the_record_shows_the_next_generation,
        T6 the_next_generation_starts_with_its_first_chunk,
        T6 the_next_turn_is_of_the_next_generation,
        T6 the_record_counts_the_events_of_the_next_generation,
        T6 the_last_chunk_of_the_old_generation_is_kept,
        T6 an_old_history_is_dropped_when_nobody_keeps_it,
        T6 executions_lists_kept_generations_oldest_first,
        T6 executions_lists_only_the_current_generation_when_none_is_kept,
        T6 a_history_that_is_not_kept_leaves_those_that_were,
        T6 generations_follow_each_other_many_times,
        T6 messages_without_execution_stay,
        T6 control_messages_stay,
        T6 delayed_messages_without_execution_stay,
        C6 messages_keep_their_order_into_the_next_generation,
        T6 messages_that_arrived_during_the_turn_stay,
        T6 consumed_messages_do_not_come_back,
        T6 messages_of_the_old_generation_vanish,
        T6 timers_of_the_old_generation_vanish,
        T6 queued_activities_of_the_old_generation_vanish,
        T6 delayed_activities_of_the_old_generation_vanish,
        T6 activities_on_loan_of_the_old_generation_are_not_renewed,
        T6 a_message_to_the_next_generation_in_the_same_commit_arrives,
        T6 a_timer_of_the_next_generation_in_the_same_commit_fires,
        C5 a_message_to_an_older_generation_is_dropped,
        C5 a_message_to_an_unknown_generation_is_dropped,
        C5 a_message_to_the_current_generation_is_accepted,
        C5 a_message_of_a_commit_to_an_older_generation_is_dropped,
        T1 a_commit_of_the_old_generation_is_rejected,
        T3 a_repeated_commit_makes_one_generation,
        T6 the_next_generation_may_be_held,
        T6 the_next_generation_may_complete,
        T6 a_replaced_instance_loses_its_kept_generations,
        C3 a_rejected_commit_starts_no_generation,
    )
}

/// Continues as new; the answer is the instance with its new execution.
async fn next(h: &Hub, inst: &Inst, keep_history: bool) -> Checked<Inst> {
    let execution = h.execution();
    let work = h.woken(inst, "continue").await?;
    h.step(&work).events(1, "continued").next(execution, keep_history)?.apply().await?;
    Ok(Inst { id: inst.id.clone(), execution })
}

async fn the_record_shows_the_next_generation(h: Hub) -> Checked {
    let old = h.running("a").await?;
    let new = next(&h, &old, false).await?;
    let record = h.record_of(&new).await?;
    ensure_eq!(
        (record.execution, record.generation),
        (new.execution, 2),
        "execution and generation"
    );
    Ok(())
}

async fn the_next_generation_starts_with_its_first_chunk(h: Hub) -> Checked {
    let old = h.running("a").await?;
    let new = next(&h, &old, false).await?;
    ensure_eq!(h.history_texts(&new).await?, ["next"], "the history");
    Ok(())
}

async fn the_next_turn_is_of_the_next_generation(h: Hub) -> Checked {
    let old = h.running("a").await?;
    let new = next(&h, &old, false).await?;
    let work = h.woken(&new, "go").await?;
    ensure_eq!((work.execution, work.events), (new.execution, 1), "execution and events");
    h.step(&work).events(2, "more").apply().await?;
    ensure_eq!(h.history_texts(&new).await?, ["next", "more"], "the history");
    Ok(())
}

async fn the_record_counts_the_events_of_the_next_generation(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    let work = h.woken(&inst, "continue").await?;
    let mut step = h.step(&work).events(9, "continued").next(h.execution(), true)?;
    if let Some(next) = &mut step.commit.next {
        next.chunk = chunk(4, "four");
    }
    step.apply().await?;
    ensure_eq!(h.record_of(&inst).await?.events, 4, "events in the record");
    ensure_eq!(h.woken(&inst, "go").await?.events, 4, "events of the next turn");
    Ok(())
}

async fn the_last_chunk_of_the_old_generation_is_kept(h: Hub) -> Checked {
    let old = h.running("a").await?;
    next(&h, &old, true).await?;
    ensure_eq!(h.history_texts(&old).await?, ["turn", "continued"], "the old history");
    Ok(())
}

async fn an_old_history_is_dropped_when_nobody_keeps_it(h: Hub) -> Checked {
    let old = h.running("a").await?;
    next(&h, &old, false).await?;
    ensure!(h.history_texts(&old).await?.is_empty(), "the old history is still there");
    Ok(())
}

async fn executions_lists_kept_generations_oldest_first(h: Hub) -> Checked {
    let first = h.running("a").await?;
    let second = next(&h, &first, true).await?;
    let third = next(&h, &second, true).await?;
    let expected = [first.execution, second.execution, third.execution];
    ensure_eq!(h.executions(&first.id).await?, expected, "the executions");
    Ok(())
}

async fn executions_lists_only_the_current_generation_when_none_is_kept(h: Hub) -> Checked {
    let first = h.running("a").await?;
    let second = next(&h, &first, false).await?;
    let third = next(&h, &second, false).await?;
    ensure_eq!(h.executions(&first.id).await?, [third.execution], "the executions");
    Ok(())
}

async fn generations_follow_each_other_many_times(h: Hub) -> Checked {
    let mut inst = h.running("a").await?;
    for _ in 0..20 {
        inst = next(&h, &inst, false).await?;
    }
    let record = h.record_of(&inst).await?;
    ensure_eq!((record.execution, record.events), (inst.execution, 1), "execution and events");
    h.no_turn("the inbox is empty").await
}

async fn messages_without_execution_stay(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    h.tell(&inst, "event").await?;
    let work = h.turn_of(&inst).await?;
    h.step(&work).keep_messages().next(h.execution(), false)?.apply().await?;
    ensure_eq!(bodies(&h.turn_of(&inst).await?), ["event"], "the inbox");
    Ok(())
}

async fn messages_keep_their_order_into_the_next_generation(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    let texts = ["one", "two", "three", "four"];
    h.tell(&inst, texts[0]).await?;
    h.tell(&inst, texts[1]).await?;
    let work = h.turn_of(&inst).await?;
    h.tell(&inst, texts[2]).await?;
    h.step(&work).keep_messages().next(h.execution(), false)?.apply().await?;
    h.tell(&inst, texts[3]).await?;
    h.settle().await;
    ensure_eq!(bodies(&h.turn_of(&inst).await?), texts, "the inbox");
    Ok(())
}

async fn messages_that_arrived_during_the_turn_stay(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    let work = h.woken(&inst, "continue").await?;
    for body in ["1", "2", "3"] {
        h.tell(&inst, body).await?;
    }
    h.step(&work).next(h.execution(), false)?.apply().await?;
    ensure_eq!(bodies(&h.turn_of(&inst).await?), ["1", "2", "3"], "the inbox");
    Ok(())
}

async fn consumed_messages_do_not_come_back(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    next(&h, &inst, false).await?;
    h.no_turn("the inbox was read").await
}

async fn messages_of_the_old_generation_vanish(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    let work = h.woken(&inst, "continue").await?;
    h.sent(Envelope { execution: Some(inst.execution), ..h.message(&inst.id, "old") }).await?;
    h.step(&work).next(h.execution(), false)?.apply().await?;
    h.no_turn("the message was for the old generation").await?;
    ensure_eq!(bodies(&h.woken(&inst, "new").await?), ["new"], "the inbox");
    Ok(())
}

async fn timers_of_the_old_generation_vanish(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    h.step(&h.woken(&inst, "set").await?).timer(1, h.later(), "old timer").apply().await?;
    next(&h, &inst, false).await?;
    h.pass_delay().await;
    h.no_turn("the timer was of the old generation").await
}

async fn queued_activities_of_the_old_generation_vanish(h: Hub) -> Checked {
    let inst = h.scheduling("a", 3).await?;
    next(&h, &inst, false).await?;
    h.no_activity("the tasks were of the old generation").await
}

async fn activities_on_loan_of_the_old_generation_are_not_renewed(h: Hub) -> Checked {
    let (inst, task) = h.with_activity("a").await?;
    next(&h, &inst, false).await?;
    let answer = h.renew_activity(&task.lease, h.timings().lease_long, None).await?;
    ensure!(
        answer != durable_core::backend::RenewOutcome::Renewed,
        "nobody wants the result, but it was renewed"
    );
    Ok(())
}

async fn a_message_to_the_next_generation_in_the_same_commit_arrives(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    let new = h.execution();
    let begin = Envelope { execution: Some(new), ..h.message(&inst.id, "begin") };
    let work = h.woken(&inst, "continue").await?;
    h.step(&work).next(new, false)?.message(begin).apply().await?;
    let work = h.turn_of(&inst).await?;
    ensure_eq!((work.execution, bodies(&work)), (new, vec!["begin".to_owned()]), "the turn");
    Ok(())
}

async fn a_timer_of_the_next_generation_in_the_same_commit_fires(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    let new = h.execution();
    let timer = Envelope {
        execution: Some(new),
        visible_at: Some(h.later()),
        ..h.message(&inst.id, "new timer")
    };
    let work = h.woken(&inst, "continue").await?;
    h.step(&work).next(new, false)?.message(timer).apply().await?;
    h.pass_delay().await;
    ensure_eq!(bodies(&h.turn_of(&inst).await?), ["new timer"], "the inbox");
    Ok(())
}

async fn a_message_to_an_older_generation_is_dropped(h: Hub) -> Checked {
    let old = h.running("a").await?;
    next(&h, &old, true).await?;
    let message = Envelope { execution: Some(old.execution), ..h.message(&old.id, "old") };
    h.send(message).await?;
    h.no_turn("the message was for the old generation").await?;
    ensure_eq!(bodies(&h.woken(&old, "new").await?), ["new"], "the inbox");
    Ok(())
}

async fn a_message_to_an_unknown_generation_is_dropped(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    let message = Envelope { execution: Some(ExecutionId(1)), ..h.message(&inst.id, "whose?") };
    h.send(message).await?;
    h.no_turn("the message was for nobody").await
}

async fn a_message_to_the_current_generation_is_accepted(h: Hub) -> Checked {
    let old = h.running("a").await?;
    let new = next(&h, &old, false).await?;
    h.sent(Envelope { execution: Some(new.execution), ..h.message(&new.id, "mine") }).await?;
    ensure_eq!(bodies(&h.turn_of(&new).await?), ["mine"], "the inbox");
    Ok(())
}

async fn a_message_of_a_commit_to_an_older_generation_is_dropped(h: Hub) -> Checked {
    let parent = h.running("parent").await?;
    let child = h.created("child").await?;
    let work = h.turn_of(&child).await?;
    next(&h, &parent, false).await?;
    let report =
        Envelope { execution: Some(parent.execution), ..h.message(&parent.id, "child is done") };
    h.step(&work).message(report).apply().await?;
    h.no_turn("the generation that wanted the report is over").await?;
    ensure_eq!(bodies(&h.woken(&parent, "event").await?), ["event"], "the parent's inbox");
    Ok(())
}

async fn a_commit_of_the_old_generation_is_rejected(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    h.tell(&inst, "go").await?;
    let stale = h.short_turn_of(&inst).await?;
    h.pass_lease().await;
    let current = h.turn_of(&inst).await?;
    h.step(&current).next(h.execution(), false)?.apply().await?;
    let outcome = h.step(&stale).events(1, "stale").commit().await?;
    ensure!(outcome != CommitOutcome::Applied, "a commit of the old generation was applied");
    ensure_eq!(h.record_of(&inst).await?.events, 1, "events of the new generation");
    Ok(())
}

async fn a_repeated_commit_makes_one_generation(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    let work = h.woken(&inst, "continue").await?;
    let step = h.step(&work).events(1, "continued").next(h.execution(), true)?;
    step.clone().apply().await?;
    ensure_eq!(step.commit().await?, CommitOutcome::Applied, "outcome of the repetition");
    ensure_eq!(h.executions(&inst.id).await?.len(), 2, "executions");
    ensure_eq!(h.history_texts(&inst).await?, ["turn", "continued"], "the old history");
    Ok(())
}

async fn the_next_generation_may_be_held(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    let work = h.woken(&inst, "continue").await?;
    h.step(&work).next(h.execution(), false)?.hold(None).apply().await?;
    h.tell(&inst, "event").await?;
    h.no_turn("the instance is held").await
}

async fn the_next_generation_may_complete(h: Hub) -> Checked {
    let old = h.running("a").await?;
    let new = next(&h, &old, true).await?;
    let work = h.woken(&new, "end").await?;
    let mut step = h.step(&work).events(1, "end").status(OrchestrationStatus::Completed)?;
    if let Some(record) = &mut step.commit.record {
        record.generation = 2;
    }
    step.apply().await?;
    ensure_eq!(h.history_texts(&new).await?, ["next", "end"], "the history");
    ensure_eq!(h.executions(&new.id).await?, [old.execution, new.execution], "the executions");
    Ok(())
}

async fn a_replaced_instance_loses_its_kept_generations(h: Hub) -> Checked {
    let old = h.running("a").await?;
    let new = next(&h, &old, true).await?;
    h.step(&h.woken(&new, "end").await?).status(OrchestrationStatus::Failed)?.apply().await?;
    let mut request = h.creation("a")?;
    request.reuse = durable_core::backend::ReusePolicy::ReplaceTerminal;
    let fresh = h.must_create(request).await?;
    ensure_eq!(h.executions(&fresh.id).await?, [fresh.execution], "the executions");
    ensure!(h.history_texts(&old).await?.is_empty(), "an old history is still there");
    Ok(())
}

async fn a_rejected_commit_starts_no_generation(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    let mut step = h.step(&h.woken(&inst, "continue").await?).next(h.execution(), true)?;
    step.commit.expected_events += 1;
    ensure_eq!(step.commit().await?, CommitOutcome::Conflict, "outcome");
    ensure_eq!(h.executions(&inst.id).await?, [inst.execution], "the executions");
    ensure_eq!(h.record_of(&inst).await?.execution, inst.execution, "the execution of the record");
    Ok(())
}

async fn control_messages_stay(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    let work = h.woken(&inst, "event").await?;
    h.sent(h.control(&inst.id, "terminate")).await?;
    h.step(&work).next(h.execution(), false)?.apply().await?;
    ensure_eq!(bodies(&h.turn_of(&inst).await?), ["terminate"], "the inbox");
    Ok(())
}

async fn delayed_messages_without_execution_stay(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    h.sent(Envelope { visible_at: Some(h.later()), ..h.message(&inst.id, "event") }).await?;
    next(&h, &inst, false).await?;
    h.pass_delay().await;
    ensure_eq!(bodies(&h.turn_of(&inst).await?), ["event"], "the inbox");
    Ok(())
}

async fn delayed_activities_of_the_old_generation_vanish(h: Hub) -> Checked {
    let inst = h.created("a").await?;
    let step = h.step(&h.turn_of(&inst).await?);
    let later = Envelope { visible_at: Some(h.later()), ..step.task(1, "later") };
    step.activity_envelope(later).apply().await?;
    next(&h, &inst, false).await?;
    h.pass_delay().await;
    h.no_activity("the task was of the old generation").await
}

async fn a_history_that_is_not_kept_leaves_those_that_were(h: Hub) -> Checked {
    let first = h.running("a").await?;
    let second = next(&h, &first, true).await?;
    let third = next(&h, &second, false).await?;
    let expected = [first.execution, third.execution];
    ensure_eq!(h.executions(&first.id).await?, expected, "the executions");
    ensure_eq!(h.history_texts(&first).await?.first().map(String::as_str), Some("turn"), "history");
    Ok(())
}
