//! A durable timer against an activity: whichever comes first decides, at every replay alike.

#![allow(clippy::print_stdout, reason = "an example")]
#![allow(clippy::disallowed_methods, reason = "user code, outside the library's rules")]

use std::time::Duration;

use durable::prelude::*;

/// Takes as many milliseconds as it is told to.
#[activity]
async fn quote(ctx: ActivityContext, supplier: String, ms: u64) -> Result<String, Failure> {
    tokio::select! {
        () = tokio::time::sleep(Duration::from_millis(ms)) => Ok(format!("{supplier}: 42 EUR")),
        // The orchestration has lost interest: no need to go on.
        () = ctx.cancelled() => Err(Failure::new("no longer wanted")),
    }
}

#[orchestration]
async fn best_quote(
    ctx: OrchestrationContext,
    supplier: String,
    ms: u64,
) -> Result<String, Failure> {
    let call = ctx.call(quote, (supplier.clone(), ms));
    match ctx.timeout(Duration::from_millis(500), call).await {
        Ok(answer) => Ok(answer?),
        Err(TimedOut) => Ok(format!("{supplier}: no answer in time")),
    }
}

#[tokio::main]
async fn main() -> Result<(), durable::Error> {
    let backend = durable::connect("memory:").await?;
    let worker =
        Worker::builder(backend.clone()).activity(quote).orchestration(best_quote).start().await?;
    let client = Client::new(backend);
    for (supplier, ms) in [("quick", 1), ("slow", 3_600_000)] {
        let handle = client.start(best_quote, (supplier.to_owned(), ms)).send().await?;
        println!("{}", handle.result().await?);
    }
    worker.shutdown().await;
    Ok(())
}
