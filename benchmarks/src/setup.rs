//! A hub with a worker and a client.

use std::sync::Arc;

use durable::prelude::*;

/// Everything a workload needs; the folder is removed with it.
pub(crate) struct Hub {
    pub(crate) backend: Arc<dyn durable::backend::Backend>,
    pub(crate) client: Client,
    /// Removed when dropped.
    _folder: Option<tempfile::TempDir>,
}

impl Hub {
    /// Opens the backend; `sled:` alone is a fresh temporary folder.
    pub(crate) async fn open(url: &str) -> Result<Self, Box<dyn std::error::Error>> {
        let (url, folder) = if url == "sled:" {
            let folder = tempfile::Builder::new().prefix("bench").tempdir_in(".")?;
            (format!("sled:{}", folder.path().join("hub").display()), Some(folder))
        } else {
            (url.to_owned(), None)
        };
        let backend = durable::connect(&url).await?;
        Ok(Self { client: Client::new(backend.clone()), backend, _folder: folder })
    }

    /// A worker that serves all workloads.
    pub(crate) async fn worker(&self) -> Result<Worker, durable::Error> {
        crate::workloads::register(Worker::builder(self.backend.clone())).start().await
    }
}
