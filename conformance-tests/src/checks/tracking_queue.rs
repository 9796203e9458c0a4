//! The tracking queue.

use durable_core::backend::{AbandonOutcome, OrchestrationStatus, ReceiveTracking};

use crate::check::{Check, Checked};
use crate::driver::turns::text;
use crate::driver::{Hub, Inst, bytes};

pub(super) fn list() -> Vec<Check> {
    area!("tracking_queue";
        T5 a_committed_record_is_handed_out,
        K1 the_record_is_handed_out_unchanged,
        K1 a_record_on_loan_is_not_handed_out_again,
        K1 a_record_comes_back_when_its_lease_ends,
        K1 a_loan_lasts_to_its_end needs InjectedClock,
        K1 records_of_one_instance_come_in_commit_order,
        K1 records_of_one_batch_of_commits_are_all_handed_out,
        K1 redelivered_records_come_in_commit_order,
        K1 no_more_records_than_asked_for,
        K1 a_zero_wait_answers_at_once,
        K1 a_wait_without_work_ends_empty_when_it_has_passed needs InjectedClock,
        C8 a_waiting_receive_is_woken_by_a_commit needs Push,
        K2 an_acknowledged_record_is_gone,
        K2 a_record_cannot_be_acknowledged_twice,
        K2 a_stale_token_cannot_acknowledge,
        K2 acknowledging_one_record_leaves_the_others,
        K2 acknowledging_a_later_record_leaves_the_earlier_one,
        C9 acknowledgements_of_a_batch_are_answered_in_order,
        K1 the_record_of_a_terminal_turn_is_handed_out,
        K1 records_stay_when_the_instance_ends,
        K1 a_commit_without_record_queues_none,
        T1 a_rejected_commit_queues_no_record,
        K1 execution_does_not_wait_for_tracking,
        C9 an_empty_batch_has_no_answers,
    )
}

/// Commits turns of the instance, each with a tracking record named after it.
async fn track(h: &Hub, inst: &Inst, names: &[&str]) -> Checked {
    for name in names {
        let work = h.woken(inst, name).await?;
        h.step(&work).tracking(name).apply().await?;
    }
    Ok(())
}

fn ask_short(h: &Hub) -> ReceiveTracking {
    ReceiveTracking { lease_for: h.timings().lease_short, ..h.ask_tracking(10, h.wait()) }
}

async fn a_committed_record_is_handed_out(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    track(&h, &inst, &["one"]).await?;
    ensure_eq!(text(&h.tracking().await?.body), "one", "the record");
    Ok(())
}

async fn the_record_is_handed_out_unchanged(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    let work = h.woken(&inst, "go").await?;
    let mut step = h.step(&work).tracking("");
    let record = step.commit.tracking.as_mut().map(|t| {
        t.body = bytes("\0\u{1}binary\u{ff}");
        t.clone()
    });
    step.apply().await?;
    let found = h.tracking().await?;
    let Some(record) = record else { return Ok(()) };
    ensure_eq!(
        (found.lease.record, &found.instance, &found.lease.instance, &found.body),
        (record.id, &inst.id, &inst.id, &record.body),
        "id, instance and body"
    );
    Ok(())
}

async fn a_record_on_loan_is_not_handed_out_again(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    track(&h, &inst, &["one"]).await?;
    h.tracking().await?;
    let again = h.tracking_now(10).await?;
    ensure!(again.is_empty(), "the only record is on loan, but {again:?} was handed out");
    Ok(())
}

async fn a_record_comes_back_when_its_lease_ends(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    track(&h, &inst, &["one"]).await?;
    h.trackings(ask_short(&h)).await?;
    h.pass_lease().await;
    ensure_eq!(text(&h.tracking().await?.body), "one", "the record");
    Ok(())
}

async fn records_of_one_instance_come_in_commit_order(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    let names: Vec<String> = (0..12).map(|n| format!("r{n}")).collect();
    track(&h, &inst, &names.iter().map(String::as_str).collect::<Vec<_>>()).await?;
    ensure_eq!(h.drain_tracking(12).await?, names, "the records");
    Ok(())
}

