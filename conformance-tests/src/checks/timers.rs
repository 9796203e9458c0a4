//! Messages with a time: never early, never lost.

use std::time::Duration;

use durable_core::backend::{Envelope, OrchestrationStatus};
use durable_core::limits::TIMER_MAX;
use durable_core::time::Timestamp;

use crate::check::{Check, Checked};
use crate::driver::turns::bodies;
use crate::driver::{Hub, Inst};

pub(super) fn list() -> Vec<Check> {
    area!("timers";
        C7 a_timer_is_not_handed_out_early,
        C7 a_timer_does_not_wake_a_moment_before_its_time needs InjectedClock,
        C7 a_timer_is_handed_out_when_due,
        C8 a_timer_of_part_of_a_second_is_handed_out_at_its_time needs InjectedClock,
        C8 a_due_timer_wakes_a_waiting_receive,
        C7 a_timer_in_the_past_is_handed_out_at_once,
        C7 a_timer_at_the_epoch_is_handed_out_at_once,
        C7 an_idle_instance_with_a_timer_is_not_handed_out,
        C7 another_message_does_not_bring_the_timer_along,
        C7 a_timer_does_not_delay_other_messages,
        C7 timers_are_handed_out_in_order_of_time,
        C7 timers_of_many_instances_are_all_handed_out,
        C7 overdue_timers_are_handed_out_once,
        C7 a_timer_that_comes_due_during_a_turn_follows_it,
        C7 a_timer_survives_an_abandoned_turn,
        T5 a_cancelled_timer_is_never_handed_out,
        T5 a_due_but_unread_timer_can_be_cancelled,
        T5 cancelling_one_timer_leaves_the_others,
        T5 a_hundred_timers_are_cancelled_at_once,
        T5 a_timer_set_and_cancelled_in_one_commit_is_never_handed_out,
        T5 cancelling_an_unknown_timer_is_harmless,
        T5 cancelling_a_consumed_timer_is_harmless,
        C10 timers_vanish_with_the_end_of_the_instance,
        C10 a_timer_does_not_hold_an_instance_open,
        C7 the_furthest_timer_is_accepted,
        C7 a_timer_at_the_end_of_time_is_accepted,
        C7 a_timer_for_another_instance_waits_too,
        C7 a_message_sent_with_a_time_waits_too,
        C7 a_clock_that_jumps_forward_loses_no_timer needs InjectedClock,
        C7 a_clock_that_jumps_back_fires_no_timer_twice needs InjectedClock,
        C4 a_timer_repeated_under_its_id_fires_once,
    )
}

/// A running instance with a timer for [`Hub::later`].
async fn with_timer(h: &Hub, name: &str) -> Checked<(Inst, Timestamp)> {
    let inst = h.running(name).await?;
    let work = h.woken(&inst, "set a timer").await?;
    let at = h.later();
    h.step(&work).timer(1, at, "timer").apply().await?;
    Ok((inst, at))
}

/// That many instances with a timer each. All turns are on loan before the first timer is set:
/// on a real clock it may come due before the last is set, and would be handed out for another.
async fn many_with_timers(h: &Hub, count: usize) -> Checked {
    let mut instances = Vec::new();
    for number in 0..count {
        instances.push(h.running(&format!("i{number}")).await?);
    }
    for inst in &instances {
        h.tell(inst, "set a timer").await?;
    }
    for work in h.turns_of_all(count).await? {
        h.step(&work).timer(1, h.later(), "timer").apply().await?;
    }
    Ok(())
}

async fn a_timer_is_not_handed_out_early(h: Hub) -> Checked {
    let (_, at) = with_timer(&h, "a").await?;
    h.no_turn_before(at, "the timer is not due").await
}

async fn a_timer_does_not_wake_a_moment_before_its_time(h: Hub) -> Checked {
    let (_, at) = with_timer(&h, "a").await?;
    h.manual()?.set(at - Duration::from_micros(1));
    h.grace().await;
    h.no_turn("the timer is due in a microsecond").await?;
    h.manual()?.set(at);
    h.turn().await?;
    Ok(())
}

