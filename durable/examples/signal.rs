//! An orchestration that waits for people: external events by name, in order, none lost.

#![allow(clippy::print_stdout, reason = "an example")]

use std::time::Duration;

use durable::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
struct Vote {
    yes: bool,
}

/// Waits for two of three votes, at most a week.
#[orchestration]
async fn approval(ctx: OrchestrationContext, what: String) -> Result<String, Failure> {
    let (mut yes, mut no) = (0, 0);
    while yes < 2 && no < 2 {
        ctx.set_custom_status(&format!("{yes} yes, {no} no"))?;
        match ctx.event_within::<Vote>("vote", Duration::from_secs(7 * 24 * 3600)).await {
            Ok(vote) => {
                let counter = if vote?.yes { &mut yes } else { &mut no };
                *counter += 1;
            }
            Err(TimedOut) => return Ok(format!("{what}: nobody cared")),
        }
    }
    Ok(format!("{what}: {}", if yes == 2 { "approved" } else { "refused" }))
}

#[tokio::main]
async fn main() -> Result<(), durable::Error> {
    let backend = durable::connect("memory:").await?;
    let worker = Worker::builder(backend.clone()).orchestration(approval).start().await?;
    let client = Client::new(backend);
    let handle = client.start(approval, "new chairs".to_owned()).id("chairs").send().await?;
    for yes in [true, false, true] {
        handle.raise_event("vote", &Vote { yes }).send().await?;
    }
    println!("{}", handle.result().await?);
    worker.shutdown().await;
    Ok(())
}
