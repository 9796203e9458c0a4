//! The order in which messages come out.

use std::time::Duration;

use durable_core::backend::{Envelope, ReceiveTurns};

use crate::check::{Check, Checked};
use crate::driver::turns::bodies;
use crate::driver::{Hub, Inst};

pub(super) fn list() -> Vec<Check> {
    area!("ordering";
        C6 messages_sent_one_by_one_keep_their_order,
        C6 messages_sent_in_a_batch_keep_their_order,
        C6 batches_follow_each_other,
        C6 messages_of_two_senders_come_in_order_of_arrival,
        C6 the_arrival_decides_not_the_id,
        C6 messages_of_one_commit_keep_their_order,
        C6 messages_of_successive_commits_keep_their_order,
        C6 order_survives_reading_in_small_portions,
        C6 order_survives_an_abandoned_turn,
        C6 order_survives_the_end_of_a_lease,
        C6 order_survives_a_partial_consumption,
        C6 a_thousand_messages_keep_their_order,
        C6 control_messages_keep_their_place_when_nothing_holds_the_instance,
        C6 arrival_times_do_not_run_backward,
        C6 the_start_message_comes_first,
    )
}

fn numbers(range: std::ops::Range<u32>) -> Vec<String> {
    range.map(|n| n.to_string()).collect()
}

async fn messages_sent_one_by_one_keep_their_order(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    for number in numbers(0..20) {
        h.tell(&inst, &number).await?;
    }
    ensure_eq!(bodies(&h.turn_of(&inst).await?), numbers(0..20), "the inbox");
    Ok(())
}

async fn send_batch(h: &Hub, inst: &Inst, numbers: Vec<String>) -> Checked {
    let batch = numbers.iter().map(|n| h.message(&inst.id, n)).collect();
    for answer in h.backend().send(batch).await {
        answer?;
    }
    Ok(())
}

async fn messages_sent_in_a_batch_keep_their_order(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    send_batch(&h, &inst, numbers(0..50)).await?;
    ensure_eq!(bodies(&h.turn_of(&inst).await?), numbers(0..50), "the inbox");
    Ok(())
}

async fn batches_follow_each_other(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    for start in [0, 10, 20] {
        send_batch(&h, &inst, numbers(start..start + 10)).await?;
    }
    ensure_eq!(bodies(&h.turn_of(&inst).await?), numbers(0..30), "the inbox");
    Ok(())
}

async fn messages_of_two_senders_come_in_order_of_arrival(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    // Two senders count on their own; their order keys say nothing about each other.
    for (body, order_key) in [("x1", 1000), ("y1", 1), ("x2", 1001), ("y2", 2)] {
        h.sent(Envelope { order_key, ..h.message(&inst.id, body) }).await?;
    }
    ensure_eq!(bodies(&h.turn_of(&inst).await?), ["x1", "y1", "x2", "y2"], "the inbox");
    Ok(())
}

async fn the_arrival_decides_not_the_id(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    for (body, source) in [("1", u128::MAX), ("2", 0), ("3", 1 << 100), ("4", 17)] {
        let id = durable_core::ids::MessageId::random(source);
        h.sent(Envelope { id, ..h.message(&inst.id, body) }).await?;
    }
    ensure_eq!(bodies(&h.turn_of(&inst).await?), ["1", "2", "3", "4"], "the inbox");
    Ok(())
}

/// What arrives at `inst` until there are `count` messages.
async fn arrivals(h: &Hub, inst: &Inst, count: usize) -> Checked<Vec<String>> {
    let mut found = Vec::new();
    while found.len() < count {
        let work = h.turn_of(inst).await?;
        found.extend(bodies(&work));
        h.step(&work).apply().await?;
    }
    Ok(found)
}

async fn messages_of_one_commit_keep_their_order(h: Hub) -> Checked {
    let other = h.running("other").await?;
    let inst = h.created("a").await?;
    let step = h.step(&h.turn_of(&inst).await?);
    numbers(0..20)
        .iter()
        .fold(step, |step, n| step.message(h.message(&other.id, n)))
        .apply()
        .await?;
    ensure_eq!(arrivals(&h, &other, 20).await?, numbers(0..20), "the messages");
    Ok(())
}

