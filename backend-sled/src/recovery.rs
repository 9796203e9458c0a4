//! Opening a hub: rows into memory, then the rest of the log over them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use durable_core::backend::{BackendError, BackendErrorKind, BackendResult};
use durable_core::env::SharedEnv;
use durable_core::hot::HubState;
use durable_core::ids::{HubName, InstanceId};
use durable_core::memory::Bells;
use durable_core::time::Timestamp;
use parking_lot::{Condvar, Mutex};

use crate::committer::Committer;
use crate::crash_point::crash_point;
use crate::disk::{Disk, check_format, owned, read_row};
use crate::error::{damaged, from_sled};
use crate::high_water::{HighWater, lost};
use crate::hub::{Hub, Inner};
use crate::keys;
use crate::log::{Change, Group, Logged, read_group, unseal_envelopes};
use crate::progress::Progress;
use crate::store::SledStore;
use crate::suspects::Suspects;
use crate::tenant::Tenant;

/// Rebuilds a hub and the committer that goes on with its log.
pub(crate) fn open(
    store: &SledStore,
    env: SharedEnv,
    name: HubName,
    tenant: Tenant,
) -> BackendResult<Committer> {
    let (db, settings) = (&store.db, &store.settings);
    let tree = db.open_tree(keys::tree(&name)).map_err(|e| from_sled("open", e))?;
    let disk = Disk::new(db.clone(), tree, store.halt.clone());
    check_format(&disk, name.as_str())?;
    let stored = disk.read_state()?;
    let (high_water, noted) = HighWater::open(&settings.path, &name)?;

    let now = env.now();
    let mut state = HubState::logged();
    state.set_recovering(true);
    let mut recovery = Recovery {
        state,
        disk,
        purged: HashSet::new(),
        tracked: 0,
        last: 0,
        now,
        damaged: Vec::new(),
    };
    let values = recovery.load_rows(stored.values)?;
    crash_point("rows are read");
    recovery.load_tracking()?;
    let (next, bytes) = recovery.replay_log(stored.wal_from)?;
    crash_point("the log is replayed");
    if next - 1 < noted {
        return Err(lost(noted, next - 1));
    }
    let Recovery { mut state, disk, purged, last, .. } = recovery;
    disk.values.store(values, std::sync::atomic::Ordering::Relaxed);
    state.set_recovering(false);
    state.publish_tasks(last);
    state.advance(now);
    state.order_tasks();
    let suspects = Suspects {
        instances: state.instance_ids().cloned().collect(),
        tasks: state.task_ids().collect(),
    };
    let inner = Inner {
        state,
        group: Group::default(),
        last,
        purged,
        changed: Vec::new(),
        suspects,
        cycle: None,
        closing: false,
    };
    let hub = Arc::new(Hub {
        env,
        name,
        disk,
        inner: Mutex::new(inner),
        work: Condvar::new(),
        progress: Progress::new(last),
        bells: Bells::default(),
        closed: AtomicBool::new(false),
    });
    Ok(Committer {
        hub,
        high_water,
        next,
        wal_from: stored.wal_from,
        bytes,
        checkpoint_bytes: settings.checkpoint_bytes,
        noted: HashMap::new(),
        _tenant: tenant,
    })
}

struct Recovery {
    state: HubState,
    disk: Disk,
    purged: HashSet<InstanceId>,
    /// The list of tracking records holds all changes up to this one.
    tracked: u64,
    last: u64,
    now: Timestamp,
    damaged: Vec<InstanceId>,
}

impl Recovery {
    /// Brings live instances into memory; answers with how many rows and histories there are,
    /// which must be as many as were written.
    fn load_rows(&mut self, written: i64) -> BackendResult<i64> {
        let mut values = 0;
        for kind in [keys::DONE, keys::HISTORY] {
            for key in self.disk.tree.scan_prefix([kind]).keys() {
                key.map_err(|e| from_sled("open", e))?;
                values += 1;
            }
        }
        for item in self.disk.tree.scan_prefix([keys::LIVE]) {
            let (key, value) = item.map_err(|e| from_sled("open", e))?;
            values += 1;
            let Some(id) = keys::row_id(&key) else { continue };
            match read_row(&id, &value) {
                Ok(snapshot) => {
                    self.last = self.last.max(snapshot.lsn);
                    self.state.restore(snapshot, self.now);
                }
                Err(error) => {
                    // One damaged instance must not keep the others from going on.
                    tracing::error!(instance = %id, %error, "an instance is set aside");
                    self.damaged.push(id);
                }
            }
        }
        if values != written {
            let text = format!(
                "the store holds {values} rows, {written} were written (DT0008): restore the folder from a backup"
            );
            return Err(BackendError::new(BackendErrorKind::Corrupt, "open", text));
        }
        Ok(values)
    }

