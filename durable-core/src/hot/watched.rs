//! Who watches which instances.

use super::HubState;
use crate::backend::InstanceRecord;
use crate::ids::InstanceId;

/// What a watch waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// A revision above this one.
    Newer(u64),
    /// The end of the instance, or its purge.
    End,
}

impl Wanted {
    /// Whether this record is what is waited for.
    pub fn is(self, record: &InstanceRecord) -> bool {
        match self {
            Self::Newer(seen) => record.revision > seen,
            Self::End => record.status.is_terminal(),
        }
    }
}

/// How many watches of each kind there are on one instance.
#[derive(Debug, Default)]
pub(super) struct Watched {
    changes: u32,
    ends: u32,
}

impl Watched {
    fn count(&mut self, wanted: Wanted) -> &mut u32 {
        match wanted {
            Wanted::Newer(_) => &mut self.changes,
            Wanted::End => &mut self.ends,
        }
    }
}

impl HubState {
    /// A record changed: whoever watches it is to be told.
    pub(super) fn note_change(&mut self, instance: &InstanceId) {
        if self.watched.is_empty() {
            return;
        }
        let Some(watched) = self.watched.get(instance) else { return };
        let ended = || self.instances.get(instance).is_none_or(|slot| slot.is_terminal());
        if watched.changes > 0 || ended() {
            self.changed.push(instance.clone());
        }
    }

    /// Begins to watch an instance, whether it exists or not.
    pub fn watch(&mut self, instance: &InstanceId, wanted: Wanted) {
        *self.watched.entry(instance.clone()).or_default().count(wanted) += 1;
    }

    /// Ends one watch of this kind.
    pub fn unwatch(&mut self, instance: &InstanceId, wanted: Wanted) {
        if let Some(watched) = self.watched.get_mut(instance) {
            *watched.count(wanted) -= 1;
            if watched.changes == 0 && watched.ends == 0 {
                self.watched.remove(instance);
            }
        }
    }

    /// Takes the watched instances whose record changed.
    pub fn take_changed(&mut self) -> Vec<InstanceId> {
        std::mem::take(&mut self.changed)
    }
}
