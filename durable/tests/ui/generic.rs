//! A generic activity.

use durable::prelude::*;

#[activity]
async fn echo<T: Send>(value: T) -> Result<T, Failure> {
    Ok(value)
}

fn main() {}
