//! Sixteen tasks at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use durable_core::backend::{
    AbandonOutcome, CommitOutcome, CreateOutcome, InstanceQuery, OrchestrationStatus, RenewOutcome,
    ReusePolicy,
};

use crate::check::{Check, Checked};
use crate::driver::turns::{bodies, text};
use crate::driver::{Hub, Inst, iid};

pub(super) fn list() -> Vec<Check> {
    area!("concurrency";
        O1 of_sixteen_creators_of_one_id_one_wins,
        O1 of_sixteen_replacing_creators_one_wins,
        O1 sixteen_creators_of_different_ids_all_win,
        O9 sixteen_receivers_get_sixteen_different_instances,
        O9 sixteen_receivers_share_what_is_ready,
        O9 each_waiting_receiver_gets_some,
        C8 one_message_wakes_one_of_many_receivers,
        C4 sixteen_senders_of_one_message_deliver_it_once,
        C6 sixteen_senders_lose_nothing_and_keep_their_order,
        C2 of_sixteen_equal_commits_one_has_an_effect,
        C2 of_sixteen_different_commits_under_one_token_one_has_an_effect,
        C2 a_stale_and_a_current_holder_race_and_the_current_wins,
        O11 of_sixteen_abandonings_one_is_done,
        C2 renewals_during_a_commit_do_no_harm,
        Q1 sixteen_receivers_get_each_task_once,
        A2 of_sixteen_completions_of_one_task_one_is_delivered,
        A1 completions_by_sixteen_workers_all_arrive,
        C3 commits_to_sixteen_instances_do_not_mix,
        T4 senders_during_commits_lose_nothing,
        T6 senders_during_continue_as_new_lose_nothing,
        C10 senders_during_the_end_get_an_honest_answer,
        O3 senders_before_the_start_lose_nothing,
        C8 a_message_between_two_receives_is_never_missed,
        C8 a_task_between_two_receives_is_never_missed,
        H2 sixteen_watches_see_the_end,
        K1 sixteen_dispatchers_get_each_record,
        H3 listings_during_creations_repeat_nobody,
        H5 purges_and_creations_race_and_leave_whole_instances,
        C3 sixteen_workers_run_fifty_instances_to_their_end,
        C11 dropped_receivers_take_no_work_with_them,
    )
}

const TASKS: usize = 16;

/// Runs sixteen tasks at once; the answers are in order of their numbers.
async fn sixteen<T, F, Fut>(h: &Hub, run: F) -> Checked<Vec<T>>
where
    T: Send + 'static,
    F: Fn(Hub, usize) -> Fut,
    Fut: Future<Output = Checked<T>> + Send + 'static,
{
    let start = Arc::new(tokio::sync::Barrier::new(TASKS));
    let tasks: Vec<_> = (0..TASKS)
        .map(|number| {
            let (start, work) = (Arc::clone(&start), run(h.clone(), number));
            h.spawn(async move {
                start.wait().await;
                work.await
            })
        })
        .collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.join(h).await??);
    }
    Ok(answers)
}

async fn count_created(h: &Hub, reuse: ReusePolicy) -> Checked<usize> {
    let answers = sixteen(h, |h, _| async move {
        let mut request = h.creation("a")?;
        request.reuse = reuse;
        Ok(matches!(h.create(request).await?, CreateOutcome::Created))
    });
    Ok(answers.await?.into_iter().filter(|created| *created).count())
}

async fn of_sixteen_creators_of_one_id_one_wins(h: Hub) -> Checked {
    ensure_eq!(count_created(&h, ReusePolicy::Reject).await?, 1, "how many created it");
    ensure_eq!(bodies(&h.turn().await?), ["start"], "the inbox");
    h.no_turn("there is one instance").await
}

async fn of_sixteen_replacing_creators_one_wins(h: Hub) -> Checked {
    h.completed("a").await?;
    ensure_eq!(count_created(&h, ReusePolicy::ReplaceTerminal).await?, 1, "how many created it");
    ensure_eq!(bodies(&h.turn().await?), ["start"], "the inbox");
    Ok(())
}

