//! Settings.

use std::path::PathBuf;

use durable_core::backend::{BackendError, BackendErrorKind, BackendResult};

/// The smallest cache: with less, sled keeps next to nothing and reads every page again; below
/// 256 bytes it panics.
const CACHE_BYTES_MIN: u64 = 64 * 1024;

/// The largest cache: no machine has more, so more is a slip of the pen.
const CACHE_BYTES_MAX: u64 = 1 << 40;

/// Settings of a sled store.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SledSettings {
    /// The folder. Created when missing; used by one process at a time.
    pub path: PathBuf,
    /// Memory for sled's own cache, in bytes: 64 KiB to 1 TiB; default 64 MiB.
    pub cache_bytes: u64,
    /// Bytes of log after which instances are written as rows and the log is cut: 1 at least;
    /// default 32 MiB. More makes writing cheaper and opening slower.
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

    /// Says what is wrong with the settings, all of it at once.
    pub(crate) fn check(&self) -> BackendResult<()> {
        let mut problems = Vec::new();
        if self.path.as_os_str().is_empty() {
            problems.push("`path` is empty; name a folder, e.g. `./data`".to_owned());
        }
        if !(CACHE_BYTES_MIN..=CACHE_BYTES_MAX).contains(&self.cache_bytes) {
            problems.push(format!(
                "`cache_bytes` is {}; it must be {CACHE_BYTES_MIN} to {CACHE_BYTES_MAX}",
                self.cache_bytes
            ));
        }
        if self.checkpoint_bytes == 0 {
            problems.push("`checkpoint_bytes` is 0; it must be 1 at least".to_owned());
        }
        if problems.is_empty() {
            return Ok(());
        }
        Err(BackendError::new(BackendErrorKind::Invalid, "open", problems.join("; ")))
    }
}
