//! Instances that are held: suspended, blocked, quarantined.

use durable_core::backend::{Envelope, OrchestrationStatus, ReceiveTurns};

use crate::check::{Check, Checked};
use crate::driver::Hub;
use crate::driver::turns::bodies;

pub(super) fn list() -> Vec<Check> {
    area!("holds";
        O10 a_held_instance_is_not_handed_out_for_a_message,
        O10 a_held_instance_is_not_handed_out_for_unread_messages,
        O10 a_held_instance_is_not_handed_out_for_a_due_timer,
        O10 a_held_instance_accepts_messages,
        O10 a_control_message_hands_out_a_held_instance,
        O10 a_control_message_that_waited_already_hands_it_out,
        O10 a_control_message_of_a_commit_hands_it_out,
        O10 only_control_messages_are_handed_out_during_a_hold,
        O10 a_control_message_is_found_behind_a_long_inbox,
        O10 several_control_messages_come_in_order,
        O10 after_the_hold_all_messages_come_in_order,
        O10 a_hold_may_be_renewed,
        O10 a_renewed_hold_lets_no_message_through,
        O12 a_hold_that_ran_out_hands_out_the_instance,
        O12 a_hold_that_ran_out_hands_out_an_empty_inbox,
        O12 a_hold_does_not_run_out_early,
        O12 a_hold_in_the_past_is_over_at_once,
        O12 a_hold_that_ran_out_brings_all_messages,
        O12 a_hold_that_ran_out_hands_out_once,
        O12 a_hold_that_was_ended_early_hands_out_nothing_at_its_time,
        O12 the_end_of_a_hold_wakes_a_waiting_receive,
        O10 a_lease_that_ends_does_not_end_the_hold,
        O10 an_abandoned_instance_is_still_held,
        O10 an_instance_given_back_for_later_is_still_held,
        O10 a_hold_does_not_touch_other_instances,
        O10 a_held_instance_can_be_ended,
        O10 a_scheduled_control_message_waits_for_its_time,
    )
}

async fn a_held_instance_is_not_handed_out_for_a_message(h: Hub) -> Checked {
    let inst = h.held("a", None).await?;
    h.tell(&inst, "event").await?;
    h.no_turn("the instance is held").await
}

async fn a_held_instance_is_not_handed_out_for_unread_messages(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    let work = h.woken(&inst, "unread").await?;
    h.step(&work).keep_messages().hold(None).apply().await?;
    h.no_turn("the instance is held").await
}

async fn a_held_instance_is_not_handed_out_for_a_due_timer(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    let work = h.woken(&inst, "hold").await?;
    h.step(&work).timer(1, h.later(), "timer").hold(None).apply().await?;
    h.pass_delay().await;
    h.no_turn("the instance is held").await
}

async fn a_held_instance_accepts_messages(h: Hub) -> Checked {
    let inst = h.held("a", None).await?;
    for body in ["1", "2"] {
        h.tell(&inst, body).await?;
    }
    Ok(())
}

async fn a_control_message_hands_out_a_held_instance(h: Hub) -> Checked {
    let inst = h.held("a", None).await?;
    h.sent(h.control(&inst.id, "resume")).await?;
    h.turn_of(&inst).await?;
    Ok(())
}

async fn a_control_message_that_waited_already_hands_it_out(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    let work = h.woken(&inst, "hold").await?;
    h.sent(h.control(&inst.id, "resume")).await?;
    h.step(&work).hold(None).apply().await?;
    ensure_eq!(bodies(&h.turn_of(&inst).await?), ["resume"], "the messages");
    Ok(())
}

async fn a_control_message_of_a_commit_hands_it_out(h: Hub) -> Checked {
    let held = h.held("held", None).await?;
    let parent = h.created("parent").await?;
    let step = h.step(&h.turn_of(&parent).await?);
    step.message(h.control(&held.id, "terminate")).apply().await?;
    ensure_eq!(bodies(&h.turn_of(&held).await?), ["terminate"], "the messages");
    Ok(())
}

