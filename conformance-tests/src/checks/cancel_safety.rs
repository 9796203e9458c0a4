//! A caller may drop any future at any point.

use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use durable_core::backend::{
    CommitOutcome, CreateOutcome, HistoryRead, InstanceQuery, OrchestrationStatus, PurgeOutcome,
    ReceiveActivities, ReceiveTracking, ReceiveTurns, RenewActivity, ReusePolicy,
};

use crate::check::{Check, Checked};
use crate::driver::turns::{bodies, text};
use crate::driver::{Hub, iid};

pub(super) fn list() -> Vec<Check> {
    area!("cancel_safety";
        C11 a_dropped_creation_is_whole_or_nothing,
        C11 a_dropped_creation_may_be_repeated,
        C11 a_dropped_replacement_is_whole_or_nothing,
        C11 a_dropped_send_delivers_once_or_never,
        C11 a_dropped_send_may_be_repeated,
        C11 a_dropped_commit_is_whole_or_nothing,
        C11 a_dropped_commit_may_be_repeated,
        C11 a_dropped_batch_of_commits_is_whole_or_nothing_each,
        C11 a_dropped_continue_as_new_is_whole_or_nothing,
        C11 a_dropped_final_commit_is_whole_or_nothing,
        C11 a_dropped_completion_is_whole_or_nothing,
        C11 a_dropped_completion_may_be_repeated,
        C11 a_dropped_receive_of_turns_loses_none,
        C11 a_dropped_receive_of_activities_loses_none,
        C11 a_dropped_receive_of_tracking_loses_none,
        C11 a_dropped_wait_for_turns_takes_nothing,
        C11 a_dropped_wait_for_activities_takes_nothing,
        C11 a_dropped_wait_for_tracking_takes_nothing,
        C11 a_dropped_renewal_of_a_turn_does_no_harm,
        C11 a_dropped_renewal_of_an_activity_does_no_harm,
        C11 a_dropped_abandoning_of_a_turn_loses_nothing,
        C11 a_dropped_abandoning_of_an_activity_loses_nothing,
        C11 a_dropped_acknowledgement_is_whole_or_nothing,
        C11 a_dropped_purge_is_whole_or_nothing,
        C11 a_dropped_watch_does_no_harm,
        C11 dropped_reads_do_no_harm,
        C11 a_dropped_caller_does_not_stop_the_others,
    )
}

/// How often a future is polled before it is dropped, in the rounds of a check. Every check runs
/// once per entry.
const CUTS: [usize; 6] = [0, 1, 2, 3, 5, 9];

/// Polls a future that many times, with time for background work in between, and drops it.
/// The answer is its result, if it came to one.
async fn cut<F: Future>(h: &Hub, polls: usize, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    for poll in 0..polls {
        if let Poll::Ready(done) = futures_util::poll!(future.as_mut()) {
            return Some(done);
        }
        tokio::task::yield_now().await;
        if poll >= 2 {
            // A real store needs real time to come one step further.
            h.instant().await;
        }
    }
    None
}

/// Calls of which each takes at least as long as one step of a call that was dropped.
const STEPS_LEFT: usize = 12;

/// Lets whatever a dropped call left behind come to its end. How long that takes goes by how long
/// calls take just now: a busy machine is slow.
async fn aftermath(h: &Hub) -> Checked {
    h.grace().await;
    for _ in 0..STEPS_LEFT {
        h.record(&iid("nobody")?).await?;
    }
    Ok(())
}

async fn a_dropped_creation_is_whole_or_nothing(h: Hub) -> Checked {
    for polls in CUTS {
        let id = iid(&format!("i{polls}"))?;
        let request = h.creation(id.as_str())?;
        cut(&h, polls, h.backend().create_instances(vec![request.clone()])).await;
        aftermath(&h).await?;
        let record = h.record(&id).await?;
        let works = h.turns_now(1).await?;
        ensure_eq!(
            works.len(),
            usize::from(record.is_some()),
            "turns after {polls} polls, record {record:?}"
        );
        for work in works {
            h.step(&work).apply().await?;
        }
        // Whoever was cut off may repeat it.
        let again = h.create(request).await?;
        ensure!(matches!(again, CreateOutcome::Created), "the repetition answered {again:?}");
        ensure!(h.record(&id).await?.is_some(), "nothing was created after {polls} polls");
        if record.is_none() {
            let work = h.turn().await?;
            ensure_eq!(work.lease.instance, id, "the instance handed out");
            h.step(&work).apply().await?;
        }
    }
    Ok(())
}

