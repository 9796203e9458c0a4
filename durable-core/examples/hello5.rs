//! Throughput of five sequential activities over the memory backend.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measuring program"
)]
use durable_core::client::Client;
use durable_core::memory::MemoryStore;
use durable_core::model::Failure;
use durable_core::replay::{NamedActivity, NamedOrchestration, OrchestrationContext};
use durable_core::worker::Worker;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
#[tokio::main]
async fn main() {
    let inflight: usize = std::env::args().nth(1).map_or(400, |a| a.parse().unwrap());
    let count: usize = std::env::args().nth(2).map_or(100_000, |a| a.parse().unwrap());
    let backend = MemoryStore::default().hub(&"b".parse().unwrap());
    let inc: NamedActivity<u64, u64, Failure> = NamedActivity::new("inc").unwrap();
    let w = Worker::builder(backend.clone())
        .activity_fn("inc", |_c, n: u64| async move { Ok::<_, Failure>(n + 1) })
        .orchestration_fn("hello5", move |ctx: OrchestrationContext, n: u64| {
            let inc = inc.clone();
            async move {
                let mut n = n;
                for _ in 0..5 {
                    n = ctx.call(inc.clone(), n).await?;
                }
                Ok::<_, Failure>(n)
            }
        })
        .start()
        .await
        .unwrap();
    let client = Client::new(backend);
    let hello: NamedOrchestration<u64, u64, Failure> = NamedOrchestration::new("hello5").unwrap();
    let next = Arc::new(AtomicUsize::new(0));
    let begun = std::time::Instant::now();
    let mut tasks = Vec::new();
    for _ in 0..inflight {
        let (client, hello, next) = (client.clone(), hello.clone(), next.clone());
        tasks.push(tokio::spawn(async move {
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= count {
                    return;
                }
                let r = client
                    .start(hello.clone(), n as u64)
                    .send()
                    .await
                    .unwrap()
                    .result()
                    .await
                    .unwrap();
                assert_eq!(r, n as u64 + 5);
            }
        }));
    }
    for t in tasks {
        t.await.unwrap();
    }
    println!("{:.0}/s", count as f64 / begun.elapsed().as_secs_f64());
    w.shutdown().await;
}
