//! Histories and records.

use std::time::Duration;

use durable_core::backend::{CommitOutcome, HistoryRead, OrchestrationStatus};
use durable_core::ids::Name;

use crate::check::{Check, Checked};
use crate::driver::step::chunk;
use crate::driver::{Hub, Inst, iid};

pub(super) fn list() -> Vec<Check> {
    area!("history_store";
        H1 a_new_instance_has_an_empty_history,
        H1 an_absent_instance_has_an_empty_history,
        H1 an_unknown_execution_has_an_empty_history,
        H1 a_committed_chunk_is_readable_at_once,
        H1 chunks_come_in_commit_order,
        H1 chunks_are_exactly_as_committed,
        H1 a_turn_without_events_adds_no_chunk,
        H1 a_small_page_holds_one_chunk,
        H1 pages_join_without_hole_or_overlap,
        H1 the_cursor_counts_events_not_chunks,
        H1 reading_on_from_a_cursor_sees_later_commits,
        H1 the_last_page_has_no_cursor,
        H1 a_history_survives_the_end_of_its_instance,
        T1 a_history_of_seventy_thousand_events_is_counted,
        H1 histories_of_instances_are_separate,
        T6 a_new_instance_has_one_execution,
        T6 an_absent_instance_has_no_executions,
        O2 an_absent_instance_has_no_record,
        C9 records_of_a_batch_are_answered_in_order,
        C9 an_empty_batch_of_records_has_no_answers,
        T1 a_committed_record_is_readable_at_once,
        T1 a_committed_record_keeps_every_field,
        T1 a_commit_without_record_keeps_the_record,
        T1 a_commit_without_record_moves_updated_at,
        T1 the_record_counts_the_events,
        T1 the_adapter_counts_events_whatever_the_record_says,
        T1 every_commit_with_a_record_raises_the_revision,
        T1 a_revision_given_by_the_engine_is_ignored,
        T1 updated_at_is_the_time_of_the_turn,
        O4 a_message_does_not_change_the_record,
        T1 a_terminal_record_keeps_its_details,
    )
}

async fn a_new_instance_has_an_empty_history(h: Hub) -> Checked {
    let inst = h.created("a").await?;
    ensure_eq!(h.record_of(&inst).await?.events, 0, "events in the record");
    ensure_eq!(h.history_of(&inst.id, inst.execution).await?, [], "the history");
    Ok(())
}

async fn an_absent_instance_has_an_empty_history(h: Hub) -> Checked {
    ensure_eq!(h.history_of(&iid("nobody")?, h.execution()).await?, [], "the history");
    Ok(())
}

async fn an_unknown_execution_has_an_empty_history(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    ensure_eq!(h.history_of(&inst.id, h.execution()).await?, [], "the history");
    Ok(())
}

async fn a_committed_chunk_is_readable_at_once(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    ensure_eq!(h.history_texts(&inst).await?, ["turn"], "the history");
    Ok(())
}

/// Commits one turn per chunk.
async fn write(h: &Hub, inst: &Inst, chunks: &[(u32, &str)]) -> Checked {
    for (events, content) in chunks {
        let work = h.woken(inst, "go").await?;
        h.step(&work).events(*events, content).apply().await?;
    }
    Ok(())
}

async fn chunks_come_in_commit_order(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    write(&h, &inst, &[(1, "two"), (1, "three"), (1, "four")]).await?;
    ensure_eq!(h.history_texts(&inst).await?, ["turn", "two", "three", "four"], "the history");
    Ok(())
}

async fn chunks_are_exactly_as_committed(h: Hub) -> Checked {
    let inst = h.created("a").await?;
    let work = h.turn_of(&inst).await?;
    h.step(&work).events(7, "\0\u{fffd}\n{}").apply().await?;
    let found = h.history_of(&inst.id, inst.execution).await?;
    ensure_eq!(found, [chunk(7, "\0\u{fffd}\n{}")], "the history");
    Ok(())
}

async fn a_turn_without_events_adds_no_chunk(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    let work = h.woken(&inst, "go").await?;
    h.step(&work).no_events().apply().await?;
    ensure_eq!(h.history_texts(&inst).await?, ["turn"], "the history");
    ensure_eq!(h.woken(&inst, "again").await?.events, 1, "the history's length");
    Ok(())
}

async fn a_small_page_holds_one_chunk(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    write(&h, &inst, &[(1, "two")]).await?;
    let read =
        HistoryRead { instance: inst.id.clone(), execution: inst.execution, from: 0, bytes_max: 1 };
    let page = h.backend().read_history(read).await?;
    ensure_eq!(page.chunks, [chunk(1, "turn")], "the page");
    ensure_eq!(page.next, Some(1), "where it goes on");
    Ok(())
}