async fn messages_of_successive_commits_keep_their_order(h: Hub) -> Checked {
    let inst = h.running("sender").await?;
    let other = h.running("other").await?;
    // The receiver stays on loan, so that all messages pile up.
    let blocked = h.woken(&other, "block").await?;
    for number in numbers(0..10) {
        let step = h.step(&h.woken(&inst, "go").await?);
        step.message(h.message(&other.id, &number)).apply().await?;
    }
    h.step(&blocked).apply().await?;
    ensure_eq!(arrivals(&h, &other, 10).await?, numbers(0..10), "the messages");
    Ok(())
}

async fn order_survives_reading_in_small_portions(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    send_batch(&h, &inst, numbers(0..10)).await?;
    let mut found = Vec::new();
    while found.len() < 10 {
        let request = ReceiveTurns { messages_max: 3, ..h.ask_turns(1, h.wait()) };
        let work = h.turns(request).await?.remove(0);
        found.extend(bodies(&work));
        h.step(&work).apply().await?;
    }
    ensure_eq!(found, numbers(0..10), "the messages");
    Ok(())
}

async fn order_survives_an_abandoned_turn(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    send_batch(&h, &inst, numbers(0..4)).await?;
    let work = h.turn_of(&inst).await?;
    send_batch(&h, &inst, numbers(4..8)).await?;
    h.abandon(&work.lease, Duration::ZERO).await?;
    ensure_eq!(bodies(&h.turn_of(&inst).await?), numbers(0..8), "the inbox");
    Ok(())
}

async fn order_survives_the_end_of_a_lease(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    send_batch(&h, &inst, numbers(0..4)).await?;
    h.short_turn_of(&inst).await?;
    send_batch(&h, &inst, numbers(4..8)).await?;
    h.pass_lease().await;
    ensure_eq!(bodies(&h.turn_of(&inst).await?), numbers(0..8), "the inbox");
    Ok(())
}

async fn order_survives_a_partial_consumption(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    send_batch(&h, &inst, numbers(0..6)).await?;
    let work = h.turn_of(&inst).await?;
    let mut step = h.step(&work);
    step.commit.consumed = [0, 2, 5].map(|at: usize| work.messages[at].id).to_vec();
    step.apply().await?;
    send_batch(&h, &inst, numbers(6..8)).await?;
    ensure_eq!(bodies(&h.turn_of(&inst).await?), ["1", "3", "4", "6", "7"], "the inbox");
    Ok(())
}

async fn a_thousand_messages_keep_their_order(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    for start in [0, 250, 500, 750] {
        send_batch(&h, &inst, numbers(start..start + 250)).await?;
    }
    ensure_eq!(arrivals(&h, &inst, 1000).await?, numbers(0..1000), "the messages");
    Ok(())
}

async fn control_messages_keep_their_place_when_nothing_holds_the_instance(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    h.tell(&inst, "1").await?;
    h.sent(h.control(&inst.id, "2")).await?;
    h.tell(&inst, "3").await?;
    ensure_eq!(bodies(&h.turn_of(&inst).await?), ["1", "2", "3"], "the inbox");
    Ok(())
}

async fn arrival_times_do_not_run_backward(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    for number in numbers(0..5) {
        h.tell(&inst, &number).await?;
        h.pass(Duration::from_millis(2)).await;
    }
    let work = h.turn_of(&inst).await?;
    let times: Vec<_> = work.messages.iter().map(|m| m.enqueued_at).collect();
    ensure!(times.is_sorted(), "arrival times {times:?}");
    Ok(())
}

async fn the_start_message_comes_first(h: Hub) -> Checked {
    let inst = h.created("a").await?;
    send_batch(&h, &inst, numbers(0..3)).await?;
    ensure_eq!(bodies(&h.turn_of(&inst).await?), ["start", "0", "1", "2"], "the inbox");
    Ok(())
}
