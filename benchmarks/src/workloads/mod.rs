//! The workloads, one file each.

mod chain;
mod children;
mod counted;
mod events;
mod fanout;
mod hello;
mod overload;
mod parked;
mod recovery;
mod replay;

use std::time::Instant;

use durable::worker::WorkerBuilder;

use crate::args::Case;
use crate::measure::{Latencies, Usage};
use crate::report::Row;

pub(crate) use counted::NAME as COUNTED;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Serves everything.
pub(crate) fn register(worker: WorkerBuilder) -> WorkerBuilder {
    let worker = hello::register(worker);
    let worker = fanout::register(worker);
    let worker = chain::register(worker);
    let worker = children::register(worker);
    let worker = events::register(worker);
    parked::register(worker)
}

/// Runs one case.
pub(crate) async fn run(case: &Case) -> Result<Row> {
    match case.workload.as_str() {
        "hello5" => hello::run(case).await,
        "fanout100" => fanout::run(case, 100).await,
        "fanout10000" => fanout::run(case, 10_000).await,
        "chain2000" => chain::run(case, 2_000).await,
        "children" => children::run(case).await,
        counted::NAME => counted::run(case).await,
        "events" => events::run(case).await,
        "overload" => overload::run(case).await,
        "parked" => parked::run(case).await,
        "recovery" => recovery::run(case).await,
        "replay" => replay::run(case).await,
        other => Err(format!("unknown workload {other}").into()),
    }
}

/// Runs `count` operations, `in_flight` at a time, and measures.
pub(crate) async fn closed_loop<F, Fut>(case: &Case, operation: F) -> Result<Row>
where
    F: Fn(usize) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = std::result::Result<(), durable::Error>> + Send + 'static,
{
    let before = Usage::now();
    let begun = Instant::now();
    let next = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let mut tasks = Vec::new();
    for _ in 0..case.in_flight {
        let (operation, next, count) = (operation.clone(), next.clone(), case.count);
        tasks.push(tokio::spawn(async move {
            let mut latencies = Latencies::default();
            loop {
                let n = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                if n >= count {
                    return Ok::<_, durable::Error>(latencies);
                }
                let since = Instant::now();
                operation(n).await?;
                latencies.add(since);
            }
        }));
    }
    let mut latencies = Latencies::default();
    for task in tasks {
        latencies.merge(task.await??);
    }
    Ok(Row {
        case: case.clone(),
        wall: begun.elapsed(),
        p50: latencies.quantile(0.5),
        p99: latencies.quantile(0.99),
        before,
        after: Usage::now(),
        extra: Vec::new(),
    })
}
