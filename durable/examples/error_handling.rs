//! A trip is booked step by step; when a step fails, the ones before it are undone.

#![allow(clippy::print_stdout, reason = "an example")]

use std::time::Duration;

use durable::prelude::*;
use serde::{Deserialize, Serialize};

/// An error of one's own: stored, and compared by the caller.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum BookingError {
    /// Worth another try.
    LineBusy,
    /// Not worth another try.
    SoldOut(String),
}

impl std::fmt::Display for BookingError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::LineBusy => write!(f, "the line is busy"),
            Self::SoldOut(what) => write!(f, "{what}: sold out"),
        }
    }
}

#[activity]
async fn book(ctx: ActivityContext, what: String) -> Result<(), BookingError> {
    if what == "flight" && ctx.attempt() == 1 {
        return Err(BookingError::LineBusy);
    }
    if what == "hotel" {
        return Err(BookingError::SoldOut(what));
    }
    println!("booked the {what} at attempt {}", ctx.attempt());
    Ok(())
}

#[activity]
async fn cancel(what: String) -> Result<(), Failure> {
    println!("cancelled the {what}");
    Ok(())
}

#[orchestration]
async fn trip(ctx: OrchestrationContext, steps: Vec<String>) -> Result<String, Failure> {
    let policy = RetryPolicy::exponential(5).first_interval(Duration::from_millis(20));
    let mut saga = ctx.saga();
    for step in steps {
        let booked = ctx
            .activity(book)
            .retry(policy.clone())
            .retry_if(|error| error.application() == Some(&BookingError::LineBusy))
            .call(step.clone())
            .await;
        if let Err(problem) = booked {
            saga.roll_back().await.map_err(|failures| failures[0].clone())?;
            return Ok(format!("no trip: {problem}"));
        }
        saga.compensate(cancel, step);
    }
    saga.commit();
    Ok("bon voyage".to_owned())
}

#[tokio::main]
async fn main() -> Result<(), durable::Error> {
    let backend = durable::connect("memory:").await?;
    let worker = Worker::builder(backend.clone())
        .activity(book)
        .activity(cancel)
        .orchestration(trip)
        .start()
        .await?;
    let steps = ["car", "flight", "hotel"].map(str::to_owned).to_vec();
    let handle = Client::new(backend).start(trip, steps).send().await?;
    println!("{}", handle.result().await?);
    worker.shutdown().await;
    Ok(())
}
