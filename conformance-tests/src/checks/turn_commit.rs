//! The atomic unit of a turn.

use std::time::Duration;

use durable_core::backend::{
    CommitOutcome, Envelope, InstanceQuery, OrchestrationStatus, TurnWork,
};
use durable_core::ids::{ExecutionId, LeaseToken};

use crate::check::{Check, Checked, Need};
use crate::driver::step::Step;
use crate::driver::turns::{bodies, text};
use crate::driver::{Hub, Inst, iid};

pub(super) fn list() -> Vec<Check> {
    let mut checks = area!("turn_commit";
        T1 a_commit_with_the_current_lease_is_applied,
        T1 a_wrong_execution_is_a_conflict,
        T1 a_history_length_too_small_is_a_conflict,
        T1 a_history_length_too_large_is_a_conflict,
        T1 an_unknown_token_is_a_lost_lease,
        T1 a_lost_lease_weighs_more_than_a_conflict,
        T1 after_a_conflict_the_right_commit_still_applies,
        T1 a_commit_of_an_absent_instance_is_a_lost_lease,
        T1 a_commit_with_the_token_of_another_instance_is_a_lost_lease,
        T2 a_commit_ends_the_lease,
        T2 unread_messages_make_the_instance_ready_again,
        T2 a_read_inbox_leaves_the_instance_idle,
        T2 a_commit_of_nothing_is_allowed,
        T3 a_repeated_commit_answers_applied,
        T3 a_repeated_commit_that_holds_answers_applied,
        T3 a_repeated_commit_adds_no_events,
        T3 a_repeated_commit_sends_no_message_twice,
        T3 a_repeated_commit_schedules_no_activity_twice,
        T3 a_repeated_commit_tracks_nothing_twice,
        T3 a_repeated_commit_leaves_the_revision_alone,
        T3 a_repeated_commit_with_other_content_has_no_effect,
        T3 a_repeated_commit_is_recognised_after_a_message_arrived,
        T3 a_repeated_commit_is_recognised_while_the_instance_is_on_loan_again,
        T3 a_repeated_final_commit_answers_applied,
        T4 only_consumed_messages_are_removed,
        T4 messages_that_arrived_during_the_turn_stay,
        T4 consuming_an_unknown_message_is_harmless,
        T4 an_unread_message_keeps_its_place,
        T5 a_message_to_an_absent_instance_is_dropped,
        T5 a_message_to_a_terminal_instance_is_dropped,
        T5 a_message_to_itself_arrives,
        T5 a_message_creates_a_child,
        T5 a_message_to_an_existing_child_does_not_replace_it,
        T5 several_messages_to_one_instance_all_arrive,
        T5 a_wide_fan_out_is_committed_whole,
        C9 commits_of_a_batch_are_answered_in_order,
        C9 a_lost_commit_does_not_fail_its_neighbours,
        C9 an_empty_batch_has_no_answers,
        C10 a_terminal_commit_empties_the_inbox,
        C10 a_terminal_commit_drops_its_own_timers,
        C10 a_terminal_commit_sends_its_messages,
        C10 a_terminal_instance_cannot_commit_again,
    );
    for (part, build, seen) in PARTS {
        checks.push(Check::new(
            "turn_commit",
            format!("an_applied_commit_shows_{part}"),
            "C3",
            Need::Nothing,
            move |h| async move { an_applied_commit_shows(h, part, *build, *seen).await },
        ));
        for (verdict, spoil) in REJECTIONS {
            let name = format!("a_{verdict}_commit_leaves_no_trace_of_{part}");
            checks.push(Check::new("turn_commit", name, "C3", Need::Nothing, {
                move |h| async move { a_rejected_commit_leaves_no_trace(h, part, *build, *spoil).await }
            }));
        }
    }
    checks
}

/// Adds one part to a commit.
type Build = fn(&Hub, Step) -> Checked<Step>;
/// What of a part can be seen.
type Seen = fn(&Sight) -> String;
/// Makes a commit that must not be applied.
type Spoil = fn(&mut Step);