async fn records_of_one_batch_of_commits_are_all_handed_out(h: Hub) -> Checked {
    let mut commits = Vec::new();
    for name in ["a", "b", "c"] {
        let inst = h.created(name).await?;
        let work = h.turn_of(&inst).await?;
        commits.push(h.step(&work).tracking(name).commit);
    }
    for outcome in h.backend().commit_turns(commits).await {
        outcome?;
    }
    let mut found = h.drain_tracking(3).await?;
    found.sort();
    ensure_eq!(found, ["a", "b", "c"], "the records");
    Ok(())
}

async fn redelivered_records_come_in_commit_order(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    track(&h, &inst, &["one", "two", "three"]).await?;
    h.trackings(ask_short(&h)).await?;
    h.pass_lease().await;
    ensure_eq!(h.drain_tracking(3).await?, ["one", "two", "three"], "the records");
    Ok(())
}

async fn no_more_records_than_asked_for(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    track(&h, &inst, &["one", "two", "three"]).await?;
    let found = h.trackings(h.ask_tracking(2, h.wait())).await?;
    ensure!(found.len() <= 2, "{} records, asked for 2", found.len());
    Ok(())
}

async fn a_zero_wait_answers_at_once(h: Hub) -> Checked {
    let found = h.soon("the answer of a receive that does not wait", h.tracking_now(1)).await??;
    ensure!(found.is_empty(), "an empty hub handed out {found:?}");
    Ok(())
}

async fn a_wait_without_work_ends_empty_when_it_has_passed(h: Hub) -> Checked {
    let backend = h.shared_backend();
    let request = h.ask_tracking(1, h.timings().delay);
    let waiting = h.spawn(async move { backend.receive_tracking(request).await });
    h.grace().await;
    h.pass_delay().await;
    let found = waiting.join(&h).await??;
    ensure!(found.is_empty(), "an empty hub handed out {found:?}");
    Ok(())
}

async fn a_waiting_receive_is_woken_by_a_commit(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    let waiter = h.clone();
    let waiting = h.spawn(async move { waiter.tracking().await });
    h.grace().await;
    track(&h, &inst, &["one"]).await?;
    ensure_eq!(text(&waiting.join(&h).await??.body), "one", "the record");
    Ok(())
}

async fn an_acknowledged_record_is_gone(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    track(&h, &inst, &["one"]).await?;
    let work = h.trackings(ask_short(&h)).await?.remove(0);
    ensure_eq!(h.ack(&work).await?, AbandonOutcome::Done, "answer");
    h.pass_lease().await;
    let again = h.tracking_now(10).await?;
    ensure!(again.is_empty(), "acknowledged, but {again:?} was handed out");
    Ok(())
}

async fn a_record_cannot_be_acknowledged_twice(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    track(&h, &inst, &["one"]).await?;
    let work = h.tracking().await?;
    h.ack(&work).await?;
    ensure_eq!(h.ack(&work).await?, AbandonOutcome::Lost, "second answer");
    Ok(())
}

async fn a_stale_token_cannot_acknowledge(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    track(&h, &inst, &["one"]).await?;
    let stale = h.trackings(ask_short(&h)).await?.remove(0);
    h.pass_lease().await;
    let current = h.tracking().await?;
    ensure_eq!(h.ack(&stale).await?, AbandonOutcome::Lost, "answer to the stale holder");
    ensure_eq!(h.ack(&current).await?, AbandonOutcome::Done, "answer to the current holder");
    Ok(())
}

async fn acknowledging_one_record_leaves_the_others(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    track(&h, &inst, &["one", "two"]).await?;
    let first = h.tracking().await?;
    h.ack(&first).await?;
    ensure_eq!(text(&h.tracking().await?.body), "two", "the next record");
    Ok(())
}

