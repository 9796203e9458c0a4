//! Creating instances, inboxes, handing out turns.

use std::time::Duration;

use durable_core::backend::{CommitOutcome, CreateOutcome, ReceiveTurns, SendOutcome};

use crate::check::{Check, Checked};
use crate::driver::turns::bodies;
use crate::driver::{Hub, iid};

pub(super) fn list() -> Vec<Check> {
    area!("orchestration_queue";
        O2 a_created_record_is_readable_at_once,
        O2 a_created_record_keeps_every_field,
        O2 a_new_record_has_a_revision_above_zero,
        C9 creations_of_a_batch_are_answered_in_order,
        C9 a_refused_creation_does_not_fail_its_neighbours,
        O1 two_creations_of_one_id_in_a_batch_create_once,
        C9 an_empty_batch_of_creations_has_no_answers,
        C9 an_empty_batch_of_messages_has_no_answers,
        O5 a_message_to_an_absent_instance_is_refused,
        O5 a_message_to_an_absent_instance_leaves_nothing,
        O5 a_message_to_a_terminal_instance_is_refused,
        O5 a_message_to_a_completed_instance_wakes_nobody,
        O6 a_creating_message_to_an_absent_instance_creates_it,
        O6 a_creating_message_to_a_terminal_instance_starts_a_generation,
        O6 a_creating_message_to_a_live_instance_is_an_ordinary_message,
        O6 a_creating_message_reaches_a_live_instance_of_another_generation,
        C9 messages_of_a_batch_are_answered_in_order,
        C9 a_refused_message_does_not_fail_its_neighbours,
        C8 a_created_instance_is_handed_out,
        O8 a_turn_carries_execution_and_history_length,
        O8 the_start_message_is_handed_out_unchanged,
        C6 a_turn_carries_all_waiting_messages_in_order,
        O8 a_message_is_handed_out_with_its_arrival_time,
        O8 no_more_instances_than_asked_for,
        O8 no_more_messages_than_asked_for,
        O8 the_rest_of_the_inbox_follows_in_the_next_turn,
        C8 a_zero_wait_answers_at_once,
        C8 a_wait_without_work_ends_empty_when_it_has_passed needs InjectedClock,
        C8 a_wait_without_work_does_not_end_before_its_time needs InjectedClock,
        O8 an_instance_without_messages_is_not_handed_out,
        O8 several_ready_instances_come_in_one_receive,
        O8 every_ready_instance_is_handed_out_once,
        C7 a_scheduled_start_is_readable_before_its_time,
        C7 a_scheduled_start_is_not_handed_out_early,
        C7 a_scheduled_start_is_handed_out_when_due,
        O8 delivery_starts_at_one,
        O11 delivery_rises_when_an_instance_is_abandoned,
        O8 delivery_rises_when_a_lease_ends,
        T2 delivery_starts_again_after_a_commit,
        O13 a_turn_names_the_commit_that_it_follows,
        O13 a_commit_that_was_not_applied_is_not_named,
        O13 a_new_life_follows_no_commit,
    )
}

async fn a_created_record_is_readable_at_once(h: Hub) -> Checked {
    let inst = h.created("a").await?;
    ensure_eq!(h.record_of(&inst).await?.execution, inst.execution, "the execution of the record");
    Ok(())
}

async fn a_created_record_keeps_every_field(h: Hub) -> Checked {
    let mut request = h.creation("child")?;
    let mut record = h.first_record(&request.start.target, h.execution())?;
    record.version = "2.1.0-\u{3b2}".into();
    record.parent = Some(iid("its parent")?);
    record.created_at = h.now() - Duration::from_micros(1_234_567);
    record.generation = 3;
    request.start.execution = Some(record.execution);
    request.start.creates = Some(record.clone().into());
    let inst = h.must_create(request).await?;
    let mut found = h.record_of(&inst).await?;
    // These two belong to the adapter.
    record.revision = found.revision;
    found.updated_at = record.updated_at;
    ensure_eq!(found, record, "the record");
    Ok(())
}

