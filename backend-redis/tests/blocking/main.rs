//! How long scripts block the server, whatever there are thousands of.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
#![allow(clippy::print_stderr, reason = "what was measured is said")]
#![allow(clippy::disallowed_methods, reason = "the meter is on threads of its own")]

#[path = "../engine/mod.rs"]
mod engine;
mod meter;
#[path = "../server/mod.rs"]
mod server;

use std::sync::Arc;
use std::time::Duration;

use backend_redis::{RedisAddress, RedisServers};
use conformance_tests::by_hand;
use durable_core::backend::{
    Backend, HistoryChunk, HistoryRead, NextGeneration, OrchestrationStatus, PurgeOutcome,
    TurnCommit, TurnWork,
};
use durable_core::client::Client;
use durable_core::ids::{ExecutionId, InstanceId};
use durable_core::model::Failure;
use durable_core::replay::NamedOrchestration;
use meter::Meter;
use server::Server;

/// The longest that a script may block the server.
const BLOCK_MAX: Duration = Duration::from_millis(10);

/// A server and an adapter that goes through a meter; `None` where there can be none.
async fn metered() -> Option<(Server, Meter, Arc<dyn Backend>)> {
    if !server::available() {
        return None;
    }
    let server = Server::start(&[]);
    let Some(meter) = Meter::start(&server) else {
        eprintln!("left out: the system does not say how long a thread has run");
        return None;
    };
    let mut settings = server.settings("p");
    settings.servers = RedisServers::Single(RedisAddress::new("127.0.0.1", meter.port));
    let backend = engine::connect(settings).await.unwrap();
    meter.take_largest();
    Some((server, meter, backend))
}

fn blocked_briefly(meter: &Meter) {
    let largest = meter.take_largest();
    eprintln!("{largest:?}");
    let longest = largest.first().map(|(time, ..)| *time);
    assert!(longest.is_some_and(|time| time <= BLOCK_MAX), "{longest:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fan_out_of_ten_thousand_blocks_the_server_for_ten_milliseconds_at_most() {
    let Some((_server, meter, backend)) = metered().await else { return };
    let client = Client::new(backend.clone());
    let worker = engine::worker(backend).await;
    let fan: NamedOrchestration<u32, u32, Failure> = NamedOrchestration::new("fan").unwrap();
    client.start(fan, 10_000).id("i").send().await.unwrap();
    assert_eq!(engine::result(&client, "i").await, 10_000 * 10_001 / 2);
    blocked_briefly(&meter);
    worker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_ends_with_ten_thousand_things_blocks_the_server_as_briefly() {
    let Some((server, meter, backend)) = metered().await else { return };
    let backend = &*backend;
    let clean_up = async || clean_up(&server, backend).await;
    by_hand::end_with_many(backend, &"i".parse().unwrap(), 10_000, clean_up).await;
    blocked_briefly(&meter);
}

/// Receives until the timers are gone.
async fn clean_up(server: &Server, backend: &dyn Backend) -> Vec<TurnWork> {
    let mut works = Vec::new();
    while server.must(&["ZCARD", "p:{hub-0}:tm"]).trim() != ":0" {
        works.extend(by_hand::turn(backend, (10, engine::LONG), Duration::ZERO).await);
    }
    works
}

/// So many events in blocks of a kilobyte, read from the beginning in the largest pages; then so
/// many generations.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_history_is_read_and_purged_as_briefly() {
    let Some((server, meter, backend)) = metered().await else { return };
    let backend = &*backend;
    let next_turn =
        async || by_hand::turn(backend, (10, engine::LONG), engine::LONG).await.unwrap();
    let id: InstanceId = "i".parse().unwrap();
    by_hand::create(backend, &id).await;
    let mut work = next_turn().await;
    for again in 1..=3_000_u64 {
        let message = by_hand::envelope(&work, again);
        let chunk = Some(HistoryChunk { events: 1, bytes: vec![b'x'; 4_000].into() });
        let mut commit = TurnCommit { chunk, messages: vec![message], ..by_hand::nothing(&work) };
        if again > 2_000 {
            let execution = ExecutionId(work.execution.0.wrapping_add(1));
            let chunk = HistoryChunk { events: 1, bytes: "next".into() };
            commit.next = Some(NextGeneration { execution, chunk, keep_history: true });
            commit.messages[0].execution = None;
        }
        by_hand::applied(backend, commit).await;
        work = next_turn().await;
    }
    let executions = backend.executions(&id).await.unwrap();
    assert_eq!(executions.len(), 1_001);
    read_all(backend, &id, executions[0]).await;
    let mut record = backend.read_records(vec![id.clone()]).await.remove(0).unwrap().unwrap();
    record.status = OrchestrationStatus::Completed;
    by_hand::applied(backend, TurnCommit { record: Some(record), ..by_hand::nothing(&work) }).await;
    assert_eq!(backend.purge(vec![id]).await.remove(0).unwrap(), PurgeOutcome::Purged);
    clean_up(&server, backend).await;
    blocked_briefly(&meter);
}

/// Reads a history in the largest pages.
async fn read_all(backend: &dyn Backend, id: &InstanceId, execution: ExecutionId) {
    let mut from = Some(0);
    while let Some(at) = from {
        let read = HistoryRead { instance: id.clone(), execution, from: at, bytes_max: usize::MAX };
        from = backend.read_history(read).await.unwrap().next;
    }
}
