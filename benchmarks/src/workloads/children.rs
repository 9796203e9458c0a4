//! `children`: one orchestration that runs ten children at once.

use durable::prelude::*;
use durable::worker::WorkerBuilder;
use futures_util::stream::{FuturesUnordered, StreamExt};

use super::hello::increment;
use super::{Result, closed_loop};
use crate::args::Case;
use crate::report::Row;
use crate::setup::Hub;

/// One activity.
#[orchestration]
async fn leaf(ctx: OrchestrationContext, n: u64) -> std::result::Result<u64, Failure> {
    Ok(ctx.call(increment, n).await?)
}

/// Ten leaves.
#[orchestration]
async fn family(ctx: OrchestrationContext, _input: ()) -> std::result::Result<u64, Failure> {
    let mut calls: FuturesUnordered<_> = (0..10).map(|n| ctx.call_child(leaf, n)).collect();
    let mut sum = 0;
    while let Some(value) = calls.next().await {
        sum += value?;
    }
    Ok(sum)
}

pub(super) fn register(worker: WorkerBuilder) -> WorkerBuilder {
    worker.orchestration(leaf).orchestration(family)
}

pub(super) async fn run(case: &Case) -> Result<Row> {
    let hub = Hub::open(&case.backend).await?;
    let worker = hub.worker().await?;
    let client = hub.client.clone();
    let row = closed_loop(case, move |_| {
        let client = client.clone();
        async move {
            assert_eq!(client.start(family, ()).send().await?.result().await?, 55);
            Ok(())
        }
    })
    .await?;
    worker.shutdown().await;
    Ok(row)
}