async fn sixteen_creators_of_different_ids_all_win(h: Hub) -> Checked {
    sixteen(&h, |h, number| async move { h.created(&format!("i{number}")).await }).await?;
    h.turns_of_all(TASKS).await?;
    Ok(())
}

async fn crowd(h: &Hub, count: usize) -> Checked<Vec<Inst>> {
    let mut crowd = Vec::new();
    for number in 0..count {
        crowd.push(h.created(&format!("i{number:02}")).await?);
    }
    Ok(crowd)
}

async fn sixteen_receivers_get_sixteen_different_instances(h: Hub) -> Checked {
    crowd(&h, TASKS).await?;
    let works = sixteen(&h, |h, _| async move { h.turn().await }).await?;
    let names: BTreeSet<_> = works.iter().map(|w| w.lease.instance.to_string()).collect();
    ensure_eq!(names.len(), TASKS, "different instances");
    Ok(())
}

async fn sixteen_receivers_share_what_is_ready(h: Hub) -> Checked {
    crowd(&h, 5).await?;
    let works = sixteen(&h, |h, _| async move {
        let mut works = h.turns_now(3).await?;
        works.extend(h.turns_now(3).await?);
        Ok(works)
    });
    let mut works = works.await?.concat();
    // Whoever came too early left something for others.
    works.extend(h.turns_of_all(5_usize.saturating_sub(works.len())).await?);
    let names: Vec<_> = works.iter().map(|w| w.lease.instance.to_string()).collect();
    let different: BTreeSet<_> = names.iter().collect();
    ensure_eq!((names.len(), different.len()), (5, 5), "instances handed out {names:?}");
    Ok(())
}

async fn each_waiting_receiver_gets_some(h: Hub) -> Checked {
    let receivers: Vec<_> = (0..TASKS)
        .map(|_| {
            let hub = h.clone();
            h.spawn(async move { hub.turn().await })
        })
        .collect();
    h.grace().await;
    crowd(&h, TASKS).await?;
    let mut names = BTreeSet::new();
    for receiver in receivers {
        names.insert(receiver.join(&h).await??.lease.instance.to_string());
    }
    ensure_eq!(names.len(), TASKS, "different instances");
    Ok(())
}

async fn one_message_wakes_one_of_many_receivers(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    let got = Arc::new(AtomicUsize::new(0));
    let receivers: Vec<_> = (0..TASKS)
        .map(|_| {
            let (backend, request, got) =
                (h.shared_backend(), h.ask_turns(1, h.wait()), Arc::clone(&got));
            h.spawn(async move {
                let works = backend.receive_turns(request).await;
                got.fetch_add(works.map_or(0, |w| w.len()), Ordering::SeqCst);
            })
        })
        .collect();
    h.grace().await;
    h.tell(&inst, "event").await?;
    let arrived = async {
        while got.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
    };
    h.soon("the arrival of a turn", arrived).await?;
    h.grace().await;
    ensure_eq!(got.load(Ordering::SeqCst), 1, "how many got the instance");
    drop(receivers);
    Ok(())
}

async fn sixteen_senders_of_one_message_deliver_it_once(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    let message = h.message(&inst.id, "once");
    sixteen(&h, |h, _| {
        let message = message.clone();
        async move { h.sent(message).await }
    })
    .await?;
    ensure_eq!(bodies(&h.turn_of(&inst).await?), ["once"], "the inbox");
    Ok(())
}

/// Insists that `found` holds `count` numbered messages of each of sixteen senders, in order.
fn complete_and_in_order(found: &[String], count: usize) -> Checked {
    let mut of_sender: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for body in found {
        let (sender, number) = body.split_once(':').unwrap_or(("?", body));
        of_sender.entry(sender).or_default().push(number);
    }
    let expected: Vec<String> = (0..count).map(|n| n.to_string()).collect();
    ensure_eq!(of_sender.len(), TASKS, "senders");
    for (sender, numbers) in of_sender {
        ensure_eq!(numbers, expected, "the messages of sender {sender}");
    }
    Ok(())
}

async fn chatter(h: Hub, inst: Inst, sender: usize, count: usize) -> Checked {
    for number in 0..count {
        h.tell(&inst, &format!("{sender}:{number}")).await?;
    }
    Ok(())
}

