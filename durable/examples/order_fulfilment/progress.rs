//! Starts all orders, waits for all of them, and says how far it is.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use durable::prelude::*;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};

use crate::order::{Fulfilment, Order};
use crate::process::fulfil;

/// Orders under way at the same time.
const IN_FLIGHT: usize = 200;

/// An order with what became of it.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) order: Order,
    pub(crate) result: Result<Fulfilment, String>,
    /// From its start to its end, however many processes that took.
    pub(crate) took: Option<Duration>,
}

/// Starts the orders and waits for them. Orders that an earlier run started are not started
/// again; their results are fetched.
pub(crate) async fn start_and_wait(
    client: &Client,
    orders: Vec<Order>,
) -> Result<Vec<Finished>, Failure> {
    let total = orders.len();
    let done = &AtomicUsize::new(0);
    let work = async {
        let one = |(place, order)| async move {
            let finished = fulfil_one(client, order).await;
            done.fetch_add(1, Ordering::Relaxed);
            finished.map(|finished| (place, finished))
        };
        let numbered = stream::iter(orders.into_iter().enumerate());
        numbered.map(one).buffer_unordered(IN_FLIGHT).try_collect::<Vec<_>>().await
    };
    let mut finished = tokio::select! {
        finished = work => finished?,
        never = show(total, done) => match never {},
    };
    // In the order of the file.
    finished.sort_unstable_by_key(|(place, _)| *place);
    Ok(finished.into_iter().map(|(_, finished)| finished).collect())
}

async fn fulfil_one(client: &Client, order: Order) -> Result<Finished, Failure> {
    let handle = client
        .start(fulfil, order.clone())
        .id(format!("order-{}", order.id))
        .reuse(ReusePolicy::ReturnExisting)
        .send()
        .await?;
    let result = handle.result().await.map_err(|error| error.to_string());
    let status = handle.status().await?;
    let took = status.completed_at().map(|end| end.since(status.created_at()));
    Ok(Finished { order, result, took })
}

/// A line per second.
async fn show(total: usize, done: &AtomicUsize) -> std::convert::Infallible {
    let begin = Instant::now();
    eprintln!("{total} orders; kill this process at any time, the same command goes on");
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    tick.tick().await;
    loop {
        tick.tick().await;
        let (done, seconds) = (done.load(Ordering::Relaxed), begin.elapsed().as_secs_f64());
        let share = done as f64 * 100.0 / total.max(1) as f64;
        eprintln!("{done:>7} of {total} done ({share:.0} %), {:.0}/s", done as f64 / seconds);
    }
}