/// Every part of a turn's commit.
const PARTS: &[(&str, Build, Seen)] = &[
    ("its_events", |_, step| Ok(step.events(2, "the events")), |s| s.history.clone()),
    ("its_consumed_messages", |_, step| Ok(step), |s| s.inbox.clone()),
    ("its_record", |_, step| step.status(OrchestrationStatus::Suspended), |s| s.record.clone()),
    ("its_activities", |_, step| Ok(step.activity(5, "task")), |s| s.tasks.clone()),
    ("its_cancelled_activities", |_, step| Ok(step.cancel(1)), |s| s.tasks.clone()),
    (
        "its_messages",
        |h, step| Ok(step.message(h.message(&iid("other")?, "hi"))),
        |s| s.other.clone(),
    ),
    (
        "its_created_child",
        |h, step| Ok(step.message(h.creation("child")?.start)),
        |s| s.child.clone(),
    ),
    ("its_tracking_record", |_, step| Ok(step.tracking("tracked")), |s| s.tracking.clone()),
    ("its_next_generation", |_, step| step.next(ExecutionId(77), true), |s| s.executions.clone()),
    (
        "its_timers",
        |h, step| Ok(step.timer(6, h.now() - Duration::from_secs(1), "timer")),
        |s| s.inbox.clone(),
    ),
];

/// Ways in which a commit is not to be applied.
const REJECTIONS: &[(&str, Spoil)] = &[
    ("lost", |step| step.commit.lease.token = LeaseToken(!step.commit.lease.token.0)),
    ("conflicting", |step| step.commit.expected_events += 1),
];

/// All that commits of the instance `a` can change, as text.
#[derive(Debug, PartialEq)]
struct Sight {
    history: String,
    record: String,
    executions: String,
    inbox: String,
    tasks: String,
    other: String,
    child: String,
    tracking: String,
}

/// Looks at everything. Takes the work that is ready, so it is the last step of a check.
async fn look(h: &Hub, inst: &Inst) -> Checked<Sight> {
    h.settle().await;
    let mut inboxes = [String::new(), String::new()];
    for _ in 0..3 {
        for work in h.turns_now(10).await? {
            let at = usize::from(work.lease.instance != inst.id);
            inboxes[at] = format!("{:?}", bodies(&work));
        }
    }
    let [inbox, other] = inboxes;
    let mut tasks: Vec<_> = h.activities_now(10).await?.iter().map(|t| text(&t.body)).collect();
    tasks.sort();
    let tracking: Vec<_> = h.tracking_now(10).await?.iter().map(|t| text(&t.body)).collect();
    let listed = h.list(InstanceQuery::default()).await;
    ensure!(listed.is_ok(), "listing failed: {listed:?}");
    Ok(Sight {
        history: format!("{:?}", h.history_texts(inst).await?),
        record: format!("{:?}", h.record_of(inst).await?.status),
        executions: format!("{:?}", h.executions(&inst.id).await?),
        inbox,
        tasks: format!("{tasks:?}"),
        other,
        child: format!("{:?}", h.record(&iid("child")?).await?.map(|r| r.status)),
        tracking: format!("{tracking:?}"),
    })
}

/// The instance `a` with a queued task, another instance, and a turn of `a` on loan.
async fn stage(h: &Hub) -> Checked<(Inst, TurnWork)> {
    h.running("other").await?;
    let inst = h.scheduling("a", 1).await?;
    let work = h.woken(&inst, "go").await?;
    Ok((inst, work))
}

