//! Each emulator starts, holds a hub, and is gone afterwards.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod emulator;

use backend_aws::AwsStore;
use durable_core::env::TokioEnv;
use emulator::{Emulator, Kind, available};

async fn holds_a_hub(kind: Kind) {
    if !available(kind) {
        return;
    }
    let emulator = Emulator::start(kind);
    let settings = emulator.settings("e");
    let store = AwsStore::connect(settings, TokioEnv::shared()).await.unwrap();
    let hub = "hub".parse().unwrap();
    store.create_hub(&hub).await.unwrap();
    // Safe to repeat.
    store.create_hub(&hub).await.unwrap();
    store.delete_hub(&hub).await.unwrap();
    store.delete_hub(&hub).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fast_one_holds_a_hub() {
    holds_a_hub(Kind::Fast).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ministack_holds_a_hub() {
    holds_a_hub(Kind::MiniStack).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dynamodb_local_holds_a_hub() {
    // The gate does not install it.
    if Kind::DynamoDbLocal.missing().is_none() {
        holds_a_hub(Kind::DynamoDbLocal).await;
    }
}
