//! Fan-out and fan-in: many activities at once, then one result from all of them.

#![allow(clippy::print_stdout, reason = "an example")]

use durable::prelude::*;
use futures_util::future::try_join_all;

/// The sum of a part of the numbers.
#[activity]
async fn sum(from: u64, to: u64) -> Result<u64, Failure> {
    Ok((from..to).sum())
}

/// The average of 0..count, a hundred numbers per activity.
#[orchestration]
async fn average(ctx: OrchestrationContext, count: u64) -> Result<f64, Failure> {
    let parts = (0..count).step_by(100).map(|from| ctx.call(sum, (from, (from + 100).min(count))));
    let sums = try_join_all(parts).await?;
    Ok(sums.iter().sum::<u64>() as f64 / count as f64)
}

#[tokio::main]
async fn main() -> Result<(), durable::Error> {
    let backend = durable::connect("memory:").await?;
    let worker =
        Worker::builder(backend.clone()).activity(sum).orchestration(average).start().await?;
    let handle = Client::new(backend).start(average, 10_000).send().await?;
    println!("average: {}", handle.result().await?);
    worker.shutdown().await;
    Ok(())
}
