//! The workloads on duroxide with its SQLite provider.

mod handlers;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use duroxide::providers::sqlite::SqliteProvider;
use duroxide::runtime::{Runtime, RuntimeOptions};
use duroxide::{Client, OrchestrationStatus};
use peers_common::{Case, Peer, Result};

/// The dispatchers sleep this long when they find nothing. SQLite has no notification, so this
/// is what a step waits when nothing else is under way; the default is 100 ms.
const ALONE: Duration = Duration::from_millis(1);

/// Under load dispatchers that poll faster collide more often: a collision is `database is
/// locked` and 200 ms or more of back-off. Of 1, 5, 20, 50 and 100 ms this gave the most.
const LOADED: Duration = Duration::from_millis(20);

/// Long enough for every workload.
const PATIENCE: Duration = Duration::from_secs(3_600);

#[derive(Clone)]
struct Duroxide {
    runtime: Arc<Runtime>,
    client: Arc<Client>,
    /// One instance at a time: what counts is to see its end at once.
    alone: bool,
}

impl Duroxide {
    /// Starts an instance and waits until it ends.
    async fn run(&self, id: String, name: &str, input: u64) -> Result<u64> {
        self.client.start_orchestration_typed(&id, name, input).await?;
        if self.alone {
            // Its own wait doubles from 5 ms to 100 ms and reads the whole history each time;
            // this reads a row by its key, which is there from the first turn on.
            loop {
                if let Ok(info) = self.client.get_instance_info(&id).await
                    && info.status != "Running"
                {
                    // The output of a failure is its message and no number.
                    return Ok(info.output.unwrap_or_default().parse()?);
                }
                tokio::time::sleep(ALONE).await;
            }
        }
        match self.client.wait_for_orchestration(&id, PATIENCE).await? {
            OrchestrationStatus::Completed { output, .. } => Ok(output.parse()?),
            other => Err(format!("{id}: {other:?}").into()),
        }
    }
}

impl Peer for Duroxide {
    const NAME: &'static str = "duroxide";

    async fn open(folder: &Path, case: &Case) -> Result<Self> {
        let url = format!("sqlite:{}?mode=rwc", folder.join("store.db").display());
        let store = Arc::new(SqliteProvider::new(&url, None).await?);
        let alone = case.in_flight == 1;
        let poll = if alone { ALONE } else { LOADED };
        let mut options =
            RuntimeOptions { dispatcher_min_poll_interval: poll, ..RuntimeOptions::default() };
        // Else it writes lines for every instance to the output.
        options.observability.log_level = "error".to_owned();
        let runtime = Runtime::start_with_options(
            store.clone(),
            handlers::activities(),
            handlers::orchestrations(),
            options,
        )
        .await;
        Ok(Self { runtime, client: Arc::new(Client::new(store)), alone })
    }

    async fn hello5(&self, n: usize) -> Result<u64> {
        self.run(format!("hello-{n}"), handlers::HELLO5, n as u64).await
    }

    async fn fanout(&self, n: usize, width: u64) -> Result<u64> {
        self.run(format!("fanout-{n}"), handlers::FANOUT, width).await
    }

    async fn chain(&self, n: usize, length: u64) -> Result<u64> {
        self.run(format!("chain-{n}"), handlers::CHAIN, length).await
    }

    async fn close(self) {
        self.runtime.shutdown(None).await;
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    peers_common::main::<Duroxide>().await
}