async fn sixteen_senders_lose_nothing_and_keep_their_order(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    sixteen(&h, |h, sender| chatter(h, inst.clone(), sender, 20)).await?;
    let found = drain(&h, &inst, TASKS * 20).await?;
    complete_and_in_order(&found, 20)
}

/// Runs turns until `count` messages have been read.
async fn drain(h: &Hub, inst: &Inst, count: usize) -> Checked<Vec<String>> {
    let mut found = Vec::new();
    while found.len() < count {
        let work = h.turn_of(inst).await?;
        found.extend(bodies(&work));
        h.step(&work).no_events().apply().await?;
    }
    ensure_eq!(found.len(), count, "messages");
    Ok(found)
}

async fn of_sixteen_equal_commits_one_has_an_effect(h: Hub) -> Checked {
    let other = h.running("other").await?;
    let inst = h.created("a").await?;
    let step =
        h.step(&h.turn_of(&inst).await?).activity(1, "task").message(h.message(&other.id, "once"));
    let commit = step.commit;
    let outcomes = sixteen(&h, |h, _| {
        let commit = commit.clone();
        async move { h.commit(commit).await }
    });
    for outcome in outcomes.await? {
        ensure_eq!(outcome, CommitOutcome::Applied, "outcome");
    }
    h.settle().await;
    ensure_eq!(h.history_texts(&inst).await?, ["turn"], "the history");
    ensure_eq!(bodies(&h.turn_of(&other).await?), ["once"], "the other inbox");
    ensure_eq!(h.activities_now(10).await?.len(), 1, "tasks");
    Ok(())
}

async fn of_sixteen_different_commits_under_one_token_one_has_an_effect(h: Hub) -> Checked {
    let inst = h.created("a").await?;
    let work = h.turn_of(&inst).await?;
    sixteen(&h, |h, number| {
        let work = work.clone();
        async move {
            let step = h
                .step(&work)
                .events(1, &format!("c{number}"))
                .activity(number as u64, &format!("c{number}"));
            step.commit().await
        }
    })
    .await?;
    let history = h.history_texts(&inst).await?;
    ensure_eq!(history.len(), 1, "chunks of history");
    h.settle().await;
    let tasks: Vec<_> = h.activities_now(20).await?.iter().map(|t| text(&t.body)).collect();
    ensure_eq!(tasks, history, "the tasks and the history of the winner");
    Ok(())
}

async fn a_stale_and_a_current_holder_race_and_the_current_wins(h: Hub) -> Checked {
    for round in 0..10 {
        let inst = h.created(&format!("i{round}")).await?;
        let stale = h.short_turn_of(&inst).await?;
        h.pass_lease().await;
        let current = h.turn_of(&inst).await?;
        let outcomes = sixteen(&h, |h, number| {
            let work = if number % 2 == 0 { stale.clone() } else { current.clone() };
            async move {
                let name = if number % 2 == 0 { "stale" } else { "current" };
                h.step(&work).events(1, name).commit().await
            }
        });
        for (number, outcome) in outcomes.await?.into_iter().enumerate() {
            let expected =
                if number % 2 == 0 { CommitOutcome::LeaseLost } else { CommitOutcome::Applied };
            ensure_eq!(outcome, expected, "outcome of task {number}");
        }
        ensure_eq!(h.history_texts(&inst).await?, ["current"], "the history");
    }
    Ok(())
}

async fn of_sixteen_abandonings_one_is_done(h: Hub) -> Checked {
    h.created("a").await?;
    let lease = h.turn().await?.lease;
    let answers = sixteen(&h, |h, _| {
        let lease = lease.clone();
        async move { h.abandon(&lease, Duration::ZERO).await }
    });
    let done = answers.await?.into_iter().filter(|a| *a == AbandonOutcome::Done).count();
    ensure_eq!(done, 1, "how many gave it back");
    Ok(())
}

