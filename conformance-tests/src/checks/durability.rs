//! What was acknowledged survives: closing in good order, and dying without a word.

use std::time::Duration;

use durable_core::backend::{
    CreateOutcome, Envelope, InstanceQuery, OrchestrationStatus, RenewOutcome, ReusePolicy,
};
use durable_core::env::BoxFuture;

use crate::check::{Check, Checked, Need};
use crate::driver::turns::{bodies, text};
use crate::driver::{Hub, Inst, iid};

pub(super) fn list() -> Vec<Check> {
    let mut checks = Vec::new();
    for (name, run) in CHECKS {
        for (end, how) in [("after_closing", End::Close), ("after_a_crash", End::Drop)] {
            let run = *run;
            checks.push(Check::new(
                "durability",
                format!("{name}_{end}"),
                "C12",
                Need::Reopen,
                move |h| run(Life { hub: h, end: how }),
            ));
        }
    }
    checks
}

/// How a hub ends.
#[derive(Debug, Clone, Copy)]
enum End {
    Close,
    Drop,
}

/// A hub and the way in which it will end.
struct Life {
    hub: Hub,
    end: End,
}

impl Life {
    /// Ends the hub and opens it again.
    async fn next(self) -> Checked<Hub> {
        match self.end {
            End::Close => self.hub.reopen().await,
            End::Drop => self.hub.abandon_and_open().await,
        }
    }
}

type Run = fn(Life) -> BoxFuture<'static, Checked>;

macro_rules! lives {
    ($($function:ident),+ $(,)?) => {
        &[$((stringify!($function), |life| Box::pin($function(life)))),+]
    };
}

const CHECKS: &[(&str, Run)] = lives![
    an_empty_hub_opens_again,
    records_survive,
    histories_survive,
    revisions_do_not_fall,
    inboxes_survive_in_order,
    repeated_messages_are_still_recognised,
    consumed_messages_do_not_come_back,
    a_repeated_creation_is_still_recognised,
    an_instance_on_loan_comes_back,
    an_old_token_is_worthless,
    an_old_activity_token_is_worthless_or_current,
    queued_activities_survive_in_order,
    an_activity_on_loan_comes_back,
    queued_activities_of_several_instances_survive_in_order,
    delayed_activities_survive,
    the_delay_of_an_abandoned_activity_survives,
    the_delay_of_an_abandoned_instance_survives,
    deliveries_given_back_still_count,
    progress_survives,
    the_last_progress_survives,
    a_completed_activity_does_not_come_back,
    a_completion_survives,
    timers_survive,
    overdue_timers_fire_once,
    cancelled_timers_stay_cancelled,
    cancelled_activities_stay_cancelled,
    scheduled_starts_survive,
    holds_survive,
    a_hold_with_an_end_still_ends,
    placeholders_survive,
    generations_survive,
    kept_histories_survive,
    the_end_survives,
    a_purge_survives,
    a_replacement_survives,
    messages_of_commits_survive,
    children_survive,
    tracking_records_survive,
    acknowledged_tracking_does_not_come_back,
    listings_survive,
    large_values_survive,
    many_lives_lose_nothing,
    other_hubs_survive_too,
];

async fn an_empty_hub_opens_again(life: Life) -> Checked {
    let h = life.next().await?;
    h.no_turn("the hub is empty").await?;
    h.running("a").await?;
    Ok(())
}

async fn records_survive(life: Life) -> Checked {
    let inst = life.hub.running("a").await?;
    let before = life.hub.record_of(&inst).await?;
    let h = life.next().await?;
    ensure_eq!(h.record_of(&inst).await?, before, "the record");
    Ok(())
}

async fn histories_survive(life: Life) -> Checked {
    let inst = life.hub.running("a").await?;
    for turn in 0..10 {
        let work = life.hub.woken(&inst, "go").await?;
        life.hub.step(&work).events(turn + 1, &format!("turn {turn}")).apply().await?;
    }
    let before = life.hub.history_of(&inst.id, inst.execution).await?;
    let h = life.next().await?;
    ensure_eq!(h.history_of(&inst.id, inst.execution).await?, before, "the history");
    ensure_eq!(h.woken(&inst, "go").await?.events, 56, "the history's length");
    Ok(())
}

