//! An orchestration is called as an activity.

use durable::prelude::*;

#[orchestration]
async fn child(ctx: OrchestrationContext) -> Result<(), Failure> {
    let _ = ctx;
    Ok(())
}

#[orchestration]
async fn parent(ctx: OrchestrationContext) -> Result<(), Failure> {
    ctx.call(child, ()).await?;
    Ok(())
}

fn main() {}
