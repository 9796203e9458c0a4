//! What is sent twice arrives once.

use std::time::Duration;

use durable_core::backend::{CreateOutcome, Envelope, SendOutcome};
use durable_core::ids::MessageId;

use crate::check::{Check, Checked};
use crate::driver::turns::bodies;
use crate::driver::{Hub, bytes};

pub(super) fn list() -> Vec<Check> {
    area!("dedupe";
        C4 a_repeated_message_arrives_once,
        C4 a_repeated_message_is_accepted_each_time,
        C4 a_message_repeated_within_a_batch_arrives_once,
        C4 the_first_of_two_bodies_under_one_id_arrives,
        C4 a_message_repeated_while_on_loan_arrives_once,
        C4 a_message_repeated_after_an_abandoned_turn_arrives_once,
        C4 a_repeated_message_keeps_its_first_place,
        C4 one_id_may_be_used_for_two_instances,
        C4 ids_that_differ_in_the_sequence_only_are_different,
        C4 ids_that_differ_in_the_source_only_are_different,
        C4 ids_that_differ_in_high_bits_only_are_different,
        C4 a_message_repeated_by_two_commits_arrives_once,
        C4 a_message_sent_by_client_and_commit_arrives_once,
        C4 a_message_repeated_within_a_commit_arrives_once,
        C4 a_repeated_creation_is_created,
        C4 a_repeated_creation_sends_no_second_start,
        C4 a_repeated_creation_after_the_first_turn_is_created,
        C4 a_repeated_creation_after_the_end_is_created,
        C4 a_repeated_control_message_arrives_once,
        C4 a_consumed_message_does_not_hide_a_later_one_of_another_id,
    )
}

async fn a_repeated_message_arrives_once(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    let message = h.message(&inst.id, "once");
    for _ in 0..3 {
        h.send(message.clone()).await?;
    }
    ensure_eq!(bodies(&h.turn_of(&inst).await?), ["once"], "the inbox");
    Ok(())
}

async fn a_repeated_message_is_accepted_each_time(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    let message = h.message(&inst.id, "once");
    for _ in 0..3 {
        ensure_eq!(h.send(message.clone()).await?, SendOutcome::Accepted, "answer");
    }
    Ok(())
}

async fn a_message_repeated_within_a_batch_arrives_once(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    let message = h.message(&inst.id, "once");
    h.backend().send(vec![message.clone(), message.clone(), message]).await;
    ensure_eq!(bodies(&h.turn_of(&inst).await?), ["once"], "the inbox");
    Ok(())
}

async fn the_first_of_two_bodies_under_one_id_arrives(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    let message = h.message(&inst.id, "first");
    h.sent(message.clone()).await?;
    h.sent(Envelope { body: bytes("second"), ..message }).await?;
    ensure_eq!(bodies(&h.turn_of(&inst).await?), ["first"], "the inbox");
    Ok(())
}

async fn a_message_repeated_while_on_loan_arrives_once(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    let message = h.message(&inst.id, "once");
    h.sent(message.clone()).await?;
    let work = h.turn_of(&inst).await?;
    h.sent(message).await?;
    h.step(&work).apply().await?;
    h.no_turn("the message was waiting when it was repeated").await
}

async fn a_message_repeated_after_an_abandoned_turn_arrives_once(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    let message = h.message(&inst.id, "once");
    h.sent(message.clone()).await?;
    let work = h.turn_of(&inst).await?;
    h.abandon(&work.lease, Duration::ZERO).await?;
    h.sent(message).await?;
    ensure_eq!(bodies(&h.turn_of(&inst).await?), ["once"], "the inbox");
    Ok(())
}

async fn a_repeated_message_keeps_its_first_place(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    let message = h.message(&inst.id, "1");
    h.sent(message.clone()).await?;
    h.tell(&inst, "2").await?;
    h.sent(message).await?;
    ensure_eq!(bodies(&h.turn_of(&inst).await?), ["1", "2"], "the inbox");
    Ok(())
}

async fn one_id_may_be_used_for_two_instances(h: Hub) -> Checked {
    let (a, b) = (h.running("a").await?, h.running("b").await?);
    let message = h.message(&a.id, "hello");
    h.sent(message.clone()).await?;
    h.sent(Envelope { target: b.id, ..message }).await?;
    for work in h.turns_of_all(2).await? {
        ensure_eq!(bodies(&work), ["hello"], "an inbox");
    }
    Ok(())
}

/// Sends two messages under these ids to one instance; both must arrive.
async fn both_arrive(h: &Hub, first: MessageId, second: MessageId) -> Checked {
    let inst = h.running("a").await?;
    for (id, body) in [(first, "first"), (second, "second")] {
        h.sent(Envelope { id, ..h.message(&inst.id, body) }).await?;
    }
    ensure_eq!(bodies(&h.turn_of(&inst).await?), ["first", "second"], "the inbox");
    Ok(())
}