async fn a_dropped_creation_may_be_repeated(h: Hub) -> Checked {
    for polls in CUTS {
        let request = h.creation(&format!("i{polls}"))?;
        cut(&h, polls, h.backend().create_instances(vec![request.clone()])).await;
        let inst = h.must_create(request).await?;
        let work = h.turn_of(&inst).await?;
        ensure_eq!(bodies(&work), ["start"], "the inbox after {polls} polls");
        h.step(&work).apply().await?;
        aftermath(&h).await?;
        h.no_turn("the start was read").await?;
    }
    Ok(())
}

async fn a_dropped_replacement_is_whole_or_nothing(h: Hub) -> Checked {
    for polls in CUTS {
        let name = format!("i{polls}");
        let old = h.completed(&name).await?;
        let mut request = h.creation(&name)?;
        request.reuse = ReusePolicy::ReplaceTerminal;
        cut(&h, polls, h.backend().create_instances(vec![request])).await;
        aftermath(&h).await?;
        let replaced = h.record_of(&old).await?.execution != old.execution;
        ensure_eq!(
            h.history_texts(&old).await?.is_empty(),
            replaced,
            "whether the old history is gone"
        );
        let works = h.turns_now(1).await?;
        ensure_eq!(works.len(), usize::from(replaced), "turns after {polls} polls");
        for work in works {
            h.step(&work).apply().await?;
        }
    }
    Ok(())
}

async fn a_dropped_send_delivers_once_or_never(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    for polls in CUTS {
        let message = h.message(&inst.id, "event");
        let done = cut(&h, polls, h.backend().send(vec![message])).await;
        aftermath(&h).await?;
        let works = h.turns_now(1).await?;
        ensure!(
            done.is_none() || works.len() == 1,
            "an accepted message is lost after {polls} polls"
        );
        for work in works {
            ensure_eq!(bodies(&work), ["event"], "the inbox after {polls} polls");
            h.step(&work).apply().await?;
        }
    }
    Ok(())
}

async fn a_dropped_send_may_be_repeated(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    // Held, so that the message still waits when it is repeated.
    let work = h.woken(&inst, "block").await?;
    for polls in CUTS {
        let message = h.message(&inst.id, &polls.to_string());
        cut(&h, polls, h.backend().send(vec![message.clone()])).await;
        h.sent(message).await?;
    }
    aftermath(&h).await?;
    h.step(&work).apply().await?;
    ensure_eq!(bodies(&h.turn_of(&inst).await?), CUTS.map(|n| n.to_string()), "the inbox");
    Ok(())
}

/// Insists that history, activity, message and inbox of a cut commit agree; the answer is whether it happened.
async fn whole_or_nothing(h: &Hub, name: &str, polls: usize) -> Checked<bool> {
    let other = h.running(&format!("{name} other")).await?;
    let inst = h.created(name).await?;
    let work = h.turn_of(&inst).await?;
    let step = h.step(&work).activity(1, name).message(h.message(&other.id, name)).tracking(name);
    let done = cut(h, polls, h.backend().commit_turns(vec![step.commit])).await;
    aftermath(h).await?;
    let applied = !h.history_texts(&inst).await?.is_empty();
    ensure!(done.is_none() || applied, "an applied commit is lost after {polls} polls");
    h.settle().await;
    let tasks = h.activities_now(1).await?;
    ensure_eq!(!tasks.is_empty(), applied, "whether the activity is queued after {polls} polls");
    let tracked = h.tracking_now(1).await?;
    ensure_eq!(!tracked.is_empty(), applied, "whether it is tracked after {polls} polls");
    let told = h.turns_now(1).await?;
    ensure_eq!(!told.is_empty(), applied, "whether the message arrived after {polls} polls");
    for work in tracked {
        h.ack(&work).await?;
    }
    for task in tasks {
        h.completes(&task, "done").await?;
    }
    for work in told {
        h.step(&work).status(OrchestrationStatus::Completed)?.apply().await?;
    }
    if applied {
        let work = h.turn_of(&inst).await?;
        ensure_eq!(bodies(&work), ["done"], "the inbox after {polls} polls");
    }
    Ok(applied)
}

async fn a_dropped_commit_is_whole_or_nothing(h: Hub) -> Checked {
    for polls in CUTS {
        whole_or_nothing(&h, &format!("i{polls}"), polls).await?;
    }
    Ok(())
}

