//! Handing out activities, renewing and abandoning them.

use std::time::Duration;

use durable_core::backend::{
    AbandonOutcome, CommitOutcome, Envelope, OrchestrationStatus, ReceiveActivities, RenewOutcome,
};
use durable_core::ids::QueueName;

use crate::check::{Check, Checked};
use crate::driver::Hub;
use crate::driver::turns::{bodies, text};

pub(super) fn list() -> Vec<Check> {
    area!("activity_queue";
        T5 a_scheduled_activity_is_handed_out,
        Q1 a_task_names_its_instance_and_execution,
        Q1 the_task_is_handed_out_unchanged,
        Q1 a_task_carries_the_time_it_was_queued,
        Q1 a_task_on_loan_is_not_handed_out_again,
        Q1 no_more_tasks_than_asked_for,
        Q3 tasks_come_oldest_first,
        Q3 tasks_of_several_turns_come_oldest_first,
        Q1 every_task_is_handed_out_once,
        Q1 a_zero_wait_answers_at_once,
        Q1 a_wait_without_work_ends_empty_when_it_has_passed needs InjectedClock,
        Q1 a_task_is_not_handed_out_on_another_queue,
        Q1 queues_that_differ_by_case_or_blanks_are_told_apart,
        Q1 a_task_is_handed_out_on_its_queue,
        Q1 a_receive_on_several_queues_gets_tasks_of_each,
        Q1 a_receive_on_no_queue_gets_nothing,
        C7 a_delayed_task_is_not_handed_out_early,
        C7 a_delayed_task_is_handed_out_when_due,
        Q2 delivery_starts_at_one,
        Q2 delivery_rises_when_a_lease_ends,
        Q1 every_lease_that_ends_comes_back,
        Q6 delivery_rises_when_a_task_is_abandoned,
        Q2 every_delivery_has_a_fresh_token,
        Q6 an_abandoned_task_is_ready_at_once,
        Q6 an_abandoned_task_waits_for_its_delay,
        Q6 an_abandoned_task_waits_for_the_last_part_of_a_second,
        Q6 an_abandoned_task_comes_back_after_its_delay,
        Q6 an_abandoned_task_keeps_the_time_it_was_queued,
        Q6 a_stale_token_cannot_abandon,
        Q6 abandoning_twice_answers_lost,
        Q6 abandoning_a_completed_task_answers_lost,
        Q5 a_renewed_lease_lasts_longer,
        Q5 a_stale_token_cannot_renew,
        Q5 a_completed_task_cannot_be_renewed,
        Q5 progress_reaches_the_next_delivery,
        Q5 the_last_progress_counts,
        Q5 a_renewal_without_progress_keeps_it,
        Q6 progress_survives_abandoning,
        Q5 a_first_delivery_has_no_progress,
        Q5 empty_progress_is_not_absent_progress,
        Q5 a_lost_renewal_records_no_progress,
        Q5 a_cancelled_task_on_loan_is_told_at_renewal,
        T5 a_cancelled_task_in_the_queue_vanishes,
        T5 a_cancelled_task_that_waits_for_its_time_vanishes,
        T5 cancelling_one_task_leaves_the_others,
        Q4 a_queued_task_of_a_terminal_instance_is_not_handed_out,
        Q4 a_delayed_task_of_a_terminal_instance_is_not_handed_out,
        Q4 a_task_on_loan_of_a_terminal_instance_is_not_renewed,
        Q4 a_task_given_back_after_the_end_is_not_handed_out,
        Q1 a_loan_lasts_to_its_end needs InjectedClock,
        Q5 a_renewal_lasts_to_its_end needs InjectedClock,
        C9 renewals_of_a_batch_are_answered_in_order,
        C9 abandonings_of_a_batch_are_answered_in_order,
    )
}

async fn a_scheduled_activity_is_handed_out(h: Hub) -> Checked {
    h.scheduling("a", 1).await?;
    h.activity().await?;
    Ok(())
}

async fn a_task_names_its_instance_and_execution(h: Hub) -> Checked {
    let (inst, task) = h.with_activity("a").await?;
    ensure_eq!(
        (&task.lease.instance, task.execution),
        (&inst.id, inst.execution),
        "instance and execution"
    );
    Ok(())
}

async fn the_task_is_handed_out_unchanged(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    let work = h.woken(&inst, "go").await?;
    let step = h.step(&work);
    let task = step.task(9, "the task");
    step.activity_envelope(task.clone()).apply().await?;
    let found = h.activity().await?;
    ensure_eq!((found.lease.task, &found.body), (task.id, &task.body), "id and body");
    Ok(())
}