async fn revisions_do_not_fall(life: Life) -> Checked {
    let inst = life.hub.running("a").await?;
    let before = life.hub.record_of(&inst).await?.revision;
    let h = life.next().await?;
    h.step(&h.woken(&inst, "go").await?).status(OrchestrationStatus::Running)?.apply().await?;
    let after = h.record_of(&inst).await?.revision;
    ensure!(after > before, "revision {after} after {before}");
    Ok(())
}

async fn inboxes_survive_in_order(life: Life) -> Checked {
    let inst = life.hub.created("a").await?;
    for number in 0..20 {
        life.hub.tell(&inst, &number.to_string()).await?;
    }
    let h = life.next().await?;
    let mut expected = vec!["start".to_owned()];
    expected.extend((0..20).map(|n| n.to_string()));
    ensure_eq!(bodies(&h.turn_of(&inst).await?), expected, "the inbox");
    Ok(())
}

async fn repeated_messages_are_still_recognised(life: Life) -> Checked {
    let inst = life.hub.running("a").await?;
    let message = life.hub.message(&inst.id, "once");
    life.hub.sent(message.clone()).await?;
    let h = life.next().await?;
    h.sent(message).await?;
    ensure_eq!(bodies(&h.turn_of(&inst).await?), ["once"], "the inbox");
    Ok(())
}

async fn consumed_messages_do_not_come_back(life: Life) -> Checked {
    life.hub.running("a").await?;
    let h = life.next().await?;
    h.no_turn("the inbox was read").await
}

async fn a_repeated_creation_is_still_recognised(life: Life) -> Checked {
    let request = life.hub.creation("a")?;
    life.hub.must_create(request.clone()).await?;
    let h = life.next().await?;
    let answer = h.create(request).await?;
    ensure!(matches!(answer, CreateOutcome::Created), "answer {answer:?}");
    ensure_eq!(bodies(&h.turn().await?), ["start"], "the inbox");
    Ok(())
}

async fn an_instance_on_loan_comes_back(life: Life) -> Checked {
    let inst = life.hub.created("a").await?;
    life.hub.short_turn_of(&inst).await?;
    let h = life.next().await?;
    // At once, or when the lease of the dead process ends.
    h.pass_lease().await;
    ensure_eq!(bodies(&h.turn_of(&inst).await?), ["start"], "the inbox");
    Ok(())
}

async fn an_old_token_is_worthless(life: Life) -> Checked {
    let inst = life.hub.created("a").await?;
    let old = life.hub.short_turn_of(&inst).await?;
    let h = life.next().await?;
    h.pass_lease().await;
    let current = h.turn_of(&inst).await?;
    ensure!(current.lease.token != old.lease.token, "a token was given twice");
    let outcome = h.step(&old).events(1, "old").commit().await?;
    ensure_eq!(outcome, durable_core::backend::CommitOutcome::LeaseLost, "outcome");
    h.step(&current).events(1, "current").apply().await?;
    ensure_eq!(h.history_texts(&inst).await?, ["current"], "the history");
    Ok(())
}

async fn an_old_activity_token_is_worthless_or_current(life: Life) -> Checked {
    let inst = life.hub.scheduling("a", 1).await?;
    let old = life.hub.short_activity().await?;
    let h = life.next().await?;
    h.pass_lease().await;
    let current = h.activity().await?;
    h.complete(&old, "old").await?;
    h.completes(&current, "current").await?;
    h.settle().await;
    ensure_eq!(bodies(&h.turn_of(&inst).await?), ["current"], "the inbox");
    Ok(())
}

async fn queued_activities_survive_in_order(life: Life) -> Checked {
    life.hub.scheduling("a", 10).await?;
    let h = life.next().await?;
    let found: Vec<_> = h.activities_all(10).await?.iter().map(|t| text(&t.body)).collect();
    ensure_eq!(found, (1..=10).map(|n| format!("a{n}")).collect::<Vec<_>>(), "the tasks");
    Ok(())
}

async fn an_activity_on_loan_comes_back(life: Life) -> Checked {
    life.hub.scheduling("a", 1).await?;
    life.hub.short_activity().await?;
    let h = life.next().await?;
    h.pass_lease().await;
    ensure_eq!(text(&h.activity().await?.body), "a1", "the task");
    Ok(())
}

