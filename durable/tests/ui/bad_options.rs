//! Options that do not exist, and a name that cannot be one.

use durable::prelude::*;

#[activity(retries = 3)]
async fn one() -> Result<(), Failure> {
    Ok(())
}

#[activity(name = "")]
async fn two() -> Result<(), Failure> {
    Ok(())
}

#[activity(version = "2")]
async fn three() -> Result<(), Failure> {
    Ok(())
}

fn main() {}
