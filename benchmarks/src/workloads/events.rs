//! `events`: pairs of orchestrations that play ping-pong with events, ten rounds each.

use durable::prelude::*;
use durable::worker::WorkerBuilder;

use super::{Result, closed_loop};
use crate::args::Case;
use crate::report::Row;
use crate::setup::Hub;

const ROUNDS: u32 = 10;

/// Answers every ping until it has answered enough.
#[orchestration]
async fn pong(ctx: OrchestrationContext, other: String) -> std::result::Result<(), Failure> {
    for _ in 0..ROUNDS {
        let n: u32 = ctx.event("ping").await?;
        ctx.send_event(other.parse()?, "pong", &n)?;
    }
    Ok(())
}

/// Starts the other side and plays.
#[orchestration]
async fn ping(ctx: OrchestrationContext, _input: ()) -> std::result::Result<u32, Failure> {
    let partner = format!("{}-pong", ctx.instance_id());
    let own = ctx.instance_id().to_string();
    ctx.child(pong).id(partner.parse()?).start_detached(own)?;
    let mut sum = 0;
    for n in 0..ROUNDS {
        ctx.send_event(partner.parse()?, "ping", &n)?;
        sum += ctx.event::<u32>("pong").await?;
    }
    Ok(sum)
}

pub(super) fn register(worker: WorkerBuilder) -> WorkerBuilder {
    worker.orchestration(ping).orchestration(pong)
}

pub(super) async fn run(case: &Case) -> Result<Row> {
    let hub = Hub::open(&case.backend).await?;
    let worker = hub.worker().await?;
    let client = hub.client.clone();
    let mut row = closed_loop(case, move |_| {
        let client = client.clone();
        async move {
            assert_eq!(client.start(ping, ()).send().await?.result().await?, 45);
            Ok(())
        }
    })
    .await?;
    let events = row.case.count as f64 * 2.0 * f64::from(ROUNDS);
    row.extra.push(("events/s", events / row.wall.as_secs_f64()));
    worker.shutdown().await;
    Ok(row)
}
