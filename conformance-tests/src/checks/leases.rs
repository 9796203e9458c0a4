//! Leases of turns, and fencing.

use std::time::Duration;

use durable_core::backend::{AbandonOutcome, CommitOutcome, ReceiveTurns, RenewOutcome};
use durable_core::ids::LeaseToken;

use crate::check::{Check, Checked};
use crate::driver::turns::bodies;
use crate::driver::{Hub, iid};

pub(super) fn list() -> Vec<Check> {
    area!("leases";
        O8 an_instance_on_loan_is_not_handed_out_again,
        O8 a_message_during_the_loan_does_not_hand_it_out_again,
        O8 a_control_message_during_the_loan_does_not_hand_it_out_again,
        O8 an_instance_comes_back_when_its_lease_ends,
        O8 its_messages_come_back_with_it,
        O8 every_lease_that_ends_comes_back,
        O8 a_waiting_receive_gets_an_instance_whose_lease_ends,
        C2 every_loan_has_a_fresh_token,
        C2 tokens_differ_between_instances,
        C2 a_stale_holder_cannot_commit,
        C2 a_stale_holder_cannot_commit_after_its_successor_did,
        C2 a_stale_holder_cannot_renew,
        C2 a_stale_holder_cannot_abandon,
        C2 a_guessed_token_has_no_effect,
        C2 fencing_holds_whatever_the_clock_says needs InjectedClock,
        C2 a_clock_that_went_back_does_not_make_a_stale_token_current needs InjectedClock,
        C2 a_late_commit_without_successor_is_whole_or_nothing,
        C2 a_renewed_lease_lasts_longer,
        C2 a_renewal_counts_from_now,
        C2 many_renewals_keep_an_instance_for_long,
        C2 a_renewal_may_be_repeated,
        C2 renewing_an_absent_instance_answers_lost,
        C2 renewing_an_idle_instance_answers_lost,
        O11 an_abandoned_instance_is_ready_at_once,
        O11 an_abandoned_instance_keeps_its_messages,
        O11 an_abandoned_instance_waits_for_its_delay,
        O11 an_abandoned_instance_waits_for_the_last_part_of_a_second,
        O11 an_abandoned_instance_comes_back_after_its_delay,
        O11 an_ordinary_message_does_not_end_the_delay,
        O11 a_control_message_ends_the_delay,
        O11 a_delay_that_was_ended_early_hands_out_nothing_at_its_time,
        O11 an_abandoned_token_cannot_commit,
        O11 abandoning_twice_answers_lost,
        O11 abandoning_changes_no_record,
        C9 renewals_of_a_batch_are_answered_in_order,
        C9 abandonings_of_a_batch_are_answered_in_order,
        C9 empty_batches_have_no_answers,
        O8 one_loan_does_not_block_other_instances,
        O8 a_loan_outlives_the_end_of_anothers_lease,
        O8 a_loan_lasts_to_its_end needs InjectedClock,
        C2 a_renewal_lasts_to_its_end needs InjectedClock,
    )
}

async fn an_instance_on_loan_is_not_handed_out_again(h: Hub) -> Checked {
    h.created("a").await?;
    h.turn().await?;
    h.no_turn("the only instance is on loan").await
}

async fn a_message_during_the_loan_does_not_hand_it_out_again(h: Hub) -> Checked {
    let inst = h.created("a").await?;
    h.turn().await?;
    h.tell(&inst, "hello").await?;
    h.no_turn("the instance is on loan").await
}

async fn a_control_message_during_the_loan_does_not_hand_it_out_again(h: Hub) -> Checked {
    let inst = h.created("a").await?;
    h.turn().await?;
    h.sent(h.control(&inst.id, "terminate")).await?;
    h.no_turn("the instance is on loan").await
}

async fn an_instance_comes_back_when_its_lease_ends(h: Hub) -> Checked {
    let inst = h.created("a").await?;
    h.short_turn_of(&inst).await?;
    h.pass_lease().await;
    h.turn_of(&inst).await?;
    Ok(())
}

async fn its_messages_come_back_with_it(h: Hub) -> Checked {
    let inst = h.created("a").await?;
    h.tell(&inst, "1").await?;
    h.short_turn_of(&inst).await?;
    h.tell(&inst, "2").await?;
    h.pass_lease().await;
    ensure_eq!(bodies(&h.turn_of(&inst).await?), ["start", "1", "2"], "the inbox");
    Ok(())
}