async fn renewals_during_a_commit_do_no_harm(h: Hub) -> Checked {
    for round in 0..10 {
        let inst = h.created(&format!("i{round}")).await?;
        let work = h.turn_of(&inst).await?;
        sixteen(&h, |h, number| {
            let work = work.clone();
            async move {
                if number == 8 {
                    return h.step(&work).apply().await;
                }
                h.renew(&work.lease, h.timings().lease_long).await.map(|_| ())
            }
        })
        .await?;
        let after = h.renew(&work.lease, h.timings().lease_long).await?;
        ensure_eq!(after, RenewOutcome::Lost, "renewal after the commit");
        ensure_eq!(h.woken(&inst, "event").await?.delivery, 1, "delivery");
    }
    Ok(())
}

async fn sixteen_receivers_get_each_task_once(h: Hub) -> Checked {
    h.scheduling("a", 160).await?;
    let works = sixteen(&h, |h, _| async move {
        let mut works = Vec::new();
        loop {
            let more = h.activities_now(4).await?;
            if more.is_empty() {
                return Ok(works);
            }
            works.extend(more);
        }
    });
    let mut tasks: Vec<_> = works.await?.concat().into_iter().map(|w| w.lease.task.seq).collect();
    // A store that hands out in parts may leave a rest.
    tasks.extend(h.activities_now(160).await?.into_iter().map(|w| w.lease.task.seq));
    tasks.sort_unstable();
    ensure_eq!(tasks, (1..=160).collect::<Vec<u64>>(), "the tasks");
    Ok(())
}

async fn of_sixteen_completions_of_one_task_one_is_delivered(h: Hub) -> Checked {
    let (inst, task) = h.with_activity("a").await?;
    sixteen(&h, |h, number| {
        let task = task.clone();
        async move { h.complete(&task, &format!("by {number}")).await }
    })
    .await?;
    h.settle().await;
    let work = h.turn_of(&inst).await?;
    ensure_eq!(work.messages.len(), 1, "completions");
    h.step(&work).apply().await?;
    h.no_turn("the task was completed once").await
}

async fn completions_by_sixteen_workers_all_arrive(h: Hub) -> Checked {
    let inst = h.scheduling("a", TASKS as u64 * 4).await?;
    sixteen(&h, |h, _| async move {
        for _ in 0..4 {
            let task = h.activity().await?;
            h.completes(&task, &text(&task.body)).await?;
        }
        Ok(())
    })
    .await?;
    let found: BTreeSet<_> = drain(&h, &inst, TASKS * 4).await?.into_iter().collect();
    ensure_eq!(found.len(), TASKS * 4, "different completions");
    Ok(())
}

async fn commits_to_sixteen_instances_do_not_mix(h: Hub) -> Checked {
    let crowd = crowd(&h, TASKS).await?;
    let works = h.turns_of_all(TASKS).await?;
    sixteen(&h, |h, number| {
        let work = works[number].clone();
        async move { h.step(&work).events(1, work.lease.instance.as_str()).apply().await }
    })
    .await?;
    for inst in crowd {
        ensure_eq!(
            h.history_texts(&inst).await?,
            [inst.id.to_string()],
            "the history of {}",
            inst.id
        );
    }
    Ok(())
}

async fn senders_during_commits_lose_nothing(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    let (reader, of) = (h.clone(), inst.clone());
    let reading = h.spawn(async move { drain(&reader, &of, TASKS * 20).await });
    sixteen(&h, |h, sender| chatter(h, inst.clone(), sender, 20)).await?;
    complete_and_in_order(&reading.join(&h).await??, 20)
}

async fn senders_during_continue_as_new_lose_nothing(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    let (reader, of) = (h.clone(), inst.clone());
    let reading = h.spawn(async move {
        let mut found = Vec::new();
        while found.len() < TASKS * 10 {
            let work = reader.turn_of(&of).await?;
            found.extend(bodies(&work));
            reader.step(&work).next(reader.execution(), false)?.apply().await?;
        }
        Ok::<_, crate::Failure>(found)
    });
    sixteen(&h, |h, sender| chatter(h, inst.clone(), sender, 10)).await?;
    complete_and_in_order(&reading.join(&h).await??, 10)
}