async fn a_new_record_has_a_revision_above_zero(h: Hub) -> Checked {
    let inst = h.created("a").await?;
    ensure!(
        h.record_of(&inst).await?.revision > 0,
        "a new record has revision 0, as if it were absent"
    );
    Ok(())
}

async fn creations_of_a_batch_are_answered_in_order(h: Hub) -> Checked {
    h.created("b").await?;
    let batch = vec![h.creation("b")?, h.creation("a")?, h.creation("c")?];
    let answers = h.backend().create_instances(batch).await;
    ensure_eq!(answers.len(), 3, "answers");
    for (answer, exists) in answers.into_iter().zip([true, false, false]) {
        ensure_eq!(matches!(answer?, CreateOutcome::Exists(_)), exists, "whether it existed");
    }
    Ok(())
}

async fn a_refused_creation_does_not_fail_its_neighbours(h: Hub) -> Checked {
    h.created("b").await?;
    h.backend().create_instances(vec![h.creation("a")?, h.creation("b")?, h.creation("c")?]).await;
    for name in ["a", "b", "c"] {
        ensure!(h.record(&iid(name)?).await?.is_some(), "{name} is missing");
    }
    h.turns_of_all(3).await?;
    Ok(())
}

async fn two_creations_of_one_id_in_a_batch_create_once(h: Hub) -> Checked {
    let answers = h.backend().create_instances(vec![h.creation("a")?, h.creation("a")?]).await;
    let mut created = 0;
    for answer in answers {
        created += usize::from(matches!(answer?, CreateOutcome::Created));
    }
    ensure_eq!(created, 1, "how many created it");
    ensure_eq!(bodies(&h.turn().await?), ["start"], "the inbox");
    Ok(())
}

async fn an_empty_batch_of_creations_has_no_answers(h: Hub) -> Checked {
    ensure_eq!(h.backend().create_instances(Vec::new()).await.len(), 0, "answers");
    Ok(())
}

async fn an_empty_batch_of_messages_has_no_answers(h: Hub) -> Checked {
    ensure_eq!(h.backend().send(Vec::new()).await.len(), 0, "answers");
    Ok(())
}

async fn a_message_to_an_absent_instance_is_refused(h: Hub) -> Checked {
    let outcome = h.send(h.message(&iid("nobody")?, "hello")).await?;
    ensure_eq!(outcome, SendOutcome::NoInstance, "answer");
    Ok(())
}

async fn a_message_to_an_absent_instance_leaves_nothing(h: Hub) -> Checked {
    let id = iid("nobody")?;
    h.send(h.message(&id, "hello")).await?;
    ensure!(h.record(&id).await?.is_none(), "a record appeared");
    h.no_turn("a message to nobody was dropped").await?;
    h.created("nobody").await?;
    ensure_eq!(bodies(&h.turn().await?), ["start"], "the inbox of the instance created later");
    Ok(())
}

async fn a_message_to_a_terminal_instance_is_refused(h: Hub) -> Checked {
    let inst = h.completed("a").await?;
    ensure_eq!(h.send(h.message(&inst.id, "late")).await?, SendOutcome::Terminal, "answer");
    Ok(())
}

async fn a_message_to_a_completed_instance_wakes_nobody(h: Hub) -> Checked {
    let inst = h.completed("a").await?;
    h.send(h.message(&inst.id, "late")).await?;
    h.send(h.control(&inst.id, "late control")).await?;
    h.no_turn("the instance is terminal").await
}

async fn a_creating_message_to_an_absent_instance_creates_it(h: Hub) -> Checked {
    let envelope = h.placeholder("a", "early event")?;
    let record = envelope.creates.clone();
    h.sent(envelope).await?;
    let found = h.record(&iid("a")?).await?;
    ensure_eq!(
        found.map(|r| r.execution),
        record.map(|r| r.execution),
        "the execution of the new record"
    );
    Ok(())
}

