//! `overload`: far more starts than a narrow worker can serve; does memory stay bounded, and is
//! everything done in the end?

use std::time::{Duration, Instant};

use durable::prelude::*;
use futures_util::stream::{self, StreamExt};

use super::hello::hello5;
use super::{Result, register};
use crate::args::Case;
use crate::measure::Usage;
use crate::report::Row;
use crate::setup::Hub;

pub(super) async fn run(case: &Case) -> Result<Row> {
    let hub = Hub::open(&case.backend).await?;
    let mut options = WorkerOptions::default();
    options.activities_max = 4;
    let worker = register(Worker::builder(hub.backend.clone())).options(options).start().await?;
    let before = Usage::now();
    let begun = Instant::now();
    stream::iter(0..case.count)
        .for_each_concurrent(case.in_flight, |n| {
            let client = hub.client.clone();
            async move {
                let started = client.start(hello5, n as u64).id(format!("o{n}")).send().await;
                assert!(started.is_ok(), "{started:?}");
            }
        })
        .await;
    let started = begun.elapsed();
    let peak = Usage::now().memory;
    for n in 0..case.count {
        hub.client.instance(format!("o{n}"))?.wait(Duration::from_secs(3_600)).await?;
    }
    let wall = begun.elapsed();
    worker.shutdown().await;
    let each = peak.saturating_sub(before.memory) as f64 / case.count as f64;
    Ok(Row {
        case: case.clone(),
        wall,
        p50: Duration::ZERO,
        p99: Duration::ZERO,
        before,
        after: Usage::now(),
        extra: vec![("starts s", started.as_secs_f64()), ("memory bytes each", each)],
    })
}
