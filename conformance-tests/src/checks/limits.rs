//! The largest values that the engine lets through.

use std::time::Duration;

use bytes::Bytes;
use durable_core::backend::{
    Envelope, InstanceQuery, OrchestrationStatus, ReceiveActivities, ReceiveTurns, RenewOutcome,
    SendOutcome,
};
use durable_core::ids::{Name, QueueName};
use durable_core::limits::{
    BATCH_ITEMS_MAX, HUB_NAME_BYTES_MAX, INSTANCE_ID_BYTES_MAX, MESSAGES_PER_TURN_MAX,
    NAME_BYTES_MAX, PAGE_ITEMS_MAX, PAYLOAD_BYTES_MAX, PROGRESS_BYTES_MAX, UNREAD_EVENTS_MAX,
};

use crate::check::{Check, Checked};
use crate::driver::turns::bodies;
use crate::driver::{Hub, Inst, iid, only};

pub(super) fn list() -> Vec<Check> {
    area!("limits";
        C1 the_longest_instance_id_is_kept,
        C1 the_longest_names_are_kept,
        C1 the_longest_queue_name_routes,
        C1 the_longest_hub_name_opens,
        C1 the_largest_message_arrives,
        C1 the_largest_task_arrives,
        C1 the_largest_chunk_is_kept,
        C1 the_largest_details_are_kept,
        C1 the_largest_progress_is_kept,
        C1 a_turn_of_many_large_parts_is_committed,
        C9 the_largest_batch_of_messages_is_answered,
        C9 the_largest_batch_of_creations_is_answered,
        C9 the_largest_batch_of_commits_is_answered,
        H4 the_largest_page_is_answered,
        O8 the_most_messages_of_one_turn_are_handed_out,
        T4 the_most_messages_of_one_turn_are_consumed,
        T5 a_commit_of_thousands_of_actions_is_whole,
        H1 a_long_history_is_read_whole,
        O7 a_full_inbox_refuses_messages,
        O7 a_full_inbox_accepts_control_messages,
        O7 a_full_inbox_accepts_completions,
        O7 a_full_inbox_accepts_timers,
        O7 a_full_inbox_accepts_messages_of_commits,
        O7 an_inbox_that_was_read_accepts_again,
        O7 a_full_inbox_does_not_block_others,
        O7 a_batch_that_fills_an_inbox_is_refused_in_part,
        C2 the_longest_lease_is_accepted,
        C8 the_longest_wait_is_accepted,
        O11 the_longest_delay_is_accepted,
        C2 the_longest_renewal_is_accepted,
    )
}

async fn the_longest_instance_id_is_kept(h: Hub) -> Checked {
    for letter in ["x", "\u{1f980}", "%", "\u{3b1}\u{3b2}"] {
        let name = letter.repeat(INSTANCE_ID_BYTES_MAX / letter.len());
        let inst = h.running(&name).await?;
        ensure_eq!(h.record_of(&inst).await?.instance, inst.id, "the id");
        let work = h.woken(&inst, "event").await?;
        h.step(&work).activity(1, "task").timer(2, h.later(), "timer").apply().await?;
        ensure_eq!(h.activity().await?.lease.instance, inst.id, "the id in a task");
    }
    Ok(())
}

async fn the_longest_names_are_kept(h: Hub) -> Checked {
    let mut request = h.creation("a")?;
    let mut record = h.first_record(&request.start.target, h.execution())?;
    record.name = Name::new("\u{1f980}".repeat(NAME_BYTES_MAX / 4))?;
    record.version = "v".repeat(NAME_BYTES_MAX);
    record.parent = Some(iid(&"p".repeat(INSTANCE_ID_BYTES_MAX))?);
    request.start.execution = Some(record.execution);
    request.start.creates = Some(record.clone().into());
    let inst = h.must_create(request).await?;
    let found = h.record_of(&inst).await?;
    ensure_eq!(
        (found.name, found.version, found.parent),
        (record.name, record.version, record.parent),
        "name, version and parent"
    );
    Ok(())
}

async fn the_longest_queue_name_routes(h: Hub) -> Checked {
    let queue = "\u{3b1}".repeat(NAME_BYTES_MAX / 2);
    let inst = h.created("a").await?;
    h.step(&h.turn_of(&inst).await?).activity_on(&queue, 1, "task")?.apply().await?;
    let queues = vec![QueueName::new(&queue)?];
    h.activities(ReceiveActivities { queues, ..h.ask_activities(1, h.wait()) }).await?;
    Ok(())
}

