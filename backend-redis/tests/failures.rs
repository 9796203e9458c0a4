//! What happens when servers, workers, scripts and memory are gone.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod engine;
mod server;

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use conformance_tests::by_hand;
use durable_core::backend::{
    AbandonOutcome, Applied, BackendErrorKind, BackendResult, CommitOutcome, Envelope,
    ReceiveActivities, ReceiveTracking, ReceiveTurns, Retry, TurnCommit, TurnWork,
};
use durable_core::client::Client;
use durable_core::env::{TokioEnv, timeout};
use durable_core::ids::{MessageId, QueueName, WorkerId};

use server::Server;

/// Ends the test early when there can be no server here, unless the environment demands one.
macro_rules! server_or_return {
    ($($argument:expr),*) => {
        if server::available() {
            Server::start(&[$($argument),*])
        } else {
            return;
        }
    };
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_goes_on_after_the_server_was_killed() {
    let mut server = server_or_return!();
    let backend = engine::connect(server.settings("p")).await.unwrap();
    let client = Client::new(backend.clone());
    let worker = engine::worker(backend.clone()).await;
    for n in 0..40 {
        engine::start(&client, &format!("i-{n}"), 30).await;
    }
    assert_eq!(engine::result(&client, "i-0").await, 30);
    server.kill();
    let down = client.start(engine::steps(), 1).id("while-down").send().await;
    assert!(down.is_err(), "a start is acknowledged by a dead server");
    server.restart();
    for n in 0..40 {
        assert_eq!(engine::result(&client, &format!("i-{n}")).await, 30, "instance {n}");
    }
    engine::start(&client, "after", 3).await;
    assert_eq!(engine::result(&client, "after").await, 3);
    worker.shutdown().await;
}

/// Not a test: the worker process that the next test kills.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "started by another test as a process of its own"]
async fn worker_process() {
    let Ok(port) = std::env::var("DURABLE_TEST_PORT") else { return };
    let mut settings = backend_redis::RedisSettings::new("127.0.0.1", port.parse().unwrap());
    settings.prefix = "p:".to_owned();
    let _worker = engine::worker(engine::connect(settings).await.unwrap()).await;
    std::future::pending::<()>().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_worker_takes_over_from_a_killed_one() {
    let server = server_or_return!();
    let backend = engine::connect(server.settings("p")).await.unwrap();
    let client = Client::new(backend.clone());
    for n in 0..20 {
        engine::start(&client, &format!("i-{n}"), 300).await;
    }
    let mut process = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "worker_process"])
        .env("DURABLE_TEST_PORT", server.port().to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // It is at work, and far from the end.
    let first = "i-0".parse().unwrap();
    let record = backend.read_records(vec![first]).await.remove(0).unwrap().unwrap();
    let begun = backend.watch(&record.instance, record.revision, engine::LONG).await.unwrap();
    assert!(begun.is_some(), "the worker process does not begin");
    process.kill().unwrap();
    process.wait().unwrap();
    let done = |id: String| {
        let backend = backend.clone();
        async move {
            let id = id.parse().unwrap();
            let record = backend.read_records(vec![id]).await.remove(0).unwrap().unwrap();
            record.status.is_terminal()
        }
    };
    assert!(!done("i-19".to_owned()).await, "the worker process was too fast for this test");
    let worker = engine::worker(backend.clone()).await;
    for n in 0..20 {
        assert_eq!(engine::result(&client, &format!("i-{n}")).await, 300, "instance {n}");
    }
    worker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_that_the_server_forgot_are_loaded_again() {
    let server = server_or_return!();
    let backend = engine::connect(server.settings("p")).await.unwrap();
    let client = Client::new(backend.clone());
    server.ask(&["SCRIPT", "FLUSH"]).unwrap();
    let worker = engine::worker(backend.clone()).await;
    for n in 0..50 {
        engine::start(&client, &format!("i-{n}"), 20).await;
        server.ask(&["SCRIPT", "FLUSH"]).unwrap();
    }
    for n in 0..50 {
        server.ask(&["SCRIPT", "FLUSH"]).unwrap();
        assert_eq!(engine::result(&client, &format!("i-{n}")).await, 20, "instance {n}");
    }
    worker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_server_refuses_whole_commits_and_goes_on_when_there_is_room() {
    let server = server_or_return!();
    let backend = engine::connect(server.settings("p")).await.unwrap();
    let client = Client::new(backend.clone());
    let worker = engine::worker(backend.clone()).await;
    for n in 0..20 {
        engine::start(&client, &format!("i-{n}"), 200).await;
    }
    server.ask(&["CONFIG", "SET", "maxmemory", "1"]).unwrap();
    let refused = send_to(&*backend).await;
    let error = refused.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::StorageFull, "{error}");
    assert_eq!(error.applied(), Applied::NotApplied, "{error}");
    assert!(matches!(error.advice(), Retry::After(_)) && error.context().contains("maxmemory"));
    // The worker runs into it many times before there is room again.
    let before = refusals(&server);
    while refusals(&server) < before + 20 {
        tokio::task::yield_now().await;
    }
    server.ask(&["CONFIG", "SET", "maxmemory", "0"]).unwrap();
    for n in 0..20 {
        assert_eq!(engine::result(&client, &format!("i-{n}")).await, 200, "instance {n}");
    }
    worker.shutdown().await;
}

/// How many commands the server has refused for want of memory.
fn refusals(server: &Server) -> u64 {
    let stats = server.ask(&["INFO", "errorstats"]).unwrap();
    let oom = stats.lines().find_map(|line| line.strip_prefix("errorstat_OOM:count="));
    oom.map_or(0, |count| count.parse().unwrap())
}

async fn send_to(backend: &dyn durable_core::backend::Backend) -> BackendResult<()> {
    let id = MessageId::random(TokioEnv::shared().random_u128());
    let message = Envelope::new(id, "i-0".parse().unwrap(), 1, "body".into());
    backend.send(vec![message]).await.remove(0).map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_may_lose_work_is_refused_with_what_to_set() {
    let server = server_or_return!("--maxmemory-policy", "allkeys-lru");
    let connect = || engine::connect(server.settings("p"));
    let said = |error: durable_core::backend::BackendError, what: &str| {
        assert!(error.to_string().contains(what), "{error}");
        error.kind()
    };
    let kind = said(connect().await.unwrap_err(), "maxmemory-policy noeviction");
    assert_eq!(kind, BackendErrorKind::Invalid);
    server.ask(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]).unwrap();
    connect().await.unwrap();
    server.ask(&["CONFIG", "SET", "appendonly", "no"]).unwrap();
    said(connect().await.unwrap_err(), "appendonly yes");
    let mut settings = server.settings("p");
    settings.durability = Some(backend_redis::RedisDurability::None);
    engine::connect(settings).await.unwrap();
    server.ask(&["REPLICAOF", "127.0.0.1", "1"]).unwrap();
    said(connect().await.unwrap_err(), "connect to the primary");
    server.ask(&["REPLICAOF", "NO", "ONE"]).unwrap();
    server.ask(&["CONFIG", "SET", "requirepass", "secret"]).unwrap();
    let kind = said(connect().await.unwrap_err(), "password");
    assert_eq!(kind, BackendErrorKind::Denied);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_there_is_unavailable() {
    let server = server_or_return!();
    let settings = server.settings("p");
    let backend = engine::connect(settings.clone()).await.unwrap();
    server.kill();
    let error = engine::connect(settings).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Unavailable, "{error}");
    let error = send_to(&*backend).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Unavailable, "{error}");
    assert!(matches!(error.advice(), Retry::After(_)), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_another_application_are_not_touched() {
    let server = server_or_return!();
    let backend = engine::connect(server.settings("p")).await.unwrap();
    server.ask(&["RPUSH", "p:{hub-0}:i:i-0", "theirs"]).unwrap();
    let error = send_to(&*backend).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Incompatible, "{error}");
    assert!(server.ask(&["LRANGE", "p:{hub-0}:i:i-0", "0", "-1"]).unwrap().contains("theirs"));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_handles_share_a_hub_and_closing_one_leaves_the_other() {
    let server = server_or_return!();
    let one = engine::connect(server.settings("p")).await.unwrap();
    let two = engine::connect(server.settings("p")).await.unwrap();
    let worker = engine::worker(Arc::clone(&two)).await;
    let client = Client::new(one.clone());
    engine::start(&client, "i", 5).await;
    assert_eq!(engine::result(&client, "i").await, 5);
    one.close().await.unwrap();
    assert_eq!(send_to(&*one).await.unwrap_err().kind(), BackendErrorKind::Closed);
    let client = Client::new(two.clone());
    engine::start(&client, "j", 5).await;
    assert_eq!(engine::result(&client, "j").await, 5);
    worker.shutdown().await;
}

/// Redis leaves the beginning of a torn transaction in its file, and applied it at the start after
/// the next.
#[tokio::test(flavor = "multi_thread")]
async fn half_of_a_transaction_that_the_power_tore_does_not_come_back() {
    let mut server = server_or_return!();
    let backend = engine::connect(server.settings("p")).await.unwrap();
    let client = Client::new(backend.clone());
    engine::start(&client, "i", 1).await;
    written_anew(&server).await;
    server.kill();
    let torn = b"*1\r\n$5\r\nMULTI\r\n*3\r\n$3\r\nSET\r\n$4\r\ntorn\r\n$1\r\n1\r\n*3\r\n$3\r\nSE";
    let file = server::append_file(&server.append_dir());
    std::fs::OpenOptions::new().append(true).open(file).unwrap().write_all(torn).unwrap();
    server.restart();
    assert_eq!(server.must(&["EXISTS", "torn"]).trim(), ":0");
    while client.start(engine::steps(), 1).id("j").send().await.is_err() {}
    written_anew(&server).await;
    server.kill();
    server.restart();
    assert_eq!(server.must(&["EXISTS", "torn"]).trim(), ":0", "half of it is back");
}

/// What is appended before may follow half of a transaction.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_to_a_server_that_has_started_anew_before_its_file_is_looked_at() {
    let mut server = server_or_return!();
    let backend = engine::connect(server.settings("p")).await.unwrap();
    let client = Client::new(backend.clone());
    engine::start(&client, "i", 1).await;
    server.kill();
    server.restart();
    let mut monitor = TcpStream::connect((Ipv4Addr::LOCALHOST, server.port())).unwrap();
    monitor.write_all(b"MONITOR\r\n").unwrap();
    let lines = BufReader::new(monitor).lines().map(Result::unwrap);
    // It does not show that the file is to be written anew, only the question before.
    let mut lines = lines.filter(|line| line.contains("EVALSHA") || line.contains("persistence"));
    while client.start(engine::steps(), 1).id("j").send().await.is_err() {}
    let first = lines.next().unwrap();
    assert!(first.contains("persistence"), "{first}");
    let info = server.must(&["INFO", "persistence"]);
    let is_begun = info.contains("aof_rewrite_in_progress:1");
    assert!(is_begun || !info.contains("aof_last_rewrite_time_sec:-1"), "{info}");
}

/// Waits until the server has written its file anew, which takes a second at least.
async fn written_anew(server: &Server) {
    let deadline = TokioEnv::shared().now() + engine::LONG / 4;
    while TokioEnv::shared().now() < deadline {
        let info = server.must(&["INFO", "persistence"]);
        if !info.contains("aof_last_rewrite_time_sec:-1")
            && info.contains("aof_rewrite_in_progress:0")
        {
            return;
        }
        TokioEnv::shared().sleep(Duration::from_millis(20)).await;
    }
}

/// What a look would have brought to somebody who is gone was on loan until its lease ended.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_dropped_receive_would_have_brought_is_given_back_at_once() {
    let server = server_or_return!();
    for partitions in [1, 4] {
        let mut settings = server.settings(&format!("p{partitions}"));
        settings.partitions = Some(partitions);
        let backend = engine::connect(settings).await.unwrap();
        let client = Client::new(backend.clone());
        for n in 0..4 {
            engine::start(&client, &format!("i-{n}"), 1).await;
        }
        gives_up(&server, backend.receive_turns(ready(Duration::ZERO))).await;
        let mut commits = Vec::new();
        while commits.len() < 4 {
            let works = backend.receive_turns(ready(engine::LONG / 2)).await.unwrap();
            assert!(!works.is_empty(), "of 4 turns in {partitions} some are on loan to nobody");
            commits.extend(works.into_iter().map(with_a_task));
        }
        for outcome in backend.commit_turns(commits).await {
            assert_eq!(outcome.unwrap(), CommitOutcome::Applied);
        }
        gives_up(&server, backend.receive_activities(tasks(Duration::ZERO))).await;
        let mut found = 0;
        while found < 4 {
            let works = backend.receive_activities(tasks(engine::LONG / 2)).await.unwrap();
            assert!(!works.is_empty(), "of 4 tasks in {partitions} some are on loan to nobody");
            found += works.len();
        }
        gives_up(&server, backend.receive_tracking(records(Duration::ZERO))).await;
        let mut found = 0;
        while found < 4 {
            let works = backend.receive_tracking(records(engine::LONG / 2)).await.unwrap();
            assert!(!works.is_empty(), "of 4 records in {partitions} some are on loan to nobody");
            found += works.len();
            let leases = works.into_iter().map(|work| work.lease).collect();
            for acked in backend.ack_tracking(leases).await {
                assert_eq!(acked.unwrap(), AbandonOutcome::Done);
            }
        }
    }
}

/// While the server is slow, the one who asks gives up.
async fn gives_up<T: std::fmt::Debug>(server: &Server, asked: impl Future<Output = T>) {
    server.must(&["CLIENT", "PAUSE", "100000", "WRITE"]);
    timeout(&*TokioEnv::shared(), Duration::from_millis(20), asked).await.unwrap_err();
    server.must(&["CLIENT", "UNPAUSE"]);
}

fn ready(wait: Duration) -> ReceiveTurns {
    let (max, messages_max, worker) = (8, 10, WorkerId(1));
    ReceiveTurns { max, messages_max, lease_for: engine::LONG, wait, worker }
}

fn tasks(wait: Duration) -> ReceiveActivities {
    let (queues, worker) = (vec![QueueName::default()], WorkerId(1));
    ReceiveActivities { queues, max: 8, lease_for: engine::LONG, wait, worker }
}

fn records(wait: Duration) -> ReceiveTracking {
    ReceiveTracking { max: 8, lease_for: engine::LONG, wait }
}

fn with_a_task(work: TurnWork) -> TurnCommit {
    let (id, instance) = (MessageId::of_action(work.execution, 1), work.lease.instance.clone());
    TurnCommit {
        activities: vec![Envelope::new(id, instance.clone(), 1, "task".into())],
        tracking: Some(Envelope::new(id, instance, 1, "record".into())),
        ..by_hand::nothing(&work)
    }
}