/// More instances than a checkpoint needs to find another order than that of arrival. Where
/// messages are relayed, instances may live in different partitions; the order is then promised
/// for the tasks of each.
async fn queued_activities_of_several_instances_survive_in_order(life: Life) -> Checked {
    const NAMES: [&str; 4] = ["c", "a", "d", "b"];
    let instant = life.hub.capabilities().instant_delivery;
    let mut instances = Vec::new();
    for name in NAMES {
        instances.push((name, life.hub.running(name).await?));
    }
    let mut expected = Vec::new();
    for round in 1..=2 {
        for (name, inst) in &instances {
            let work = life.hub.woken(inst, &format!("go {round}")).await?;
            let task = format!("{name}{round}");
            life.hub.step(&work).activity(round, &task).apply().await?;
            expected.push(task);
            life.hub.pass(Duration::from_millis(1)).await;
        }
    }
    let h = life.next().await?;
    let found: Vec<_> =
        h.activities_all(expected.len()).await?.iter().map(|t| text(&t.body)).collect();
    let order_of = |tasks: &[String], name: &str| -> Vec<String> {
        tasks.iter().filter(|task| task.starts_with(name)).cloned().collect()
    };
    for name in NAMES {
        ensure_eq!(order_of(&found, name), order_of(&expected, name), "the tasks of one instance");
    }
    if instant {
        ensure_eq!(found, expected, "the tasks");
    }
    h.no_activity("all tasks are on loan").await
}

/// Something that is logged last, so that an earlier change may be part of a checkpoint.
async fn something_else(h: &Hub) -> Checked {
    let other = h.running("something else").await?;
    h.step(&h.woken(&other, "go").await?).apply().await
}

async fn delayed_activities_survive(life: Life) -> Checked {
    let inst = life.hub.running("a").await?;
    let at = life.hub.later();
    let step = life.hub.step(&life.hub.woken(&inst, "go").await?);
    let task = Envelope { visible_at: Some(at), ..step.task(1, "later") };
    step.activity_envelope(task).apply().await?;
    something_else(&life.hub).await?;
    let h = life.next().await?;
    h.no_activity_before(at, "the task is for later").await?;
    h.pass_delay().await;
    ensure_eq!(text(&h.activity().await?.body), "later", "the task");
    h.no_activity("the task was handed out").await
}

async fn the_delay_of_an_abandoned_activity_survives(life: Life) -> Checked {
    let (_, task) = life.hub.with_activity("a").await?;
    let at = life.hub.later();
    life.hub.abandon_activity(&task.lease, life.hub.timings().delay).await?;
    something_else(&life.hub).await?;
    let h = life.next().await?;
    h.no_activity_before(at, "the task was given back for later").await?;
    h.pass_delay().await;
    ensure_eq!(text(&h.activity().await?.body), "a1", "the task");
    h.no_activity("the task was handed out").await
}

async fn the_delay_of_an_abandoned_instance_survives(life: Life) -> Checked {
    let inst = life.hub.created("a").await?;
    let work = life.hub.turn_of(&inst).await?;
    let at = life.hub.later();
    life.hub.abandon(&work.lease, life.hub.timings().delay).await?;
    something_else(&life.hub).await?;
    let h = life.next().await?;
    h.no_turn_before(at, "the instance was given back for later").await?;
    h.pass_delay().await;
    ensure_eq!(bodies(&h.turn_of(&inst).await?), ["start"], "the inbox");
    Ok(())
}

async fn deliveries_given_back_still_count(life: Life) -> Checked {
    let inst = life.hub.scheduling("a", 1).await?;
    life.hub.tell(&inst, "event").await?;
    for _ in 0..3 {
        let (work, task) = (life.hub.turn_of(&inst).await?, life.hub.activity().await?);
        life.hub.abandon(&work.lease, Duration::ZERO).await?;
        life.hub.abandon_activity(&task.lease, Duration::ZERO).await?;
    }
    let h = life.next().await?;
    ensure_eq!(h.turn_of(&inst).await?.delivery, 4, "delivery of the instance");
    ensure_eq!(h.activity().await?.delivery, 4, "delivery of the task");
    Ok(())
}