async fn an_applied_commit_shows(h: Hub, part: &str, build: Build, seen: Seen) -> Checked {
    // One hub without the part, one with it.
    let plain = {
        let neighbour = h.neighbour("plain").await?;
        let (inst, work) = stage(&neighbour).await?;
        neighbour.step(&work).keep_messages().no_events().apply().await?;
        look(&neighbour, &inst).await?
    };
    let (inst, work) = stage(&h).await?;
    let mut step = h.step(&work).no_events();
    if part != "its_consumed_messages" {
        step = step.keep_messages();
    }
    build(&h, step)?.apply().await?;
    let with = look(&h, &inst).await?;
    ensure!(seen(&with) != seen(&plain), "{part} cannot be seen: {}", seen(&with));
    Ok(())
}

async fn a_rejected_commit_leaves_no_trace(
    h: Hub,
    part: &str,
    build: Build,
    spoil: Spoil,
) -> Checked {
    let plain = {
        let neighbour = h.neighbour("plain").await?;
        let (inst, work) = stage(&neighbour).await?;
        neighbour.abandon(&work.lease, Duration::ZERO).await?;
        look(&neighbour, &inst).await?
    };
    let (inst, work) = stage(&h).await?;
    let mut step = build(&h, h.step(&work))?;
    spoil(&mut step);
    let outcome = step.commit().await?;
    ensure!(outcome != CommitOutcome::Applied, "the commit was applied");
    h.abandon(&work.lease, Duration::ZERO).await?;
    let mut found = look(&h, &inst).await?;
    // Two hubs draw execution ids from one sequence.
    if found.executions.matches(", ").count() == plain.executions.matches(", ").count() {
        found.executions.clone_from(&plain.executions);
    }
    ensure_eq!(found, plain, "after a rejected commit with {part}");
    Ok(())
}

async fn a_commit_with_the_current_lease_is_applied(h: Hub) -> Checked {
    let inst = h.created("a").await?;
    let work = h.turn_of(&inst).await?;
    ensure_eq!(h.step(&work).commit().await?, CommitOutcome::Applied, "outcome");
    Ok(())
}

async fn spoiled(h: &Hub, spoil: impl FnOnce(&mut Step)) -> Checked<CommitOutcome> {
    let inst = h.running("a").await?;
    let work = h.woken(&inst, "go").await?;
    let mut step = h.step(&work);
    spoil(&mut step);
    step.commit().await
}

async fn a_wrong_execution_is_a_conflict(h: Hub) -> Checked {
    let other = h.execution();
    let outcome = spoiled(&h, |step| step.commit.execution = other).await?;
    ensure_eq!(outcome, CommitOutcome::Conflict, "outcome");
    Ok(())
}

async fn a_history_length_too_small_is_a_conflict(h: Hub) -> Checked {
    let outcome = spoiled(&h, |step| step.commit.expected_events = 0).await?;
    ensure_eq!(outcome, CommitOutcome::Conflict, "outcome");
    Ok(())
}

async fn a_history_length_too_large_is_a_conflict(h: Hub) -> Checked {
    let outcome = spoiled(&h, |step| step.commit.expected_events = 2).await?;
    ensure_eq!(outcome, CommitOutcome::Conflict, "outcome");
    Ok(())
}

async fn an_unknown_token_is_a_lost_lease(h: Hub) -> Checked {
    for token in [0, 1, u128::MAX] {
        let name = format!("i{token}");
        let inst = h.created(&name).await?;
        let mut step = h.step(&h.turn_of(&inst).await?);
        step.commit.lease.token = LeaseToken(token);
        ensure_eq!(
            step.commit().await?,
            CommitOutcome::LeaseLost,
            "outcome with the token {token}"
        );
    }
    Ok(())
}

async fn a_lost_lease_weighs_more_than_a_conflict(h: Hub) -> Checked {
    let outcome = spoiled(&h, |step| {
        step.commit.lease.token = LeaseToken(5);
        step.commit.expected_events = 9;
    });
    ensure_eq!(outcome.await?, CommitOutcome::LeaseLost, "outcome");
    Ok(())
}

