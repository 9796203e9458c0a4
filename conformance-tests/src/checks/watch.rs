//! Waiting for a record to change.

use std::time::Duration;

use durable_core::backend::{InstanceRecord, OrchestrationStatus, ReusePolicy};
use durable_core::ids::InstanceId;

use crate::check::{Check, Checked};
use crate::driver::{Hub, iid};

pub(super) fn list() -> Vec<Check> {
    area!("watch";
        H2 a_newer_record_is_answered_at_once,
        H2 an_answer_shows_the_current_record,
        H2 a_known_revision_is_not_answered,
        H2 a_zero_wait_answers_at_once,
        H2 an_absent_instance_is_not_answered,
        H2 a_wait_ends_with_none_when_it_has_passed needs InjectedClock,
        H2 a_creation_is_seen,
        H2 a_commit_is_seen,
        H2 the_end_is_seen,
        H2 the_next_generation_is_seen,
        H2 a_replacement_is_seen,
        H2 a_message_is_not_a_change needs InjectedClock,
        H2 another_instance_is_not_a_change needs InjectedClock,
        H2 a_rejected_commit_is_not_a_change needs InjectedClock,
        H2 every_waiting_watch_is_answered,
        H2 a_watch_that_starts_after_the_change_is_answered,
        H2 no_change_is_missed_between_two_watches,
        H2 a_revision_from_the_future_is_not_answered,
        H6 an_ended_instance_is_answered_at_once,
        H6 the_end_is_waited_for,
        H6 the_end_after_many_changes_is_waited_for,
        H6 every_wait_for_the_end_is_answered,
        H6 an_absent_instance_has_no_end,
        H6 a_wait_for_the_end_shows_where_it_stands,
    )
}

async fn watch_now(h: &Hub, id: &InstanceId, seen: u64) -> Checked<Option<InstanceRecord>> {
    Ok(h.soon(
        "the answer of a watch that does not wait",
        h.backend().watch(id, seen, Duration::ZERO),
    )
    .await??)
}

/// A watch that must be answered soon.
async fn watch(h: &Hub, id: &InstanceId, seen: u64) -> Checked<InstanceRecord> {
    let found = h.soon("the answer of a watch", h.backend().watch(id, seen, h.wait())).await??;
    found.ok_or_else(|| crate::Failure::new("the watch ended without an answer"))
}

async fn a_newer_record_is_answered_at_once(h: Hub) -> Checked {
    let inst = h.created("a").await?;
    ensure!(watch_now(&h, &inst.id, 0).await?.is_some(), "no answer");
    Ok(())
}

async fn an_answer_shows_the_current_record(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    ensure_eq!(watch(&h, &inst.id, 0).await?, h.record_of(&inst).await?, "the record");
    Ok(())
}

async fn a_known_revision_is_not_answered(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    let seen = h.record_of(&inst).await?.revision;
    let found = watch_now(&h, &inst.id, seen).await?;
    ensure!(found.is_none(), "nothing has changed, but {found:?} was answered");
    Ok(())
}

async fn a_zero_wait_answers_at_once(h: Hub) -> Checked {
    watch_now(&h, &iid("nobody")?, 0).await?;
    Ok(())
}

async fn an_absent_instance_is_not_answered(h: Hub) -> Checked {
    let found = watch_now(&h, &iid("nobody")?, 0).await?;
    ensure!(found.is_none(), "{found:?} was answered");
    Ok(())
}

async fn a_wait_ends_with_none_when_it_has_passed(h: Hub) -> Checked {
    let (backend, delay, id) = (h.shared_backend(), h.timings().delay, iid("nobody")?);
    let waiting = h.spawn(async move { backend.watch(&id, 0, delay).await });
    h.grace().await;
    h.pass_delay().await;
    let found = waiting.join(&h).await??;
    ensure!(found.is_none(), "{found:?} was answered");
    Ok(())
}

/// Starts a watch, makes the change, and answers with what the watch saw.
async fn seen_by_watch(
    h: &Hub,
    id: &InstanceId,
    seen: u64,
    change: impl Future<Output = Checked>,
) -> Checked<InstanceRecord> {
    let (hub, id) = (h.clone(), id.clone());
    let waiting = h.spawn(async move { watch(&hub, &id, seen).await });
    h.grace().await;
    change.await?;
    waiting.join(h).await?
}

