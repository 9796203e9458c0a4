//! The append-only file of a server, and how much of it is left when the power goes.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use durable_core::env::TokioEnv;
use durable_core::time::Timestamp;
use parking_lot::Mutex;

use crate::server::append_file;

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

/// Cuts off half of a transaction at the end, as whoever runs a server with `aof-load-truncated no`
/// has to. The server itself would leave it there, and bring it back one start later.
fn mend(dir: &Path) {
    let mut check = Command::new("redis-check-aof")
        .arg("--fix")
        .arg(dir.join("appendonly.aof.manifest"))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    // It asks when there is something to cut.
    let _ = check.stdin.take().unwrap().write_all(b"y\n");
    assert!(check.wait().unwrap().success(), "the file cannot be mended");
}

/// How long which file was at some time.
struct Sample {
    at: Timestamp,
    path: PathBuf,
    length: u64,
}

impl Sample {
    fn take(dir: &Path) -> Self {
        // The time first: what was written before it is in the file by now.
        let at = TokioEnv::shared().now();
        let path = append_file(dir);
        let length = std::fs::metadata(&path).map_or(0, |file| file.len());
        Self { at, path, length }
    }
}

/// The file, which is another one after it was written anew.
pub(crate) struct File {
    dir: PathBuf,
    samples: Arc<Mutex<Vec<Sample>>>,
}

impl File {
    pub(crate) fn watch(dir: PathBuf) -> Self {
        let samples = Arc::new(Mutex::new(vec![Sample::take(&dir)]));
        let (watched, kept) = (dir.clone(), Arc::downgrade(&samples));
        TokioEnv::shared().spawn(Box::pin(async move {
            while let Some(samples) = kept.upgrade() {
                {
                    let mut samples = samples.lock();
                    samples.push(Sample::take(&watched));
                }
                drop(samples);
                TokioEnv::shared().sleep(Duration::from_millis(10)).await;
            }
        }));
        Self { dir, samples }
    }

    /// Cuts off some of what was written in the last second, in the midst of a command if it so
    /// happens. Whatever was acknowledged until the time that it answers is kept.
    pub(crate) fn cut(&self, choice: u64) -> Timestamp {
        let mut samples = self.samples.lock();
        let end = Sample::take(&self.dir);
        // The file before this one was flushed when this one was begun.
        samples.retain(|sample| sample.path == end.path);
        let safe = samples.iter().rev().find(|sample| sample.at + WINDOW <= end.at);
        let safe = safe.map_or(0, |sample| sample.length);
        let kept = safe + choice % (end.length - safe + 1);
        let file = std::fs::OpenOptions::new().write(true).open(&end.path).unwrap();
        file.set_len(kept).unwrap();
        let last = samples.iter().rev().find(|sample| sample.length <= kept);
        let begun = samples.first().map_or(end.at, |first| first.at);
        let last = last.map_or(begun, |sample| sample.at);
        // Lengths of what is gone say nothing about what grows from here.
        samples.clear();
        samples.push(Sample { length: kept, ..end });
        last - HELD_BACK
    }

    /// Makes the file one that a server loads.
    pub(crate) fn mend(&self) {
        mend(&self.dir);
        *self.samples.lock() = vec![Sample::take(&self.dir)];
    }
}
