//! What is no function that could be one.

#![allow(unused_variables)]

use durable::prelude::*;

#[activity]
struct Charge;

#[orchestration]
const ORDER: u8 = 1;

#[activity]
async unsafe fn dangerous() -> Result<(), Failure> {
    Ok(())
}

#[activity]
async fn returns_nothing() {}

#[orchestration]
async fn forgets_its_result(ctx: OrchestrationContext) {}

#[orchestration]
fn waits(ctx: OrchestrationContext) -> Result<(), Failure> {
    Ok(())
}

fn main() {}