async fn after_a_conflict_the_right_commit_still_applies(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    let work = h.woken(&inst, "go").await?;
    let mut wrong = h.step(&work);
    wrong.commit.expected_events = 7;
    ensure_eq!(wrong.commit().await?, CommitOutcome::Conflict, "outcome of the wrong commit");
    h.step(&work).events(1, "right").apply().await?;
    ensure_eq!(h.history_texts(&inst).await?, ["turn", "right"], "the history");
    Ok(())
}

async fn a_commit_of_an_absent_instance_is_a_lost_lease(h: Hub) -> Checked {
    let inst = h.created("a").await?;
    let mut step = h.step(&h.turn_of(&inst).await?);
    step.commit.lease.instance = iid("nobody")?;
    ensure_eq!(step.commit().await?, CommitOutcome::LeaseLost, "outcome");
    ensure!(h.record(&iid("nobody")?).await?.is_none(), "a record appeared");
    Ok(())
}

async fn a_commit_with_the_token_of_another_instance_is_a_lost_lease(h: Hub) -> Checked {
    h.created("a").await?;
    h.created("b").await?;
    let works = h.turns_of_all(2).await?;
    let mut step = h.step(&works[0]);
    step.commit.lease.token = works[1].lease.token;
    ensure_eq!(step.commit().await?, CommitOutcome::LeaseLost, "outcome");
    h.step(&works[1]).apply().await
}

async fn a_commit_ends_the_lease(h: Hub) -> Checked {
    let inst = h.created("a").await?;
    let work = h.turn_of(&inst).await?;
    h.step(&work).apply().await?;
    let renewed = h.renew(&work.lease, h.timings().lease_long).await?;
    ensure_eq!(renewed, durable_core::backend::RenewOutcome::Lost, "answer to a renewal");
    Ok(())
}

async fn unread_messages_make_the_instance_ready_again(h: Hub) -> Checked {
    let inst = h.created("a").await?;
    let work = h.turn_of(&inst).await?;
    h.step(&work).keep_messages().apply().await?;
    ensure_eq!(bodies(&h.turn_of(&inst).await?), ["start"], "the inbox");
    Ok(())
}

async fn a_read_inbox_leaves_the_instance_idle(h: Hub) -> Checked {
    h.running("a").await?;
    h.no_turn("the inbox was read").await
}

async fn a_commit_of_nothing_is_allowed(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    let work = h.woken(&inst, "go").await?;
    h.step(&work).no_events().keep_messages().apply().await?;
    ensure_eq!(h.turn_of(&inst).await?.events, 1, "the history's length");
    Ok(())
}

/// Commits twice what `build` makes of a turn; both must be answered with `Applied`.
async fn repeated(h: &Hub, build: impl FnOnce(Step) -> Checked<Step>) -> Checked<Inst> {
    let inst = h.running("a").await?;
    let work = h.woken(&inst, "go").await?;
    let step = build(h.step(&work))?;
    step.clone().apply().await?;
    ensure_eq!(step.commit().await?, CommitOutcome::Applied, "outcome of the repetition");
    h.settle().await;
    Ok(inst)
}

async fn a_repeated_commit_answers_applied(h: Hub) -> Checked {
    repeated(&h, Ok).await?;
    Ok(())
}

async fn a_repeated_commit_adds_no_events(h: Hub) -> Checked {
    let inst = repeated(&h, |step| Ok(step.events(3, "once"))).await?;
    ensure_eq!(h.history_texts(&inst).await?, ["turn", "once"], "the history");
    ensure_eq!(h.record_of(&inst).await?.events, 4, "events in the record");
    Ok(())
}

async fn a_repeated_commit_sends_no_message_twice(h: Hub) -> Checked {
    let other = h.running("other").await?;
    let message = h.message(&other.id, "once");
    repeated(&h, |step| Ok(step.message(message))).await?;
    let work = h.turn_of(&other).await?;
    ensure_eq!(bodies(&work), ["once"], "the inbox");
    h.step(&work).apply().await?;
    h.no_turn("the message was sent once").await
}

