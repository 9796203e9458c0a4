//! Instances and turns without an engine, for an adapter's own tests that want them just so. Each
//! stops its test at the first surprise.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::sync::Arc;
use std::time::Duration;

use durable_core::backend::{
    Backend, CommitOutcome, CreateInstance, CreateOutcome, Envelope, HistoryChunk, InstanceRecord,
    NextGeneration, OrchestrationStatus, PurgeOutcome, ReceiveTurns, ReusePolicy, TurnCommit,
    TurnWork,
};
use durable_core::env::TokioEnv;
use durable_core::ids::{ExecutionId, InstanceId, MessageId, Name, WorkerId};
use durable_core::time::Timestamp;

/// Longer than anything a test waits for.
const LONG: Duration = Duration::from_secs(60);

/// Creates an instance whose first turn is ready.
pub async fn create(backend: &dyn Backend, id: &InstanceId) {
    let execution = ExecutionId(TokioEnv::shared().random_u128());
    let record = InstanceRecord {
        instance: id.clone(),
        execution,
        generation: 1,
        name: Name::new("large").unwrap(),
        version: String::new(),
        status: OrchestrationStatus::Pending,
        created_at: Timestamp::EPOCH,
        updated_at: Timestamp::EPOCH,
        completed_at: None,
        parent: None,
        events: 0,
        revision: 0,
        details: "".into(),
    };
    let start = Envelope {
        execution: Some(execution),
        creates: Some(Arc::new(record)),
        ..Envelope::new(MessageId::of_action(execution, 0), id.clone(), 0, "start".into())
    };
    let request = CreateInstance { start, reuse: ReusePolicy::Reject };
    let created = backend.create_instances(vec![request]).await.remove(0).unwrap();
    assert!(matches!(created, CreateOutcome::Created));
}

/// The next turn, with up to so many messages, on loan for so long.
pub async fn turn(
    backend: &dyn Backend,
    (messages_max, lease_for): (usize, Duration),
    wait: Duration,
) -> Option<TurnWork> {
    let worker = WorkerId(1);
    let request = ReceiveTurns { max: 1, messages_max, lease_for, wait, worker };
    backend.receive_turns(request).await.unwrap().pop()
}

/// A message that a turn sends to its own instance.
pub fn envelope(work: &TurnWork, seq: u64) -> Envelope {
    Envelope {
        execution: Some(work.execution),
        ..Envelope::new(
            MessageId::of_action(work.execution, seq),
            work.lease.instance.clone(),
            seq,
            "body".into(),
        )
    }
}

/// A commit of a few events that does nothing but consume what was handed out.
pub fn nothing(work: &TurnWork) -> TurnCommit {
    let (lease, at) = (work.lease.clone(), Timestamp::from_millis(7));
    TurnCommit {
        chunk: Some(HistoryChunk { events: 3, bytes: "chunk".into() }),
        consumed: work.messages.iter().map(|m| m.id).collect(),
        ..TurnCommit::new(lease, work.execution, work.events, at)
    }
}

/// Commits, and insists that it was applied.
pub async fn applied(backend: &dyn Backend, commit: TurnCommit) {
    let outcome = backend.commit_turns(vec![commit]).await.remove(0).unwrap();
    assert_eq!(outcome, CommitOutcome::Applied);
}

/// So many timers far in the future.
pub fn timers(work: &TurnWork, count: u64) -> Vec<Envelope> {
    let timer = |seq: u64| Envelope {
        visible_at: Some(Timestamp::from_millis(4_000_000_000_000)),
        ..envelope(work, seq)
    };
    (10..10 + count).map(timer).collect()
}

async fn send(backend: &dyn Backend, id: &InstanceId, execution: Option<ExecutionId>, count: u64) {
    let message = |seq: u64| {
        let message = MessageId { source: 7, seq };
        Envelope { execution, ..Envelope::new(message, id.clone(), seq, "event".into()) }
    };
    for sent in backend.send((1..=count).map(message).collect()).await {
        sent.unwrap();
    }
}

/// An instance begins anew, then ends, then is purged, each time with so many timers and messages
/// that nobody wants any more. `clean_up` receives until these are gone.
pub async fn end_with_many<F: Future<Output = Vec<TurnWork>>>(
    backend: &dyn Backend,
    id: &InstanceId,
    count: u64,
    clean_up: impl Fn() -> F,
) {
    let next_turn = async || turn(backend, (10, LONG), LONG).await.unwrap();
    create(backend, id).await;
    let work = next_turn().await;
    applied(backend, TurnCommit { messages: timers(&work, count), ..nothing(&work) }).await;
    // Its inbox is full of what is only for this generation when the next one begins.
    send(backend, id, Some(work.execution), count).await;
    let work = next_turn().await;
    let second = ExecutionId(work.execution.0 ^ 1);
    let chunk = HistoryChunk { events: 1, bytes: "next".into() };
    let next = Some(NextGeneration { execution: second, chunk, keep_history: true });
    applied(backend, TurnCommit { next, ..nothing(&work) }).await;
    assert!(clean_up().await.is_empty(), "what is stale was handed out");
    send(backend, id, None, 1).await;
    let work = next_turn().await;
    assert_eq!((work.execution, work.messages.len()), (second, 1));
    applied(backend, TurnCommit { messages: timers(&work, count), ..nothing(&work) }).await;
    send(backend, id, Some(second), count).await;
    let work = next_turn().await;
    let mut record = backend.read_records(vec![id.clone()]).await.remove(0).unwrap().unwrap();
    record.status = OrchestrationStatus::Completed;
    applied(backend, TurnCommit { record: Some(record), ..nothing(&work) }).await;
    assert!(clean_up().await.is_empty(), "an instance runs that has ended");
    let purged = backend.purge(vec![id.clone()]).await.remove(0).unwrap();
    assert_eq!(purged, PurgeOutcome::Purged);
}
