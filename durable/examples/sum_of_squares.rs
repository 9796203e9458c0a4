//! Recursion: an orchestration that starts itself for each half of its numbers.

#![allow(clippy::print_stdout, reason = "an example")]

use durable::prelude::*;

#[activity]
async fn square(n: u64) -> Result<u64, Failure> {
    Ok(n * n)
}

#[orchestration]
async fn sum_of_squares(ctx: OrchestrationContext, numbers: Vec<u64>) -> Result<u64, Failure> {
    match numbers.as_slice() {
        [] => Ok(0),
        [one] => Ok(ctx.call(square, *one).await?),
        several => {
            let (left, right) = several.split_at(several.len() / 2);
            let left = ctx.call_child(sum_of_squares, left.to_vec());
            let right = ctx.call_child(sum_of_squares, right.to_vec());
            Ok(left.await? + right.await?)
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), durable::Error> {
    let backend = durable::connect("memory:").await?;
    let worker = Worker::builder(backend.clone())
        .activity(square)
        .orchestration(sum_of_squares)
        .start()
        .await?;
    let handle = Client::new(backend).start(sum_of_squares, (1..=20).collect()).send().await?;
    println!("{}", handle.result().await?);
    worker.shutdown().await;
    Ok(())
}
