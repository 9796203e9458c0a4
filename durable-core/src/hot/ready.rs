//! Which instance takes the next turn.

use std::collections::VecDeque;
use std::time::Duration;

use crate::ids::InstanceId;
use crate::time::Timestamp;

/// Room for so many is kept.
const KEPT: usize = 4_096;

/// Of so many turns one is a fresh instance's, if both kinds wait.
const FRESH_SHARE: u32 = 8;

/// Tasks waiting for a worker above which new instances begin more slowly.
const BACKLOG: usize = 1_000;

/// How long they then wait after each batch.
const FRESH_PAUSE: Duration = Duration::from_millis(5);

/// Instances that could take a turn, in two lines: those that have begun, and fresh ones.
///
/// Those that have begun go first, and while activities pile up, fresh ones begin more slowly:
/// a backlog is then finished one instance after the other instead of all at the very end, and
/// what is suspended meanwhile stays little. Both kinds always get on.
#[derive(Debug, Default)]
pub(super) struct Ready {
    begun: VecDeque<InstanceId>,
    fresh: VecDeque<InstanceId>,
    fresh_from: Option<Timestamp>,
    turns: u32,
}

impl Ready {
    pub(super) fn push(&mut self, instance: InstanceId, fresh: bool) {
        if fresh { self.fresh.push_back(instance) } else { self.begun.push_back(instance) }
    }

    /// Takes the next one.
    pub(super) fn pop(&mut self, now: Timestamp) -> Option<InstanceId> {
        self.turns = self.turns.wrapping_add(1);
        let fresh_waits = !self.fresh.is_empty() && self.fresh_may_begin(now);
        let fresh_first = self.turns.is_multiple_of(FRESH_SHARE) || self.begun.is_empty();
        if fresh_waits && fresh_first { self.fresh.pop_front() } else { self.begun.pop_front() }
    }

    /// To be called after a batch: slows down fresh instances while many tasks wait.
    pub(super) fn batch_ends(&mut self, now: Timestamp, took_fresh: bool, tasks: usize) {
        if took_fresh {
            self.fresh_from = (tasks > BACKLOG).then(|| now + FRESH_PAUSE);
        }
        for line in [&mut self.begun, &mut self.fresh] {
            if line.is_empty() && line.capacity() > KEPT {
                *line = VecDeque::new();
            }
        }
    }

    fn fresh_may_begin(&self, now: Timestamp) -> bool {
        self.fresh_from.is_none_or(|from| from <= now)
    }

    pub(super) fn len(&self) -> usize {
        self.begun.len() + self.fresh.len()
    }

    /// Whether there is one to take now.
    pub(super) fn any(&self, now: Timestamp) -> bool {
        !self.begun.is_empty() || (!self.fresh.is_empty() && self.fresh_may_begin(now))
    }

    /// When fresh ones may begin again, if any wait for that.
    pub(super) fn due(&self) -> Option<Timestamp> {
        self.fresh_from.filter(|_| !self.fresh.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> InstanceId {
        InstanceId::new(text).unwrap()
    }

    fn at(ms: u64) -> Timestamp {
        Timestamp::EPOCH + Duration::from_millis(ms)
    }

    #[test]
    fn begun_ones_go_first_and_fresh_ones_still_get_on() {
        let mut ready = Ready::default();
        for n in 0..20 {
            ready.push(id(&format!("f{n}")), true);
            ready.push(id(&format!("b{n}")), false);
        }
        let order: Vec<_> =
            std::iter::from_fn(|| ready.pop(at(0))).map(|i| i.as_str().to_owned()).collect();
        assert_eq!(order.len(), 40);
        assert_eq!(&order[..8], ["b0", "b1", "b2", "b3", "b4", "b5", "b6", "f0"]);
        assert_eq!(order[39], "f19");
    }

    #[test]
    fn a_backlog_slows_fresh_ones_down_and_never_stops_them() {
        let mut ready = Ready::default();
        ready.push(id("a"), true);
        ready.push(id("b"), true);
        assert_eq!(ready.pop(at(0)), Some(id("a")));
        ready.batch_ends(at(0), true, BACKLOG + 1);
        assert!(!ready.any(at(4)));
        assert_eq!(ready.due(), Some(at(5)));
        assert_eq!(ready.pop(at(4)), None);
        assert_eq!(ready.pop(at(5)), Some(id("b")));
    }
}
