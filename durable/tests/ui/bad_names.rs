//! Names and versions that cannot be one, and options that are said twice.

#![allow(unused_variables)]

use durable::prelude::*;

#[activity(name = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx")]
async fn too_long() -> Result<(), Failure> {
    Ok(())
}

#[activity(name = "a\nb")]
async fn two_lines() -> Result<(), Failure> {
    Ok(())
}

#[activity(name = "a", name = "b")]
async fn two_names() -> Result<(), Failure> {
    Ok(())
}

#[activity(name = 7)]
async fn no_text() -> Result<(), Failure> {
    Ok(())
}

#[orchestration(name = "")]
async fn no_name(ctx: OrchestrationContext) -> Result<(), Failure> {
    Ok(())
}

#[orchestration(version = "11111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111")]
async fn long_version(ctx: OrchestrationContext) -> Result<(), Failure> {
    Ok(())
}

#[orchestration(version = "1\0")]
async fn version_with_a_zero_byte(ctx: OrchestrationContext) -> Result<(), Failure> {
    Ok(())
}

#[orchestration(version = "1", version = "2")]
async fn two_versions(ctx: OrchestrationContext) -> Result<(), Failure> {
    Ok(())
}

#[orchestration(retry = 3)]
async fn unknown(ctx: OrchestrationContext) -> Result<(), Failure> {
    Ok(())
}

fn main() {}