async fn senders_during_the_end_get_an_honest_answer(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    let work = h.woken(&inst, "end").await?;
    sixteen(&h, |h, number| {
        let (work, inst) = (work.clone(), inst.clone());
        async move {
            if number == 3 {
                return h.step(&work).status(OrchestrationStatus::Completed)?.apply().await;
            }
            h.send(h.message(&inst.id, "event")).await.map(|_| ())
        }
    })
    .await?;
    let late = h.send(h.message(&inst.id, "late")).await?;
    ensure_eq!(late, durable_core::backend::SendOutcome::Terminal, "answer after the end");
    h.no_turn("the instance is terminal").await
}

async fn senders_before_the_start_lose_nothing(h: Hub) -> Checked {
    sixteen(&h, |h, number| async move {
        if number == 5 {
            return h.created("a").await.map(|_| ());
        }
        h.sent(h.placeholder("a", &format!("{number}"))?).await
    })
    .await?;
    let record = h.record(&iid("a")?).await?;
    ensure_eq!(record.map(|r| r.status), Some(OrchestrationStatus::Pending), "status");
    let mut found = Vec::new();
    while found.len() < TASKS {
        let work = h.turn().await?;
        found.extend(bodies(&work));
        h.step(&work).no_events().apply().await?;
    }
    let starts = found.iter().filter(|body| *body == "start").count();
    ensure_eq!((found.len(), starts), (TASKS, 1), "messages and starts");
    Ok(())
}

async fn a_message_between_two_receives_is_never_missed(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    let (reader, of) = (h.clone(), inst.clone());
    // Reader and sender meet at ever different points of the receive.
    let reading = h.spawn(async move { drain(&reader, &of, 200).await });
    for number in 0..200 {
        for _ in 0..number % 7 {
            tokio::task::yield_now().await;
        }
        h.tell(&inst, &number.to_string()).await?;
    }
    let expected: Vec<_> = (0..200).map(|n| n.to_string()).collect();
    ensure_eq!(reading.join(&h).await??, expected, "the messages");
    Ok(())
}

async fn a_task_between_two_receives_is_never_missed(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    let worker = h.clone();
    let working = h.spawn(async move {
        for _ in 0..100 {
            let task = worker.activity().await?;
            worker.completes(&task, "done").await?;
        }
        Ok::<_, crate::Failure>(())
    });
    h.tell(&inst, "go").await?;
    for seq in 1..=100 {
        let work = h.turn_of(&inst).await?;
        h.step(&work).no_events().activity(seq, "task").apply().await?;
    }
    working.join(&h).await?
}

async fn sixteen_watches_see_the_end(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    let driver = h.clone();
    let of = inst.clone();
    let driving = h.spawn(async move {
        for round in 0..10 {
            let work = driver.woken(&of, "go").await?;
            let status = if round == 9 {
                OrchestrationStatus::Completed
            } else {
                OrchestrationStatus::Running
            };
            driver.step(&work).status(status)?.apply().await?;
        }
        Ok::<_, crate::Failure>(())
    });
    sixteen(&h, |h, _| {
        let id = inst.id.clone();
        async move {
            let mut seen = 0;
            loop {
                let record = h.soon("a change", h.backend().watch(&id, seen, h.wait())).await??;
                match record {
                    Some(record) if record.status.is_terminal() => return Ok(()),
                    Some(record) => seen = record.revision,
                    None => return Err(crate::Failure::new("a watch ended without an answer")),
                }
            }
        }
    })
    .await?;
    driving.join(&h).await?
}

async fn sixteen_dispatchers_get_each_record(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    for number in 0..48 {
        h.step(&h.woken(&inst, "go").await?).tracking(&number.to_string()).apply().await?;
    }
    let left = Arc::new(AtomicUsize::new(48));
    let found = sixteen(&h, |h, _| {
        let left = Arc::clone(&left);
        async move {
            let mut found = Vec::new();
            while left.load(Ordering::SeqCst) > 0 {
                for work in h.tracking_now(2).await? {
                    if h.ack(&work).await? == AbandonOutcome::Done {
                        left.fetch_sub(1, Ordering::SeqCst);
                        found.push(text(&work.body));
                    }
                }
                tokio::task::yield_now().await;
            }
            Ok(found)
        }
    });
    let found = found.await?.concat();
    let different: BTreeSet<_> = found.iter().collect();
    ensure_eq!((found.len(), different.len()), (48, 48), "records, and different records");
    Ok(())
}