async fn a_waiting_receive_gets_an_instance_whose_lease_ends(h: Hub) -> Checked {
    let inst = h.created("a").await?;
    h.short_turn_of(&inst).await?;
    let waiter = h.clone();
    let waiting = h.spawn(async move { waiter.turn_of(&inst).await });
    h.grace().await;
    h.pass_lease().await;
    ensure_eq!(waiting.join(&h).await??.delivery, 2, "delivery");
    Ok(())
}

async fn every_loan_has_a_fresh_token(h: Hub) -> Checked {
    h.created("a").await?;
    let mut tokens = Vec::new();
    for _ in 0..10 {
        let work = h.turn().await?;
        ensure!(!tokens.contains(&work.lease.token), "a token was given twice");
        tokens.push(work.lease.token);
        h.abandon(&work.lease, Duration::ZERO).await?;
    }
    Ok(())
}

async fn tokens_differ_between_instances(h: Hub) -> Checked {
    for number in 0..10 {
        h.created(&format!("i{number}")).await?;
    }
    let mut tokens: Vec<_> = h.turns_of_all(10).await?.iter().map(|w| w.lease.token).collect();
    tokens.sort_unstable();
    tokens.dedup();
    ensure_eq!(tokens.len(), 10, "different tokens");
    Ok(())
}

async fn a_stale_holder_cannot_commit(h: Hub) -> Checked {
    let inst = h.created("a").await?;
    let stale = h.short_turn_of(&inst).await?;
    h.pass_lease().await;
    let current = h.turn_of(&inst).await?;
    let outcome = h.step(&stale).events(1, "stale").commit().await?;
    ensure_eq!(outcome, CommitOutcome::LeaseLost, "outcome of the stale holder");
    ensure!(h.history_texts(&inst).await?.is_empty(), "a stale holder wrote history");
    h.step(&current).events(1, "current").apply().await?;
    ensure_eq!(h.history_texts(&inst).await?, ["current"], "the history");
    Ok(())
}

async fn a_stale_holder_cannot_commit_after_its_successor_did(h: Hub) -> Checked {
    let inst = h.created("a").await?;
    let stale = h.short_turn_of(&inst).await?;
    h.pass_lease().await;
    let current = h.turn_of(&inst).await?;
    h.step(&current).events(1, "current").apply().await?;
    let outcome = h.step(&stale).events(1, "stale").commit().await?;
    ensure_eq!(outcome, CommitOutcome::LeaseLost, "outcome of the stale holder");
    ensure_eq!(h.history_texts(&inst).await?, ["current"], "the history");
    Ok(())
}

async fn a_stale_holder_cannot_renew(h: Hub) -> Checked {
    let inst = h.created("a").await?;
    let stale = h.short_turn_of(&inst).await?;
    h.pass_lease().await;
    let current = h.turn_of(&inst).await?;
    let answer = h.renew(&stale.lease, h.timings().lease_long).await?;
    ensure_eq!(answer, RenewOutcome::Lost, "answer to the stale holder");
    h.step(&current).apply().await
}

async fn a_stale_holder_cannot_abandon(h: Hub) -> Checked {
    let inst = h.created("a").await?;
    let stale = h.short_turn_of(&inst).await?;
    h.pass_lease().await;
    h.turn_of(&inst).await?;
    let answer = h.abandon(&stale.lease, Duration::ZERO).await?;
    ensure_eq!(answer, AbandonOutcome::Lost, "answer to the stale holder");
    h.no_turn("the second holder still has the instance").await
}

async fn a_guessed_token_has_no_effect(h: Hub) -> Checked {
    let inst = h.created("a").await?;
    let work = h.turn_of(&inst).await?;
    let real = work.lease.token.0;
    let near = (0..128).step_by(7).chain([71, 127]).map(|bit| real ^ (1 << bit));
    let other = [0, 1, u128::MAX, real.rotate_left(64), real.wrapping_add(1), !real];
    for guess in near.chain(other) {
        let mut forged = work.clone();
        forged.lease.token = LeaseToken(guess);
        let renewed = h.renew(&forged.lease, h.timings().lease_long).await?;
        ensure_eq!(renewed, RenewOutcome::Lost, "renewal with {guess}");
        let abandoned = h.abandon(&forged.lease, Duration::ZERO).await?;
        ensure_eq!(abandoned, AbandonOutcome::Lost, "abandoning with {guess}");
        ensure_eq!(
            h.step(&forged).commit().await?,
            CommitOutcome::LeaseLost,
            "commit with {guess}"
        );
    }
    h.step(&work).apply().await
}

