//! An emulator of DynamoDB and SQS on loopback with one hub in it, until its input ends or Ctrl-C.
//!
//! ```text
//! cargo xtask aws emulator
//! ```

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program talks")]
#![allow(clippy::unwrap_used, reason = "a tool may stop at the first surprise")]

#[path = "../tests/emulator/mod.rs"]
mod emulator;

use backend_aws::{AwsCredentials, AwsSettings, AwsStore};
use durable_core::env::TokioEnv;
use emulator::{Emulator, Kind};

#[tokio::main]
async fn main() {
    let kind = Kind::from_env();
    if let Some(reason) = kind.missing() {
        eprintln!("{reason}");
        std::process::exit(1);
    }
    let emulator = Emulator::start(kind);
    let hub = std::env::args().nth(1).unwrap_or_else(|| "orders".to_owned());
    let url = emulator.url(&hub);
    let mut settings = AwsSettings::parse(&url).unwrap();
    settings.credentials = AwsCredentials::fixed("test", "test");
    let hub = settings.hub.clone();
    let store = AwsStore::connect(settings, TokioEnv::shared()).await.unwrap();
    store.create_hub(&hub).await.unwrap();
    println!("{url}");
    eprintln!("Everything in it is gone when this ends (Ctrl-C). In another shell:\n");
    eprintln!("  cargo run --release -p durable --no-default-features --features aws,macros \\");
    eprintln!("    --example order_fulfilment -- --backend '{url}'");
    if std::io::IsTerminal::is_terminal(&std::io::stdin()) {
        std::future::pending::<()>().await;
    }
    // A program that started this one ends it by closing its input.
    let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
}