async fn a_dropped_commit_may_be_repeated(h: Hub) -> Checked {
    for polls in CUTS {
        let inst = h.created(&format!("i{polls}")).await?;
        let step = h.step(&h.turn_of(&inst).await?).activity(1, "task");
        cut(&h, polls, h.backend().commit_turns(vec![step.commit.clone()])).await;
        step.apply().await?;
        aftermath(&h).await?;
        ensure_eq!(h.history_texts(&inst).await?, ["turn"], "the history after {polls} polls");
        ensure_eq!(h.activities_now(5).await?.len(), 1, "tasks after {polls} polls");
    }
    Ok(())
}

async fn a_dropped_batch_of_commits_is_whole_or_nothing_each(h: Hub) -> Checked {
    for polls in CUTS {
        for number in 0..4 {
            h.created(&format!("i{polls}-{number}")).await?;
        }
        let works = h.turns_of_all(4).await?;
        let commits =
            works.iter().map(|w| h.step(w).activity(1, w.lease.instance.as_str()).commit).collect();
        cut(&h, polls, h.backend().commit_turns(commits)).await;
        aftermath(&h).await?;
        let tasks: Vec<_> = h.activities_now(10).await?.iter().map(|t| text(&t.body)).collect();
        for work in works {
            let name = work.lease.instance.to_string();
            let events = h.record(&work.lease.instance).await?.map(|r| r.events);
            ensure_eq!(
                events == Some(1),
                tasks.contains(&name),
                "whether {name} committed after {polls} polls"
            );
        }
    }
    Ok(())
}

async fn a_dropped_continue_as_new_is_whole_or_nothing(h: Hub) -> Checked {
    for polls in CUTS {
        let inst = h.running(&format!("i{polls}")).await?;
        let next = h.execution();
        let step = h.step(&h.woken(&inst, "go").await?).next(next, true)?;
        cut(&h, polls, h.backend().commit_turns(vec![step.commit])).await;
        aftermath(&h).await?;
        let applied = h.record_of(&inst).await?.execution == next;
        let expected = if applied { vec![inst.execution, next] } else { vec![inst.execution] };
        ensure_eq!(h.executions(&inst.id).await?, expected, "the executions after {polls} polls");
        ensure_eq!(
            h.history_texts(&inst).await?.len(),
            1 + usize::from(applied),
            "chunks of the old generation"
        );
    }
    Ok(())
}

async fn a_dropped_final_commit_is_whole_or_nothing(h: Hub) -> Checked {
    for polls in CUTS {
        let inst = h.created(&format!("i{polls}")).await?;
        let step = h.step(&h.turn_of(&inst).await?).status(OrchestrationStatus::Completed)?;
        cut(&h, polls, h.backend().commit_turns(vec![step.commit.clone()])).await;
        aftermath(&h).await?;
        let ended = h.record_of(&inst).await?.status.is_terminal();
        ensure_eq!(
            !h.history_texts(&inst).await?.is_empty(),
            ended,
            "whether history shows the end"
        );
        step.apply().await?;
        ensure!(
            h.record_of(&inst).await?.status.is_terminal(),
            "the repeated commit had no effect"
        );
    }
    Ok(())
}

async fn a_dropped_completion_is_whole_or_nothing(h: Hub) -> Checked {
    for polls in CUTS {
        let inst = h.scheduling(&format!("i{polls}"), 1).await?;
        let request = ReceiveActivities {
            lease_for: h.timings().lease_short,
            ..h.ask_activities(1, h.wait())
        };
        let task = h.activities(request).await?.remove(0);
        cut(&h, polls, h.backend().commit_activities(vec![h.activity_commit(&task, "done")])).await;
        aftermath(&h).await?;
        h.pass_lease().await;
        h.settle().await;
        let delivered = h.turns_now(1).await?.len();
        let queued = h.activities_now(1).await?.len();
        ensure_eq!(delivered + queued, 1, "completions plus tasks after {polls} polls");
        h.purge(&inst.id).await?;
    }
    Ok(())
}

async fn a_dropped_completion_may_be_repeated(h: Hub) -> Checked {
    for polls in CUTS {
        let (inst, task) = h.with_activity(&format!("i{polls}")).await?;
        let commit = h.activity_commit(&task, "done");
        cut(&h, polls, h.backend().commit_activities(vec![commit.clone()])).await;
        for outcome in h.backend().commit_activities(vec![commit]).await {
            ensure!(outcome? != CommitOutcome::Conflict, "a completion conflicts");
        }
        aftermath(&h).await?;
        ensure_eq!(bodies(&h.turn_of(&inst).await?), ["done"], "the inbox after {polls} polls");
    }
    Ok(())
}

