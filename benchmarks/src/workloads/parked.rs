//! `parked`: instances that wait on a timer: memory each, time to open, and firing.

use std::time::{Duration, Instant};

use durable::prelude::*;
use durable::worker::WorkerBuilder;
use futures_util::stream::{self, StreamExt};

use super::Result;
use crate::args::Case;
use crate::measure::Usage;
use crate::report::Row;
use crate::setup::Hub;

/// Waits until a time, in microseconds since the epoch.
#[orchestration]
async fn park(ctx: OrchestrationContext, until: u64) -> std::result::Result<(), Failure> {
    ctx.sleep_until(durable::time::Timestamp::from_micros(until)).await;
    Ok(())
}

pub(super) fn register(worker: WorkerBuilder) -> WorkerBuilder {
    worker.orchestration(park)
}

pub(super) async fn run(case: &Case) -> Result<Row> {
    let hub = Hub::open(&case.backend).await?;
    let worker = hub.worker().await?;
    let before = Usage::now();
    let begun = Instant::now();
    let far = durable::env::TokioEnv::shared().now() + Duration::from_secs(30 * 24 * 3600);
    stream::iter(0..case.count)
        .for_each_concurrent(1_000, |n| {
            let client = hub.client.clone();
            async move {
                let started = client.start(park, far.as_micros()).id(format!("p{n}")).send().await;
                assert!(started.is_ok(), "{started:?}");
            }
        })
        .await;
    // All have set their timers when the last started one has.
    let last = hub.client.instance(format!("p{}", case.count - 1))?;
    last.wait_until(|s| s.events() > 1).await?;
    worker.shutdown().await;
    let after = Usage::now();
    let wall = begun.elapsed();
    let each = after.memory.saturating_sub(before.memory) as f64 / case.count as f64;
    Ok(Row {
        case: case.clone(),
        wall,
        p50: Duration::ZERO,
        p99: Duration::ZERO,
        before,
        after,
        extra: vec![("memory bytes each", each)],
    })
}