async fn a_task_carries_the_time_it_was_queued(h: Hub) -> Checked {
    let before = h.now();
    let (_, task) = h.with_activity("a").await?;
    let skew = Duration::from_secs(5);
    let queued = task.enqueued_at;
    ensure!(
        queued + skew >= before && queued <= h.now() + skew,
        "queued at {queued}, but it is {}",
        h.now()
    );
    Ok(())
}

async fn a_task_on_loan_is_not_handed_out_again(h: Hub) -> Checked {
    h.with_activity("a").await?;
    h.no_activity("the only task is on loan").await
}

async fn no_more_tasks_than_asked_for(h: Hub) -> Checked {
    h.scheduling("a", 5).await?;
    let works = h.activities(h.ask_activities(3, h.wait())).await?;
    ensure!(works.len() <= 3, "{} tasks, asked for 3", works.len());
    Ok(())
}

async fn tasks_come_oldest_first(h: Hub) -> Checked {
    h.scheduling("a", 5).await?;
    let found: Vec<_> = h.activities_all(5).await?.iter().map(|w| text(&w.body)).collect();
    ensure_eq!(found, ["a1", "a2", "a3", "a4", "a5"], "the tasks");
    Ok(())
}

async fn tasks_of_several_turns_come_oldest_first(h: Hub) -> Checked {
    let inst = h.scheduling("a", 1).await?;
    h.pass(Duration::from_millis(1)).await;
    let work = h.woken(&inst, "more").await?;
    h.step(&work).activity(2, "a2").apply().await?;
    for expected in ["a1", "a2"] {
        ensure_eq!(text(&h.activity().await?.body), expected, "the task");
    }
    Ok(())
}

async fn every_task_is_handed_out_once(h: Hub) -> Checked {
    h.scheduling("a", 40).await?;
    let mut tasks: Vec<_> = h.activities_all(40).await?.into_iter().map(|w| w.lease.task).collect();
    tasks.sort_unstable();
    tasks.dedup();
    ensure_eq!(tasks.len(), 40, "different tasks");
    h.no_activity("all tasks are on loan").await
}

async fn a_zero_wait_answers_at_once(h: Hub) -> Checked {
    let works = h.soon("the answer of a receive that does not wait", h.activities_now(1)).await??;
    ensure!(works.is_empty(), "an empty hub handed out {works:?}");
    Ok(())
}

async fn a_wait_without_work_ends_empty_when_it_has_passed(h: Hub) -> Checked {
    let backend = h.shared_backend();
    let request = h.ask_activities(1, h.timings().delay);
    let waiting = h.spawn(async move { backend.receive_activities(request).await });
    h.grace().await;
    h.pass_delay().await;
    let works = waiting.join(&h).await??;
    ensure!(works.is_empty(), "an empty hub handed out {works:?}");
    Ok(())
}

/// An instance with one task on the queue `gpu` and one on the default queue.
async fn on_two_queues(h: &Hub) -> Checked {
    let inst = h.running("a").await?;
    let work = h.woken(&inst, "go").await?;
    h.step(&work).activity_on("gpu", 1, "on gpu")?.activity(2, "on default").apply().await
}

fn ask_on(h: &Hub, queues: &[&str]) -> Checked<ReceiveActivities> {
    let queues = queues.iter().map(QueueName::new).collect::<Result<_, _>>()?;
    Ok(ReceiveActivities { queues, ..h.ask_activities(10, h.wait()) })
}

async fn a_task_is_not_handed_out_on_another_queue(h: Hub) -> Checked {
    on_two_queues(&h).await?;
    let found = h.activities(h.ask_activities(10, h.wait())).await?;
    ensure_eq!(
        found.iter().map(|w| text(&w.body)).collect::<Vec<_>>(),
        ["on default"],
        "the tasks"
    );
    h.no_activity("the other task is on another queue").await
}

async fn queues_that_differ_by_case_or_blanks_are_told_apart(h: Hub) -> Checked {
    let names = ["gpu", "GPU", "gpu ", "g\u{fc}", "gu\u{308}"];
    let inst = h.created("a").await?;
    let mut step = h.step(&h.turn_of(&inst).await?);
    for (seq, name) in (1..).zip(names) {
        step = step.activity_on(name, seq, name)?;
    }
    step.apply().await?;
    h.settle().await;
    for name in names {
        let queues = vec![QueueName::new(name)?];
        let request = ReceiveActivities { queues, ..h.ask_activities(10, h.wait()) };
        let found = h.activities(request).await?;
        let found: Vec<_> = found.iter().map(|work| text(&work.body)).collect();
        ensure_eq!(found, [name], "the tasks on the queue {name:?}");
    }
    Ok(())
}

