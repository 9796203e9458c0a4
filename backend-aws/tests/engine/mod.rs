//! The engine over an emulator, for tests that watch or disturb it.

#![allow(dead_code, reason = "each test file uses another part of it")]
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::sync::Arc;
use std::time::Duration;

use backend_aws::{AwsSettings, AwsStore};
use durable_core::backend::Backend;
use durable_core::client::{Client, InstanceHandle};
use durable_core::env::TokioEnv;
use durable_core::model::Failure;
use durable_core::replay::{NamedActivity, NamedOrchestration, OrchestrationContext};
use durable_core::worker::{Worker, WorkerOptions};

/// Longer than anything a test waits for.
pub(crate) const LONG: Duration = Duration::from_secs(240);

/// Short waits, so that deaths are noticed soon.
pub(crate) fn hurried(mut settings: AwsSettings) -> AwsSettings {
    settings.long_poll = Duration::from_secs(1);
    settings.ring_again = Duration::from_secs(2);
    settings.sweep_every = Duration::from_secs(5);
    settings.watch_every = Duration::from_millis(100);
    settings
}

/// The hub `hub`, created if it is not there.
pub(crate) async fn open(settings: AwsSettings) -> Arc<dyn Backend> {
    let hub = "hub".parse().unwrap();
    let store = AwsStore::connect(settings, TokioEnv::shared()).await.unwrap();
    store.create_hub(&hub).await.unwrap();
    store.hub(&hub)
}

fn inc() -> NamedActivity<(u32, String), u32, Failure> {
    NamedActivity::new("inc").unwrap()
}

/// As many steps as its input says, one after the other, each with some text; the result is
/// their number.
pub(crate) fn steps() -> NamedOrchestration<(u32, String), u32, Failure> {
    NamedOrchestration::new("steps").unwrap()
}

/// The same, all at once.
pub(crate) fn fan() -> NamedOrchestration<(u32, String), u32, Failure> {
    NamedOrchestration::new("fan").unwrap()
}

pub(crate) async fn worker(backend: Arc<dyn Backend>, lease: Option<Duration>) -> Worker {
    let mut options = WorkerOptions::default();
    options.lease = lease.unwrap_or(options.lease);
    // Workers that are killed again and again, or get no processor, are no poison: ten fetches
    // without a commit are soon reached, and an instance would be set aside (DT0013).
    options.deliveries_max = 1_000;
    Worker::builder(backend)
        .options(options)
        .activity_fn(
            "inc",
            |_ctx, (n, _text): (u32, String)| async move { Ok::<_, Failure>(n + 1) },
        )
        .orchestration_fn("steps", |ctx: OrchestrationContext, input: (u32, String)| async move {
            let (count, text) = input;
            let mut n = 0;
            for _ in 0..count {
                n = ctx.call(inc(), (n, text.clone())).await?;
            }
            Ok::<_, Failure>(n)
        })
        .orchestration_fn("fan", |ctx: OrchestrationContext, input: (u32, String)| async move {
            let (count, text) = input;
            let calls: Vec<_> = (0..count).map(|_| ctx.call(inc(), (0, text.clone()))).collect();
            let mut sum = 0;
            for call in calls {
                sum += call.await?;
            }
            Ok::<_, Failure>(sum)
        })
        .start()
        .await
        .unwrap()
}

/// Whether an instance came to its end once, with one result of each step.
pub(crate) async fn ended_once(client: &Client, id: &str, count: u32) {
    let handle: InstanceHandle<u32, Failure> = client.instance(id).unwrap().typed();
    assert_eq!(handle.result_within(LONG).await.unwrap(), count, "{id}");
    let history = handle.history().collect().await.unwrap();
    let of = |kind| history.iter().filter(|e| e.event.kind() == kind).count();
    let count = usize::try_from(count).unwrap();
    assert_eq!(of("ActivityScheduled"), count, "{id}");
    assert_eq!(of("ActivityCompleted"), count, "{id}");
    assert_eq!(of("ExecutionCompleted"), 1, "{id}");
}
