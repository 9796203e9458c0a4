//! Creates or deletes the table and the queues of a hub, with the standard chain of credentials.
//!
//! ```text
//! cargo xtask aws create-hub 'aws://orders?region=eu-central-1'
//! ```

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program talks")]

use std::process::ExitCode;

use backend_aws::{AwsSettings, AwsStore};
use durable_core::backend::BackendResult;
use durable_core::env::TokioEnv;

const USAGE: &str = "usage: aws_hub create-hub|delete-hub aws://HUB?region=REGION[&endpoint=URL]";

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        ["create-hub", url] => change(url, true).await,
        ["delete-hub", url] => change(url, false).await,
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(said) => {
            println!("{said}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn change(url: &str, create: bool) -> BackendResult<String> {
    let settings = AwsSettings::parse(url)?;
    let hub = settings.hub.clone();
    let store = AwsStore::connect(settings, TokioEnv::shared()).await?;
    if create {
        store.create_hub(&hub).await?;
        return Ok(format!("the hub {hub} is ready"));
    }
    store.delete_hub(&hub).await?;
    Ok(format!("the hub {hub} is gone"))
}