/// Renews with this progress and ends; the next delivery's progress in the next life.
async fn progress_after(life: Life, recorded: &[&str]) -> Checked<Option<String>> {
    life.hub.scheduling("a", 1).await?;
    let task = life.hub.short_activity().await?;
    let short = life.hub.timings().lease_short;
    for progress in recorded {
        let renewed = life.hub.renew_activity(&task.lease, short, Some(progress)).await?;
        ensure_eq!(renewed, RenewOutcome::Renewed, "answer to the renewal");
        life.hub.completed(&format!("after {progress}")).await?;
    }
    let h = life.next().await?;
    h.pass_lease().await;
    Ok(h.activity().await?.progress.as_ref().map(text))
}

async fn progress_survives(life: Life) -> Checked {
    ensure_eq!(progress_after(life, &["half"]).await?.as_deref(), Some("half"), "progress");
    Ok(())
}

async fn the_last_progress_survives(life: Life) -> Checked {
    let found = progress_after(life, &["10 %", "20 %", "30 %"]).await?;
    ensure_eq!(found.as_deref(), Some("30 %"), "progress");
    Ok(())
}

async fn a_completed_activity_does_not_come_back(life: Life) -> Checked {
    life.hub.scheduling("a", 1).await?;
    let task = life.hub.short_activity().await?;
    life.hub.completes(&task, "done").await?;
    let h = life.next().await?;
    h.pass_lease().await;
    h.no_activity("the task is completed").await
}

async fn a_completion_survives(life: Life) -> Checked {
    let (inst, task) = life.hub.with_activity("a").await?;
    life.hub.completes(&task, "done").await?;
    let h = life.next().await?;
    ensure_eq!(bodies(&h.turn_of(&inst).await?), ["done"], "the inbox");
    Ok(())
}

async fn with_timer(h: &Hub) -> Checked<Inst> {
    let inst = h.running("a").await?;
    h.step(&h.woken(&inst, "set").await?).timer(1, h.later(), "timer").apply().await?;
    Ok(inst)
}

async fn timers_survive(life: Life) -> Checked {
    let at = life.hub.later();
    let inst = with_timer(&life.hub).await?;
    let h = life.next().await?;
    h.no_turn_before(at, "the timer is not due").await?;
    h.pass_delay().await;
    ensure_eq!(bodies(&h.turn_of(&inst).await?), ["timer"], "the inbox");
    Ok(())
}

async fn overdue_timers_fire_once(life: Life) -> Checked {
    let inst = with_timer(&life.hub).await?;
    life.hub.pass_delay().await;
    let h = life.next().await?;
    let work = h.turn_of(&inst).await?;
    ensure_eq!(bodies(&work), ["timer"], "the inbox");
    h.step(&work).apply().await?;
    h.no_turn("the timer has fired").await
}

async fn cancelled_timers_stay_cancelled(life: Life) -> Checked {
    let inst = with_timer(&life.hub).await?;
    life.hub.step(&life.hub.woken(&inst, "cancel").await?).cancel(1).apply().await?;
    let h = life.next().await?;
    h.pass_delay().await;
    h.no_turn("the timer was cancelled").await
}

async fn cancelled_activities_stay_cancelled(life: Life) -> Checked {
    let inst = life.hub.scheduling("a", 2).await?;
    life.hub.step(&life.hub.woken(&inst, "cancel").await?).cancel(1).apply().await?;
    let h = life.next().await?;
    ensure_eq!(text(&h.activity().await?.body), "a2", "the task");
    h.no_activity("the other task was cancelled").await
}

async fn scheduled_starts_survive(life: Life) -> Checked {
    let mut request = life.hub.creation("a")?;
    let at = life.hub.later();
    request.start.visible_at = Some(at);
    let inst = life.hub.must_create(request).await?;
    let h = life.next().await?;
    h.no_turn_before(at, "the start lies ahead").await?;
    h.pass_delay().await;
    ensure_eq!(bodies(&h.turn_of(&inst).await?), ["start"], "the inbox");
    Ok(())
}

async fn holds_survive(life: Life) -> Checked {
    let inst = life.hub.held("a", None).await?;
    life.hub.tell(&inst, "event").await?;
    let h = life.next().await?;
    h.no_turn("the instance is held").await?;
    h.sent(h.control(&inst.id, "resume")).await?;
    ensure_eq!(bodies(&h.turn_of(&inst).await?), ["resume"], "the messages");
    Ok(())
}

async fn a_hold_with_an_end_still_ends(life: Life) -> Checked {
    let until = life.hub.later();
    let inst = life.hub.held("a", Some(until)).await?;
    let h = life.next().await?;
    h.no_turn_before(until, "the instance is held").await?;
    h.pass_delay().await;
    h.turn_of(&inst).await?;
    Ok(())
}