async fn pages_join_without_hole_or_overlap(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    let names: Vec<String> = (0..25).map(|n| format!("chunk number {n}")).collect();
    write(&h, &inst, &names.iter().map(|n| (1, n.as_str())).collect::<Vec<_>>()).await?;
    let whole = h.history_of(&inst.id, inst.execution).await?;
    ensure_eq!(whole.len(), 26, "chunks");
    for bytes_max in [1, 16, 40, 200] {
        let found = h.history_in_pages(&inst.id, inst.execution, bytes_max).await?;
        ensure_eq!(found, whole, "the history in pages of {bytes_max} bytes");
    }
    Ok(())
}

async fn the_cursor_counts_events_not_chunks(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    write(&h, &inst, &[(5, "five"), (2, "two")]).await?;
    let read = |from| HistoryRead {
        instance: inst.id.clone(),
        execution: inst.execution,
        from,
        bytes_max: 1,
    };
    ensure_eq!(
        h.backend().read_history(read(1)).await?.next,
        Some(6),
        "the cursor behind five events"
    );
    ensure_eq!(
        h.backend().read_history(read(6)).await?.chunks,
        [chunk(2, "two")],
        "the page there"
    );
    Ok(())
}

async fn reading_on_from_a_cursor_sees_later_commits(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    write(&h, &inst, &[(2, "early")]).await?;
    write(&h, &inst, &[(1, "late")]).await?;
    let read = HistoryRead {
        instance: inst.id.clone(),
        execution: inst.execution,
        from: 3,
        bytes_max: 1 << 20,
    };
    ensure_eq!(h.backend().read_history(read).await?.chunks, [chunk(1, "late")], "what came later");
    Ok(())
}

async fn the_last_page_has_no_cursor(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    let read = HistoryRead {
        instance: inst.id.clone(),
        execution: inst.execution,
        from: 0,
        bytes_max: 1 << 20,
    };
    ensure_eq!(h.backend().read_history(read).await?.next, None, "the cursor");
    Ok(())
}

async fn a_history_survives_the_end_of_its_instance(h: Hub) -> Checked {
    let inst = h.completed("a").await?;
    ensure_eq!(h.history_texts(&inst).await?, ["turn"], "the history");
    Ok(())
}

async fn histories_of_instances_are_separate(h: Hub) -> Checked {
    let (a, b) = (h.running("a").await?, h.running("b").await?);
    write(&h, &a, &[(1, "of a")]).await?;
    write(&h, &b, &[(1, "of b")]).await?;
    ensure_eq!(h.history_texts(&a).await?, ["turn", "of a"], "the history of a");
    ensure_eq!(h.history_texts(&b).await?, ["turn", "of b"], "the history of b");
    ensure_eq!(h.history_of(&a.id, b.execution).await?, [], "b's history under a's name");
    Ok(())
}

async fn a_new_instance_has_one_execution(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    ensure_eq!(h.executions(&inst.id).await?, [inst.execution], "the executions");
    Ok(())
}

async fn an_absent_instance_has_no_executions(h: Hub) -> Checked {
    ensure_eq!(h.executions(&iid("nobody")?).await?, [], "the executions");
    Ok(())
}

async fn an_absent_instance_has_no_record(h: Hub) -> Checked {
    ensure!(h.record(&iid("nobody")?).await?.is_none(), "a record of nobody");
    Ok(())
}

async fn records_of_a_batch_are_answered_in_order(h: Hub) -> Checked {
    h.created("a").await?;
    h.created("c").await?;
    let names = ["c", "b", "a", "c"];
    let ids = names.iter().map(|n| iid(n)).collect::<Result<Vec<_>, _>>()?;
    let mut found = Vec::new();
    for record in h.backend().read_records(ids).await {
        found.push(record?.map(|r| r.instance.to_string()));
    }
    let expected = [Some("c"), None, Some("a"), Some("c")].map(|n| n.map(str::to_owned));
    ensure_eq!(found, expected, "the records");
    Ok(())
}

async fn an_empty_batch_of_records_has_no_answers(h: Hub) -> Checked {
    ensure_eq!(h.backend().read_records(Vec::new()).await.len(), 0, "answers");
    Ok(())
}

async fn a_committed_record_is_readable_at_once(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    for status in
        [OrchestrationStatus::Suspended, OrchestrationStatus::Running, OrchestrationStatus::Failed]
    {
        let work = h.woken(&inst, "go").await?;
        h.step(&work).status(status)?.apply().await?;
        ensure_eq!(h.record_of(&inst).await?.status, status, "the status");
    }
    Ok(())
}

async fn a_commit_without_record_keeps_the_record(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    let before = h.record_of(&inst).await?;
    let work = h.woken(&inst, "go").await?;
    h.step(&work).apply().await?;
    let mut after = h.record_of(&inst).await?;
    after.events = before.events;
    after.updated_at = before.updated_at;
    after.revision = before.revision;
    ensure_eq!(after, before, "the record but for events, revision and updated_at");
    Ok(())
}