async fn only_control_messages_are_handed_out_during_a_hold(h: Hub) -> Checked {
    let inst = h.held("a", None).await?;
    h.tell(&inst, "1").await?;
    h.sent(h.control(&inst.id, "resume")).await?;
    h.tell(&inst, "2").await?;
    ensure_eq!(bodies(&h.turn_of(&inst).await?), ["resume"], "the messages");
    Ok(())
}

async fn a_control_message_is_found_behind_a_long_inbox(h: Hub) -> Checked {
    let inst = h.held("a", None).await?;
    let batch = (0..100).map(|n| h.message(&inst.id, &n.to_string())).collect();
    for answer in h.backend().send(batch).await {
        answer?;
    }
    h.sent(h.control(&inst.id, "resume")).await?;
    let request = ReceiveTurns { messages_max: 2, ..h.ask_turns(1, h.wait()) };
    ensure_eq!(bodies(&h.turns(request).await?[0]), ["resume"], "the messages");
    Ok(())
}

async fn several_control_messages_come_in_order(h: Hub) -> Checked {
    let inst = h.held("a", None).await?;
    for body in ["1", "2", "3"] {
        h.sent(h.control(&inst.id, body)).await?;
    }
    ensure_eq!(bodies(&h.turn_of(&inst).await?), ["1", "2", "3"], "the messages");
    Ok(())
}

async fn after_the_hold_all_messages_come_in_order(h: Hub) -> Checked {
    let inst = h.held("a", None).await?;
    for body in ["1", "2"] {
        h.tell(&inst, body).await?;
    }
    h.sent(h.control(&inst.id, "resume")).await?;
    h.tell(&inst, "3").await?;
    h.step(&h.turn_of(&inst).await?).apply().await?;
    ensure_eq!(bodies(&h.turn_of(&inst).await?), ["1", "2", "3"], "the messages");
    Ok(())
}

async fn a_hold_may_be_renewed(h: Hub) -> Checked {
    let inst = h.held("a", None).await?;
    for round in ["1", "2", "3"] {
        h.sent(h.control(&inst.id, round)).await?;
        let work = h.turn_of(&inst).await?;
        h.step(&work).hold(None).apply().await?;
        h.no_turn("the instance is held again").await?;
    }
    Ok(())
}

async fn a_renewed_hold_lets_no_message_through(h: Hub) -> Checked {
    let inst = h.held("a", None).await?;
    h.tell(&inst, "event").await?;
    h.sent(h.control(&inst.id, "look")).await?;
    h.step(&h.turn_of(&inst).await?).hold(None).apply().await?;
    h.no_turn("the instance is held again").await
}

async fn a_hold_that_ran_out_hands_out_the_instance(h: Hub) -> Checked {
    let inst = h.held("a", Some(h.later())).await?;
    h.tell(&inst, "event").await?;
    h.pass_delay().await;
    h.turn_of(&inst).await?;
    Ok(())
}

async fn a_hold_that_ran_out_hands_out_an_empty_inbox(h: Hub) -> Checked {
    let inst = h.held("a", Some(h.later())).await?;
    h.pass_delay().await;
    let work = h.turn_of(&inst).await?;
    ensure!(work.messages.is_empty(), "messages out of nowhere: {:?}", bodies(&work));
    Ok(())
}

async fn a_hold_does_not_run_out_early(h: Hub) -> Checked {
    let until = h.later();
    let inst = h.held("a", Some(until)).await?;
    h.tell(&inst, "event").await?;
    h.no_turn_before(until, "the instance is held").await
}

async fn a_hold_in_the_past_is_over_at_once(h: Hub) -> Checked {
    let inst = h.held("a", Some(h.now() - std::time::Duration::from_secs(1))).await?;
    h.turn_of(&inst).await?;
    Ok(())
}

async fn a_hold_that_ran_out_brings_all_messages(h: Hub) -> Checked {
    let inst = h.held("a", Some(h.later())).await?;
    for body in ["1", "2"] {
        h.tell(&inst, body).await?;
    }
    h.pass_delay().await;
    ensure_eq!(bodies(&h.turn_of(&inst).await?), ["1", "2"], "the messages");
    Ok(())
}

