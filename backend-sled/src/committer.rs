//! The committer: writes what has arrived, flushes once, then lets everybody know.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use durable_core::backend::{BackendError, BackendErrorKind, BackendResult};

use crate::checkpoint::{self, Cycle};
use crate::crash_point::crash_point;
use crate::high_water::HighWater;
use crate::hub::Hub;
use crate::keys;
use crate::progress::Stop;
use crate::suspects::OnLoan;
use crate::tenant::Tenant;

/// How often work on loan is looked at, to note deliveries that take long.
const TICK: Duration = Duration::from_millis(100);

/// What the committer keeps to itself.
#[derive(Debug)]
pub(crate) struct Committer {
    pub(crate) hub: Arc<Hub>,
    pub(crate) high_water: HighWater,
    /// Number of the next group.
    pub(crate) next: u64,
    /// First group in the log.
    pub(crate) wal_from: u64,
    /// Bytes in the log since the last checkpoint began.
    pub(crate) bytes: u64,
    pub(crate) checkpoint_bytes: u64,
    /// What was on loan at the last look, and whether that is in the log.
    pub(crate) noted: HashMap<OnLoan, bool>,
    // Last: when it goes, nothing is written any more.
    pub(crate) _tenant: Tenant,
}

impl Committer {
    /// Runs until the hub closes or the disk fails.
    pub(crate) fn run(mut self) {
        if let Err(error) = caught(&Arc::clone(&self.hub), || self.rounds()) {
            self.hub.fail(&error);
        }
        self.high_water.sync();
        let text = "the backend was closed".to_owned();
        self.hub.progress.end(Stop { kind: BackendErrorKind::Closed, text });
    }

    fn rounds(&mut self) -> BackendResult<()> {
        while self.round()? {}
        Ok(())
    }

    /// One group. `false` when there will be no more.
    fn round(&mut self) -> BackendResult<bool> {
        let hub = Arc::clone(&self.hub);
        let mut inner = hub.inner.lock();
        while inner.group.is_empty() && inner.cycle.is_none() {
            if inner.closing {
                return Ok(false);
            }
            let timed_out = hub.work.wait_for(&mut inner, TICK).timed_out();
            if timed_out {
                self.note_deliveries(&mut inner);
            }
        }
        let group = std::mem::take(&mut inner.group);
        let last = inner.last;
        if inner.cycle.is_none() && self.bytes >= self.checkpoint_bytes {
            self.bytes = 0;
            inner.cycle = Some(Cycle::begin(&mut inner, self.next));
        }
        // Taken together with the group, so that rows hold exactly what the log does.
        let slice = inner.cycle.as_mut().map(Cycle::take_slice);
        let slice = slice.map(|ids| checkpoint::snapshots(&inner, ids, last));
        drop(inner);

        self.write(group.into_values())?;
        self.announce(last);
        if let Some(slice) = slice {
            checkpoint::write(self, slice)?;
        }
        Ok(true)
    }

    fn write(&mut self, values: Vec<Vec<u8>>) -> BackendResult<()> {
        if values.is_empty() {
            return Ok(());
        }
        crash_point("a group is about to be written");
        for value in values {
            self.bytes += value.len() as u64;
            self.hub.disk.insert("commit", &keys::wal(self.next), value)?;
            self.next += 1;
            crash_point("a group is written in part");
        }
        crash_point("a group is written and not flushed");
        self.hub.disk.flush()?;
        crash_point("a group is flushed and not noted");
        self.high_water.note(self.next - 1);
        crash_point("a group is noted and not announced");
        Ok(())
    }

    /// Everything up to this change is safe.
    fn announce(&self, last: u64) {
        let (signals, changed) = {
            let mut inner = self.hub.inner.lock();
            inner.state.publish_tasks(last);
            (inner.state.take_signals(), std::mem::take(&mut inner.changed))
        };
        self.hub.progress.advance(last);
        self.hub.ring(signals);
        self.hub.bells.ring_changed(&changed);
    }

    /// Notes how often work was handed out that is on loan for long, so that what kills its
    /// worker again and again is recognised after a restart.
    fn note_deliveries(&mut self, inner: &mut crate::hub::Inner) {
        let now = self.hub.env.now();
        let turns = inner.state.leased_turns().into_iter().map(|(id, n)| OnLoan::Turn(id, n));
        let tasks =
            inner.state.leased_activities().into_iter().map(|(id, _, n)| OnLoan::Task(id, n));
        let before = std::mem::take(&mut self.noted);
        for loan in turns.chain(tasks).collect::<Vec<_>>() {
            let seen = before.get(&loan).copied();
            if seen == Some(false) {
                loan.note(inner, now);
            }
            self.noted.insert(loan, seen.is_some());
        }
    }
}

/// Turns a panic into an error: sled panics on some kinds of damage, and whoever waits for the
/// committer would wait for ever.
fn caught(hub: &Hub, run: impl FnOnce() -> BackendResult<()>) -> BackendResult<()> {
    std::panic::catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| {
        let text = "writing panicked, the reason is on the standard error: restart this program; nothing acknowledged is lost";
        let error = BackendError::new(BackendErrorKind::Internal, "commit", text);
        hub.disk.halt.stop(&hub.disk.db, &error);
        Err(error)
    })
}

#[cfg(test)]
mod tests {
    use durable_core::backend::{Backend, BackendErrorKind};

    use super::caught;
    use crate::{SledSettings, SledStore};

    #[tokio::test]
    async fn a_panic_while_writing_is_an_error_for_all_hubs_of_the_store() {
        let folder = tempfile::tempdir().unwrap();
        let store = SledStore::open(SledSettings::new(folder.path())).unwrap();
        let hub = store.hub(&"hub".parse().unwrap()).unwrap();
        let found = caught(hub.state(), || panic!("as sled does"));
        let error = found.unwrap_err();
        assert_eq!(error.kind(), BackendErrorKind::Internal);
        hub.state().fail(&error);
        let refused = hub.state().safe("send", u64::MAX).await.unwrap_err();
        assert_eq!(refused.kind(), BackendErrorKind::Internal);
        let other = store.hub(&"other".parse().unwrap()).unwrap_err();
        assert_eq!(other.kind(), BackendErrorKind::Internal);
        let _ = hub.close().await;
    }
}
