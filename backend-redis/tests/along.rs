//! Verbs that take along what a waiting call of the same process asks for: how many scripts that
//! saves, and that nothing is lost on the way, whoever goes away and whatever fails.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod engine;
mod server;

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use conformance_tests::by_hand;
use durable_core::backend::{
    ActivityWork, Backend, BackendResult, CommitOutcome, Envelope, ReceiveActivities, TurnCommit,
};
use durable_core::client::Client;
use durable_core::env::{TokioEnv, timeout};
use durable_core::ids::{InstanceId, MessageId, WorkerId};
use futures_util::StreamExt as _;
use redis::aio::PubSub;
use server::Server;

/// How often a command was called, by the server's own count.
fn calls(server: &Server, command: &str) -> u64 {
    let name = format!("cmdstat_{command}:calls=");
    let stats = server.must(&["INFO", "commandstats"]);
    let count = stats.lines().find_map(|line| line.strip_prefix(&name));
    count.map_or(0, |rest| rest.split(',').next().unwrap().parse().unwrap())
}

async fn receive(
    backend: &dyn Backend,
    queue: &str,
    wait: Duration,
) -> BackendResult<Vec<ActivityWork>> {
    let queues = vec![queue.parse().unwrap()];
    let (lease_for, worker) = (engine::LONG * 60, WorkerId(1));
    backend.receive_activities(ReceiveActivities { max: 1, lease_for, wait, queues, worker }).await
}

/// The commit of the first turn of a new instance, which schedules a task in the default queue.
async fn one_task(backend: &dyn Backend, id: &str) -> TurnCommit {
    let id: InstanceId = id.parse().unwrap();
    by_hand::create(backend, &id).await;
    let work = by_hand::turn(backend, (10, engine::LONG), engine::LONG).await.unwrap();
    TurnCommit { activities: vec![by_hand::envelope(&work, 1)], ..by_hand::nothing(&work) }
}

/// Hears the bells as another process would.
async fn subscribed(server: &Server) -> PubSub {
    let client = redis::Client::open(format!("redis://127.0.0.1:{}", server.port())).unwrap();
    let mut subscription = client.get_async_pubsub().await.unwrap();
    subscription.psubscribe("p:*").await.unwrap();
    subscription
}

/// Waits for the ring that tells of tasks.
async fn rung_for_tasks(subscription: &mut PubSub) {
    let mut rings = subscription.on_message();
    let rung = async { while rings.next().await.unwrap().get_payload_bytes() != b"a" {} };
    timeout(&*TokioEnv::shared(), engine::LONG, rung).await.expect("nobody else was told");
}

/// Polls a call once; whether it has to wait.
async fn begun<F: Future>(call: &mut Pin<&mut F>) -> bool {
    poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx).is_pending())).await
}