async fn a_creation_is_seen(h: Hub) -> Checked {
    let change = async { h.created("a").await.map(|_| ()) };
    let record = seen_by_watch(&h, &iid("a")?, 0, change).await?;
    ensure_eq!(record.status, OrchestrationStatus::Pending, "status");
    Ok(())
}

async fn commits_status(h: &Hub, status: OrchestrationStatus) -> Checked {
    let inst = h.running("a").await?;
    let seen = h.record_of(&inst).await?.revision;
    let work = h.woken(&inst, "go").await?;
    let change = h.step(&work).status(status)?.apply();
    let record = seen_by_watch(h, &inst.id, seen, change).await?;
    ensure_eq!(record.status, status, "status");
    ensure!(record.revision > seen, "revision {} after {seen}", record.revision);
    Ok(())
}

async fn a_commit_is_seen(h: Hub) -> Checked {
    commits_status(&h, OrchestrationStatus::Suspended).await
}

async fn the_end_is_seen(h: Hub) -> Checked {
    commits_status(&h, OrchestrationStatus::Completed).await
}

async fn the_next_generation_is_seen(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    let seen = h.record_of(&inst).await?.revision;
    let next = h.execution();
    let change = h.step(&h.woken(&inst, "go").await?).next(next, false)?.apply();
    ensure_eq!(seen_by_watch(&h, &inst.id, seen, change).await?.execution, next, "execution");
    Ok(())
}

async fn a_replacement_is_seen(h: Hub) -> Checked {
    let inst = h.completed("a").await?;
    let seen = h.record_of(&inst).await?.revision;
    let mut request = h.creation("a")?;
    request.reuse = ReusePolicy::ReplaceTerminal;
    let change = async { h.must_create(request).await.map(|_| ()) };
    let record = seen_by_watch(&h, &inst.id, seen, change).await?;
    ensure_eq!(record.status, OrchestrationStatus::Pending, "status");
    Ok(())
}

/// Insists that a watch is still waiting after the change.
async fn unseen_by_watch(
    h: &Hub,
    id: &InstanceId,
    change: impl Future<Output = Checked>,
) -> Checked {
    let seen = h.record(id).await?.map_or(0, |r| r.revision);
    let (backend, id, wait) = (h.shared_backend(), id.clone(), h.wait());
    let mut waiting = h.spawn(async move { backend.watch(&id, seen, wait).await });
    h.grace().await;
    change.await?;
    h.grace().await;
    ensure!(!waiting.ended(), "the watch was answered, but its record has not changed");
    Ok(())
}

async fn a_message_is_not_a_change(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    unseen_by_watch(&h, &inst.id, h.tell(&inst, "event")).await
}

async fn another_instance_is_not_a_change(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    unseen_by_watch(&h, &inst.id, async { h.running("b").await.map(|_| ()) }).await
}

async fn a_rejected_commit_is_not_a_change(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    let mut step = h.step(&h.woken(&inst, "go").await?).status(OrchestrationStatus::Failed)?;
    step.commit.expected_events = 9;
    unseen_by_watch(&h, &inst.id, async { step.commit().await.map(|_| ()) }).await
}

async fn every_waiting_watch_is_answered(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    let seen = h.record_of(&inst).await?.revision;
    let mut waiting = Vec::new();
    for _ in 0..16 {
        let (hub, id) = (h.clone(), inst.id.clone());
        waiting.push(h.spawn(async move { watch(&hub, &id, seen).await }));
    }
    h.grace().await;
    h.step(&h.woken(&inst, "go").await?).status(OrchestrationStatus::Failed)?.apply().await?;
    for task in waiting {
        ensure_eq!(task.join(&h).await??.status, OrchestrationStatus::Failed, "status");
    }
    Ok(())
}

async fn a_watch_that_starts_after_the_change_is_answered(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    let seen = h.record_of(&inst).await?.revision;
    h.step(&h.woken(&inst, "go").await?).status(OrchestrationStatus::Failed)?.apply().await?;
    ensure_eq!(watch(&h, &inst.id, seen).await?.status, OrchestrationStatus::Failed, "status");
    Ok(())
}