async fn acknowledging_a_later_record_leaves_the_earlier_one(h: Hub) -> Checked {
    let (first, second) = (h.running("a").await?, h.running("b").await?);
    track(&h, &first, &["one"]).await?;
    track(&h, &second, &["two"]).await?;
    let mut lent = h.trackings(ask_short(&h)).await?;
    if lent.len() == 1 {
        // Where the second is handed out only after the first, there is no later one to acknowledge.
        return Ok(());
    }
    let later = lent.remove(1);
    h.ack(&later).await?;
    h.pass_lease().await;
    let left = h.tracking().await?;
    ensure_eq!(left.lease.record, lent[0].lease.record, "the record that comes back");
    ensure_eq!(h.ack(&left).await?, AbandonOutcome::Done, "its acknowledgement");
    ensure!(h.tracking_now(10).await?.is_empty(), "the acknowledged record comes back, too");
    Ok(())
}

async fn acknowledgements_of_a_batch_are_answered_in_order(h: Hub) -> Checked {
    let (a, b) = (h.running("a").await?, h.running("b").await?);
    track(&h, &a, &["one"]).await?;
    track(&h, &b, &["two"]).await?;
    let mut works = Vec::new();
    while works.len() < 2 {
        works.extend(h.trackings(h.ask_tracking(10, h.wait())).await?);
    }
    h.ack(&works[0]).await?;
    let answers = h.backend().ack_tracking(works.into_iter().map(|w| w.lease).collect()).await;
    let answers = answers.into_iter().collect::<Result<Vec<_>, _>>()?;
    ensure_eq!(answers, [AbandonOutcome::Lost, AbandonOutcome::Done], "answers");
    Ok(())
}

async fn the_record_of_a_terminal_turn_is_handed_out(h: Hub) -> Checked {
    let inst = h.created("a").await?;
    let work = h.turn_of(&inst).await?;
    h.step(&work).status(OrchestrationStatus::Failed)?.tracking("the end").apply().await?;
    ensure_eq!(text(&h.tracking().await?.body), "the end", "the record");
    Ok(())
}

async fn records_stay_when_the_instance_ends(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    track(&h, &inst, &["before"]).await?;
    let work = h.woken(&inst, "end").await?;
    h.step(&work).status(OrchestrationStatus::Completed)?.tracking("the end").apply().await?;
    ensure_eq!(h.drain_tracking(2).await?, ["before", "the end"], "the records");
    Ok(())
}

async fn a_commit_without_record_queues_none(h: Hub) -> Checked {
    h.running("a").await?;
    let found = h.tracking_now(10).await?;
    ensure!(found.is_empty(), "{found:?} was handed out");
    Ok(())
}

async fn a_rejected_commit_queues_no_record(h: Hub) -> Checked {
    let inst = h.created("a").await?;
    let work = h.turn_of(&inst).await?;
    let mut step = h.step(&work).tracking("never");
    step.commit.expected_events = 5;
    step.commit().await?;
    let found = h.tracking_now(10).await?;
    ensure!(found.is_empty(), "the commit was rejected, but {found:?} was handed out");
    Ok(())
}

async fn execution_does_not_wait_for_tracking(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    track(&h, &inst, &["one", "two"]).await?;
    h.trackings(h.ask_tracking(10, h.wait())).await?;
    track(&h, &inst, &["three"]).await
}

async fn an_empty_batch_has_no_answers(h: Hub) -> Checked {
    ensure_eq!(h.backend().ack_tracking(Vec::new()).await.len(), 0, "answers");
    Ok(())
}

async fn a_loan_lasts_to_its_end(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    track(&h, &inst, &["one"]).await?;
    let work = h.trackings(ask_short(&h)).await?.remove(0);
    h.pass_most_of_lease().await;
    let again = h.tracking_now(10).await?;
    ensure!(again.is_empty(), "the lease has not ended yet, but {again:?} was handed out");
    ensure_eq!(h.ack(&work).await?, AbandonOutcome::Done, "answer");
    Ok(())
}
