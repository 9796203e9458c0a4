//! Many activities at once, as the limit of the core allows.
//!
//! `COUNT=1000` in the environment changes how many.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
#![allow(clippy::print_stdout, reason = "what it took is what this is for")]

mod connector;
mod emulator;
mod engine;

use std::time::Duration;

use connector::{Recorder, plain, through};
use durable_core::client::Client;
use durable_core::env::TokioEnv;
use durable_core::model::Failure;
use emulator::{Emulator, Kind};

/// More than it takes on a busy machine.
const LONG: Duration = Duration::from_secs(1_800);

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes; run by hand, with `--ignored --nocapture`"]
async fn ten_thousand_activities_at_once_sum_up() {
    let count = std::env::var("COUNT").map_or(10_000, |text| text.parse().unwrap());
    let emulator = Emulator::start(Kind::from_env());
    let recorder = Recorder::new();
    let mut settings = emulator.settings("fan");
    settings.http_client = Some(through(recorder.clone(), plain()));
    let backend = engine::open(settings).await;
    let client = Client::new(backend.clone());
    let worker = engine::worker(backend, None).await;
    recorder.take();
    let env = TokioEnv::shared();
    let begun = env.now();
    let handle = client.start(engine::fan(), (count, "x".repeat(100))).id("f").send().await;
    let handle = handle.unwrap().typed::<u32, Failure>();
    assert_eq!(handle.result_within(LONG).await.unwrap(), count);
    let took = env.now().since(begun);
    worker.shutdown().await;
    engine::ended_once(&client, "f", count).await;
    let recorded = recorder.take();
    let writes: f64 = recorded.iter().map(|one| one.write_units).sum();
    let reads: f64 = recorded.iter().map(|one| one.read_units).sum();
    let requests: u64 = recorded.iter().map(|one| one.requests).sum();
    let each = f64::from(count);
    #[allow(clippy::cast_precision_loss, reason = "small numbers")]
    let requests = requests as f64 / each;
    println!(
        "{count} activities at once: {:.1} s; for each {:.2} write units, {:.2} read units, \
         {requests:.2} requests of SQS, {:.2} requests in all",
        took.as_secs_f64(),
        writes / each,
        reads / each,
        recorded.len() as f64 / each,
    );
}
