//! A hub: its hot state, the changes that wait to be written, and who waits for them.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use durable_core::backend::{BackendError, BackendErrorKind, BackendResult, Retry};
use durable_core::env::SharedEnv;
use durable_core::hot::{HubState, Signals};
use durable_core::ids::{HubName, InstanceId, LeaseToken, MessageId};
use durable_core::memory::Bells;
use durable_core::time::Timestamp;
use parking_lot::{Condvar, Mutex};

use crate::checkpoint::Cycle;
use crate::disk::Disk;
use crate::log::{Change, Group};
use crate::progress::{Progress, Stop};
use crate::suspects::Suspects;

/// What is behind the lock.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) state: HubState,
    pub(crate) group: Group,
    /// Number of the last change.
    pub(crate) last: u64,
    /// Purged instances whose rows are still on disk.
    pub(crate) purged: HashSet<InstanceId>,
    /// Watched instances whose record changed; told when it is safe.
    pub(crate) changed: Vec<InstanceId>,
    pub(crate) suspects: Suspects,
    pub(crate) cycle: Option<Cycle>,
    pub(crate) closing: bool,
}

/// One hub, shared by callers and committer.
pub(crate) struct Hub {
    pub(crate) env: SharedEnv,
    pub(crate) name: HubName,
    pub(crate) disk: Disk,
    pub(crate) inner: Mutex<Inner>,
    pub(crate) work: Condvar,
    pub(crate) progress: Progress,
    pub(crate) bells: Bells,
    pub(crate) closed: AtomicBool,
}

// Never what is stored: it may be secret.
impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Inner {
    /// Records a change and answers with its number; the caller then applies it.
    pub(crate) fn log(&mut self, now: Timestamp, change: &Change) -> u64 {
        self.last += 1;
        self.group.add(self.last, now, change);
        self.state.set_lsn(self.last);
        self.last
    }

    /// As [`log`](Self::log), for what changes a task: the row of its instance is to be written.
    pub(crate) fn log_of_task(&mut self, now: Timestamp, task: MessageId, change: &Change) -> u64 {
        if let Some(instance) = self.state.instance_of(task).cloned() {
            self.state.touch_instance(&instance);
        }
        self.log(now, change)
    }

    /// Brings a terminal instance that is only on disk into memory, if there is one.
    pub(crate) fn load_done(
        &mut self,
        disk: &Disk,
        instance: &InstanceId,
        now: Timestamp,
    ) -> BackendResult<()> {
        if self.state.contains(instance) || self.purged.contains(instance) {
            return Ok(());
        }
        if let Some(snapshot) = disk.read_done(instance)? {
            self.state.restore(snapshot, now);
            // The next checkpoint lets go of it again.
            self.state.touch_instance(instance);
        }
        Ok(())
    }
}

/// The error of a hub that has stopped for good; repeating the call would wait for ever.
fn stopped(kind: BackendErrorKind, operation: &'static str, text: String) -> BackendError {
    BackendError::new(kind, operation, text).retry(Retry::Never)
}

impl Hub {
    pub(crate) fn token(&self) -> LeaseToken {
        LeaseToken(self.env.random_u128())
    }

    pub(crate) fn check_open(&self, operation: &'static str) -> BackendResult<()> {
        if self.closed.load(Ordering::Acquire) {
            return Err(BackendError::new(
                BackendErrorKind::Closed,
                operation,
                "the backend was closed",
            ));
        }
        match self.progress.stop() {
            Some(Stop { kind, text }) => Err(stopped(kind, operation, text)),
            None => Ok(()),
        }
    }

    /// Runs something on the state, then rings for what it made possible and wakes the
    /// committer if there is something to write.
    pub(crate) fn with<T>(&self, run: impl FnOnce(&mut Inner, Timestamp) -> T) -> T {
        let now = self.env.now();
        let mut inner = self.inner.lock();
        let idle = inner.group.is_empty();
        let result = run(&mut inner, now);
        let signals = inner.state.take_signals();
        let changed = inner.state.take_changed();
        inner.changed.extend(changed);
        let wake = idle && !inner.group.is_empty();
        drop(inner);
        if wake {
            self.work.notify_one();
        }
        self.ring(signals);
        result
    }

    pub(crate) fn ring(&self, signals: Signals) {
        self.bells.ring(signals);
    }

    /// Waits until a change is safe.
    ///
    /// # Errors
    /// The committer's error; whether the change will be there after the next open is unknown.
    pub(crate) async fn safe(&self, operation: &'static str, number: u64) -> BackendResult<()> {
        if self.progress.safe() >= number {
            return Ok(());
        }
        let reached = self.progress.reached(number).await;
        reached.map_err(|Stop { kind, text }| stopped(kind, operation, text).unknown())
    }

    /// Gives each item of a batch its own answer once its change is safe.
    pub(crate) async fn answer<T>(
        &self,
        operation: &'static str,
        answers: Vec<BackendResult<(T, u64)>>,
    ) -> Vec<BackendResult<T>> {
        let last = answers.iter().flatten().map(|(_, number)| *number).max().unwrap_or(0);
        let failed =
            self.safe(operation, last).await.err().map(|e| (e.kind(), e.context().to_owned()));
        let safe = self.progress.safe();
        answers
            .into_iter()
            .map(|answer| {
                let (value, number) = answer?;
                match &failed {
                    Some((kind, text)) if number > safe => {
                        Err(stopped(*kind, operation, text.clone()).unknown())
                    }
                    _ => Ok(value),
                }
            })
            .collect()
    }

    pub(crate) fn fail(&self, error: &BackendError) {
        tracing::error!(hub = %self.name, %error, "the store takes no more changes");
        self.progress.end(Stop { kind: error.kind(), text: error.context().to_owned() });
        self.bells.ring_all();
    }
}

/// A hub in use. The last one to go stops the committer and waits for it, so that the folder
/// can be opened again at once.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) hub: Arc<Hub>,
    pub(crate) committer: Option<std::thread::JoinHandle<()>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.hub.inner.lock().closing = true;
        self.hub.work.notify_one();
        // One that stands still in a write would be waited for for ever.
        if self.hub.disk.pulse.stands_still() {
            return;
        }
        if let Some(committer) = self.committer.take() {
            // A panic of the committer was reported when it happened.
            let _ = committer.join();
        }
    }
}