async fn a_timer_is_handed_out_when_due(h: Hub) -> Checked {
    let (inst, _) = with_timer(&h, "a").await?;
    h.pass_delay().await;
    ensure_eq!(bodies(&h.turn_of(&inst).await?), ["timer"], "the inbox");
    Ok(())
}

async fn a_timer_of_part_of_a_second_is_handed_out_at_its_time(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    let work = h.woken(&inst, "set a timer").await?;
    let at = h.now() + Duration::from_micros(1_234_567);
    h.step(&work).timer(1, at, "timer").apply().await?;
    h.manual()?.set(at - Duration::from_micros(1));
    h.no_turn("the timer is due in a microsecond").await?;
    h.manual()?.set(at);
    ensure_eq!(bodies(&h.turn_of(&inst).await?), ["timer"], "the inbox at the time");
    Ok(())
}

async fn a_due_timer_wakes_a_waiting_receive(h: Hub) -> Checked {
    let (inst, _) = with_timer(&h, "a").await?;
    let waiter = h.clone();
    let waiting = h.spawn(async move { waiter.turn_of(&inst).await });
    h.grace().await;
    h.pass_delay().await;
    ensure_eq!(bodies(&waiting.join(&h).await??), ["timer"], "the inbox");
    Ok(())
}

async fn set_at(h: &Hub, at: Timestamp) -> Checked<Inst> {
    let inst = h.running("a").await?;
    h.step(&h.woken(&inst, "set a timer").await?).timer(1, at, "timer").apply().await?;
    Ok(inst)
}

async fn a_timer_in_the_past_is_handed_out_at_once(h: Hub) -> Checked {
    let inst = set_at(&h, h.now() - Duration::from_secs(3600)).await?;
    ensure_eq!(bodies(&h.turn_of(&inst).await?), ["timer"], "the inbox");
    Ok(())
}

async fn a_timer_at_the_epoch_is_handed_out_at_once(h: Hub) -> Checked {
    let inst = set_at(&h, Timestamp::EPOCH).await?;
    ensure_eq!(bodies(&h.turn_of(&inst).await?), ["timer"], "the inbox");
    Ok(())
}

async fn an_idle_instance_with_a_timer_is_not_handed_out(h: Hub) -> Checked {
    set_at(&h, h.now() + Duration::from_secs(24 * 3600)).await?;
    h.no_turn("the timer is due tomorrow").await
}

async fn another_message_does_not_bring_the_timer_along(h: Hub) -> Checked {
    let inst = set_at(&h, h.now() + Duration::from_secs(24 * 3600)).await?;
    ensure_eq!(bodies(&h.woken(&inst, "event").await?), ["event"], "the inbox");
    Ok(())
}

async fn a_timer_does_not_delay_other_messages(h: Hub) -> Checked {
    let inst = set_at(&h, h.now() + Duration::from_secs(24 * 3600)).await?;
    for body in ["1", "2"] {
        let work = h.woken(&inst, body).await?;
        h.step(&work).apply().await?;
    }
    Ok(())
}

async fn timers_are_handed_out_in_order_of_time(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    let step = h.step(&h.woken(&inst, "set timers").await?);
    let (base, quarter) = (h.now(), h.timings().delay / 4);
    let step = [(1, 4), (2, 1), (3, 3), (4, 2)].iter().fold(step, |step, (seq, quarters)| {
        step.timer(*seq, base + quarter * *quarters, &quarters.to_string())
    });
    step.apply().await?;
    h.pass_delay().await;
    let mut found = Vec::new();
    while found.len() < 4 {
        let work = h.turn_of(&inst).await?;
        found.extend(bodies(&work));
        h.step(&work).apply().await?;
    }
    ensure_eq!(found, ["1", "2", "3", "4"], "the timers");
    Ok(())
}