async fn a_creating_message_to_a_terminal_instance_starts_a_generation(h: Hub) -> Checked {
    let old = h.completed("a").await?;
    let start = h.creation("a")?.start;
    let new = start.execution;
    h.sent(start).await?;
    let work = h.turn_of(&old).await?;
    ensure_eq!(Some(work.execution), new, "the execution handed out");
    ensure_eq!(work.events, 0, "events of the new generation");
    ensure_eq!(bodies(&work), ["start"], "the inbox");
    Ok(())
}

async fn a_creating_message_to_a_live_instance_is_an_ordinary_message(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    let mut envelope = h.placeholder("a", "event")?;
    envelope.execution = None;
    h.sent(envelope).await?;
    let work = h.turn_of(&inst).await?;
    ensure_eq!(work.execution, inst.execution, "the execution");
    ensure_eq!(bodies(&work), ["event"], "the inbox");
    Ok(())
}

async fn messages_of_a_batch_are_answered_in_order(h: Hub) -> Checked {
    let (live, done) = (h.running("live").await?, h.completed("done").await?);
    let batch = vec![
        h.message(&live.id, "1"),
        h.message(&iid("nobody")?, "2"),
        h.message(&done.id, "3"),
        h.message(&live.id, "4"),
    ];
    let mut outcomes = Vec::new();
    for answer in h.backend().send(batch).await {
        outcomes.push(answer?);
    }
    let expected = [
        SendOutcome::Accepted,
        SendOutcome::NoInstance,
        SendOutcome::Terminal,
        SendOutcome::Accepted,
    ];
    ensure_eq!(outcomes, expected, "answers");
    Ok(())
}

async fn a_refused_message_does_not_fail_its_neighbours(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    let nobody = iid("nobody")?;
    let batch = vec![h.message(&inst.id, "1"), h.message(&nobody, "2"), h.message(&inst.id, "3")];
    h.backend().send(batch).await;
    ensure_eq!(bodies(&h.turn_of(&inst).await?), ["1", "3"], "the inbox");
    Ok(())
}

async fn a_created_instance_is_handed_out(h: Hub) -> Checked {
    let inst = h.created("a").await?;
    h.turn_of(&inst).await?;
    Ok(())
}

async fn a_turn_carries_execution_and_history_length(h: Hub) -> Checked {
    let inst = h.created("a").await?;
    let work = h.turn_of(&inst).await?;
    ensure_eq!(
        (work.execution, work.events),
        (inst.execution, 0),
        "execution and events of the first turn"
    );
    h.step(&work).events(3, "three").apply().await?;
    let work = h.woken(&inst, "go").await?;
    ensure_eq!(
        (work.execution, work.events),
        (inst.execution, 3),
        "execution and events of the second turn"
    );
    Ok(())
}

async fn the_start_message_is_handed_out_unchanged(h: Hub) -> Checked {
    let request = h.creation("a")?;
    let (id, body) = (request.start.id, request.start.body.clone());
    h.must_create(request).await?;
    let work = h.turn().await?;
    ensure_eq!(work.messages.len(), 1, "messages");
    ensure_eq!((work.messages[0].id, &work.messages[0].body), (id, &body), "id and body");
    Ok(())
}

async fn a_turn_carries_all_waiting_messages_in_order(h: Hub) -> Checked {
    let inst = h.created("a").await?;
    for body in ["1", "2", "3"] {
        h.tell(&inst, body).await?;
    }
    ensure_eq!(bodies(&h.turn_of(&inst).await?), ["start", "1", "2", "3"], "the inbox");
    Ok(())
}

async fn a_message_is_handed_out_with_its_arrival_time(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    let before = h.now();
    let work = h.woken(&inst, "now").await?;
    let arrived = work.messages[0].enqueued_at;
    let skew = Duration::from_secs(5);
    ensure!(
        arrived + skew >= before && arrived <= h.now() + skew,
        "arrived at {arrived}, but it is {}",
        h.now()
    );
    Ok(())
}