async fn a_repeated_commit_schedules_no_activity_twice(h: Hub) -> Checked {
    repeated(&h, |step| Ok(step.activity(1, "once"))).await?;
    let task = h.activity().await?;
    h.completes(&task, "done").await?;
    h.no_activity("the task was scheduled once").await
}

async fn a_repeated_commit_tracks_nothing_twice(h: Hub) -> Checked {
    repeated(&h, |step| Ok(step.tracking("once"))).await?;
    h.drain_tracking(1).await?;
    let again = h.tracking_now(10).await?;
    ensure!(again.is_empty(), "tracked once, but {again:?} was handed out");
    Ok(())
}

async fn a_repeated_commit_leaves_the_revision_alone(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    let step = h.step(&h.woken(&inst, "go").await?).status(OrchestrationStatus::Running)?;
    step.clone().apply().await?;
    let before = h.record_of(&inst).await?;
    step.apply().await?;
    ensure_eq!(h.record_of(&inst).await?, before, "the record");
    Ok(())
}

async fn a_repeated_commit_with_other_content_has_no_effect(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    let work = h.woken(&inst, "go").await?;
    h.step(&work).events(1, "first").apply().await?;
    let outcome = h.step(&work).events(1, "second").activity(3, "task").commit().await?;
    ensure!(outcome != CommitOutcome::Conflict, "a repetition of the token answered {outcome:?}");
    ensure_eq!(h.history_texts(&inst).await?, ["turn", "first"], "the history");
    h.no_activity("the second commit has no effect").await
}

async fn a_repeated_commit_is_recognised_after_a_message_arrived(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    let step = h.step(&h.woken(&inst, "go").await?);
    step.clone().apply().await?;
    h.tell(&inst, "next").await?;
    ensure_eq!(step.commit().await?, CommitOutcome::Applied, "outcome of the repetition");
    ensure_eq!(bodies(&h.turn_of(&inst).await?), ["next"], "the inbox");
    Ok(())
}

async fn a_repeated_commit_is_recognised_while_the_instance_is_on_loan_again(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    let step = h.step(&h.woken(&inst, "go").await?);
    step.clone().apply().await?;
    let work = h.woken(&inst, "next").await?;
    ensure_eq!(step.commit().await?, CommitOutcome::Applied, "outcome of the repetition");
    h.step(&work).events(1, "next").apply().await?;
    ensure_eq!(h.history_texts(&inst).await?, ["turn", "turn", "next"], "the history");
    Ok(())
}

async fn a_repeated_final_commit_answers_applied(h: Hub) -> Checked {
    let inst = repeated(&h, |step| step.status(OrchestrationStatus::Completed)).await?;
    ensure_eq!(h.record_of(&inst).await?.status, OrchestrationStatus::Completed, "status");
    Ok(())
}

async fn only_consumed_messages_are_removed(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    for body in ["1", "2", "3"] {
        h.tell(&inst, body).await?;
    }
    let work = h.turn_of(&inst).await?;
    let mut step = h.step(&work);
    step.commit.consumed = vec![work.messages[1].id];
    step.apply().await?;
    ensure_eq!(bodies(&h.turn_of(&inst).await?), ["1", "3"], "the inbox");
    Ok(())
}

async fn messages_that_arrived_during_the_turn_stay(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    let work = h.woken(&inst, "before").await?;
    h.tell(&inst, "during").await?;
    h.step(&work).apply().await?;
    ensure_eq!(bodies(&h.turn_of(&inst).await?), ["during"], "the inbox");
    Ok(())
}

async fn consuming_an_unknown_message_is_harmless(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    h.tell(&inst, "1").await?;
    let work = h.turn_of(&inst).await?;
    let mut step = h.step(&work);
    step.commit.consumed = vec![h.message_id()];
    step.apply().await?;
    ensure_eq!(bodies(&h.turn_of(&inst).await?), ["1"], "the inbox");
    Ok(())
}

