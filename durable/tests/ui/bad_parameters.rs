//! Parameters that cannot be an input.

#![allow(unused_variables)]

use durable::prelude::*;

struct Shop;

impl Shop {
    #[activity]
    async fn method(&self) -> Result<(), Failure> {
        Ok(())
    }
}

#[activity]
async fn any_iterator(values: impl Iterator<Item = u8> + Send) -> Result<(), Failure> {
    Ok(())
}

#[activity]
async fn array([first, second]: [u8; 2]) -> Result<u8, Failure> {
    Ok(first + second)
}

#[orchestration]
async fn borrows(ctx: OrchestrationContext, names: &[String]) -> Result<(), Failure> {
    Ok(())
}

#[orchestration]
async fn generic<const N: usize>(ctx: OrchestrationContext) -> Result<(), Failure> {
    Ok(())
}

fn main() {}
