//! `counted`: `hello5` in memory on one thread under a clock of its own, so that two runs execute the
//! same instructions. It is counted, not timed; see `instructions`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use durable::env::{BoxFuture, Env, SharedEnv, TokioEnv};
use durable::ids::HubName;
use durable::memory::MemoryStore;
use durable::prelude::*;
use durable::time::Timestamp;

use super::{Result, hello};
use crate::args::Case;
use crate::report::Row;

pub(crate) const NAME: &str = "counted";

/// The clock goes on by a microsecond whenever it is read, so that what was quick stays quick under
/// a program that makes everything slow. Everything else is real.
#[derive(Debug)]
struct Ticks {
    reads: AtomicU64,
    real: SharedEnv,
}

impl Env for Ticks {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.reads.fetch_add(1, Ordering::Relaxed))
    }

    fn random_u128(&self) -> u128 {
        self.real.random_u128()
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        self.real.spawn(task);
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.real.sleep(duration)
    }
}

pub(super) async fn run(case: &Case) -> Result<Row> {
    let reads = AtomicU64::new(1_000_000);
    let env: SharedEnv = Arc::new(Ticks { reads, real: TokioEnv::shared() });
    let backend = MemoryStore::new(Arc::clone(&env)).hub(&HubName::default());
    let worker = super::register(Worker::builder(backend.clone())).env(Arc::clone(&env));
    let worker = worker.start().await?;
    let row = hello::drive(case, Client::with_env(backend, env)).await?;
    worker.shutdown().await;
    Ok(row)
}
