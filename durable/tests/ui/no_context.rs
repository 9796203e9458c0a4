//! An orchestration without its context.

use durable::prelude::*;

#[orchestration]
async fn hello(name: String) -> Result<String, Failure> {
    Ok(name)
}

fn main() {}