async fn timers_of_many_instances_are_all_handed_out(h: Hub) -> Checked {
    many_with_timers(&h, 20).await?;
    h.pass_delay().await;
    for work in h.turns_of_all(20).await? {
        ensure_eq!(bodies(&work), ["timer"], "the inbox of {}", work.lease.instance);
    }
    Ok(())
}

async fn overdue_timers_are_handed_out_once(h: Hub) -> Checked {
    let (inst, _) = with_timer(&h, "a").await?;
    h.pass_delay().await;
    h.step(&h.turn_of(&inst).await?).apply().await?;
    h.pass_delay().await;
    h.no_turn("the timer has fired").await
}

async fn a_timer_that_comes_due_during_a_turn_follows_it(h: Hub) -> Checked {
    let (inst, _) = with_timer(&h, "a").await?;
    let work = h.woken(&inst, "event").await?;
    h.pass_delay().await;
    h.step(&work).apply().await?;
    ensure_eq!(bodies(&h.turn_of(&inst).await?), ["timer"], "the inbox");
    Ok(())
}

async fn a_timer_survives_an_abandoned_turn(h: Hub) -> Checked {
    let (inst, _) = with_timer(&h, "a").await?;
    h.pass_delay().await;
    let work = h.turn_of(&inst).await?;
    h.abandon(&work.lease, Duration::ZERO).await?;
    ensure_eq!(bodies(&h.turn_of(&inst).await?), ["timer"], "the inbox");
    Ok(())
}

async fn a_cancelled_timer_is_never_handed_out(h: Hub) -> Checked {
    let (inst, _) = with_timer(&h, "a").await?;
    h.step(&h.woken(&inst, "cancel it").await?).cancel(1).apply().await?;
    h.pass_delay().await;
    h.no_turn("the timer was cancelled").await
}

async fn a_due_but_unread_timer_can_be_cancelled(h: Hub) -> Checked {
    let (inst, _) = with_timer(&h, "a").await?;
    let work = h.woken(&inst, "cancel it").await?;
    h.pass_delay().await;
    // A receive makes the store look at what is due.
    h.no_turn("the instance is on loan").await?;
    h.step(&work).cancel(1).apply().await?;
    h.no_turn("the timer was cancelled before anybody read it").await
}

async fn cancelling_one_timer_leaves_the_others(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    let at = h.later();
    let step = h.step(&h.woken(&inst, "set timers").await?);
    step.timer(1, at, "one").timer(2, at, "two").timer(3, at, "three").apply().await?;
    h.step(&h.woken(&inst, "cancel it").await?).cancel(2).apply().await?;
    h.pass_delay().await;
    let mut found = bodies(&h.turn_of(&inst).await?);
    found.sort();
    ensure_eq!(found, ["one", "three"], "the inbox");
    Ok(())
}

async fn a_hundred_timers_are_cancelled_at_once(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    let step = h.step(&h.woken(&inst, "set them").await?);
    let (later, all) = (h.later(), 1..=101);
    all.clone().fold(step, |step, seq| step.timer(seq, later, "timer")).apply().await?;
    let step = h.step(&h.woken(&inst, "cancel them").await?);
    all.fold(step, |step, seq| step.cancel(seq)).apply().await?;
    h.pass_delay().await;
    h.no_turn("all timers were cancelled").await
}

async fn a_timer_set_and_cancelled_in_one_commit_is_never_handed_out(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    let step = h.step(&h.woken(&inst, "go").await?);
    step.timer(1, h.later(), "timer").cancel(1).apply().await?;
    h.pass_delay().await;
    h.no_turn("the timer was cancelled by the commit that set it").await
}

async fn cancelling_an_unknown_timer_is_harmless(h: Hub) -> Checked {
    let (inst, _) = with_timer(&h, "a").await?;
    h.step(&h.woken(&inst, "cancel").await?).cancel(99).apply().await?;
    h.pass_delay().await;
    ensure_eq!(bodies(&h.turn_of(&inst).await?), ["timer"], "the inbox");
    Ok(())
}