async fn no_change_is_missed_between_two_watches(h: Hub) -> Checked {
    let inst = h.created("a").await?;
    let (hub, id) = (h.clone(), inst.id.clone());
    let watcher = h.spawn(async move {
        let mut seen = 0;
        loop {
            let record = watch(&hub, &id, seen).await?;
            if record.status.is_terminal() {
                return Ok::<_, crate::Failure>(());
            }
            seen = record.revision;
        }
    });
    for body in 0..20 {
        let work = h.woken(&inst, &body.to_string()).await?;
        h.step(&work).status(OrchestrationStatus::Running)?.apply().await?;
    }
    h.step(&h.woken(&inst, "end").await?).status(OrchestrationStatus::Completed)?.apply().await?;
    watcher.join(&h).await?
}

async fn a_revision_from_the_future_is_not_answered(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    let found = watch_now(&h, &inst.id, u64::MAX).await?;
    ensure!(found.is_none(), "{found:?} was answered");
    Ok(())
}

/// A wait for the end, repeated for as long as the instance goes on.
async fn end(h: &Hub, id: &InstanceId) -> Checked<InstanceRecord> {
    loop {
        let wait = h.backend().watch_end(id, h.wait());
        match h.soon("the answer of a wait for the end", wait).await?? {
            Some(record) if record.status.is_terminal() => return Ok(record),
            Some(_) => {}
            None => return Err(crate::Failure::new("the instance was called absent")),
        }
    }
}

async fn an_ended_instance_is_answered_at_once(h: Hub) -> Checked {
    let inst = h.completed("a").await?;
    let wait = h.backend().watch_end(&inst.id, Duration::ZERO);
    let found = h.soon("the answer of a wait for the end", wait).await??;
    ensure_eq!(found, Some(h.record_of(&inst).await?), "the record");
    Ok(())
}

async fn the_end_is_waited_for(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    let (hub, id) = (h.clone(), inst.id.clone());
    let waiting = h.spawn(async move { end(&hub, &id).await });
    h.grace().await;
    let work = h.woken(&inst, "go").await?;
    h.step(&work).status(OrchestrationStatus::Completed)?.apply().await?;
    ensure_eq!(waiting.join(&h).await??, h.record_of(&inst).await?, "the record");
    Ok(())
}

async fn the_end_after_many_changes_is_waited_for(h: Hub) -> Checked {
    let inst = h.created("a").await?;
    let (hub, id) = (h.clone(), inst.id.clone());
    let waiting = h.spawn(async move { end(&hub, &id).await });
    for body in 0..20 {
        let work = h.woken(&inst, &body.to_string()).await?;
        h.step(&work).status(OrchestrationStatus::Running)?.apply().await?;
    }
    h.step(&h.woken(&inst, "end").await?).status(OrchestrationStatus::Terminated)?.apply().await?;
    ensure_eq!(waiting.join(&h).await??.status, OrchestrationStatus::Terminated, "status");
    Ok(())
}

async fn every_wait_for_the_end_is_answered(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    let mut waiting = Vec::new();
    for _ in 0..16 {
        let (hub, id) = (h.clone(), inst.id.clone());
        waiting.push(h.spawn(async move { end(&hub, &id).await }));
    }
    h.grace().await;
    h.step(&h.woken(&inst, "go").await?).status(OrchestrationStatus::Failed)?.apply().await?;
    for task in waiting {
        ensure_eq!(task.join(&h).await??.status, OrchestrationStatus::Failed, "status");
    }
    Ok(())
}

async fn an_absent_instance_has_no_end(h: Hub) -> Checked {
    let id = iid("nobody")?;
    let wait = h.backend().watch_end(&id, h.wait());
    let found = h.soon("the answer of a wait for the end", wait).await??;
    ensure!(found.is_none(), "{found:?} was answered");
    Ok(())
}

async fn a_wait_for_the_end_shows_where_it_stands(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    let wait = h.backend().watch_end(&inst.id, Duration::ZERO);
    let found = h.soon("the answer of a wait for the end", wait).await??;
    ensure_eq!(found, Some(h.record_of(&inst).await?), "the record");
    Ok(())
}