async fn placeholders_survive(life: Life) -> Checked {
    life.hub.sent(life.hub.placeholder("a", "early")?).await?;
    let h = life.next().await?;
    let inst = h.created("a").await?;
    ensure_eq!(bodies(&h.turn_of(&inst).await?), ["start", "early"], "the inbox");
    Ok(())
}

async fn continued(h: &Hub, keep_history: bool) -> Checked<(Inst, Inst)> {
    let old = h.running("a").await?;
    let new = Inst { id: old.id.clone(), execution: h.execution() };
    let work = h.woken(&old, "go on").await?;
    h.tell(&old, "unread").await?;
    h.step(&work).events(1, "last").next(new.execution, keep_history)?.apply().await?;
    Ok((old, new))
}

async fn generations_survive(life: Life) -> Checked {
    let (old, new) = continued(&life.hub, false).await?;
    let h = life.next().await?;
    ensure_eq!(h.executions(&new.id).await?, [new.execution], "the executions");
    ensure!(h.history_texts(&old).await?.is_empty(), "the old history is back");
    let work = h.turn_of(&new).await?;
    ensure_eq!((work.execution, work.events), (new.execution, 1), "execution and events");
    ensure_eq!(bodies(&work), ["unread"], "the inbox");
    Ok(())
}

async fn kept_histories_survive(life: Life) -> Checked {
    let (old, new) = continued(&life.hub, true).await?;
    let h = life.next().await?;
    ensure_eq!(h.executions(&new.id).await?, [old.execution, new.execution], "the executions");
    ensure_eq!(h.history_texts(&old).await?, ["turn", "last"], "the old history");
    ensure_eq!(h.history_texts(&new).await?, ["next"], "the new history");
    Ok(())
}

async fn the_end_survives(life: Life) -> Checked {
    let inst = life.hub.scheduling("a", 1).await?;
    let work = life.hub.woken(&inst, "end").await?;
    life.hub.tell(&inst, "unread").await?;
    let step = life.hub.step(&work).timer(9, life.hub.later(), "timer");
    step.status(OrchestrationStatus::Completed)?.apply().await?;
    let h = life.next().await?;
    ensure_eq!(h.record_of(&inst).await?.status, OrchestrationStatus::Completed, "status");
    h.pass_delay().await;
    h.no_turn("the instance is terminal").await?;
    h.no_activity("the instance is terminal").await
}

async fn a_purge_survives(life: Life) -> Checked {
    let inst = life.hub.completed("a").await?;
    life.hub.purged(&inst).await?;
    let h = life.next().await?;
    ensure!(h.record(&inst.id).await?.is_none(), "the record is back");
    ensure!(h.history_texts(&inst).await?.is_empty(), "the history is back");
    h.listed(InstanceQuery::default(), &[]).await
}

async fn a_replacement_survives(life: Life) -> Checked {
    let old = life.hub.completed("a").await?;
    let mut request = life.hub.creation("a")?;
    request.reuse = ReusePolicy::ReplaceTerminal;
    let new = life.hub.must_create(request).await?;
    let h = life.next().await?;
    ensure!(h.history_texts(&old).await?.is_empty(), "the old history is back");
    let work = h.turn_of(&new).await?;
    ensure_eq!(
        (work.execution, bodies(&work)),
        (new.execution, vec!["start".to_owned()]),
        "the turn"
    );
    Ok(())
}

async fn messages_of_commits_survive(life: Life) -> Checked {
    let other = life.hub.running("other").await?;
    let inst = life.hub.created("a").await?;
    let step = life.hub.step(&life.hub.turn_of(&inst).await?);
    let step =
        (0..5).fold(step, |step, n| step.message(life.hub.message(&other.id, &n.to_string())));
    step.apply().await?;
    let h = life.next().await?;
    let mut found = Vec::new();
    while found.len() < 5 {
        let work = h.turn_of(&other).await?;
        found.extend(bodies(&work));
        h.step(&work).apply().await?;
    }
    ensure_eq!(found, (0..5).map(|n| n.to_string()).collect::<Vec<_>>(), "the inbox");
    Ok(())
}