async fn a_task_is_handed_out_on_its_queue(h: Hub) -> Checked {
    on_two_queues(&h).await?;
    let found = h.activities(ask_on(&h, &["gpu"])?).await?;
    ensure_eq!(found.iter().map(|w| text(&w.body)).collect::<Vec<_>>(), ["on gpu"], "the tasks");
    Ok(())
}

async fn a_receive_on_several_queues_gets_tasks_of_each(h: Hub) -> Checked {
    on_two_queues(&h).await?;
    let mut found = Vec::new();
    while found.len() < 2 {
        let works = h.activities(ask_on(&h, &["gpu", "nobody's", QueueName::DEFAULT])?).await?;
        found.extend(works.iter().map(|w| text(&w.body)));
    }
    found.sort();
    ensure_eq!(found, ["on default", "on gpu"], "the tasks");
    Ok(())
}

async fn a_receive_on_no_queue_gets_nothing(h: Hub) -> Checked {
    on_two_queues(&h).await?;
    h.settle().await;
    let request = ReceiveActivities { wait: Duration::ZERO, ..ask_on(&h, &[])? };
    let works = h.backend().receive_activities(request).await?;
    ensure!(works.is_empty(), "{works:?} was handed out");
    Ok(())
}

async fn delayed_task(h: &Hub) -> Checked {
    let inst = h.running("a").await?;
    let work = h.woken(&inst, "go").await?;
    let step = h.step(&work);
    let task = Envelope { visible_at: Some(h.later()), ..step.task(1, "later") };
    step.activity_envelope(task).apply().await
}

async fn a_delayed_task_is_not_handed_out_early(h: Hub) -> Checked {
    let at = h.later();
    delayed_task(&h).await?;
    h.no_activity_before(at, "the task is for later").await
}

async fn a_delayed_task_is_handed_out_when_due(h: Hub) -> Checked {
    delayed_task(&h).await?;
    h.pass_delay().await;
    ensure_eq!(text(&h.activity().await?.body), "later", "the task");
    Ok(())
}

async fn delivery_starts_at_one(h: Hub) -> Checked {
    let (_, task) = h.with_activity("a").await?;
    ensure_eq!(task.delivery, 1, "delivery");
    Ok(())
}

async fn delivery_rises_when_a_lease_ends(h: Hub) -> Checked {
    h.scheduling("a", 1).await?;
    for expected in 1..=3 {
        ensure_eq!(h.short_activity().await?.delivery, expected, "delivery");
        h.pass_lease().await;
    }
    Ok(())
}

async fn delivery_rises_when_a_task_is_abandoned(h: Hub) -> Checked {
    h.scheduling("a", 1).await?;
    // Further than the number after which work is set aside.
    for expected in 1..=12 {
        let task = h.activity().await?;
        ensure_eq!(task.delivery, expected, "delivery");
        h.abandon_activity(&task.lease, Duration::ZERO).await?;
    }
    Ok(())
}

async fn every_delivery_has_a_fresh_token(h: Hub) -> Checked {
    h.scheduling("a", 1).await?;
    let mut tokens = Vec::new();
    for _ in 0..5 {
        let task = h.activity().await?;
        ensure!(!tokens.contains(&task.lease.token), "a token was given twice");
        tokens.push(task.lease.token);
        h.abandon_activity(&task.lease, Duration::ZERO).await?;
    }
    Ok(())
}

async fn an_abandoned_task_is_ready_at_once(h: Hub) -> Checked {
    let (_, task) = h.with_activity("a").await?;
    ensure_eq!(
        h.abandon_activity(&task.lease, Duration::ZERO).await?,
        AbandonOutcome::Done,
        "answer"
    );
    ensure_eq!(h.activity().await?.lease.task, task.lease.task, "the task");
    Ok(())
}

async fn an_abandoned_task_waits_for_its_delay(h: Hub) -> Checked {
    let (_, task) = h.with_activity("a").await?;
    let at = h.later();
    h.abandon_activity(&task.lease, h.timings().delay).await?;
    h.no_activity_before(at, "the task was given back for later").await
}

