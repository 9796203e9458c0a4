//! Settings.

use std::path::PathBuf;

/// Settings of a sled store.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SledSettings {
    /// The folder. Created when missing; used by one process at a time.
    pub path: PathBuf,
    /// Memory for sled's own cache, in bytes; default 64 MiB.
    pub cache_bytes: u64,
    /// Bytes of log after which instances are written as rows and the log is cut; default 32 MiB.
    /// More makes writing cheaper and opening slower.
    pub checkpoint_bytes: u64,
}

impl SledSettings {
    /// The default settings for a folder.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            cache_bytes: 64 * 1024 * 1024,
            checkpoint_bytes: 32 * 1024 * 1024,
        }
    }
}
