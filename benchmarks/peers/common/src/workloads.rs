//! The workloads and the loop that drives them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use crate::args::Case;
use crate::measure::{Latencies, Usage};
use crate::report::Row;
use crate::{Peer, Result, steps};

/// What one operation does.
#[derive(Debug, Clone, Copy)]
enum Shape {
    Hello5,
    Fanout(u64),
    Chain(u64),
}

/// Runs one case in a fresh temporary folder.
pub(crate) async fn run<P: Peer>(case: &Case, repetition: usize) -> Result<Row> {
    let shape = match case.workload.as_str() {
        "hello5" => Shape::Hello5,
        "fanout100" => Shape::Fanout(100),
        "fanout10000" => Shape::Fanout(10_000),
        "chain2000" => Shape::Chain(2_000),
        other => return Err(format!("unknown workload {other}").into()),
    };
    let folder = tempfile::Builder::new().prefix("bench").tempdir_in(".")?;
    let peer = P::open(folder.path(), case).await?;
    // What a start leaves behind belongs to no run.
    steps::take();
    let row = closed_loop(&peer, case, repetition, shape).await;
    peer.close().await;
    let mut row = row?;
    match shape {
        Shape::Fanout(width) => {
            let all = case.count as f64 * width as f64;
            row.extra.push(("activities/s", all / row.wall.as_secs_f64()));
        }
        // The steps of several chains at once cannot be told apart.
        Shape::Chain(_) if case.in_flight == 1 && case.count == 1 => {
            if let Some((first, last)) = steps::take() {
                row.extra.push(("first 200 us/step", first.as_micros() as f64));
                row.extra.push(("last 200 us/step", last.as_micros() as f64));
                row.extra.push(("last/first", last.as_secs_f64() / first.as_secs_f64()));
            }
        }
        Shape::Hello5 | Shape::Chain(_) => {}
    }
    Ok(row)
}

/// Runs `count` operations, `in_flight` at a time, and measures.
async fn closed_loop<P: Peer>(
    peer: &P,
    case: &Case,
    repetition: usize,
    shape: Shape,
) -> Result<Row> {
    let processes = peer.processes();
    let before = Usage::now(&processes);
    let begun = Instant::now();
    let next = Arc::new(AtomicUsize::new(0));
    let mut tasks = Vec::new();
    for _ in 0..case.in_flight {
        let (peer, next, count) = (peer.clone(), next.clone(), case.count);
        tasks.push(tokio::spawn(async move {
            let mut latencies = Latencies::default();
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= count {
                    return Ok::<_, crate::Error>(latencies);
                }
                let since = Instant::now();
                once(&peer, n, shape).await?;
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
        repetition,
        wall: begun.elapsed(),
        p50: latencies.quantile(0.5),
        p99: latencies.quantile(0.99),
        before,
        after: Usage::now(&processes),
        extra: Vec::new(),
    })
}

/// One operation, with the result checked.
async fn once<P: Peer>(peer: &P, n: usize, shape: Shape) -> Result<()> {
    let (result, expected) = match shape {
        Shape::Hello5 => (peer.hello5(n).await?, n as u64 + 5),
        Shape::Fanout(width) => (peer.fanout(n, width).await?, width * (width + 1) / 2),
        Shape::Chain(length) => (peer.chain(n, length).await?, length),
    };
    if result != expected {
        return Err(format!("{shape:?} {n} gave {result}, not {expected}").into());
    }
    Ok(())
}