async fn a_dropped_receive_of_turns_loses_none(h: Hub) -> Checked {
    for polls in CUTS {
        let inst = h.created(&format!("i{polls}")).await?;
        let request =
            ReceiveTurns { lease_for: h.timings().lease_short, ..h.ask_turns(1, h.wait()) };
        cut(&h, polls, h.backend().receive_turns(request)).await;
        aftermath(&h).await?;
        h.pass_lease().await;
        let work = h.turn_of(&inst).await?;
        ensure_eq!(bodies(&work), ["start"], "the inbox after {polls} polls");
        h.step(&work).apply().await?;
    }
    Ok(())
}

async fn a_dropped_receive_of_activities_loses_none(h: Hub) -> Checked {
    for polls in CUTS {
        h.scheduling(&format!("i{polls}"), 1).await?;
        let request = ReceiveActivities {
            lease_for: h.timings().lease_short,
            ..h.ask_activities(1, h.wait())
        };
        cut(&h, polls, h.backend().receive_activities(request)).await;
        aftermath(&h).await?;
        h.pass_lease().await;
        let task = h.activity().await?;
        h.abandon_activity(&task.lease, h.timings().lease_long).await?;
    }
    Ok(())
}

async fn a_dropped_receive_of_tracking_loses_none(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    for polls in CUTS {
        h.step(&h.woken(&inst, "go").await?).tracking("record").apply().await?;
        let request =
            ReceiveTracking { lease_for: h.timings().lease_short, ..h.ask_tracking(1, h.wait()) };
        cut(&h, polls, h.backend().receive_tracking(request)).await;
        aftermath(&h).await?;
        h.pass_lease().await;
        ensure_eq!(h.drain_tracking(1).await?, ["record"], "the records after {polls} polls");
    }
    Ok(())
}

async fn a_dropped_wait_for_turns_takes_nothing(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    for polls in CUTS {
        cut(&h, polls, h.backend().receive_turns(h.ask_turns(1, h.wait()))).await;
        let work = h.woken(&inst, "event").await?;
        ensure_eq!(work.delivery, 1, "delivery after {polls} polls");
        h.step(&work).apply().await?;
    }
    Ok(())
}

async fn a_dropped_wait_for_activities_takes_nothing(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    for (round, polls) in CUTS.into_iter().enumerate() {
        cut(&h, polls, h.backend().receive_activities(h.ask_activities(1, h.wait()))).await;
        let work = h.woken(&inst, "go").await?;
        h.step(&work).activity(round as u64 + 1, "task").apply().await?;
        ensure_eq!(h.activity().await?.delivery, 1, "delivery after {polls} polls");
    }
    Ok(())
}

async fn a_dropped_wait_for_tracking_takes_nothing(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    for polls in CUTS {
        cut(&h, polls, h.backend().receive_tracking(h.ask_tracking(1, h.wait()))).await;
        h.step(&h.woken(&inst, "go").await?).tracking("record").apply().await?;
        ensure_eq!(h.drain_tracking(1).await?, ["record"], "the records after {polls} polls");
    }
    Ok(())
}

async fn a_dropped_renewal_of_a_turn_does_no_harm(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    for polls in CUTS {
        let work = h.woken(&inst, "go").await?;
        cut(&h, polls, h.backend().renew_turns(vec![work.lease.clone()], h.timings().lease_long))
            .await;
        h.step(&work).apply().await?;
    }
    aftermath(&h).await?;
    h.no_turn("the inbox was read").await
}

async fn a_dropped_renewal_of_an_activity_does_no_harm(h: Hub) -> Checked {
    for polls in CUTS {
        let (inst, task) = h.with_activity(&format!("i{polls}")).await?;
        let renewal = RenewActivity {
            lease: task.lease.clone(),
            lease_for: h.timings().lease_long,
            progress: Some(crate::driver::bytes("half")),
        };
        cut(&h, polls, h.backend().renew_activities(vec![renewal])).await;
        h.completes(&task, "done").await?;
        ensure_eq!(bodies(&h.turn_of(&inst).await?), ["done"], "the inbox after {polls} polls");
    }
    Ok(())
}

