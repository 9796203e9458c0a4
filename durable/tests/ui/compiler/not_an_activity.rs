//! A plain function is called as an activity.

use durable::prelude::*;

async fn charge(cents: u64) -> Result<(), Failure> {
    let _ = cents;
    Ok(())
}

#[orchestration]
async fn pay(ctx: OrchestrationContext) -> Result<(), Failure> {
    ctx.call(charge, 10).await?;
    Ok(())
}

fn main() {}