async fn an_unread_message_keeps_its_place(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    let work = h.woken(&inst, "1").await?;
    h.tell(&inst, "2").await?;
    h.step(&work).keep_messages().apply().await?;
    h.tell(&inst, "3").await?;
    ensure_eq!(bodies(&h.turn_of(&inst).await?), ["1", "2", "3"], "the inbox");
    Ok(())
}

async fn a_message_to_an_absent_instance_is_dropped(h: Hub) -> Checked {
    let inst = h.created("a").await?;
    let step = h.step(&h.turn_of(&inst).await?);
    step.message(h.message(&iid("nobody")?, "hi")).apply().await?;
    h.settle().await;
    ensure!(h.record(&iid("nobody")?).await?.is_none(), "a record appeared");
    h.created("nobody").await?;
    ensure_eq!(bodies(&h.turn().await?), ["start"], "the inbox of the instance created later");
    Ok(())
}

async fn a_message_to_a_terminal_instance_is_dropped(h: Hub) -> Checked {
    let done = h.completed("done").await?;
    let inst = h.created("a").await?;
    h.step(&h.turn_of(&inst).await?).message(h.message(&done.id, "late")).apply().await?;
    h.no_turn("the other instance is terminal").await
}

async fn a_message_to_itself_arrives(h: Hub) -> Checked {
    let inst = h.created("a").await?;
    h.step(&h.turn_of(&inst).await?).message(h.message(&inst.id, "to myself")).apply().await?;
    ensure_eq!(bodies(&h.turn_of(&inst).await?), ["to myself"], "the inbox");
    Ok(())
}

async fn a_message_creates_a_child(h: Hub) -> Checked {
    let inst = h.created("a").await?;
    let start = Envelope { execution: None, ..h.creation("child")?.start };
    let execution = start.creates.as_ref().map(|r| r.execution);
    h.step(&h.turn_of(&inst).await?).message(start).apply().await?;
    let work = h.turn().await?;
    ensure_eq!(work.lease.instance.as_str(), "child", "the instance handed out");
    ensure_eq!(Some(work.execution), execution, "its execution");
    ensure_eq!(bodies(&work), ["start"], "its inbox");
    Ok(())
}

async fn a_message_to_an_existing_child_does_not_replace_it(h: Hub) -> Checked {
    let child = h.running("child").await?;
    let inst = h.created("a").await?;
    let start = Envelope { execution: None, ..h.creation("child")?.start };
    h.step(&h.turn_of(&inst).await?).message(start).apply().await?;
    let work = h.turn_of(&child).await?;
    ensure_eq!((work.execution, work.events), (child.execution, 1), "execution and events");
    Ok(())
}

async fn several_messages_to_one_instance_all_arrive(h: Hub) -> Checked {
    let other = h.running("other").await?;
    let inst = h.created("a").await?;
    let step = h.step(&h.turn_of(&inst).await?);
    let step =
        ["1", "2", "3"].iter().fold(step, |step, body| step.message(h.message(&other.id, body)));
    step.apply().await?;
    let mut found = Vec::new();
    while found.len() < 3 {
        let work = h.turn_of(&other).await?;
        found.extend(bodies(&work));
        h.step(&work).apply().await?;
    }
    ensure_eq!(found, ["1", "2", "3"], "the messages");
    Ok(())
}

async fn a_wide_fan_out_is_committed_whole(h: Hub) -> Checked {
    let inst = h.created("a").await?;
    let step = h.step(&h.turn_of(&inst).await?);
    (1..=500).fold(step, |step, seq| step.activity(seq, "task")).apply().await?;
    let mut tasks: Vec<_> =
        h.activities_all(500).await?.into_iter().map(|t| t.lease.task.seq).collect();
    tasks.sort_unstable();
    ensure_eq!(tasks, (1..=500).collect::<Vec<u64>>(), "the tasks");
    Ok(())
}

