//! A job that runs for ever: each round is a generation of its own, so history stays short.

#![allow(clippy::print_stdout, reason = "an example")]

use std::time::Duration;

use durable::prelude::*;

const PERIOD: Duration = Duration::from_millis(50);

#[activity]
async fn clean_up(round: u32) -> Result<(), Failure> {
    println!("round {round}");
    Ok(())
}

/// Ends after `rounds`; a real one would not.
#[orchestration]
async fn cron(ctx: OrchestrationContext, round: u32, rounds: u32) -> Result<u32, Failure> {
    // From the start of this round to the start of the next, however long the job takes.
    let next = ctx.now() + PERIOD;
    ctx.call(clean_up, round).await?;
    if round == rounds {
        return Ok(round);
    }
    ctx.sleep_until(next).await;
    ctx.continue_as_new(&(round + 1, rounds)).await
}

#[tokio::main]
async fn main() -> Result<(), durable::Error> {
    let backend = durable::connect("memory:").await?;
    let worker =
        Worker::builder(backend.clone()).activity(clean_up).orchestration(cron).start().await?;
    let handle = Client::new(backend).start(cron, (1, 5)).id("nightly").send().await?;
    println!("{} rounds", handle.result().await?);
    println!("generation {}", handle.status().await?.generation());
    worker.shutdown().await;
    Ok(())
}
