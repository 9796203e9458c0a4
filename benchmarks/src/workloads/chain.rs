//! `chain`: thousands of sequential activities in one instance; does a step cost the same at
//! the end as at the beginning?

use std::time::Duration;

use durable::prelude::*;
use durable::worker::WorkerBuilder;

use super::hello::increment;
use super::{Result, closed_loop};
use crate::args::Case;
use crate::report::Row;
use crate::setup::Hub;

/// Returns the recorded times of every step, in microseconds.
#[orchestration]
async fn chain(ctx: OrchestrationContext, length: u64) -> std::result::Result<Vec<u64>, Failure> {
    let mut times = Vec::with_capacity(length as usize);
    for n in 0..length {
        times.push(ctx.now().as_micros());
        ctx.call(increment, n).await?;
    }
    times.push(ctx.now().as_micros());
    Ok(times)
}

pub(super) fn register(worker: WorkerBuilder) -> WorkerBuilder {
    worker.orchestration(chain)
}

pub(super) async fn run(case: &Case, length: u64) -> Result<Row> {
    let hub = Hub::open(&case.backend).await?;
    let worker = hub.worker().await?;
    let client = hub.client.clone();
    let (send, mut receive) = tokio::sync::mpsc::channel(case.count);
    let mut row = closed_loop(case, move |_| {
        let (client, send) = (client.clone(), send.clone());
        async move {
            let times = client.start(chain, length).send().await?.result().await?;
            // The receiver outlives the loop.
            let _ = send.send(times).await;
            Ok(())
        }
    })
    .await?;
    while let Some(times) = receive.recv().await {
        let step = |from: usize| {
            let to = (from + 200).min(times.len() - 1);
            Duration::from_micros((times[to] - times[from]) / (to - from).max(1) as u64)
        };
        let (first, last) = (step(0), step(times.len().saturating_sub(201)));
        row.extra.push(("first 200 us/step", first.as_micros() as f64));
        row.extra.push(("last 200 us/step", last.as_micros() as f64));
        row.extra.push(("last/first", last.as_secs_f64() / first.as_secs_f64()));
    }
    worker.shutdown().await;
    Ok(row)
}
