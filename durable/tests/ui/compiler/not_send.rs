//! Something that may not move between threads is held over an await.

use std::rc::Rc;

use durable::prelude::*;

#[activity]
async fn greet() -> Result<String, Failure> {
    Ok(String::new())
}

#[orchestration]
async fn hello(ctx: OrchestrationContext) -> Result<String, Failure> {
    let shared = Rc::new(1);
    let name = ctx.call(greet, ()).await?;
    Ok(format!("{name}{shared}"))
}

fn main() {}