async fn an_abandoned_task_waits_for_the_last_part_of_a_second(h: Hub) -> Checked {
    let (_, task) = h.with_activity("a").await?;
    let delay = Duration::from_millis(1_900);
    let at = h.now() + delay;
    h.abandon_activity(&task.lease, delay).await?;
    h.pass(Duration::from_millis(1_200)).await;
    h.no_activity_before(at, "the task was given back for 1.9 seconds").await
}

async fn an_abandoned_task_comes_back_after_its_delay(h: Hub) -> Checked {
    let (_, task) = h.with_activity("a").await?;
    h.abandon_activity(&task.lease, h.timings().delay).await?;
    h.pass_delay().await;
    ensure_eq!(h.activity().await?.lease.task, task.lease.task, "the task");
    Ok(())
}

async fn a_stale_token_cannot_abandon(h: Hub) -> Checked {
    h.scheduling("a", 1).await?;
    let stale = h.short_activity().await?;
    h.pass_lease().await;
    h.activity().await?;
    ensure_eq!(
        h.abandon_activity(&stale.lease, Duration::ZERO).await?,
        AbandonOutcome::Lost,
        "answer"
    );
    h.no_activity("the second holder still has the task").await
}

async fn abandoning_twice_answers_lost(h: Hub) -> Checked {
    let (_, task) = h.with_activity("a").await?;
    h.abandon_activity(&task.lease, Duration::ZERO).await?;
    ensure_eq!(
        h.abandon_activity(&task.lease, Duration::ZERO).await?,
        AbandonOutcome::Lost,
        "answer"
    );
    Ok(())
}

async fn abandoning_a_completed_task_answers_lost(h: Hub) -> Checked {
    let (_, task) = h.with_activity("a").await?;
    h.completes(&task, "done").await?;
    ensure_eq!(
        h.abandon_activity(&task.lease, Duration::ZERO).await?,
        AbandonOutcome::Lost,
        "answer"
    );
    h.no_activity("the task is completed").await
}

async fn a_renewed_lease_lasts_longer(h: Hub) -> Checked {
    h.scheduling("a", 1).await?;
    let task = h.short_activity().await?;
    let renewed = h.renew_activity(&task.lease, h.timings().lease_long, None).await?;
    ensure_eq!(renewed, RenewOutcome::Renewed, "answer");
    h.pass_lease().await;
    h.no_activity("the lease was renewed").await?;
    h.completes(&task, "done").await
}

async fn a_stale_token_cannot_renew(h: Hub) -> Checked {
    h.scheduling("a", 1).await?;
    let stale = h.short_activity().await?;
    h.pass_lease().await;
    let current = h.activity().await?;
    let answer = h.renew_activity(&stale.lease, h.timings().lease_long, None).await?;
    ensure_eq!(answer, RenewOutcome::Lost, "answer to the stale holder");
    h.completes(&current, "done").await
}

async fn a_completed_task_cannot_be_renewed(h: Hub) -> Checked {
    let (_, task) = h.with_activity("a").await?;
    h.completes(&task, "done").await?;
    let answer = h.renew_activity(&task.lease, h.timings().lease_long, None).await?;
    ensure!(answer != RenewOutcome::Renewed, "a completed task was renewed");
    Ok(())
}

async fn progress_reaches_the_next_delivery(h: Hub) -> Checked {
    let (_, task) = h.with_activity("a").await?;
    h.renew_activity(&task.lease, h.timings().lease_short, Some("half")).await?;
    h.pass_lease().await;
    let again = h.activity().await?;
    ensure_eq!(again.progress.as_ref().map(text).as_deref(), Some("half"), "progress");
    Ok(())
}

async fn the_last_progress_counts(h: Hub) -> Checked {
    let (_, task) = h.with_activity("a").await?;
    for progress in ["10 %", "20 %", "30 %"] {
        h.renew_activity(&task.lease, h.timings().lease_long, Some(progress)).await?;
    }
    h.abandon_activity(&task.lease, Duration::ZERO).await?;
    let again = h.activity().await?;
    ensure_eq!(again.progress.as_ref().map(text).as_deref(), Some("30 %"), "progress");
    Ok(())
}

async fn a_renewal_without_progress_keeps_it(h: Hub) -> Checked {
    let (_, task) = h.with_activity("a").await?;
    h.renew_activity(&task.lease, h.timings().lease_long, Some("half")).await?;
    h.renew_activity(&task.lease, h.timings().lease_long, None).await?;
    h.abandon_activity(&task.lease, Duration::ZERO).await?;
    let again = h.activity().await?;
    ensure_eq!(again.progress.as_ref().map(text).as_deref(), Some("half"), "progress");
    Ok(())
}

