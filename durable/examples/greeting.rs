//! An orchestration that calls two activities: who is there, and how to greet them.

#![allow(clippy::print_stdout, reason = "an example")]

use durable::prelude::*;

#[activity]
async fn get_user() -> Result<String, Failure> {
    Ok("Ada".to_owned())
}

#[activity]
async fn greet(user: String) -> Result<String, Failure> {
    Ok(format!("Hello, {user}!"))
}

#[orchestration]
async fn greeting(ctx: OrchestrationContext) -> Result<String, Failure> {
    let user = ctx.call(get_user, ()).await?;
    Ok(ctx.call(greet, user).await?)
}

#[tokio::main]
async fn main() -> Result<(), durable::Error> {
    let backend = durable::connect("memory:").await?;
    let worker = Worker::builder(backend.clone())
        .activity(get_user)
        .activity(greet)
        .orchestration(greeting)
        .start()
        .await?;
    let handle = Client::new(backend).start(greeting, ()).send().await?;
    println!("{}", handle.result().await?);
    worker.shutdown().await;
    Ok(())
}