async fn fencing_holds_whatever_the_clock_says(h: Hub) -> Checked {
    let inst = h.created("a").await?;
    let stale = h.short_turn_of(&inst).await?;
    h.pass_lease().await;
    let current = h.turn_of(&inst).await?;
    let now = h.now();
    let hour = Duration::from_secs(3600);
    for clock in [now - hour, now, now + hour] {
        h.manual()?.set(clock);
        ensure_eq!(
            h.step(&stale).commit().await?,
            CommitOutcome::LeaseLost,
            "stale commit at {clock}"
        );
    }
    h.manual()?.set(now);
    h.step(&current).apply().await
}

async fn a_clock_that_went_back_does_not_make_a_stale_token_current(h: Hub) -> Checked {
    let inst = h.created("a").await?;
    let before = h.now();
    let stale = h.short_turn_of(&inst).await?;
    h.pass_lease().await;
    h.turn_of(&inst).await?;
    h.manual()?.set(before);
    let renewed = h.renew(&stale.lease, h.timings().lease_long).await?;
    ensure_eq!(renewed, RenewOutcome::Lost, "answer to the stale holder");
    Ok(())
}

async fn a_late_commit_without_successor_is_whole_or_nothing(h: Hub) -> Checked {
    let inst = h.created("a").await?;
    let late = h.short_turn_of(&inst).await?;
    h.pass_lease().await;
    // Nobody has taken it yet: the store may still take the commit, or not.
    let outcome = h.step(&late).events(1, "late").activity(1, "task").commit().await?;
    let applied = match outcome {
        CommitOutcome::Applied => true,
        CommitOutcome::LeaseLost => false,
        other => return Err(crate::Failure::new(format!("outcome {other:?}"))),
    };
    ensure_eq!(!h.history_texts(&inst).await?.is_empty(), applied, "whether history shows it");
    h.settle().await;
    ensure_eq!(!h.activities_now(1).await?.is_empty(), applied, "whether the activity is queued");
    ensure_eq!(h.turns_now(1).await?.is_empty(), applied, "whether the inbox was read");
    Ok(())
}

async fn a_renewed_lease_lasts_longer(h: Hub) -> Checked {
    let inst = h.created("a").await?;
    let work = h.short_turn_of(&inst).await?;
    ensure_eq!(
        h.renew(&work.lease, h.timings().lease_long).await?,
        RenewOutcome::Renewed,
        "answer"
    );
    h.pass_lease().await;
    h.no_turn("the lease was renewed").await?;
    h.step(&work).apply().await
}

async fn a_renewal_counts_from_now(h: Hub) -> Checked {
    let inst = h.created("a").await?;
    let work = h.turn_of(&inst).await?;
    ensure_eq!(
        h.renew(&work.lease, h.timings().lease_short).await?,
        RenewOutcome::Renewed,
        "answer"
    );
    h.pass_lease().await;
    ensure_eq!(h.turn_of(&inst).await?.delivery, 2, "delivery after the shortened lease");
    Ok(())
}

async fn many_renewals_keep_an_instance_for_long(h: Hub) -> Checked {
    let inst = h.created("a").await?;
    let work = h.turn_of(&inst).await?;
    for round in 0..5 {
        let renewed = h.renew(&work.lease, h.timings().lease_long).await?;
        ensure_eq!(renewed, RenewOutcome::Renewed, "answer in round {round}");
        h.pass_lease().await;
    }
    h.no_turn("the lease was renewed").await?;
    h.step(&work).apply().await
}

async fn a_renewal_may_be_repeated(h: Hub) -> Checked {
    h.created("a").await?;
    let work = h.turn().await?;
    let leases = vec![work.lease.clone(), work.lease.clone()];
    for answer in h.backend().renew_turns(leases, h.timings().lease_long).await {
        ensure_eq!(answer?, RenewOutcome::Renewed, "answer");
    }
    Ok(())
}

async fn renewing_an_absent_instance_answers_lost(h: Hub) -> Checked {
    h.created("a").await?;
    let mut lease = h.turn().await?.lease;
    lease.instance = iid("nobody")?;
    ensure_eq!(h.renew(&lease, h.timings().lease_long).await?, RenewOutcome::Lost, "answer");
    Ok(())
}

async fn renewing_an_idle_instance_answers_lost(h: Hub) -> Checked {
    let inst = h.created("a").await?;
    let work = h.turn_of(&inst).await?;
    h.abandon(&work.lease, h.timings().delay).await?;
    ensure_eq!(h.renew(&work.lease, h.timings().lease_long).await?, RenewOutcome::Lost, "answer");
    Ok(())
}