async fn progress_survives_abandoning(h: Hub) -> Checked {
    let (_, task) = h.with_activity("a").await?;
    h.renew_activity(&task.lease, h.timings().lease_long, Some("half")).await?;
    for _ in 0..3 {
        let lease = match h.activities_now(1).await?.pop() {
            Some(work) => work.lease,
            None => task.lease.clone(),
        };
        h.abandon_activity(&lease, Duration::ZERO).await?;
    }
    let again = h.activity().await?;
    ensure_eq!(again.progress.as_ref().map(text).as_deref(), Some("half"), "progress");
    Ok(())
}

async fn a_first_delivery_has_no_progress(h: Hub) -> Checked {
    let (_, task) = h.with_activity("a").await?;
    ensure!(task.progress.is_none(), "progress out of nowhere: {:?}", task.progress);
    Ok(())
}

async fn empty_progress_is_not_absent_progress(h: Hub) -> Checked {
    let (_, task) = h.with_activity("a").await?;
    h.renew_activity(&task.lease, h.timings().lease_long, Some("")).await?;
    h.abandon_activity(&task.lease, Duration::ZERO).await?;
    ensure_eq!(h.activity().await?.progress.as_deref(), Some(&b""[..]), "progress");
    Ok(())
}

async fn a_lost_renewal_records_no_progress(h: Hub) -> Checked {
    h.scheduling("a", 1).await?;
    let stale = h.short_activity().await?;
    h.pass_lease().await;
    let current = h.activity().await?;
    h.renew_activity(&stale.lease, h.timings().lease_long, Some("stale")).await?;
    h.abandon_activity(&current.lease, Duration::ZERO).await?;
    let again = h.activity().await?;
    ensure!(again.progress.is_none(), "a stale holder's progress was kept");
    Ok(())
}

async fn a_cancelled_task_on_loan_is_told_at_renewal(h: Hub) -> Checked {
    let (inst, task) = h.with_activity("a").await?;
    let work = h.woken(&inst, "cancel it").await?;
    h.step(&work).cancel(1).apply().await?;
    let answer = h.renew_activity(&task.lease, h.timings().lease_long, None).await?;
    ensure_eq!(answer, RenewOutcome::Cancelled, "answer");
    Ok(())
}

async fn a_cancelled_task_in_the_queue_vanishes(h: Hub) -> Checked {
    let inst = h.scheduling("a", 1).await?;
    let work = h.woken(&inst, "cancel it").await?;
    h.step(&work).cancel(1).apply().await?;
    h.no_activity("the task was cancelled").await
}

async fn cancelling_one_task_leaves_the_others(h: Hub) -> Checked {
    let inst = h.scheduling("a", 3).await?;
    let work = h.woken(&inst, "cancel one").await?;
    h.step(&work).cancel(2).apply().await?;
    let found: Vec<_> = h.activities_all(2).await?.iter().map(|w| text(&w.body)).collect();
    ensure_eq!(found, ["a1", "a3"], "the tasks");
    h.no_activity("the third task was cancelled").await
}

async fn end(h: &Hub, name: &str) -> Checked {
    let inst = crate::driver::Inst { id: crate::driver::iid(name)?, execution: h.execution() };
    let work = h.woken(&inst, "end").await?;
    h.step(&work).status(OrchestrationStatus::Completed)?.apply().await
}

async fn a_queued_task_of_a_terminal_instance_is_not_handed_out(h: Hub) -> Checked {
    h.scheduling("a", 2).await?;
    end(&h, "a").await?;
    h.no_activity("the instance is terminal").await
}

async fn a_task_on_loan_of_a_terminal_instance_is_not_renewed(h: Hub) -> Checked {
    let (_, task) = h.with_activity("a").await?;
    end(&h, "a").await?;
    let answer = h.renew_activity(&task.lease, h.timings().lease_long, None).await?;
    ensure!(answer != RenewOutcome::Renewed, "nobody wants the result, but the lease was renewed");
    Ok(())
}

async fn a_task_given_back_after_the_end_is_not_handed_out(h: Hub) -> Checked {
    let (_, task) = h.with_activity("a").await?;
    end(&h, "a").await?;
    h.abandon_activity(&task.lease, Duration::ZERO).await?;
    h.no_activity("the instance is terminal").await
}