async fn listings_during_creations_repeat_nobody(h: Hub) -> Checked {
    let crowd = crowd(&h, 30).await?;
    h.index(&crowd.iter().map(|i| i.id.clone()).collect::<Vec<_>>()).await?;
    sixteen(&h, |h, number| async move {
        if number % 2 == 0 {
            for round in 0..5 {
                let inst = h.created(&format!("i{round}-{number}")).await?;
                h.index(&[inst.id]).await?;
            }
            return Ok(());
        }
        let query = InstanceQuery { page_items: 3, ..InstanceQuery::default() };
        let found: Vec<_> =
            h.list(query).await?.into_iter().map(|r| r.instance.to_string()).collect();
        let different: BTreeSet<_> = found.iter().collect();
        ensure_eq!(found.len(), different.len(), "items {found:?}");
        Ok(())
    })
    .await?;
    let crowd = crowd.iter().map(|i| i.id.to_string());
    let created = (0..16).step_by(2).flat_map(|n| (0..5).map(move |r| format!("i{r}-{n}")));
    let expected: Vec<_> = crowd.chain(created).collect();
    let expected: Vec<_> = expected.iter().map(String::as_str).collect();
    h.listed(InstanceQuery::default(), &expected).await
}

async fn purges_and_creations_race_and_leave_whole_instances(h: Hub) -> Checked {
    h.completed("a").await?;
    sixteen(&h, |h, number| async move {
        if number % 2 == 0 {
            h.purge(&iid("a")?).await?;
        } else {
            let mut request = h.creation("a")?;
            request.reuse = ReusePolicy::ReplaceTerminal;
            h.create(request).await?;
        }
        Ok(())
    })
    .await?;
    // Whoever came last: the instance lives, and its start message is there.
    let record = h.record(&iid("a")?).await?;
    ensure_eq!(record.map(|r| r.status), Some(OrchestrationStatus::Pending), "status");
    ensure_eq!(bodies(&h.turn().await?), ["start"], "the inbox");
    Ok(())
}

async fn sixteen_workers_run_fifty_instances_to_their_end(h: Hub) -> Checked {
    let mut crowd = Vec::new();
    for number in 0..50 {
        crowd.push(h.created(&format!("i{number:02}")).await?);
    }
    let open = Arc::new(AtomicUsize::new(50));
    sixteen(&h, |h, _| {
        let open = Arc::clone(&open);
        async move {
            while open.load(Ordering::SeqCst) > 0 {
                for work in h.turns_now(2).await? {
                    one_of_three_turns(&h, &work, &open).await?;
                }
                for task in h.activities_now(2).await? {
                    h.completes(&task, "done").await?;
                }
                tokio::task::yield_now().await;
            }
            Ok(())
        }
    })
    .await?;
    for inst in crowd {
        ensure_eq!(
            h.history_texts(&inst).await?,
            ["turn 0", "turn 1", "turn 2"],
            "the history of {}",
            inst.id
        );
    }
    Ok(())
}

/// Two activities, one after the other, then the end.
async fn one_of_three_turns(
    h: &Hub,
    work: &durable_core::backend::TurnWork,
    open: &AtomicUsize,
) -> Checked {
    let step = h.step(work).events(1, &format!("turn {}", work.events));
    if work.events < 2 {
        return step.activity(work.events, "task").apply().await;
    }
    step.status(OrchestrationStatus::Completed)?.apply().await?;
    open.fetch_sub(1, Ordering::SeqCst);
    Ok(())
}

async fn dropped_receivers_take_no_work_with_them(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    for round in 0..20 {
        {
            let dropped = h.backend().receive_turns(h.ask_turns(1, h.wait()));
            let mut dropped = std::pin::pin!(dropped);
            // Begins to wait, and gives up before anything is there.
            ensure!(
                futures_util::poll!(dropped.as_mut()).is_pending(),
                "something was ready too early"
            );
        }
        let work = h.woken(&inst, &round.to_string()).await?;
        ensure_eq!(work.delivery, 1, "delivery");
        h.step(&work).no_events().apply().await?;
    }
    Ok(())
}
