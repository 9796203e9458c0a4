//! Contexts in the wrong place, or of the wrong kind.

#![allow(unused_variables)]

use durable::prelude::*;

#[activity]
async fn last(name: String, ctx: ActivityContext) -> Result<(), Failure> {
    Ok(())
}

#[activity]
async fn of_an_orchestration(ctx: OrchestrationContext) -> Result<(), Failure> {
    Ok(())
}

#[orchestration]
async fn of_an_activity(ctx: ActivityContext) -> Result<(), Failure> {
    Ok(())
}

#[orchestration]
async fn twice(ctx: OrchestrationContext, again: OrchestrationContext) -> Result<(), Failure> {
    Ok(())
}

#[orchestration]
async fn borrowed(ctx: &OrchestrationContext) -> Result<(), Failure> {
    Ok(())
}

#[orchestration]
async fn none() -> Result<(), Failure> {
    Ok(())
}

fn main() {}