async fn the_longest_hub_name_opens(h: Hub) -> Checked {
    for name in ["h".repeat(HUB_NAME_BYTES_MAX), "\u{1f980}".repeat(HUB_NAME_BYTES_MAX / 4)] {
        let hub = h.neighbour(&name).await?;
        hub.running("a").await?;
    }
    Ok(())
}

fn large(size: usize) -> Bytes {
    // Not compressible to nothing, and without any special byte left out.
    (0..size).map(|at| (at ^ (at >> 8) ^ (at >> 16)) as u8).collect::<Vec<_>>().into()
}

async fn the_largest_message_arrives(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    let body = large(PAYLOAD_BYTES_MAX);
    h.sent(Envelope { body: body.clone(), ..h.message(&inst.id, "") }).await?;
    ensure!(h.turn_of(&inst).await?.messages[0].body == body, "the body is not the one sent");
    Ok(())
}

async fn the_largest_task_arrives(h: Hub) -> Checked {
    let inst = h.created("a").await?;
    let step = h.step(&h.turn_of(&inst).await?);
    let body = large(PAYLOAD_BYTES_MAX);
    let task = Envelope { body: body.clone(), ..step.task(1, "") };
    step.activity_envelope(task).apply().await?;
    ensure!(h.activity().await?.body == body, "the body is not the one scheduled");
    Ok(())
}

async fn the_largest_chunk_is_kept(h: Hub) -> Checked {
    let inst = h.created("a").await?;
    let mut step = h.step(&h.turn_of(&inst).await?);
    let bytes = large(PAYLOAD_BYTES_MAX * 2);
    if let Some(chunk) = &mut step.commit.chunk {
        chunk.bytes = bytes.clone();
    }
    step.apply().await?;
    let found = h.history_of(&inst.id, inst.execution).await?;
    ensure!(found.len() == 1 && found[0].bytes == bytes, "the chunk is not the one committed");
    Ok(())
}

async fn the_largest_details_are_kept(h: Hub) -> Checked {
    let inst = h.created("a").await?;
    let mut step = h.step(&h.turn_of(&inst).await?).status(OrchestrationStatus::Completed)?;
    let details = large(PAYLOAD_BYTES_MAX);
    if let Some(record) = &mut step.commit.record {
        record.details = details.clone();
    }
    step.apply().await?;
    ensure!(h.record_of(&inst).await?.details == details, "the details are not the ones committed");
    Ok(())
}

async fn the_largest_progress_is_kept(h: Hub) -> Checked {
    let (_, task) = h.with_activity("a").await?;
    let progress = "p".repeat(PROGRESS_BYTES_MAX);
    h.renew_activity(&task.lease, h.timings().lease_long, Some(&progress)).await?;
    h.abandon_activity(&task.lease, Duration::ZERO).await?;
    ensure!(
        h.activity().await?.progress == Some(Bytes::from(progress)),
        "the progress is not the one recorded"
    );
    Ok(())
}

async fn a_turn_of_many_large_parts_is_committed(h: Hub) -> Checked {
    let inst = h.created("a").await?;
    let body = large(PAYLOAD_BYTES_MAX / 8);
    let mut step = h.step(&h.turn_of(&inst).await?);
    for seq in 1..=16 {
        let task = Envelope { body: body.clone(), ..step.task(seq, "") };
        step = step.activity_envelope(task);
    }
    step.apply().await?;
    let tasks = h.activities_all(16).await?;
    ensure!(tasks.iter().all(|t| t.body == body), "a body is not the one scheduled");
    Ok(())
}

/// Sends `count` numbered messages in batches.
async fn flood(h: &Hub, inst: &Inst, count: usize) -> Checked {
    let numbers: Vec<usize> = (0..count).collect();
    for batch in numbers.chunks(BATCH_ITEMS_MAX) {
        let batch = batch.iter().map(|n| h.message(&inst.id, &n.to_string())).collect();
        for answer in h.backend().send(batch).await {
            ensure_eq!(answer?, SendOutcome::Accepted, "answer");
        }
    }
    Ok(())
}

async fn the_largest_batch_of_messages_is_answered(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    flood(&h, &inst, BATCH_ITEMS_MAX).await?;
    ensure!(!h.turn_of(&inst).await?.messages.is_empty(), "no messages");
    Ok(())
}

async fn create_many(h: &Hub, count: usize) -> Checked {
    let batch =
        (0..count).map(|n| h.creation(&format!("i{n:04}"))).collect::<Result<Vec<_>, _>>()?;
    let answers = h.backend().create_instances(batch).await;
    ensure_eq!(answers.len(), count, "answers");
    for answer in answers {
        answer?;
    }
    Ok(())
}

