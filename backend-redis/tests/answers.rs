//! What servers answer when they cannot serve, each provoked on a real one: the error that comes
//! of it says what happened, that nothing was done, and that it may be tried again, which then
//! works. `OOM` and `NOSCRIPT` are in `failures.rs`, `MOVED` and `ASK` in `partitions.rs`.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod engine;
mod server;

use durable_core::backend::{
    Applied, Backend, BackendError, BackendErrorKind, BackendResult, Envelope, Retry,
};
use durable_core::client::Client;
use durable_core::env::TokioEnv;
use durable_core::ids::MessageId;
use server::Server;

async fn send(backend: &dyn Backend) -> BackendResult<()> {
    let id = MessageId::random(TokioEnv::shared().random_u128());
    let message = Envelope::new(id, "i-0".parse().unwrap(), 1, "body".into());
    backend.send(vec![message]).await.remove(0).map(drop)
}

/// Sends until it is refused with this word; nothing else may go wrong but a connection.
async fn refused(backend: &dyn Backend, word: &str) -> BackendError {
    let deadline = TokioEnv::shared().now() + engine::LONG;
    loop {
        match send(backend).await {
            Err(error) if error.context().contains(word) => return error,
            Ok(()) => {}
            Err(error) => assert_eq!(error.kind(), BackendErrorKind::Unavailable, "{error}"),
        }
        assert!(TokioEnv::shared().now() < deadline, "nobody says {word}");
        TokioEnv::shared().sleep(std::time::Duration::from_millis(5)).await;
    }
}

/// Sends until it is accepted.
async fn accepted(backend: &dyn Backend) {
    let deadline = TokioEnv::shared().now() + engine::LONG;
    while let Err(error) = send(backend).await {
        assert!(matches!(error.advice(), Retry::After(_)), "{error}");
        assert!(TokioEnv::shared().now() < deadline, "{error}");
        TokioEnv::shared().sleep(std::time::Duration::from_millis(5)).await;
    }
}

fn check(error: &BackendError, kind: BackendErrorKind) {
    assert_eq!((error.kind(), error.applied()), (kind, Applied::NotApplied), "{error}");
    assert!(matches!(error.advice(), Retry::After(_)), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_a_script_of_somebody_else_blocks_the_server_calls_are_refused() {
    if !server::available() {
        return;
    }
    let server = Server::start(&["--lua-time-limit", "20"]);
    let backend = engine::connect(server.settings("p")).await.unwrap();
    engine::start(&Client::new(backend.clone()), "i-0", 1).await;
    let url = format!("redis://127.0.0.1:{}", server.port());
    let client = redis::Client::open(url).unwrap();
    let config = redis::AsyncConnectionConfig::new().set_response_timeout(None);
    let mut other = client.get_multiplexed_async_connection_with_config(&config).await.unwrap();
    let (ended, end) = tokio::sync::oneshot::channel();
    TokioEnv::shared().spawn(Box::pin(async move {
        let mut eval = redis::cmd("EVAL");
        eval.arg("while true do end").arg(0);
        let _ = ended.send(eval.query_async::<redis::Value>(&mut other).await);
    }));
    let error = refused(&*backend, "BUSY").await;
    check(&error, BackendErrorKind::Throttled);
    server.must(&["SCRIPT", "KILL"]);
    assert!(end.await.unwrap().is_err());
    accepted(&*backend).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_a_server_loads_its_file_calls_are_refused() {
    if !server::available() {
        return;
    }
    // So that it takes a while, and the server answers meanwhile.
    let slow = ["--key-load-delay", "2000", "--loading-process-events-interval-bytes", "1024"];
    let mut server = Server::start(&slow);
    let backend = engine::connect(server.settings("p")).await.unwrap();
    let client = Client::new(backend.clone());
    for n in 0..600 {
        engine::start(&client, &format!("i-{n}"), 1).await;
    }
    // In this form the server looks up after every few keys.
    server.must(&["BGREWRITEAOF"]);
    while !server.must(&["INFO", "persistence"]).contains("aof_rewrite_in_progress:0") {
        std::thread::yield_now();
    }
    server.kill();
    server.begin_restart();
    let error = refused(&*backend, "LOADING").await;
    check(&error, BackendErrorKind::Unavailable);
    // Nor can anybody come along before it has.
    let error = engine::connect(server.settings("p")).await.unwrap_err();
    check(&error, BackendErrorKind::Unavailable);
    assert!(error.context().contains("LOADING"), "{error}");
    accepted(&*backend).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_has_become_a_replica_refuses_until_it_is_a_primary_again() {
    if !server::available() {
        return;
    }
    let server = Server::start(&[]);
    let backend = engine::connect(server.settings("p")).await.unwrap();
    engine::start(&Client::new(backend.clone()), "i-0", 1).await;
    server.must(&["REPLICAOF", "127.0.0.1", "1"]);
    let error = refused(&*backend, "READONLY").await;
    check(&error, BackendErrorKind::Unavailable);
    assert!(error.context().contains("primary"), "{error}");
    server.must(&["REPLICAOF", "NO", "ONE"]);
    accepted(&*backend).await;
}