async fn ids_that_differ_in_the_sequence_only_are_different(h: Hub) -> Checked {
    both_arrive(&h, MessageId { source: 5, seq: 1 }, MessageId { source: 5, seq: u64::MAX }).await
}

async fn ids_that_differ_in_the_source_only_are_different(h: Hub) -> Checked {
    both_arrive(&h, MessageId { source: 5, seq: 1 }, MessageId { source: 6, seq: 1 }).await
}

async fn ids_that_differ_in_high_bits_only_are_different(h: Hub) -> Checked {
    both_arrive(&h, MessageId { source: 5, seq: 1 }, MessageId { source: 5 | 1 << 127, seq: 1 })
        .await
}

async fn a_message_repeated_by_two_commits_arrives_once(h: Hub) -> Checked {
    let other = h.running("other").await?;
    let inst = h.running("a").await?;
    let blocked = h.woken(&other, "block").await?;
    let message = h.message(&other.id, "once");
    for _ in 0..2 {
        let step = h.step(&h.woken(&inst, "go").await?);
        step.message(message.clone()).apply().await?;
    }
    h.settle().await;
    h.step(&blocked).apply().await?;
    ensure_eq!(bodies(&h.turn_of(&other).await?), ["once"], "the inbox");
    Ok(())
}

async fn a_message_sent_by_client_and_commit_arrives_once(h: Hub) -> Checked {
    let other = h.running("other").await?;
    let inst = h.created("a").await?;
    let message = h.message(&other.id, "once");
    let work = h.turn_of(&inst).await?;
    h.sent(message.clone()).await?;
    h.step(&work).message(message).apply().await?;
    h.settle().await;
    ensure_eq!(bodies(&h.turn_of(&other).await?), ["once"], "the inbox");
    Ok(())
}

async fn a_message_repeated_within_a_commit_arrives_once(h: Hub) -> Checked {
    let other = h.running("other").await?;
    let inst = h.created("a").await?;
    let message = h.message(&other.id, "once");
    h.step(&h.turn_of(&inst).await?).message(message.clone()).message(message).apply().await?;
    h.settle().await;
    ensure_eq!(bodies(&h.turn_of(&other).await?), ["once"], "the inbox");
    Ok(())
}

async fn a_repeated_creation_is_created(h: Hub) -> Checked {
    let request = h.creation("a")?;
    h.must_create(request.clone()).await?;
    let answer = h.create(request).await?;
    ensure!(matches!(answer, CreateOutcome::Created), "the repetition was answered {answer:?}");
    ensure_eq!(bodies(&h.turn().await?), ["start"], "the inbox");
    Ok(())
}

async fn a_repeated_creation_sends_no_second_start(h: Hub) -> Checked {
    let request = h.creation("a")?;
    let inst = h.must_create(request.clone()).await?;
    h.create(request.clone()).await?;
    let work = h.turn_of(&inst).await?;
    ensure_eq!(bodies(&work), ["start"], "the inbox");
    h.step(&work).apply().await?;
    h.create(request).await?;
    h.no_turn("the start was read").await
}

async fn a_repeated_creation_after_the_first_turn_is_created(h: Hub) -> Checked {
    let request = h.creation("a")?;
    let inst = h.must_create(request.clone()).await?;
    h.step(&h.turn_of(&inst).await?).apply().await?;
    let answer = h.create(request).await?;
    ensure!(matches!(answer, CreateOutcome::Created), "the repetition was answered {answer:?}");
    ensure_eq!(h.record_of(&inst).await?.events, 1, "events");
    Ok(())
}

async fn a_repeated_creation_after_the_end_is_created(h: Hub) -> Checked {
    let request = h.creation("a")?;
    let inst = h.must_create(request.clone()).await?;
    let step = h.step(&h.turn_of(&inst).await?);
    step.status(durable_core::backend::OrchestrationStatus::Completed)?.apply().await?;
    let answer = h.create(request).await?;
    ensure!(matches!(answer, CreateOutcome::Created), "the repetition was answered {answer:?}");
    h.no_turn("the instance is terminal, and nobody asked for a new one").await
}

async fn a_repeated_control_message_arrives_once(h: Hub) -> Checked {
    let inst = h.held("a", None).await?;
    let message = h.control(&inst.id, "resume");
    h.sent(message.clone()).await?;
    h.sent(message).await?;
    ensure_eq!(bodies(&h.turn_of(&inst).await?), ["resume"], "the inbox");
    Ok(())
}

async fn a_consumed_message_does_not_hide_a_later_one_of_another_id(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    for body in ["1", "2", "3"] {
        let work = h.woken(&inst, body).await?;
        ensure_eq!(bodies(&work), [body], "the inbox");
        h.step(&work).apply().await?;
    }
    Ok(())
}
