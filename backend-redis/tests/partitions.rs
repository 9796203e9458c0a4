//! Messages between partitions, clusters whose slots move and whose nodes die, failovers.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod engine;
mod server;

use std::sync::Arc;

use backend_redis::{RedisSettings, RedisStore};
use conformance_tests::by_hand;
use durable_core::backend::{Backend, BackendErrorKind, BackendResult, Envelope, TurnCommit};
use durable_core::client::Client;
use durable_core::env::TokioEnv;
use durable_core::ids::{InstanceId, MessageId};
use durable_core::model::Failure;
use durable_core::replay::{NamedOrchestration, OrchestrationContext};
use durable_core::worker::{Worker, WorkerOptions};
use server::Server;
use server::cluster::Cluster;
use server::sentinel::Sentinel;

fn parent() -> NamedOrchestration<u32, u32, Failure> {
    NamedOrchestration::new("parent").unwrap()
}

fn child() -> NamedOrchestration<u32, u32, Failure> {
    NamedOrchestration::new("child").unwrap()
}

/// A worker whose orchestrations have children, most of them in other partitions.
async fn worker(backend: Arc<dyn Backend>) -> Worker {
    let mut options = WorkerOptions::default();
    options.lease = std::time::Duration::from_secs(2);
    Worker::builder(backend)
        .options(options)
        .orchestration_fn("child", |_ctx: OrchestrationContext, n: u32| async move {
            Ok::<_, Failure>(n + 1)
        })
        .orchestration_fn("parent", |ctx: OrchestrationContext, count: u32| async move {
            let mut sum = 0;
            for n in 0..count {
                sum += ctx.call_child(child(), n).await?;
            }
            Ok::<_, Failure>(sum)
        })
        .start()
        .await
        .unwrap()
}

async fn start(client: &Client, n: u32, children: u32) {
    client.start(parent(), children).id(format!("p-{n}")).send().await.unwrap();
}

async fn all_end(client: &Client, count: u32, children: u32) {
    for n in 0..count {
        ends(client, n, children).await;
    }
}

/// The choice of a new primary takes longer than a call is willing to wait: then it is repeated.
async fn ends(client: &Client, n: u32, children: u32) {
    let deadline = TokioEnv::shared().now() + engine::LONG;
    loop {
        let instance = client.instance(format!("p-{n}")).unwrap().typed::<u32, Failure>();
        match instance.result_within(engine::LONG).await {
            Ok(sum) => return assert_eq!(sum, children * (children + 1) / 2, "parent {n}"),
            Err(error) => assert!(TokioEnv::shared().now() < deadline, "parent {n}: {error}"),
        }
    }
}

fn in_partitions(mut settings: RedisSettings, count: u16) -> RedisSettings {
    settings.partitions = Some(count);
    settings
}

async fn connect(settings: RedisSettings) -> BackendResult<Arc<dyn Backend>> {
    engine::connect(settings).await
}