async fn a_dropped_abandoning_of_a_turn_loses_nothing(h: Hub) -> Checked {
    for polls in CUTS {
        let inst = h.created(&format!("i{polls}")).await?;
        let work = h.short_turn_of(&inst).await?;
        cut(&h, polls, h.backend().abandon_turns(vec![work.lease], Duration::ZERO)).await;
        aftermath(&h).await?;
        h.pass_lease().await;
        let work = h.turn_of(&inst).await?;
        h.step(&work).apply().await?;
    }
    Ok(())
}

async fn a_dropped_abandoning_of_an_activity_loses_nothing(h: Hub) -> Checked {
    for polls in CUTS {
        let inst = h.scheduling(&format!("i{polls}"), 1).await?;
        let task = h.short_activity().await?;
        cut(&h, polls, h.backend().abandon_activities(vec![task.lease], Duration::ZERO)).await;
        aftermath(&h).await?;
        h.pass_lease().await;
        let task = h.activity().await?;
        h.completes(&task, "done").await?;
        ensure_eq!(bodies(&h.turn_of(&inst).await?), ["done"], "the inbox after {polls} polls");
    }
    Ok(())
}

async fn a_dropped_acknowledgement_is_whole_or_nothing(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    for polls in CUTS {
        h.step(&h.woken(&inst, "go").await?).tracking("record").apply().await?;
        let request =
            ReceiveTracking { lease_for: h.timings().lease_short, ..h.ask_tracking(1, h.wait()) };
        let work = h.trackings(request).await?.remove(0);
        let done = cut(&h, polls, h.backend().ack_tracking(vec![work.lease])).await;
        aftermath(&h).await?;
        h.pass_lease().await;
        let again = h.tracking_now(5).await?;
        ensure!(
            done.is_none() || again.is_empty(),
            "an acknowledged record is back after {polls} polls"
        );
        for work in again {
            h.ack(&work).await?;
        }
    }
    Ok(())
}

async fn a_dropped_purge_is_whole_or_nothing(h: Hub) -> Checked {
    for polls in CUTS {
        let inst = h.completed(&format!("i{polls}")).await?;
        cut(&h, polls, h.backend().purge(vec![inst.id.clone()])).await;
        aftermath(&h).await?;
        let gone = h.record(&inst.id).await?.is_none();
        ensure_eq!(h.history_texts(&inst).await?.is_empty(), gone, "whether the history is gone");
        let expected = if gone { PurgeOutcome::NoInstance } else { PurgeOutcome::Purged };
        ensure_eq!(h.purge(&inst.id).await?, expected, "outcome of the repetition");
    }
    Ok(())
}

async fn a_dropped_watch_does_no_harm(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    for polls in CUTS {
        let seen = h.record_of(&inst).await?.revision;
        cut(&h, polls, h.backend().watch(&inst.id, seen, h.wait())).await;
        h.step(&h.woken(&inst, "go").await?).status(OrchestrationStatus::Running)?.apply().await?;
        let found =
            h.soon("the answer of a watch", h.backend().watch(&inst.id, seen, h.wait())).await??;
        ensure!(found.is_some(), "the next watch saw nothing after {polls} polls");
    }
    Ok(())
}

async fn dropped_reads_do_no_harm(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    for polls in CUTS {
        let read = HistoryRead {
            instance: inst.id.clone(),
            execution: inst.execution,
            from: 0,
            bytes_max: 1,
        };
        cut(&h, polls, h.backend().read_history(read)).await;
        cut(&h, polls, h.backend().read_records(vec![inst.id.clone()])).await;
        cut(&h, polls, h.backend().executions(&inst.id)).await;
        cut(&h, polls, h.backend().list(InstanceQuery::default())).await;
        h.record_of(&inst).await?;
    }
    ensure_eq!(h.history_texts(&inst).await?, ["turn"], "the history");
    Ok(())
}

async fn a_dropped_caller_does_not_stop_the_others(h: Hub) -> Checked {
    for polls in CUTS {
        let (a, b) = (format!("a{polls}"), format!("b{polls}"));
        let dropped = vec![h.creation(&a)?];
        let (_, answer) = tokio::join!(
            cut(&h, polls, h.backend().create_instances(dropped)),
            h.create(h.creation(&b)?),
        );
        ensure!(
            matches!(answer?, CreateOutcome::Created),
            "the other creation failed after {polls} polls"
        );
        ensure!(h.record(&iid(&b)?).await?.is_some(), "nothing was created after {polls} polls");
    }
    Ok(())
}