async fn children_survive(life: Life) -> Checked {
    let inst = life.hub.created("a").await?;
    let start = Envelope { execution: None, ..life.hub.creation("child")?.start };
    life.hub.step(&life.hub.turn_of(&inst).await?).message(start).apply().await?;
    let h = life.next().await?;
    let work = h.turn().await?;
    ensure_eq!(
        (work.lease.instance.as_str(), bodies(&work)),
        ("child", vec!["start".to_owned()]),
        "the turn"
    );
    ensure!(h.record(&iid("child")?).await?.is_some(), "the child has no record");
    Ok(())
}

async fn track(h: &Hub, inst: &Inst, names: &[&str]) -> Checked {
    for name in names {
        h.step(&h.woken(inst, name).await?).tracking(name).apply().await?;
    }
    Ok(())
}

async fn tracking_records_survive(life: Life) -> Checked {
    let inst = life.hub.running("a").await?;
    track(&life.hub, &inst, &["one", "two", "three"]).await?;
    let h = life.next().await?;
    ensure_eq!(h.drain_tracking(3).await?, ["one", "two", "three"], "the records");
    let rest = h.tracking_now(5).await?;
    ensure!(rest.is_empty(), "all were acknowledged, but {rest:?} was handed out");
    Ok(())
}

async fn acknowledged_tracking_does_not_come_back(life: Life) -> Checked {
    let inst = life.hub.running("a").await?;
    track(&life.hub, &inst, &["one", "two"]).await?;
    life.hub.drain_tracking(1).await?;
    let h = life.next().await?;
    ensure_eq!(h.drain_tracking(1).await?, ["two"], "the records");
    let rest = h.tracking_now(5).await?;
    ensure!(rest.is_empty(), "{rest:?} came back");
    Ok(())
}

async fn listings_survive(life: Life) -> Checked {
    for name in ["a", "b"] {
        life.hub.running(name).await?;
    }
    life.hub.completed("c").await?;
    life.hub.index(&[iid("a")?, iid("b")?, iid("c")?]).await?;
    let h = life.next().await?;
    h.listed(InstanceQuery::default(), &["a", "b", "c"]).await?;
    let completed = InstanceQuery {
        statuses: vec![OrchestrationStatus::Completed],
        ..InstanceQuery::default()
    };
    h.listed(completed, &["c"]).await
}

async fn large_values_survive(life: Life) -> Checked {
    let inst = life.hub.running("a").await?;
    let body = "x".repeat(durable_core::limits::PAYLOAD_BYTES_MAX);
    let work = life.hub.woken(&inst, &body).await?;
    life.hub.step(&work).events(1, &body).activity(1, &body).apply().await?;
    life.hub.tell(&inst, &body).await?;
    let h = life.next().await?;
    ensure!(h.history_texts(&inst).await? == ["turn", body.as_str()], "the history has changed");
    ensure!(text(&h.activity().await?.body) == body, "the task has changed");
    ensure!(bodies(&h.turn_of(&inst).await?) == [body], "the message has changed");
    Ok(())
}

async fn many_lives_lose_nothing(life: Life) -> Checked {
    let Life { hub, end } = life;
    let inst = hub.running("a").await?;
    let mut h = hub;
    for number in 0..5 {
        h.tell(&inst, &number.to_string()).await?;
        h = Life { hub: h, end }.next().await?;
        let work = h.turn_of(&inst).await?;
        ensure_eq!(bodies(&work), [number.to_string()], "the inbox in life {number}");
        h.step(&work).events(1, &number.to_string()).apply().await?;
    }
    let h = Life { hub: h, end }.next().await?;
    ensure_eq!(h.history_texts(&inst).await?, ["turn", "0", "1", "2", "3", "4"], "the history");
    Ok(())
}

async fn other_hubs_survive_too(life: Life) -> Checked {
    let other = life.hub.neighbour("other").await?;
    let inst = other.running("a").await?;
    other.tell(&inst, "event").await?;
    let mine = life.hub.running("a").await?;
    let other = Life { hub: other, end: life.end }.next().await?;
    ensure_eq!(bodies(&other.turn_of(&inst).await?), ["event"], "the other inbox");
    life.hub.no_turn("the other hub has the message").await?;
    let h = life.next().await?;
    ensure_eq!(h.record_of(&mine).await?.execution, mine.execution, "the execution");
    h.pass(Duration::ZERO).await;
    h.no_turn("the other hub has the message").await
}
