//! The same without macros: closures with names, and references by name.

#![allow(clippy::print_stdout, reason = "an example")]

use durable::prelude::*;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Input, output and error types go with the name, so a wrong call does not compile.
    let greet = NamedActivity::<String, String, Failure>::new("greet")?;
    let hello = NamedOrchestration::<Vec<String>, Vec<String>, Failure>::new("hello")?;

    let backend = durable::connect("memory:").await?;
    let worker = Worker::builder(backend.clone())
        .activity_fn("greet", |_ctx: ActivityContext, name: String| async move {
            Ok::<_, Failure>(format!("Hello, {name}!"))
        })
        .orchestration_fn("hello", move |ctx: OrchestrationContext, names: Vec<String>| {
            let greet = greet.clone();
            async move {
                let mut greetings = Vec::new();
                for name in names {
                    greetings.push(ctx.call(greet.clone(), name).await?);
                }
                Ok::<_, Failure>(greetings)
            }
        })
        .start()
        .await?;
    let names = vec!["Tokyo".to_owned(), "Seattle".to_owned(), "London".to_owned()];
    let handle = Client::new(backend).start(hello, names).send().await?;
    println!("{}", handle.result().await?.join(" "));
    worker.shutdown().await;
    Ok(())
}