/// Commits while a call for tasks of a queue waits, which has just left word of what it asks for.
/// The answer of that call, if it has one by the time the commit has its own.
async fn commit_while_waiting(
    backend: &dyn Backend,
    commit: TurnCommit,
    queue: &str,
) -> (CommitOutcome, Option<BackendResult<Vec<ActivityWork>>>) {
    // After a look that found nothing the next call waits without one.
    assert!(receive(backend, queue, Duration::from_millis(1)).await.unwrap().is_empty());
    let waiting = receive(backend, queue, engine::LONG);
    let committing = backend.commit_turns(vec![commit]);
    let (mut waiting, mut committing) = (pin!(waiting), pin!(committing));
    tokio::select! {
        biased;
        found = &mut waiting => (committing.await.remove(0).unwrap(), Some(found)),
        mut outcome = &mut committing => (outcome.remove(0).unwrap(), None),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_alone_takes_two_scripts_and_no_ring() {
    if !server::available() {
        return;
    }
    let server = Server::start(&[]);
    let backend = engine::connect(server.settings("p")).await.unwrap();
    let worker = engine::worker(backend.clone()).await;
    let client = Client::new(backend);
    engine::start(&client, "first", 5).await;
    assert_eq!(engine::result(&client, "first").await, 5);
    server.must(&["CONFIG", "RESETSTAT"]);
    let count: u64 = 20;
    for n in 0..count {
        let id = format!("i-{n}");
        engine::start(&client, &id, 5).await;
        assert_eq!(engine::result(&client, &id).await, 5);
    }
    let (scripts, rings) = (calls(&server, "evalsha"), calls(&server, "publish"));
    assert!(worker.shutdown().await);
    // 14 and 1 when nothing disturbs; by looks and rings alone it is 27 and 12.
    assert!(scripts <= 20 * count, "{scripts} scripts for {count} orchestrations of five steps");
    assert!(rings <= 6 * count, "{rings} rings for {count} orchestrations of five steps");
}

#[tokio::test]
async fn a_task_for_a_queue_that_nobody_here_serves_rings_for_others() {
    if !server::available() {
        return;
    }
    let server = Server::start(&[]);
    let backend = engine::connect(server.settings("p")).await.unwrap();
    let commit = one_task(&*backend, "i-0").await;
    let mut others = subscribed(&server).await;
    let (outcome, answer) = commit_while_waiting(&*backend, commit, "elsewhere").await;
    assert_eq!(outcome, CommitOutcome::Applied);
    assert!(answer.is_none());
    rung_for_tasks(&mut others).await;
    let found = receive(&*backend, "default", Duration::ZERO).await.unwrap();
    assert_eq!(found.len(), 1);
}

#[tokio::test]
async fn what_a_call_leaves_of_several_tasks_rings_for_others() {
    if !server::available() {
        return;
    }
    let server = Server::start(&[]);
    let backend = engine::connect(server.settings("p")).await.unwrap();
    let mut commit = one_task(&*backend, "i-0").await;
    let first = commit.activities[0].clone();
    let id = MessageId { seq: first.id.seq + 1, ..first.id };
    commit.activities.push(Envelope { id, ..first });
    let mut others = subscribed(&server).await;
    let (outcome, _) = commit_while_waiting(&*backend, commit, "default").await;
    assert_eq!(outcome, CommitOutcome::Applied);
    rung_for_tasks(&mut others).await;
}

#[tokio::test]
async fn what_was_taken_for_a_call_that_is_gone_goes_back() {
    if !server::available() {
        return;
    }
    let server = Server::start(&[]);
    let backend = engine::connect(server.settings("p")).await.unwrap();
    // A ring of something else may keep the call from leaving word; then the commit is as any.
    for n in 0..100 {
        let commit = one_task(&*backend, &format!("i-{n}")).await;
        assert!(receive(&*backend, "default", Duration::from_millis(1)).await.unwrap().is_empty());
        let waiting = receive(&*backend, "default", engine::LONG);
        let committing = backend.commit_turns(vec![commit.clone()]);
        {
            let (mut waiting, mut committing) = (pin!(waiting), pin!(committing));
            assert!(begun(&mut waiting).await);
            assert!(begun(&mut committing).await);
            // The commit is on its way with what the call asks for; both are dropped.
        }
        // A call that is dropped so early may not have been sent; what takes along always is.
        by_hand::applied(&*backend, commit).await;
        // Its lease would end an hour later.
        let again = receive(&*backend, "default", engine::LONG).await.unwrap().remove(0);
        if again.delivery == 2 {
            return;
        }
    }
    panic!("no commit has taken anything along");
}

#[tokio::test]
async fn a_commit_stands_when_nothing_can_be_taken_along() {
    if !server::available() {
        return;
    }
    let server = Server::start(&[]);
    let backend = engine::connect(server.settings("p")).await.unwrap();
    let commit = one_task(&*backend, "i-0").await;
    assert!(receive(&*backend, "default", Duration::from_millis(1)).await.unwrap().is_empty());
    let waiting = receive(&*backend, "default", engine::LONG);
    let mut waiting = pin!(waiting);
    assert!(begun(&mut waiting).await);
    // The ends of loans, which no commit of a turn touches, but every taking.
    server.must(&["SET", "p:{hub-0}:tl", "damaged"]);
    let outcome = backend.commit_turns(vec![commit]).await.remove(0).unwrap();
    assert_eq!(outcome, CommitOutcome::Applied);
    let error = waiting.await.unwrap_err();
    assert!(error.context().contains("WRONGTYPE"), "{error}");
    server.must(&["DEL", "p:{hub-0}:tl"]);
    let found = receive(&*backend, "default", engine::LONG).await.unwrap();
    assert_eq!(found[0].delivery, 1);
}
