//! `fanout`: many activities at once, and join.

use durable::prelude::*;
use durable::worker::WorkerBuilder;
use futures_util::stream::{FuturesUnordered, StreamExt};

use super::hello::increment;
use super::{Result, closed_loop};
use crate::args::Case;
use crate::report::Row;
use crate::setup::Hub;

/// Calls `width` activities and adds up what they return.
#[orchestration]
async fn fanout(ctx: OrchestrationContext, width: u64) -> std::result::Result<u64, Failure> {
    let mut calls: FuturesUnordered<_> = (0..width).map(|n| ctx.call(increment, n)).collect();
    let mut sum = 0;
    while let Some(value) = calls.next().await {
        sum += value?;
    }
    Ok(sum)
}

pub(super) fn register(worker: WorkerBuilder) -> WorkerBuilder {
    worker.orchestration(fanout)
}

pub(super) async fn run(case: &Case, width: u64) -> Result<Row> {
    let hub = Hub::open(&case.backend).await?;
    let worker = hub.worker().await?;
    let client = hub.client.clone();
    let mut row = closed_loop(case, move |_| {
        let client = client.clone();
        async move {
            let sum = client.start(fanout, width).send().await?.result().await?;
            assert_eq!(sum, width * (width + 1) / 2);
            Ok(())
        }
    })
    .await?;
    row.extra.push(("activities/s", row.case.count as f64 * width as f64 / row.wall.as_secs_f64()));
    worker.shutdown().await;
    Ok(row)
}