async fn the_largest_batch_of_creations_is_answered(h: Hub) -> Checked {
    create_many(&h, BATCH_ITEMS_MAX).await?;
    ensure!(
        h.record(&iid(&format!("i{:04}", BATCH_ITEMS_MAX - 1))?).await?.is_some(),
        "the last one is missing"
    );
    Ok(())
}

async fn the_largest_batch_of_commits_is_answered(h: Hub) -> Checked {
    create_many(&h, BATCH_ITEMS_MAX).await?;
    let works = h.turns_of_all(BATCH_ITEMS_MAX).await?;
    let commits = works.iter().map(|w| h.step(w).commit).collect();
    let outcomes = h.backend().commit_turns(commits).await;
    ensure_eq!(outcomes.len(), BATCH_ITEMS_MAX, "outcomes");
    for outcome in outcomes {
        ensure_eq!(outcome?, durable_core::backend::CommitOutcome::Applied, "outcome");
    }
    Ok(())
}

async fn the_largest_page_is_answered(h: Hub) -> Checked {
    create_many(&h, 1000).await?;
    let ids = (0..1000).map(|n| iid(&format!("i{n:04}"))).collect::<Result<Vec<_>, _>>()?;
    h.index(&ids).await?;
    let query = InstanceQuery { page_items: PAGE_ITEMS_MAX, ..InstanceQuery::default() };
    let page = h.backend().list(query.clone()).await?;
    ensure!(page.items.len() <= PAGE_ITEMS_MAX, "{} items in a page", page.items.len());
    let names: Vec<String> = ids.iter().map(ToString::to_string).collect();
    h.listed(query, &names.iter().map(String::as_str).collect::<Vec<_>>()).await
}

async fn the_most_messages_of_one_turn_are_handed_out(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    flood(&h, &inst, MESSAGES_PER_TURN_MAX + 5).await?;
    let work = h.turn_of(&inst).await?;
    ensure!(work.messages.len() <= MESSAGES_PER_TURN_MAX, "{} messages", work.messages.len());
    h.step(&work).apply().await?;
    ensure!(!h.turn_of(&inst).await?.messages.is_empty(), "the rest is missing");
    Ok(())
}

async fn the_most_messages_of_one_turn_are_consumed(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    flood(&h, &inst, MESSAGES_PER_TURN_MAX).await?;
    let mut read = 0;
    while read < MESSAGES_PER_TURN_MAX {
        let work = h.turn_of(&inst).await?;
        read += work.messages.len();
        h.step(&work).apply().await?;
    }
    ensure_eq!(read, MESSAGES_PER_TURN_MAX, "messages read");
    h.no_turn("every message was consumed").await
}

async fn a_commit_of_thousands_of_actions_is_whole(h: Hub) -> Checked {
    let inst = h.created("a").await?;
    let step = h.step(&h.turn_of(&inst).await?);
    let due = h.now() - Duration::from_secs(1);
    let step = (1..=2000).fold(step, |step, seq| step.activity(seq, "task"));
    (3001..=3900).fold(step, |step, seq| step.timer(seq, due, "timer")).apply().await?;
    h.activities_all(2000).await?;
    h.settle().await;
    ensure_eq!(h.turn_of(&inst).await?.messages.len(), 900, "timers");
    Ok(())
}

async fn a_long_history_is_read_whole(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    for turn in 0..300 {
        let work = h.woken(&inst, "go").await?;
        h.step(&work).events(3, &format!("turn {turn}")).apply().await?;
    }
    let chunks = h.history_in_pages(&inst.id, inst.execution, 500).await?;
    ensure_eq!(chunks.iter().map(|c| c.events).sum::<u32>(), 901, "events");
    Ok(())
}

async fn full(h: &Hub) -> Checked<Inst> {
    let inst = h.running("a").await?;
    flood(h, &inst, UNREAD_EVENTS_MAX).await?;
    Ok(inst)
}

async fn a_full_inbox_refuses_messages(h: Hub) -> Checked {
    let inst = full(&h).await?;
    ensure_eq!(
        h.send(h.message(&inst.id, "one too many")).await?,
        SendOutcome::InboxFull,
        "answer"
    );
    Ok(())
}

async fn a_full_inbox_accepts_control_messages(h: Hub) -> Checked {
    let inst = full(&h).await?;
    h.sent(h.control(&inst.id, "terminate")).await
}

/// Reads the inbox to its end.
async fn read_all(h: &Hub, inst: &Inst, count: usize) -> Checked<Vec<String>> {
    let mut found = Vec::new();
    while found.len() < count {
        let work = h.turn_of(inst).await?;
        found.extend(bodies(&work));
        h.step(&work).no_events().apply().await?;
    }
    Ok(found)
}

