//! The committer: writes what has arrived, flushes once, then lets everybody know.

use std::sync::Arc;
use std::time::Duration;

use durable_core::backend::BackendResult;

use crate::checkpoint::{self, Cycle};
use crate::error::from_sled;
use crate::high_water::HighWater;
use crate::hub::Hub;
use crate::keys;
use crate::log::Change;

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
    /// Deliveries noted at the last look.
    pub(crate) noted: Vec<(String, u32)>,
}

impl Committer {
    /// Runs until the hub closes or the disk fails.
    pub(crate) fn run(mut self) {
        loop {
            match self.round() {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    self.hub.fail(&error);
                    break;
                }
            }
        }
        self.high_water.sync();
        self.hub.progress.send_modify(|p| {
            let stopped = "the backend was closed".to_owned();
            p.failed.get_or_insert((durable_core::backend::BackendErrorKind::Closed, stopped));
        });
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
        for value in values {
            self.bytes += value.len() as u64;
            self.hub
                .disk
                .tree
                .insert(keys::wal(self.next), value)
                .map_err(|e| from_sled("commit", e))?;
            self.next += 1;
        }
        self.hub.disk.flush()?;
        self.high_water.note(self.next - 1);
        Ok(())
    }

    /// Everything up to this change is safe.
    fn announce(&self, last: u64) {
        let (signals, changed) = {
            let mut inner = self.hub.inner.lock();
            inner.state.publish_tasks(last);
            (inner.state.take_signals(), std::mem::take(&mut inner.changed))
        };
        self.hub.progress.send_if_modified(|p| std::mem::replace(&mut p.safe, last) != last);
        self.hub.ring(signals);
        self.hub.bells.ring_changed(&changed);
    }

    /// Notes how often work was handed out that is on loan for long, so that what kills its
    /// worker again and again is recognised after a restart.
    fn note_deliveries(&mut self, inner: &mut crate::hub::Inner) {
        let now = self.hub.env.now();
        let before = std::mem::take(&mut self.noted);
        for (instance, delivery) in inner.state.leased_turns() {
            let key = (instance.as_str().to_owned(), delivery);
            if !before.contains(&key) {
                inner.log(now, &Change::TurnDelivery(instance, delivery));
            }
            self.noted.push(key);
        }
        for (task, _, delivery) in inner.state.leased_activities() {
            let key = (task.to_string(), delivery);
            if !before.contains(&key) {
                inner.log(now, &Change::TaskDelivery(task, delivery));
            }
            self.noted.push(key);
        }
    }
}