async fn renewals_of_a_batch_are_answered_in_order(h: Hub) -> Checked {
    h.scheduling("a", 3).await?;
    let tasks = h.activities_all(3).await?;
    h.completes(&tasks[0], "done").await?;
    let renewals = tasks
        .iter()
        .map(|t| durable_core::backend::RenewActivity {
            lease: t.lease.clone(),
            lease_for: h.timings().lease_long,
            progress: None,
        })
        .collect();
    let mut renewed = Vec::new();
    for answer in h.backend().renew_activities(renewals).await {
        renewed.push(answer? == RenewOutcome::Renewed);
    }
    ensure_eq!(renewed, [false, true, true], "which were renewed");
    Ok(())
}

async fn abandonings_of_a_batch_are_answered_in_order(h: Hub) -> Checked {
    let inst = h.scheduling("a", 3).await?;
    let tasks = h.activities_all(3).await?;
    ensure_eq!(h.complete(&tasks[0], "done").await?, CommitOutcome::Applied, "outcome");
    let leases = tasks.iter().map(|t| t.lease.clone()).collect();
    let mut done = Vec::new();
    for answer in h.backend().abandon_activities(leases, Duration::ZERO).await {
        done.push(answer? == AbandonOutcome::Done);
    }
    ensure_eq!(done, [false, true, true], "which were given back");
    ensure_eq!(bodies(&h.turn_of(&inst).await?), ["done"], "the inbox");
    Ok(())
}

async fn a_loan_lasts_to_its_end(h: Hub) -> Checked {
    h.scheduling("a", 1).await?;
    let task = h.short_activity().await?;
    h.pass_most_of_lease().await;
    h.no_activity("the lease has not ended yet").await?;
    h.completes(&task, "done").await
}

async fn a_renewal_lasts_to_its_end(h: Hub) -> Checked {
    h.scheduling("a", 1).await?;
    let task = h.short_activity().await?;
    for round in 0..3 {
        h.pass_most_of_lease().await;
        h.no_activity(&format!("the lease has not ended yet in round {round}")).await?;
        let renewed = h.renew_activity(&task.lease, h.timings().lease_short, None).await?;
        ensure_eq!(renewed, RenewOutcome::Renewed, "answer in round {round}");
    }
    h.completes(&task, "done").await
}

async fn every_lease_that_ends_comes_back(h: Hub) -> Checked {
    h.scheduling("a", 3).await?;
    let timings = *h.timings();
    // Two end together, the third later.
    for lease_for in [0, 0, 1].map(|more| timings.lease_short + timings.delay * more) {
        h.activities(ReceiveActivities { lease_for, ..h.ask_activities(1, h.wait()) }).await?;
    }
    h.pass_lease().await;
    let mut works = h.activities_all(2).await?;
    h.pass_delay().await;
    works.extend(h.activities_all(1).await?);
    let mut back: Vec<_> = works.iter().map(|w| text(&w.body)).collect();
    back.sort_unstable();
    ensure_eq!(back, ["a1", "a2", "a3"], "the tasks that came back");
    Ok(())
}

async fn a_cancelled_task_that_waits_for_its_time_vanishes(h: Hub) -> Checked {
    let inst = h.created("a").await?;
    let step = h.step(&h.turn_of(&inst).await?).activity(1, "given back");
    let later = Envelope { visible_at: Some(h.later()), ..step.task(2, "later") };
    step.activity_envelope(later).apply().await?;
    let task = h.activity().await?;
    h.abandon_activity(&task.lease, h.timings().delay).await?;
    let work = h.woken(&inst, "cancel both").await?;
    h.step(&work).cancel(1).cancel(2).apply().await?;
    h.pass_delay().await;
    h.no_activity("both tasks were cancelled").await
}

async fn a_delayed_task_of_a_terminal_instance_is_not_handed_out(h: Hub) -> Checked {
    let inst = h.created("a").await?;
    let step = h.step(&h.turn_of(&inst).await?);
    let later = Envelope { visible_at: Some(h.later()), ..step.task(1, "later") };
    step.activity_envelope(later).apply().await?;
    end(&h, "a").await?;
    h.pass_delay().await;
    h.no_activity("the instance is terminal").await
}

async fn an_abandoned_task_keeps_the_time_it_was_queued(h: Hub) -> Checked {
    let (_, task) = h.with_activity("a").await?;
    h.pass_delay().await;
    h.abandon_activity(&task.lease, Duration::ZERO).await?;
    ensure_eq!(h.activity().await?.enqueued_at, task.enqueued_at, "the time it was queued");
    Ok(())
}
