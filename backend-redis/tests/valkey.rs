//! Valkey: a part of the suite, and a server that is killed. All of the suite by
//! `cargo xtask conformance --backend valkey`.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
#![allow(clippy::print_stderr, reason = "what is left out is said")]

mod engine;
mod server;

use std::sync::Arc;

use backend_redis::{RedisBackend, RedisDurability, RedisSettings, RedisStore};
use conformance_tests::{checks, fixture, run_checks};
use durable_core::client::Client;
use server::Server;

fn start() -> Option<Server> {
    match server::valkey() {
        Ok(program) => Some(Server::start_program(&program, &[])),
        Err(why) => {
            eprintln!("left out: {why}");
            None
        }
    }
}

#[test]
fn some_of_the_suite_passes_on_valkey() {
    let Some(server) = start() else { return };
    let port = server.port();
    let capabilities = RedisBackend::capabilities(RedisDurability::EverySecond, 1);
    let fixture = fixture(capabilities, move |place, hub, env| async move {
        let mut settings = RedisSettings::new("127.0.0.1", port);
        settings.prefix = format!("{}:", place.name);
        Ok(RedisStore::connect(settings, env).await?.hub(&hub).await? as Arc<_>)
    });
    let passed = run_checks(checks().iter().step_by(25), &fixture).unwrap();
    assert!(passed > 10, "{passed} checks");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_by_valkey_goes_on_after_it_was_killed() {
    let Some(mut server) = start() else { return };
    let backend = engine::connect(server.settings("p")).await.unwrap();
    let client = Client::new(backend.clone());
    let worker = engine::worker(backend).await;
    for n in 0..10 {
        engine::start(&client, &format!("i-{n}"), 20).await;
    }
    // It answers before it writes while a flush is under way.
    server.must(&["CONFIG", "SET", "appendfsync", "always"]);
    engine::start(&client, "last", 20).await;
    server.kill();
    server.restart();
    for n in 0..10 {
        assert_eq!(engine::result(&client, &format!("i-{n}")).await, 20, "instance {n}");
    }
    assert_eq!(engine::result(&client, "last").await, 20);
    worker.shutdown().await;
}
