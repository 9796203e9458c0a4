//! The workloads on durare with its SQLite provider.

mod workflows;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use durare::{DurableEngine, SqliteProvider, WorkflowOptions};
use peers_common::{Case, Peer, Result};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};

/// durare; `FULL` says whether SQLite syncs its log at each commit.
#[derive(Clone)]
pub struct Durare<const FULL: bool>(Arc<DurableEngine>);

impl<const FULL: bool> Durare<FULL> {
    /// Starts a workflow and waits for its result, which its own task hands over.
    async fn run(&self, id: String, name: &str, input: u64) -> Result<u64> {
        let options = WorkflowOptions::with_id(id);
        Ok(self.0.start::<_, u64>(name, input, options).await?.result().await?)
    }
}

/// A pool with the settings that `SqliteProvider::connect` has, except for the syncs.
async fn full_pool(file: &Path) -> Result<SqlitePool> {
    let options = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true)
        .foreign_keys(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(Duration::from_secs(5));
    Ok(SqlitePoolOptions::new().max_connections(5).connect_with(options).await?)
}

impl<const FULL: bool> Peer for Durare<FULL> {
    const NAME: &'static str = if FULL { "durare-full" } else { "durare" };

    async fn open(folder: &Path, _case: &Case) -> Result<Self> {
        let file = folder.join("store.db");
        let provider = if FULL {
            SqliteProvider::from_pool(full_pool(&file).await?)
        } else {
            SqliteProvider::connect(&format!("sqlite://{}", file.display())).await?
        };
        let engine = DurableEngine::new(Arc::new(provider)).await?;
        engine.launch().await?;
        Ok(Self(Arc::new(engine)))
    }

    async fn hello5(&self, n: usize) -> Result<u64> {
        self.run(format!("hello-{n}"), "hello5", n as u64).await
    }

    async fn fanout(&self, n: usize, width: u64) -> Result<u64> {
        self.run(format!("fanout-{n}"), "fanout", width).await
    }

    async fn chain(&self, n: usize, length: u64) -> Result<u64> {
        self.run(format!("chain-{n}"), "chain", length).await
    }

    async fn close(self) {
        // The folder goes away next; nothing depends on a clean end.
        let _ = self.0.shutdown(Duration::from_secs(1)).await;
    }
}