async fn no_more_instances_than_asked_for(h: Hub) -> Checked {
    for name in ["a", "b", "c"] {
        h.created(name).await?;
    }
    let works = h.turns(h.ask_turns(2, h.wait())).await?;
    ensure!(works.len() <= 2, "{} instances, asked for 2", works.len());
    Ok(())
}

async fn no_more_messages_than_asked_for(h: Hub) -> Checked {
    let inst = h.created("a").await?;
    for body in ["1", "2", "3"] {
        h.tell(&inst, body).await?;
    }
    let works = h.turns(ReceiveTurns { messages_max: 2, ..h.ask_turns(1, h.wait()) }).await?;
    ensure_eq!(bodies(&works[0]), ["start", "1"], "the messages");
    Ok(())
}

async fn the_rest_of_the_inbox_follows_in_the_next_turn(h: Hub) -> Checked {
    let inst = h.created("a").await?;
    for body in ["1", "2"] {
        h.tell(&inst, body).await?;
    }
    let works = h.turns(ReceiveTurns { messages_max: 1, ..h.ask_turns(1, h.wait()) }).await?;
    h.step(&works[0]).apply().await?;
    ensure_eq!(bodies(&h.turn_of(&inst).await?), ["1", "2"], "the messages of the next turn");
    Ok(())
}

async fn a_zero_wait_answers_at_once(h: Hub) -> Checked {
    let works = h.soon("the answer of a receive that does not wait", h.turns_now(1)).await??;
    ensure!(works.is_empty(), "an empty hub handed out {works:?}");
    Ok(())
}

async fn a_wait_without_work_ends_empty_when_it_has_passed(h: Hub) -> Checked {
    let (delay, backend) = (h.timings().delay, h.shared_backend());
    let request = h.ask_turns(1, delay);
    let waiting = h.spawn(async move { backend.receive_turns(request).await });
    h.grace().await;
    h.pass_delay().await;
    let works = waiting.join(&h).await??;
    ensure!(works.is_empty(), "an empty hub handed out {works:?}");
    Ok(())
}

async fn a_wait_without_work_does_not_end_before_its_time(h: Hub) -> Checked {
    let (delay, backend) = (h.timings().delay, h.shared_backend());
    let request = h.ask_turns(1, delay);
    let mut waiting = h.spawn(async move { backend.receive_turns(request).await });
    h.grace().await;
    h.manual()?.advance(delay / 2);
    h.grace().await;
    ensure!(!waiting.ended(), "the receive ended before its wait had passed");
    Ok(())
}

async fn an_instance_without_messages_is_not_handed_out(h: Hub) -> Checked {
    h.running("a").await?;
    h.no_turn("the inbox is empty").await
}

async fn several_ready_instances_come_in_one_receive(h: Hub) -> Checked {
    for name in ["a", "b", "c", "d"] {
        h.created(name).await?;
    }
    let works = h.turns_of_all(4).await?;
    let mut names: Vec<_> = works.iter().map(|w| w.lease.instance.as_str()).collect();
    names.sort_unstable();
    ensure_eq!(names, ["a", "b", "c", "d"], "the instances");
    Ok(())
}

async fn every_ready_instance_is_handed_out_once(h: Hub) -> Checked {
    for number in 0..20 {
        h.created(&format!("i{number}")).await?;
    }
    h.turns_of_all(20).await?;
    h.no_turn("all instances are on loan").await
}

async fn a_scheduled_start_is_readable_before_its_time(h: Hub) -> Checked {
    let mut request = h.creation("a")?;
    request.start.visible_at = Some(h.later());
    let inst = h.must_create(request).await?;
    h.record_of(&inst).await?;
    Ok(())
}

