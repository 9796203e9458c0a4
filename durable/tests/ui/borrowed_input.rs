//! An input that is not owned.

use durable::prelude::*;

#[activity]
async fn greet(name: &str) -> Result<String, Failure> {
    Ok(name.to_owned())
}

fn main() {}