async fn a_commit_without_record_moves_updated_at(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    let work = h.woken(&inst, "go").await?;
    let mut step = h.step(&work);
    step.commit.at = h.now() + std::time::Duration::from_secs(3);
    let at = step.commit.at;
    step.apply().await?;
    ensure_eq!(h.record_of(&inst).await?.updated_at, at, "updated_at");
    Ok(())
}

/// Adapters count events and do not look at them, so a large number costs nothing here.
async fn a_history_of_seventy_thousand_events_is_counted(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    write(&h, &inst, &[(70_000, "many"), (2, "two")]).await?;
    ensure_eq!(h.record_of(&inst).await?.events, 70_003, "events in the record");
    let work = h.woken(&inst, "go on").await?;
    ensure_eq!(work.events, 70_003, "events in the turn");
    let mut behind = h.step(&work).events(1, "behind").commit;
    behind.expected_events -= 65_536;
    ensure_eq!(h.commit(behind).await?, CommitOutcome::Conflict, "an outcome 65,536 events behind");
    h.step(&work).events(1, "last").apply().await?;
    ensure_eq!(h.history_texts(&inst).await?, ["turn", "many", "two", "last"], "the history");
    Ok(())
}

async fn the_record_counts_the_events(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    write(&h, &inst, &[(4, "four"), (2, "two")]).await?;
    ensure_eq!(h.record_of(&inst).await?.events, 7, "events");
    Ok(())
}

async fn the_adapter_counts_events_whatever_the_record_says(h: Hub) -> Checked {
    let inst = h.created("a").await?;
    let work = h.turn_of(&inst).await?;
    let mut step = h.step(&work).events(2, "two").status(OrchestrationStatus::Running)?;
    if let Some(record) = &mut step.commit.record {
        record.events = 99;
    }
    step.apply().await?;
    ensure_eq!(h.record_of(&inst).await?.events, 2, "events in the record");
    ensure_eq!(h.woken(&inst, "go").await?.events, 2, "events of the next turn");
    Ok(())
}

async fn every_commit_with_a_record_raises_the_revision(h: Hub) -> Checked {
    let inst = h.created("a").await?;
    let mut revision = h.record_of(&inst).await?.revision;
    for body in ["1", "2", "3"] {
        let work = h.woken(&inst, body).await?;
        h.step(&work).status(OrchestrationStatus::Running)?.apply().await?;
        let now = h.record_of(&inst).await?.revision;
        ensure!(now > revision, "revision {now} after {revision}");
        revision = now;
    }
    Ok(())
}

async fn a_revision_given_by_the_engine_is_ignored(h: Hub) -> Checked {
    let inst = h.created("a").await?;
    for given in [1_000_000, 0] {
        let before = h.record_of(&inst).await?.revision;
        let work = h.woken(&inst, "go").await?;
        let mut step = h.step(&work).status(OrchestrationStatus::Running)?;
        if let Some(record) = &mut step.commit.record {
            record.revision = given;
        }
        step.apply().await?;
        let after = h.record_of(&inst).await?.revision;
        ensure!(after > before && after != given, "revision {after} after {before}, given {given}");
    }
    Ok(())
}

async fn updated_at_is_the_time_of_the_turn(h: Hub) -> Checked {
    let inst = h.created("a").await?;
    let work = h.turn_of(&inst).await?;
    let mut step = h.step(&work).status(OrchestrationStatus::Running)?;
    step.commit.at = h.now() - std::time::Duration::from_millis(250);
    let at = step.commit.at;
    step.apply().await?;
    ensure_eq!(h.record_of(&inst).await?.updated_at, at, "updated_at");
    Ok(())
}

async fn a_message_does_not_change_the_record(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    let before = h.record_of(&inst).await?;
    h.tell(&inst, "hello").await?;
    ensure_eq!(h.record_of(&inst).await?, before, "the record");
    Ok(())
}

async fn a_terminal_record_keeps_its_details(h: Hub) -> Checked {
    let inst = h.completed("a").await?;
    let record = h.record_of(&inst).await?;
    ensure_eq!(record.status, OrchestrationStatus::Completed, "status");
    ensure_eq!(&record.details[..], b"details Completed", "details");
    ensure!(record.completed_at.is_some(), "completed_at is missing");
    Ok(())
}

async fn a_committed_record_keeps_every_field(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    let work = h.woken(&inst, "event").await?;
    let mut record = h.first_record(&inst.id, inst.execution)?;
    record.status = OrchestrationStatus::Failed;
    record.name = Name::new("another name")?;
    record.version = "2.1.0-\u{3b2}".into();
    record.parent = Some(iid("its parent")?);
    record.created_at = record.created_at - Duration::from_micros(1_234_567);
    record.completed_at = Some(record.created_at + Duration::from_micros(765_432));
    record.details = "other details".into();
    h.step(&work).record(record.clone()).apply().await?;
    let found = h.record_of(&inst).await?;
    // These three belong to the adapter.
    (record.revision, record.events) = (found.revision, found.events);
    record.updated_at = found.updated_at;
    ensure_eq!(found, record, "the record");
    Ok(())
}