async fn an_abandoned_instance_is_ready_at_once(h: Hub) -> Checked {
    let inst = h.created("a").await?;
    let work = h.turn_of(&inst).await?;
    ensure_eq!(h.abandon(&work.lease, Duration::ZERO).await?, AbandonOutcome::Done, "answer");
    h.turn_of(&inst).await?;
    Ok(())
}

async fn an_abandoned_instance_keeps_its_messages(h: Hub) -> Checked {
    let inst = h.created("a").await?;
    h.tell(&inst, "1").await?;
    let work = h.turn_of(&inst).await?;
    h.tell(&inst, "2").await?;
    h.abandon(&work.lease, Duration::ZERO).await?;
    ensure_eq!(bodies(&h.turn_of(&inst).await?), ["start", "1", "2"], "the inbox");
    Ok(())
}

async fn an_abandoned_instance_waits_for_its_delay(h: Hub) -> Checked {
    let inst = h.created("a").await?;
    let work = h.turn_of(&inst).await?;
    let at = h.later();
    h.abandon(&work.lease, h.timings().delay).await?;
    h.no_turn_before(at, "the instance was given back for later").await
}

async fn an_abandoned_instance_waits_for_the_last_part_of_a_second(h: Hub) -> Checked {
    let inst = h.created("a").await?;
    let work = h.turn_of(&inst).await?;
    let delay = Duration::from_millis(1_900);
    let at = h.now() + delay;
    h.abandon(&work.lease, delay).await?;
    h.pass(Duration::from_millis(1_200)).await;
    h.no_turn_before(at, "the instance was given back for 1.9 seconds").await
}

async fn an_abandoned_instance_comes_back_after_its_delay(h: Hub) -> Checked {
    let inst = h.created("a").await?;
    let work = h.turn_of(&inst).await?;
    h.abandon(&work.lease, h.timings().delay).await?;
    h.pass_delay().await;
    ensure_eq!(bodies(&h.turn_of(&inst).await?), ["start"], "the inbox");
    Ok(())
}

async fn an_ordinary_message_does_not_end_the_delay(h: Hub) -> Checked {
    let inst = h.created("a").await?;
    let work = h.turn_of(&inst).await?;
    let at = h.later();
    h.abandon(&work.lease, h.timings().delay).await?;
    h.tell(&inst, "hello").await?;
    h.no_turn_before(at, "the instance was given back for later").await
}

async fn a_control_message_ends_the_delay(h: Hub) -> Checked {
    let inst = h.created("a").await?;
    let work = h.turn_of(&inst).await?;
    h.abandon(&work.lease, h.timings().lease_long).await?;
    h.sent(h.control(&inst.id, "terminate")).await?;
    let work = h.turn_of(&inst).await?;
    ensure!(bodies(&work).contains(&"terminate".to_owned()), "the control message is missing");
    Ok(())
}

async fn an_abandoned_token_cannot_commit(h: Hub) -> Checked {
    let inst = h.created("a").await?;
    let work = h.turn_of(&inst).await?;
    h.abandon(&work.lease, Duration::ZERO).await?;
    ensure_eq!(h.step(&work).commit().await?, CommitOutcome::LeaseLost, "outcome");
    ensure!(h.history_texts(&inst).await?.is_empty(), "an abandoned turn wrote history");
    Ok(())
}

async fn abandoning_twice_answers_lost(h: Hub) -> Checked {
    let inst = h.created("a").await?;
    let work = h.turn_of(&inst).await?;
    h.abandon(&work.lease, Duration::ZERO).await?;
    ensure_eq!(h.abandon(&work.lease, Duration::ZERO).await?, AbandonOutcome::Lost, "answer");
    Ok(())
}

async fn abandoning_changes_no_record(h: Hub) -> Checked {
    let inst = h.created("a").await?;
    let before = h.record_of(&inst).await?;
    let work = h.turn_of(&inst).await?;
    h.abandon(&work.lease, Duration::ZERO).await?;
    ensure_eq!(h.record_of(&inst).await?, before, "the record");
    Ok(())
}

async fn renewals_of_a_batch_are_answered_in_order(h: Hub) -> Checked {
    for name in ["a", "b", "c"] {
        h.created(name).await?;
    }
    let works = h.turns_of_all(3).await?;
    h.step(&works[0]).apply().await?;
    let leases = works.iter().map(|w| w.lease.clone()).collect();
    let answers = h.backend().renew_turns(leases, h.timings().lease_long).await;
    let answers = answers.into_iter().collect::<Result<Vec<_>, _>>()?;
    ensure_eq!(
        answers,
        [RenewOutcome::Lost, RenewOutcome::Renewed, RenewOutcome::Renewed],
        "answers"
    );
    Ok(())
}