    fn load_tracking(&mut self) -> BackendResult<()> {
        let Some(value) =
            self.disk.tree.get(keys::META_TRACKING).map_err(|e| from_sled("open", e))?
        else {
            return Ok(());
        };
        let (lsn, envelopes) = unseal_envelopes(&owned(&value))
            .map_err(|why| damaged("open", "the list of tracking records", &why))?;
        for envelope in envelopes {
            self.state.add_tracking(envelope);
        }
        self.tracked = lsn;
        Ok(())
    }

    /// Applies the log; answers with the number of the next group and the bytes read.
    fn replay_log(&mut self, wal_from: u64) -> BackendResult<(u64, u64)> {
        let mut next = wal_from;
        let mut bytes = 0;
        let items: Vec<_> = self.disk.tree.scan_prefix([keys::WAL]).collect();
        for item in items {
            let (key, value) = item.map_err(|e| from_sled("open", e))?;
            let Some(number) = keys::wal_number(&key) else { continue };
            if number < wal_from {
                self.disk.delete("open", &key)?;
                crash_point("a superfluous group is removed");
                continue;
            }
            if number != next {
                let text = format!(
                    "the log (DT0008) goes on with group {number} where {next} is expected; restore the folder from a backup"
                );
                return Err(BackendError::new(BackendErrorKind::Corrupt, "open", text));
            }
            next += 1;
            bytes += value.len() as u64;
            let changes = read_group(&value)
                .map_err(|why| damaged("open", &format!("group {number} of the log"), &why))?;
            for change in changes {
                self.apply(change)?;
            }
        }
        Ok((next, bytes))
    }

    fn load_done(&mut self, instance: &InstanceId) -> BackendResult<()> {
        if self.state.contains(instance) || self.purged.contains(instance) {
            return Ok(());
        }
        if let Some(snapshot) = self.disk.read_done(instance)? {
            self.last = self.last.max(snapshot.lsn);
            self.state.restore(snapshot, self.now);
            self.state.touch_instance(instance);
        }
        Ok(())
    }

    fn apply(&mut self, logged: Logged) -> BackendResult<()> {
        let Logged { number, now, change } = logged;
        self.last = self.last.max(number);
        self.state.set_lsn(number);
        // What was due by then came before this change.
        self.state.advance(now);
        match change {
            Change::Create(start) => {
                self.load_done(&start.target)?;
                self.state.apply_create(start, now);
            }
            Change::Send(envelope) => {
                self.load_done(&envelope.target)?;
                self.state.apply_send(envelope, now);
            }
            Change::Turn(mut commit) => {
                if number <= self.tracked {
                    commit.tracking = None;
                }
                self.load_done(&commit.lease.instance)?;
                for message in &commit.messages {
                    self.load_done(&message.target)?;
                }
                self.state.apply_turn(*commit, now);
            }
            Change::Activity(task, completion) => {
                self.load_done(&completion.target)?;
                self.state.apply_activity(task, completion, now);
            }
            Change::Purge(instance) => {
                self.load_done(&instance)?;
                self.state.apply_purge(&instance);
                if !self.state.contains(&instance) {
                    self.purged.insert(instance);
                }
            }
            Change::Tracked(id) => self.state.drop_tracking(id),
            Change::TurnDelivery(instance, n) if self.state.lsn_of(&instance) < number => {
                self.state.set_turn_delivery(&instance, n);
            }
            // Its row is newer, and counts anew.
            Change::TurnDelivery(..) => {}
            Change::TaskDelivery(task, n) => self.state.set_activity_delivery(task, n),
            Change::TurnGivenBack(instance, n, until) => {
                self.state.give_back_turn(&instance, n, now, until);
            }
            Change::TaskGivenBack(task, n, until) => self.state.give_back_activity(task, n, until),
            Change::Progress(task, progress) => self.state.set_activity_progress(task, progress),
        }
        Ok(())
    }
}