async fn a_hold_that_ran_out_hands_out_once(h: Hub) -> Checked {
    let inst = h.held("a", Some(h.later())).await?;
    h.pass_delay().await;
    let work = h.turn_of(&inst).await?;
    h.step(&work).no_events().apply().await?;
    h.pass_delay().await;
    h.no_turn("the hold is over and the inbox is empty").await
}

async fn the_end_of_a_hold_wakes_a_waiting_receive(h: Hub) -> Checked {
    let inst = h.held("a", Some(h.later())).await?;
    let waiter = h.clone();
    let waiting = h.spawn(async move { waiter.turn_of(&inst).await });
    h.grace().await;
    h.pass_delay().await;
    waiting.join(&h).await??;
    Ok(())
}

async fn a_lease_that_ends_does_not_end_the_hold(h: Hub) -> Checked {
    let inst = h.held("a", None).await?;
    h.tell(&inst, "event").await?;
    h.sent(h.control(&inst.id, "resume")).await?;
    h.short_turn_of(&inst).await?;
    h.pass_lease().await;
    ensure_eq!(bodies(&h.turn_of(&inst).await?), ["resume"], "the messages of the second holder");
    Ok(())
}

async fn an_abandoned_instance_is_still_held(h: Hub) -> Checked {
    let inst = h.held("a", None).await?;
    h.tell(&inst, "event").await?;
    h.sent(h.control(&inst.id, "resume")).await?;
    let work = h.turn_of(&inst).await?;
    h.abandon(&work.lease, std::time::Duration::ZERO).await?;
    ensure_eq!(bodies(&h.turn_of(&inst).await?), ["resume"], "the messages of the second holder");
    Ok(())
}

async fn a_hold_does_not_touch_other_instances(h: Hub) -> Checked {
    h.held("held", None).await?;
    let other = h.running("other").await?;
    ensure_eq!(bodies(&h.woken(&other, "event").await?), ["event"], "the inbox");
    Ok(())
}

async fn a_held_instance_can_be_ended(h: Hub) -> Checked {
    let inst = h.held("a", None).await?;
    h.tell(&inst, "event").await?;
    h.sent(h.control(&inst.id, "terminate")).await?;
    let step = h.step(&h.turn_of(&inst).await?);
    step.status(OrchestrationStatus::Terminated)?.apply().await?;
    ensure_eq!(h.record_of(&inst).await?.status, OrchestrationStatus::Terminated, "status");
    h.no_turn("the instance is terminal").await
}

async fn a_scheduled_control_message_waits_for_its_time(h: Hub) -> Checked {
    let inst = h.held("a", None).await?;
    let at = h.later();
    h.sent(Envelope { visible_at: Some(at), ..h.control(&inst.id, "resume later") }).await?;
    h.no_turn_before(at, "the control message is for later").await?;
    h.pass_delay().await;
    ensure_eq!(bodies(&h.turn_of(&inst).await?), ["resume later"], "the messages");
    Ok(())
}

async fn an_instance_given_back_for_later_is_still_held(h: Hub) -> Checked {
    let inst = h.held("a", None).await?;
    h.tell(&inst, "event").await?;
    h.sent(h.control(&inst.id, "resume")).await?;
    let work = h.turn_of(&inst).await?;
    h.abandon(&work.lease, h.timings().delay).await?;
    h.pass_delay().await;
    ensure_eq!(bodies(&h.turn_of(&inst).await?), ["resume"], "the messages of the second holder");
    Ok(())
}

async fn a_hold_that_was_ended_early_hands_out_nothing_at_its_time(h: Hub) -> Checked {
    // Long enough that even a slow store resumes it before.
    let time = h.timings().delay * 4;
    let inst = h.held("a", Some(h.now() + time)).await?;
    h.sent(h.control(&inst.id, "resume")).await?;
    h.step(&h.turn_of(&inst).await?).apply().await?;
    h.pass(time).await;
    h.no_turn("the hold was over before, and the inbox is empty").await
}
