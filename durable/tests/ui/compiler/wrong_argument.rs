//! An activity is called with a value of another type.

use durable::prelude::*;

#[activity]
async fn charge(cents: u64) -> Result<(), Failure> {
    let _ = cents;
    Ok(())
}

#[orchestration]
async fn pay(ctx: OrchestrationContext) -> Result<(), Failure> {
    ctx.call(charge, "ten".to_owned()).await?;
    Ok(())
}

fn main() {}