async fn a_scheduled_start_is_not_handed_out_early(h: Hub) -> Checked {
    let mut request = h.creation("a")?;
    let at = h.later();
    request.start.visible_at = Some(at);
    let inst = h.must_create(request).await?;
    h.no_turn_before(at, "the start lies ahead").await?;
    h.pass_delay().await;
    h.turn_of(&inst).await?;
    Ok(())
}

async fn a_scheduled_start_is_handed_out_when_due(h: Hub) -> Checked {
    let mut request = h.creation("a")?;
    request.start.visible_at = Some(h.later());
    let inst = h.must_create(request).await?;
    h.pass_delay().await;
    ensure_eq!(bodies(&h.turn_of(&inst).await?), ["start"], "the messages");
    Ok(())
}

async fn delivery_starts_at_one(h: Hub) -> Checked {
    h.created("a").await?;
    ensure_eq!(h.turn().await?.delivery, 1, "delivery");
    Ok(())
}

async fn delivery_rises_when_an_instance_is_abandoned(h: Hub) -> Checked {
    h.created("a").await?;
    // Further than the number after which work is set aside.
    for expected in 1..=12 {
        let work = h.turn().await?;
        ensure_eq!(work.delivery, expected, "delivery");
        h.abandon(&work.lease, Duration::ZERO).await?;
    }
    Ok(())
}

async fn delivery_rises_when_a_lease_ends(h: Hub) -> Checked {
    let inst = h.created("a").await?;
    h.short_turn_of(&inst).await?;
    h.pass_lease().await;
    ensure_eq!(h.turn_of(&inst).await?.delivery, 2, "delivery");
    Ok(())
}

async fn delivery_starts_again_after_a_commit(h: Hub) -> Checked {
    let inst = h.created("a").await?;
    let work = h.turn_of(&inst).await?;
    h.abandon(&work.lease, Duration::ZERO).await?;
    let work = h.turn_of(&inst).await?;
    h.step(&work).apply().await?;
    ensure_eq!(h.woken(&inst, "go").await?.delivery, 1, "delivery after a commit");
    Ok(())
}

async fn a_turn_names_the_commit_that_it_follows(h: Hub) -> Checked {
    let inst = h.created("a").await?;
    let first = h.turn_of(&inst).await?;
    ensure_eq!(first.committed, None, "the commit before the first");
    h.step(&first).apply().await?;
    let second = h.woken(&inst, "go").await?;
    ensure_eq!(second.committed, Some(first.lease.token), "the commit before the second turn");
    h.step(&second).no_events().apply().await?;
    let third = h.woken(&inst, "go on").await?;
    ensure_eq!(third.committed, Some(second.lease.token), "a commit without events");
    Ok(())
}

async fn a_commit_that_was_not_applied_is_not_named(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    h.tell(&inst, "go").await?;
    let late = h.short_turn_of(&inst).await?;
    h.pass_lease().await;
    let work = h.turn_of(&inst).await?;
    let outcome = h.step(&late).commit().await?;
    ensure_eq!(outcome, CommitOutcome::LeaseLost, "outcome of the late commit");
    h.step(&work).apply().await?;
    let next = h.woken(&inst, "go on").await?;
    ensure_eq!(next.committed, Some(work.lease.token), "the commit that was applied");
    Ok(())
}

async fn a_new_life_follows_no_commit(h: Hub) -> Checked {
    let inst = h.completed("a").await?;
    h.purged(&inst).await?;
    let again = h.created("a").await?;
    let work = h.turn_of(&again).await?;
    ensure_eq!(work.committed, None, "the commit before a new life's first turn");
    Ok(())
}

async fn a_creating_message_reaches_a_live_instance_of_another_generation(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    let mut envelope = h.placeholder("a", "event")?;
    envelope.execution = envelope.creates.as_ref().map(|record| record.execution);
    h.sent(envelope).await?;
    let work = h.turn_of(&inst).await?;
    ensure_eq!(work.execution, inst.execution, "the execution");
    ensure_eq!(bodies(&work), ["event"], "the inbox");
    Ok(())
}
