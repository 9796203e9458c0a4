//! The engine over a Redis server, for tests that let something fail.

#![allow(dead_code, reason = "each test file uses another part of it")]
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::sync::Arc;
use std::time::Duration;

use backend_redis::{RedisSettings, RedisStore};
use durable_core::backend::{Backend, BackendResult};
use durable_core::client::Client;
use durable_core::env::TokioEnv;
use durable_core::model::Failure;
use durable_core::replay::{NamedActivity, NamedOrchestration, OrchestrationContext};
use durable_core::worker::{Worker, WorkerOptions};

/// Longer than anything a test waits for.
pub(crate) const LONG: Duration = Duration::from_secs(60);

pub(crate) async fn connect(settings: RedisSettings) -> BackendResult<Arc<dyn Backend>> {
    let store = RedisStore::connect(settings, TokioEnv::shared()).await?;
    Ok(store.hub(&"hub".parse().unwrap()).await?)
}

fn inc() -> NamedActivity<u32, u32, Failure> {
    NamedActivity::new("inc").unwrap()
}

/// As many steps as its input says; the result is their number.
pub(crate) fn steps() -> NamedOrchestration<u32, u32, Failure> {
    NamedOrchestration::new("steps").unwrap()
}

/// A worker with short leases, so that its death is noticed soon.
pub(crate) async fn worker(backend: Arc<dyn Backend>) -> Worker {
    let mut options = WorkerOptions::default();
    options.lease = Duration::from_secs(1);
    options.turns_per_fetch = 8;
    // On a machine that is busy such leases end often; that is no poison.
    options.deliveries_max = 1_000;
    Worker::builder(backend)
        .options(options)
        .activity_fn("inc", |_ctx, n: u32| async move { Ok::<_, Failure>(n + 1) })
        .orchestration_fn("steps", |ctx: OrchestrationContext, count: u32| async move {
            let mut n = 0;
            for _ in 0..count {
                n = ctx.call(inc(), n).await?;
            }
            Ok::<_, Failure>(n)
        })
        .orchestration_fn("fan", |ctx: OrchestrationContext, count: u32| async move {
            let calls: Vec<_> = (0..count).map(|n| ctx.call(inc(), n)).collect();
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

pub(crate) async fn start(client: &Client, id: &str, count: u32) {
    client.start(steps(), count).id(id).send().await.unwrap();
}

pub(crate) async fn result(client: &Client, id: &str) -> u32 {
    let instance = client.instance(id).unwrap().typed::<u32, Failure>();
    instance.result_within(LONG).await.unwrap()
}
