//! `hello5`: one orchestration of five sequential trivial activities.

use durable::prelude::*;
use durable::worker::WorkerBuilder;

use super::{Result, closed_loop};
use crate::args::Case;
use crate::report::Row;
use crate::setup::Hub;

/// Adds one.
#[activity]
pub(crate) async fn increment(n: u64) -> std::result::Result<u64, Failure> {
    Ok(n + 1)
}

/// Five increments, one after the other.
#[orchestration]
pub(crate) async fn hello5(ctx: OrchestrationContext, n: u64) -> std::result::Result<u64, Failure> {
    let mut n = n;
    for _ in 0..5 {
        n = ctx.call(increment, n).await?;
    }
    Ok(n)
}

pub(super) fn register(worker: WorkerBuilder) -> WorkerBuilder {
    worker.activity(increment).orchestration(hello5)
}

pub(super) async fn run(case: &Case) -> Result<Row> {
    let hub = Hub::open(&case.backend).await?;
    let worker = hub.worker().await?;
    let row = drive(case, hub.client.clone()).await?;
    worker.shutdown().await;
    Ok(row)
}

/// Starts as many as the case says, waits for each and looks at its result.
pub(super) async fn drive(case: &Case, client: Client) -> Result<Row> {
    closed_loop(case, move |n| {
        let client = client.clone();
        async move {
            let result = client.start(hello5, n as u64).send().await?.result().await?;
            assert_eq!(result, n as u64 + 5);
            Ok(())
        }
    })
    .await
}