async fn cancelling_a_consumed_timer_is_harmless(h: Hub) -> Checked {
    let (inst, _) = with_timer(&h, "a").await?;
    h.pass_delay().await;
    h.step(&h.turn_of(&inst).await?).cancel(1).apply().await?;
    ensure_eq!(bodies(&h.woken(&inst, "event").await?), ["event"], "the inbox");
    Ok(())
}

async fn timers_vanish_with_the_end_of_the_instance(h: Hub) -> Checked {
    let (inst, _) = with_timer(&h, "a").await?;
    let step = h.step(&h.woken(&inst, "end").await?);
    step.status(OrchestrationStatus::Terminated)?.apply().await?;
    h.pass_delay().await;
    h.no_turn("the instance is terminal").await
}

async fn a_timer_does_not_hold_an_instance_open(h: Hub) -> Checked {
    let (inst, _) = with_timer(&h, "a").await?;
    h.step(&h.woken(&inst, "end").await?).status(OrchestrationStatus::Completed)?.apply().await?;
    h.purged(&inst).await?;
    h.created("a").await?;
    h.pass_delay().await;
    ensure_eq!(bodies(&h.turn_of(&inst).await?), ["start"], "the successor's inbox");
    Ok(())
}

async fn the_furthest_timer_is_accepted(h: Hub) -> Checked {
    let inst = set_at(&h, h.now() + TIMER_MAX).await?;
    h.no_turn("the timer is due in a hundred years").await?;
    ensure_eq!(bodies(&h.woken(&inst, "event").await?), ["event"], "the inbox");
    Ok(())
}

async fn a_timer_at_the_end_of_time_is_accepted(h: Hub) -> Checked {
    let inst = set_at(&h, Timestamp::MAX).await?;
    h.no_turn("the timer is never due").await?;
    ensure_eq!(bodies(&h.woken(&inst, "event").await?), ["event"], "the inbox");
    Ok(())
}

async fn a_timer_for_another_instance_waits_too(h: Hub) -> Checked {
    let other = h.running("other").await?;
    let inst = h.created("a").await?;
    let at = h.later();
    let message = Envelope { visible_at: Some(at), ..h.message(&other.id, "later") };
    h.step(&h.turn_of(&inst).await?).message(message).apply().await?;
    h.no_turn_before(at, "the message is for later").await?;
    h.pass_delay().await;
    ensure_eq!(bodies(&h.turn_of(&other).await?), ["later"], "the inbox");
    Ok(())
}

async fn a_message_sent_with_a_time_waits_too(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    let at = h.later();
    h.sent(Envelope { visible_at: Some(at), ..h.message(&inst.id, "later") }).await?;
    h.no_turn_before(at, "the message is for later").await?;
    h.pass_delay().await;
    ensure_eq!(bodies(&h.turn_of(&inst).await?), ["later"], "the inbox");
    Ok(())
}

async fn a_clock_that_jumps_forward_loses_no_timer(h: Hub) -> Checked {
    for number in 0..5 {
        with_timer(&h, &format!("i{number}")).await?;
    }
    h.manual()?.advance(Duration::from_secs(10 * 365 * 24 * 3600));
    h.turns_of_all(5).await?;
    Ok(())
}

async fn a_clock_that_jumps_back_fires_no_timer_twice(h: Hub) -> Checked {
    let (inst, at) = with_timer(&h, "a").await?;
    h.pass_delay().await;
    h.step(&h.turn_of(&inst).await?).apply().await?;
    h.manual()?.set(at - Duration::from_secs(3600));
    h.manual()?.set(at + Duration::from_secs(1));
    h.grace().await;
    h.no_turn("the timer has fired").await
}

async fn a_timer_repeated_under_its_id_fires_once(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    let timer = Envelope { visible_at: Some(h.later()), ..h.message(&inst.id, "timer") };
    h.sent(timer.clone()).await?;
    h.sent(timer).await?;
    h.pass_delay().await;
    h.settle().await;
    ensure_eq!(bodies(&h.turn_of(&inst).await?), ["timer"], "the inbox");
    Ok(())
}
