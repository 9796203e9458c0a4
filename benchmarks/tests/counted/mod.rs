//! The fixed workloads whose allocations are counted.

use std::time::Duration;

use durable::prelude::*;

#[activity]
async fn increment(n: u64) -> Result<u64, Failure> {
    Ok(n + 1)
}

#[orchestration]
async fn hello5(ctx: OrchestrationContext, n: u64) -> Result<u64, Failure> {
    let mut n = n;
    for _ in 0..5 {
        n = ctx.call(increment, n).await?;
    }
    Ok(n)
}

#[orchestration]
async fn park(ctx: OrchestrationContext) -> Result<(), Failure> {
    ctx.sleep(Duration::from_secs(30 * 24 * 3600)).await;
    Ok(())
}

/// Orchestrations one after the other; answers with allocations and bytes for each.
pub(crate) async fn sequential(url: &str, count: u64) -> (u64, u64) {
    let backend = durable::connect(url).await.unwrap();
    let worker = Worker::builder(backend.clone()).activity(increment).orchestration(hello5);
    let worker = worker.start().await.unwrap();
    let client = Client::new(backend);
    let mut before = dhat::HeapStats::get();
    for n in 0..2 * count {
        if n == count {
            // The first half warms up what grows once.
            before = dhat::HeapStats::get();
        }
        let handle = client.start(hello5, n).send().await.unwrap();
        assert_eq!(handle.result().await.unwrap(), n + 5);
    }
    let after = dhat::HeapStats::get();
    worker.shutdown().await;
    let blocks = (after.total_blocks - before.total_blocks) / count;
    (blocks, (after.total_bytes - before.total_bytes) / count)
}

/// Instances that wait for a timer; answers with the bytes kept for each.
pub(crate) async fn parked(url: &str, count: u64, sticky_bytes: usize) -> u64 {
    let backend = durable::connect(url).await.unwrap();
    let mut options = WorkerOptions::default();
    options.sticky_bytes = sticky_bytes;
    let worker = Worker::builder(backend.clone()).orchestration(park).options(options);
    let worker = worker.start().await.unwrap();
    let client = Client::new(backend);
    let before = dhat::HeapStats::get();
    let ids: Vec<u64> = (0..count).collect();
    for ids in ids.chunks(100) {
        // Together, so that they share their flushes.
        let ids = ids.iter().map(|n| format!("parked-{n:08}"));
        let starts = ids.map(|id| client.start(park, ()).id(id).send());
        for handle in futures_util::future::join_all(starts).await {
            handle.unwrap().wait_until(|status| status.events() > 1).await.unwrap();
        }
    }
    drop(ids);
    let after = dhat::HeapStats::get();
    worker.shutdown().await;
    ((after.curr_bytes - before.curr_bytes) as u64) / count
}

/// Runs what counts allocations, which one test of a process can do.
pub(crate) fn counted(count: impl AsyncFnOnce()) {
    let _profiler = dhat::Profiler::builder().testing().build();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(count());
}