#[tokio::test(flavor = "multi_thread")]
async fn children_in_other_partitions_report_to_their_parents() {
    if !server::available() {
        return;
    }
    let server = Server::start(&[]);
    let backend = connect(in_partitions(server.settings("p"), 8)).await.unwrap();
    assert!(!backend.capabilities().instant_delivery);
    let client = Client::new(backend.clone());
    let worker = worker(backend.clone()).await;
    for n in 0..20 {
        start(&client, n, 10).await;
    }
    all_end(&client, 20, 10).await;
    worker.shutdown().await;
    // Nothing is left in any outbox.
    let left = server.must(&["EVAL", "return #redis.call('KEYS', 'p:*:o:*')", "0"]);
    assert_eq!(left.trim(), ":0");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_number_of_partitions_is_settled_with_the_hub() {
    if !server::available() {
        return;
    }
    let server = Server::start(&[]);
    connect(in_partitions(server.settings("p"), 8)).await.unwrap();
    let error = connect(in_partitions(server.settings("p"), 4)).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Invalid);
    assert!(error.to_string().contains("created with 8 partitions"), "{error}");
    // Who does not say is told.
    let found = connect(server.settings("p")).await.unwrap();
    assert!(!found.capabilities().instant_delivery);
    assert!(connect(in_partitions(server.settings("q"), 0)).await.is_err());
    assert!(connect(in_partitions(server.settings("q"), 257)).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_end_while_slots_move_from_node_to_node() {
    if !server::available() {
        return;
    }
    let cluster = Cluster::start(false);
    let backend = connect(in_partitions(cluster.settings("p"), 4)).await.unwrap();
    let client = Client::new(backend.clone());
    let worker = worker(backend.clone()).await;
    for n in 0..30 {
        start(&client, n, 12).await;
    }
    // Every partition goes around twice while they run.
    for round in 0..2 {
        for partition in 0..4 {
            let slot = slot_of(&cluster, &format!("p:{{hub-{partition}}}:"));
            let from = cluster.owner(slot);
            cluster.migrate(slot, from, (from + 1 + round % 2) % 3).await;
        }
    }
    all_end(&client, 30, 12).await;
    worker.shutdown().await;
    // All that nodes say about a slot on its way has been said, and followed.
    for word in ["MOVED", "ASK"] {
        let count: u64 = cluster.nodes.iter().map(|node| answers(node, word)).sum();
        assert!(count > 0, "nobody has answered {word}");
    }
}

/// How often a server has answered with this error.
fn answers(server: &Server, word: &str) -> u64 {
    let stats = server.must(&["INFO", "errorstats"]);
    let head = format!("errorstat_{word}:count=");
    stats.lines().find_map(|line| line.strip_prefix(&head)).map_or(0, |n| n.trim().parse().unwrap())
}

fn slot_of(cluster: &Cluster, key: &str) -> u16 {
    let answer = cluster.nodes[0].must(&["CLUSTER", "KEYSLOT", key]);
    answer.trim().trim_start_matches(':').parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_of_a_cluster_dies_and_comes_back_under_load() {
    if !server::available() {
        return;
    }
    let mut cluster = Cluster::start(false);
    let backend = connect(in_partitions(cluster.settings("p"), 16)).await.unwrap();
    let client = Client::new(backend.clone());
    let worker = worker(backend.clone()).await;
    for n in 0..20 {
        start(&client, n, 10).await;
    }
    cluster.nodes[1].kill();
    cluster.nodes[1].restart();
    all_end(&client, 20, 10).await;
    worker.shutdown().await;
}

/// A node that hangs keeps its connections open and answers nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_hangs_holds_up_its_own_instances_and_no_others() {
    if !server::available() {
        return;
    }
    let cluster = Cluster::start(false);
    let mut settings = in_partitions(cluster.settings("p"), 6);
    settings.response_timeout = std::time::Duration::from_secs(2);
    let backend = connect(settings).await.unwrap();
    let client = Client::new(backend.clone());
    let home = |n: u32| {
        let partition = partition_of(&format!("p-{n}"), 6);
        cluster.owner(slot_of(&cluster, &format!("p:{{hub-{partition}}}:")))
    };
    let (hung, others): (Vec<u32>, Vec<u32>) = (0..40).partition(|n| home(*n) == 1);
    assert!(hung.len() > 3 && others.len() > 3, "{} and {}", hung.len(), others.len());
    for n in 0..40 {
        // Children would live anywhere.
        start(&client, n, 0).await;
    }
    cluster.nodes[1].signal("-STOP");
    let worker = worker(backend.clone()).await;
    for n in others {
        ends(&client, n, 0).await;
    }
    let first = client.instance(format!("p-{}", hung[0])).unwrap();
    assert!(first.status().await.is_err(), "a node that hangs has answered");
    cluster.nodes[1].signal("-CONT");
    for n in hung {
        ends(&client, n, 0).await;
    }
    worker.shutdown().await;
}

/// Where an instance lives, as `DESIGN.md` says.
fn partition_of(id: &str, partitions: u64) -> u64 {
    (u64::from(crc32c::crc32c(id.as_bytes())) * partitions) >> 32
}

/// A process that dies right after a commit has relayed nothing of it.
#[tokio::test]
async fn what_a_dead_process_has_left_in_its_outbox_is_relayed_by_whoever_receives() {
    if !server::available() {
        return;
    }
    let server = Server::start(&[]);
    let settings = in_partitions(server.settings("p"), 4);
    let dying = connect(settings.clone()).await.unwrap();
    let source: InstanceId = "a-0".parse().unwrap();
    let home = partition_of(source.as_str(), 4);
    let elsewhere = |id: &String| partition_of(id, 4) != home;
    let target: InstanceId =
        (0..).map(|n| format!("b-{n}")).find(elsewhere).unwrap().parse().unwrap();
    let mut works = Vec::new();
    for id in [&source, &target] {
        by_hand::create(&*dying, id).await;
        works.push(by_hand::turn(&*dying, (10, engine::LONG), engine::LONG).await.unwrap());
    }
    let (of_target, of_source) = (works.pop().unwrap(), works.pop().unwrap());
    by_hand::applied(&*dying, by_hand::nothing(&of_target)).await;
    let id = MessageId::of_action(of_source.execution, 1);
    let message = Envelope::new(id, target.clone(), 1, "left behind".into());
    let commit = TurnCommit { messages: vec![message], ..by_hand::nothing(&of_source) };
    // What is on its way is not called back, but nobody in this process learns of its end.
    let outbox = format!("p:{{hub-{home}}}:od");
    {
        let moment = || TokioEnv::shared().sleep(std::time::Duration::from_millis(1));
        let mut commits = std::pin::pin!(dying.commit_turns(vec![commit]));
        assert!(futures_util::poll!(commits.as_mut()).is_pending(), "it learned of the end");
        while server.must(&["EXISTS", &outbox]).trim() == ":0" {
            moment().await;
        }
        dying.close().await.unwrap();
        // So that its relay ends before the commit is given up.
        moment().await;
    }
    let alive = connect(settings).await.unwrap();
    let work = by_hand::turn(&*alive, (10, engine::LONG), engine::LONG).await.unwrap();
    assert_eq!(work.lease.instance, target);
    assert_eq!(work.messages.iter().map(|m| m.id).collect::<Vec<_>>(), vec![id]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_takes_over_from_a_node_that_died() {
    if !server::available() {
        return;
    }
    let cluster = Cluster::start(true);
    let backend = connect(in_partitions(cluster.settings("p"), 8)).await.unwrap();
    let client = Client::new(backend.clone());
    for n in 0..20 {
        start(&client, n, 5).await;
    }
    // What is acknowledged may be lost with a primary until its replica has it.
    cluster.caught_up();
    cluster.nodes[0].kill();
    let worker = worker(backend.clone()).await;
    all_end(&client, 20, 5).await;
    worker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_primary_is_followed_that_sentinels_choose() {
    if !server::available() {
        return;
    }
    let mut primary = Server::start(&[]);
    let port = primary.port().to_string();
    let replica = Server::start(&["--replicaof", "127.0.0.1", &port]);
    let sentinel = Sentinel::start(&primary);
    let mut settings = RedisSettings::sentinel("main", [sentinel.address()]);
    settings.prefix = "p:".to_owned();
    let backend = connect(settings.clone()).await.unwrap();
    sentinel.knows_replicas(1);
    let client = Client::new(backend.clone());
    for n in 0..10 {
        start(&client, n, 5).await;
    }
    server::caught_up(&primary, &replica);
    primary.kill();
    let worker = worker(backend.clone()).await;
    all_end(&client, 10, 5).await;
    // The old primary comes back as one: it must not be used again.
    primary.restart();
    start(&client, 10, 3).await;
    ends(&client, 10, 3).await;
    assert!(replica.must(&["ROLE"]).contains("master"));
    worker.shutdown().await;
    settings = RedisSettings::sentinel("other", [sentinel.address()]);
    let error = RedisStore::connect(settings, TokioEnv::shared()).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Invalid);
    assert!(error.to_string().contains("no primary `other`"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_wrong_kind_of_url_is_said_to_be() {
    if !server::available() {
        return;
    }
    let single = Server::start(&[]);
    let url = format!("redis+cluster://127.0.0.1:{}", single.port());
    let said = |url: String| async move {
        let settings = RedisSettings::parse(&url).unwrap();
        RedisStore::connect(settings, TokioEnv::shared()).await.unwrap_err().to_string()
    };
    let error = said(url).await;
    assert!(error.contains("no node of a cluster"), "{error}");
    let cluster = server::cluster::shared();
    let error = said(format!("redis://127.0.0.1:{}", cluster.nodes[0].port())).await;
    assert!(error.contains("redis+cluster"), "{error}");
}