async fn abandonings_of_a_batch_are_answered_in_order(h: Hub) -> Checked {
    for name in ["a", "b", "c"] {
        h.created(name).await?;
    }
    let works = h.turns_of_all(3).await?;
    h.step(&works[0]).apply().await?;
    let leases = works.iter().map(|w| w.lease.clone()).collect();
    let answers = h.backend().abandon_turns(leases, Duration::ZERO).await;
    let answers = answers.into_iter().collect::<Result<Vec<_>, _>>()?;
    ensure_eq!(
        answers,
        [AbandonOutcome::Lost, AbandonOutcome::Done, AbandonOutcome::Done],
        "answers"
    );
    h.turns_of_all(2).await?;
    Ok(())
}

async fn empty_batches_have_no_answers(h: Hub) -> Checked {
    ensure_eq!(
        h.backend().renew_turns(Vec::new(), h.timings().lease_long).await.len(),
        0,
        "renewals"
    );
    ensure_eq!(h.backend().abandon_turns(Vec::new(), Duration::ZERO).await.len(), 0, "abandonings");
    Ok(())
}

async fn one_loan_does_not_block_other_instances(h: Hub) -> Checked {
    let (a, b) = (h.created("a").await?, h.created("b").await?);
    let first = h.turn().await?;
    let other = if first.lease.instance == a.id { b } else { a };
    h.turn_of(&other).await?;
    Ok(())
}

async fn a_loan_outlives_the_end_of_anothers_lease(h: Hub) -> Checked {
    let a = h.created("a").await?;
    let long = h.turn_of(&a).await?;
    let b = h.created("b").await?;
    let request = ReceiveTurns { lease_for: h.timings().lease_short, ..h.ask_turns(1, h.wait()) };
    h.turns(request).await?;
    h.pass_lease().await;
    ensure_eq!(h.turn().await?.lease.instance, b.id, "the instance that came back");
    h.no_turn("the other instance is still on loan").await?;
    h.step(&long).apply().await
}

async fn a_loan_lasts_to_its_end(h: Hub) -> Checked {
    let inst = h.created("a").await?;
    let work = h.short_turn_of(&inst).await?;
    h.pass_most_of_lease().await;
    h.no_turn("the lease has not ended yet").await?;
    h.step(&work).apply().await
}

async fn a_renewal_lasts_to_its_end(h: Hub) -> Checked {
    let inst = h.created("a").await?;
    let work = h.short_turn_of(&inst).await?;
    for round in 0..3 {
        h.pass_most_of_lease().await;
        h.no_turn(&format!("the lease has not ended yet in round {round}")).await?;
        let renewed = h.renew(&work.lease, h.timings().lease_short).await?;
        ensure_eq!(renewed, RenewOutcome::Renewed, "answer in round {round}");
    }
    h.step(&work).apply().await
}

async fn every_lease_that_ends_comes_back(h: Hub) -> Checked {
    for name in ["a", "b", "c"] {
        h.created(name).await?;
    }
    let timings = *h.timings();
    // Two end together, the third later.
    for lease_for in [0, 0, 1].map(|more| timings.lease_short + timings.delay * more) {
        h.turns(ReceiveTurns { lease_for, ..h.ask_turns(1, h.wait()) }).await?;
    }
    h.pass_lease().await;
    let mut works = h.turns_of_all(2).await?;
    h.pass_delay().await;
    works.extend(h.turns_of_all(1).await?);
    let mut back: Vec<_> = works.iter().map(|w| w.lease.instance.as_str()).collect();
    back.sort_unstable();
    ensure_eq!(back, ["a", "b", "c"], "the instances that came back");
    Ok(())
}

async fn a_delay_that_was_ended_early_hands_out_nothing_at_its_time(h: Hub) -> Checked {
    let inst = h.created("a").await?;
    let work = h.turn_of(&inst).await?;
    // Long enough that even a slow store ends it before.
    let time = h.timings().delay * 4;
    h.abandon(&work.lease, time).await?;
    h.sent(h.control(&inst.id, "terminate")).await?;
    h.step(&h.turn_of(&inst).await?).apply().await?;
    h.pass(time).await;
    h.no_turn("the delay was over before, and the inbox is empty").await
}
