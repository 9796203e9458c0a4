//! What an instance that only waits takes of the server's memory.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
#![allow(clippy::print_stderr, reason = "what was measured is said")]

mod engine;
mod server;

use std::time::Duration;

use durable_core::client::Client;
use durable_core::env::TokioEnv;
use durable_core::model::Failure;
use durable_core::replay::{NamedActivity, NamedOrchestration, OrchestrationContext};
use durable_core::worker::Worker;
use server::Server;

const INSTANCES: u64 = 1_000;

/// The most bytes that one of them may take.
const BYTES_MAX: u64 = 4_096;

fn used(server: &Server) -> u64 {
    let info = server.must(&["INFO", "memory"]);
    let used = info.lines().find_map(|line| line.strip_prefix("used_memory:"));
    used.unwrap().trim().parse().unwrap()
}

/// Five steps, then a year of waiting: everything that there is of an instance is stored.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_that_waits_takes_four_kilobytes_at_most() {
    if !server::available() {
        return;
    }
    let server = Server::start(&[]);
    let backend = engine::connect(server.settings("p")).await.unwrap();
    let client = Client::new(backend.clone());
    let worker = Worker::builder(backend)
        .activity_fn("inc", |_ctx, n: u32| async move { Ok::<_, Failure>(n + 1) })
        .orchestration_fn("parked", |ctx: OrchestrationContext, mut n: u32| async move {
            for _ in 0..5 {
                n = ctx.call(NamedActivity::<u32, u32, Failure>::new("inc")?, n).await?;
            }
            ctx.sleep(Duration::from_secs(365 * 24 * 3_600)).await;
            Ok::<_, Failure>(n)
        })
        .start()
        .await
        .unwrap();
    let before = used(&server);
    let parked: NamedOrchestration<u32, u32, Failure> = NamedOrchestration::new("parked").unwrap();
    for n in 0..INSTANCES {
        client.start(parked.clone(), 0).id(format!("order-{n:08}")).send().await.unwrap();
    }
    let deadline = TokioEnv::shared().now() + engine::LONG;
    while server.must(&["ZCARD", "p:{hub-0}:tm"]).trim() != format!(":{INSTANCES}") {
        assert!(TokioEnv::shared().now() < deadline, "not all of them wait");
        TokioEnv::shared().sleep(Duration::from_millis(20)).await;
    }
    worker.shutdown().await;
    let each = (used(&server) - before) / INSTANCES;
    eprintln!("{each} bytes each");
    assert!(each <= BYTES_MAX, "{each} bytes each");
}