async fn commits_of_a_batch_are_answered_in_order(h: Hub) -> Checked {
    for name in ["a", "b", "c"] {
        h.created(name).await?;
    }
    let mut commits: Vec<_> = h.turns_of_all(3).await?.iter().map(|w| h.step(w).commit).collect();
    commits[0].lease.token = LeaseToken(1);
    commits[2].expected_events = 5;
    let mut outcomes = Vec::new();
    for outcome in h.backend().commit_turns(commits).await {
        outcomes.push(outcome?);
    }
    let expected = [CommitOutcome::LeaseLost, CommitOutcome::Applied, CommitOutcome::Conflict];
    ensure_eq!(outcomes, expected, "outcomes");
    Ok(())
}

async fn a_lost_commit_does_not_fail_its_neighbours(h: Hub) -> Checked {
    for name in ["a", "b", "c"] {
        h.created(name).await?;
    }
    let works = h.turns_of_all(3).await?;
    let mut commits: Vec<_> = works.iter().map(|w| h.step(w).commit).collect();
    commits[1].lease.token = LeaseToken(1);
    let answers = h.backend().commit_turns(commits).await;
    let answers: Vec<_> = answers.into_iter().collect::<Result<_, _>>()?;
    let (applied, lost) = (CommitOutcome::Applied, CommitOutcome::LeaseLost);
    ensure_eq!(answers, [applied, lost, applied], "answers to the batch");
    for (at, events) in [(0, 1), (1, 0), (2, 1)] {
        let record = h.record(&works[at].lease.instance).await?;
        ensure_eq!(record.map(|r| r.events), Some(events), "events of commit {at}");
    }
    Ok(())
}

async fn an_empty_batch_has_no_answers(h: Hub) -> Checked {
    ensure_eq!(h.backend().commit_turns(Vec::new()).await.len(), 0, "answers");
    Ok(())
}

async fn a_terminal_commit_empties_the_inbox(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    let work = h.woken(&inst, "go").await?;
    h.tell(&inst, "unread").await?;
    h.step(&work).keep_messages().status(OrchestrationStatus::Failed)?.apply().await?;
    h.no_turn("the instance is terminal").await
}

async fn a_terminal_commit_drops_its_own_timers(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    let step = h.step(&h.woken(&inst, "go").await?);
    step.timer(1, h.later(), "timer").status(OrchestrationStatus::Completed)?.apply().await?;
    h.pass_delay().await;
    h.no_turn("the instance is terminal").await
}

async fn a_terminal_commit_sends_its_messages(h: Hub) -> Checked {
    let parent = h.running("parent").await?;
    let child = h.created("child").await?;
    let step = h.step(&h.turn_of(&child).await?).message(h.message(&parent.id, "child is done"));
    step.status(OrchestrationStatus::Completed)?.apply().await?;
    ensure_eq!(bodies(&h.turn_of(&parent).await?), ["child is done"], "the parent's inbox");
    Ok(())
}

async fn a_terminal_instance_cannot_commit_again(h: Hub) -> Checked {
    let inst = h.created("a").await?;
    let stale = h.short_turn_of(&inst).await?;
    h.pass_lease().await;
    let work = h.turn_of(&inst).await?;
    h.step(&work).status(OrchestrationStatus::Completed)?.apply().await?;
    let outcome = h.step(&stale).status(OrchestrationStatus::Running)?.commit().await?;
    ensure_eq!(outcome, CommitOutcome::LeaseLost, "outcome");
    ensure_eq!(h.record_of(&inst).await?.status, OrchestrationStatus::Completed, "status");
    Ok(())
}

async fn a_repeated_commit_that_holds_answers_applied(h: Hub) -> Checked {
    let until = h.later();
    repeated(&h, |step| Ok(step.hold(None))).await?;
    let inst = h.created("b").await?;
    let step = h.step(&h.turn_of(&inst).await?).hold(Some(until));
    step.clone().apply().await?;
    ensure_eq!(step.commit().await?, CommitOutcome::Applied, "outcome of the repetition");
    Ok(())
}
