//! The attribute stands on a function that is not async.

use durable::prelude::*;

#[activity]
fn greet(name: String) -> Result<String, Failure> {
    Ok(name)
}

fn main() {}
