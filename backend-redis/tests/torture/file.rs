//! The append-only file of a server, and how much of it is left when the power goes.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use durable_core::env::TokioEnv;
use durable_core::time::Timestamp;
use parking_lot::Mutex;

/// What `everysec` may leave unflushed, as documented.
const WINDOW: Duration = Duration::from_secs(1);

/// For how long `everysec` answers before it writes: while a flush of the file is under way it
/// holds writes back for less than two seconds (`flushAppendOnlyFile`); the rest is for a machine
/// that has much else to do.
const HELD_BACK: Duration = Duration::from_secs(3);

/// What was acknowledged until then is kept by a server that is killed at this moment, because the
/// operating system has it.
pub(crate) fn kept_by_a_killed_server() -> Timestamp {
    TokioEnv::shared().now() - HELD_BACK
}

/// How long the file was at some times.
pub(crate) struct File {
    path: PathBuf,
    lengths: Arc<Mutex<Vec<(Timestamp, u64)>>>,
}

fn length(path: &PathBuf) -> u64 {
    std::fs::metadata(path).map_or(0, |file| file.len())
}

impl File {
    pub(crate) fn watch(path: PathBuf) -> Self {
        assert!(path.exists(), "{} is not there", path.display());
        let lengths = Arc::new(Mutex::new(Vec::new()));
        let (watched, kept) = (path.clone(), Arc::downgrade(&lengths));
        TokioEnv::shared().spawn(Box::pin(async move {
            while let Some(lengths) = kept.upgrade() {
                {
                    // The time first: what was written before it is in the file by now.
                    let mut lengths = lengths.lock();
                    let at = TokioEnv::shared().now();
                    lengths.push((at, length(&watched)));
                }
                drop(lengths);
                TokioEnv::shared().sleep(Duration::from_millis(10)).await;
            }
        }));
        Self { path, lengths }
    }

    /// Cuts off some of what was written in the last second, in the midst of a command if it so
    /// happens. Whatever was acknowledged until the time that it answers is kept.
    pub(crate) fn cut(&self, choice: u64) -> Timestamp {
        let mut lengths = self.lengths.lock();
        let (now, end) = (TokioEnv::shared().now(), length(&self.path));
        let safe = lengths.iter().rev().find(|(at, _)| *at + WINDOW <= now);
        let safe = safe.map_or(end, |(_, length)| *length);
        let kept = safe + choice % (end - safe + 1);
        let file = std::fs::OpenOptions::new().write(true).open(&self.path).unwrap();
        file.set_len(kept).unwrap();
        let last = lengths.iter().rev().find(|(_, length)| *length <= kept);
        let last = last.map_or(Timestamp::EPOCH, |(at, _)| *at);
        // Lengths of a file that is gone say nothing about the one that grows from here.
        lengths.clear();
        lengths.push((now, kept));
        last - HELD_BACK
    }
}
