//! Changes that are acknowledged once replicas have them.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod engine;
mod server;

use std::time::Duration;

use backend_redis::RedisSettings;
use durable_core::backend::{Applied, BackendErrorKind, Envelope, ReceiveTurns};
use durable_core::client::Client;
use durable_core::env::TokioEnv;
use durable_core::error::Error;
use durable_core::ids::{MessageId, WorkerId};
use futures_util::future::Either;
use server::Server;

fn settings(server: &Server, replicas: u32) -> RedisSettings {
    let url = format!("redis://127.0.0.1:{}?prefix=p:&replicas={replicas}", server.port());
    RedisSettings::parse(&url).unwrap()
}

fn replica_of(primary: &Server) -> Server {
    let port = primary.port().to_string();
    let replica = Server::start(&["--replicaof", "127.0.0.1", &port]);
    while !primary.must(&["INFO", "replication"]).contains("state=online") {
        std::thread::yield_now();
    }
    replica
}

async fn start(client: &Client, n: u32) -> Result<(), Error> {
    client.start(engine::steps(), 20).id(format!("i-{n}")).send().await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_replicas_have_survives_the_death_of_the_primary() {
    if !server::available() {
        return;
    }
    let primary = Server::start(&[]);
    let replica = replica_of(&primary);
    let backend = engine::connect(settings(&primary, 1)).await.unwrap();
    let (client, worker) = (Client::new(backend.clone()), engine::worker(backend).await);
    let mut started = 0;
    while started < 300 {
        start(&client, started).await.unwrap();
        started += 1;
    }
    // In the midst of its work.
    primary.kill();
    assert!(start(&client, started).await.is_err());
    worker.shutdown().await;
    replica.must(&["REPLICAOF", "NO", "ONE"]);
    let backend = engine::connect(settings(&replica, 0)).await.unwrap();
    let (client, worker) = (Client::new(backend.clone()), engine::worker(backend).await);
    for n in 0..started {
        assert_eq!(engine::result(&client, &format!("i-{n}")).await, 20, "instance {n}");
    }
    worker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_acknowledged_that_a_replica_does_not_have() {
    if !server::available() {
        return;
    }
    let primary = Server::start(&[]);
    let refused = engine::connect(settings(&primary, 1)).await.unwrap_err();
    assert_eq!(refused.kind(), BackendErrorKind::Unavailable, "{refused}");
    assert!(refused.to_string().contains("REPLICAOF"), "{refused}");
    let replica = replica_of(&primary);
    let backend = engine::connect(settings(&primary, 1)).await.unwrap();
    let client = Client::new(backend.clone());
    start(&client, 0).await.unwrap();
    replica.signal("-STOP");
    let message = {
        let id = MessageId::random(TokioEnv::shared().random_u128());
        Envelope::new(id, "i-0".parse().unwrap(), 1, "body".into())
    };
    let error = backend.send(vec![message.clone()]).await.remove(0).unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Unavailable, "{error}");
    assert_eq!(error.applied(), Applied::Unknown, "{error}");
    assert!(error.context().contains("replicas"), "{error}");
    // What has nothing to do with replicas does not wait for one that is away.
    let receive = ReceiveTurns {
        max: 1,
        messages_max: 10,
        lease_for: engine::LONG,
        wait: Duration::ZERO,
        worker: WorkerId(1),
    };
    let blocked = backend.send(vec![message.clone()]);
    let both = futures_util::future::select(blocked, Box::pin(backend.receive_turns(receive)));
    match both.await {
        Either::Right((works, _)) => assert_eq!(works.unwrap().len(), 1),
        Either::Left(_) => panic!("a receive has waited for a replica"),
    }
    // A repetition, which writes nothing, is not believed either.
    assert!(backend.send(vec![message.clone()]).await.remove(0).is_err());
    replica.signal("-CONT");
    backend.send(vec![message]).await.remove(0).unwrap();
}