async fn a_full_inbox_accepts_completions(h: Hub) -> Checked {
    let (inst, task) = h.with_activity("a").await?;
    flood(&h, &inst, UNREAD_EVENTS_MAX).await?;
    h.completes(&task, "done").await?;
    let found = read_all(&h, &inst, UNREAD_EVENTS_MAX + 1).await?;
    ensure!(found.contains(&"done".to_owned()), "the completion is lost");
    Ok(())
}

async fn a_full_inbox_accepts_timers(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    h.step(&h.woken(&inst, "set").await?).timer(1, h.later(), "timer").apply().await?;
    // The timer itself may count.
    flood(&h, &inst, UNREAD_EVENTS_MAX - 1).await?;
    h.pass_delay().await;
    let found = read_all(&h, &inst, UNREAD_EVENTS_MAX).await?;
    ensure!(found.contains(&"timer".to_owned()), "the timer is lost");
    Ok(())
}

async fn a_full_inbox_accepts_messages_of_commits(h: Hub) -> Checked {
    let inst = full(&h).await?;
    let blocked = h.turn_of(&inst).await?;
    let sender = h.created("sender").await?;
    let step = h.step(&h.turn_of(&sender).await?);
    step.message(h.message(&inst.id, "child is done")).apply().await?;
    h.settle().await;
    h.step(&blocked).no_events().apply().await?;
    let found = read_all(&h, &inst, UNREAD_EVENTS_MAX + 1 - blocked.messages.len()).await?;
    ensure!(found.contains(&"child is done".to_owned()), "the message is lost");
    Ok(())
}

async fn an_inbox_that_was_read_accepts_again(h: Hub) -> Checked {
    let inst = full(&h).await?;
    let work = h.turn_of(&inst).await?;
    h.step(&work).apply().await?;
    h.tell(&inst, "again").await
}

async fn a_full_inbox_does_not_block_others(h: Hub) -> Checked {
    full(&h).await?;
    let other = h.created("other").await?;
    h.tell(&other, "event").await
}

async fn a_batch_that_fills_an_inbox_is_refused_in_part(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    flood(&h, &inst, UNREAD_EVENTS_MAX - 2).await?;
    let batch = (0..4).map(|n| h.message(&inst.id, &n.to_string())).collect();
    let mut accepted = Vec::new();
    for answer in h.backend().send(batch).await {
        accepted.push(answer? == SendOutcome::Accepted);
    }
    ensure_eq!(accepted, [true, true, false, false], "which were accepted");
    Ok(())
}

async fn the_longest_lease_is_accepted(h: Hub) -> Checked {
    let inst = h.scheduling("a", 1).await?;
    h.tell(&inst, "event").await?;
    let request = ReceiveTurns { lease_for: Duration::MAX, ..h.ask_turns(1, h.wait()) };
    let work = h.turns(request).await?.remove(0);
    let request = ReceiveActivities { lease_for: Duration::MAX, ..h.ask_activities(1, h.wait()) };
    let task = h.activities(request).await?.remove(0);
    h.pass_lease().await;
    h.no_turn("the lease does not end").await?;
    h.no_activity("the lease does not end").await?;
    h.completes(&task, "done").await?;
    h.step(&work).apply().await
}

async fn the_longest_wait_is_accepted(h: Hub) -> Checked {
    let inst = h.scheduling("a", 1).await?;
    h.tell(&inst, "event").await?;
    h.turns(h.ask_turns(1, Duration::MAX)).await?;
    h.activities(h.ask_activities(1, Duration::MAX)).await?;
    h.soon("the answer of a watch", h.backend().watch(&inst.id, 0, Duration::MAX)).await??;
    Ok(())
}

async fn the_longest_delay_is_accepted(h: Hub) -> Checked {
    let inst = h.created("a").await?;
    let work = h.turn_of(&inst).await?;
    h.abandon(&work.lease, Duration::MAX).await?;
    h.no_turn("the instance was given back for ever").await?;
    h.sent(h.control(&inst.id, "terminate")).await?;
    h.turn_of(&inst).await?;
    Ok(())
}

async fn the_longest_renewal_is_accepted(h: Hub) -> Checked {
    let (inst, task) = h.with_activity("a").await?;
    let work = h.woken(&inst, "event").await?;
    let answer = only(h.backend().renew_turns(vec![work.lease.clone()], Duration::MAX).await)?;
    ensure_eq!(answer, RenewOutcome::Renewed, "answer for the turn");
    let answer = h.renew_activity(&task.lease, Duration::MAX, None).await?;
    ensure_eq!(answer, RenewOutcome::Renewed, "answer for the activity");
    Ok(())
}
