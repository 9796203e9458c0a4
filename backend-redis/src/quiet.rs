//! Knowing that a queue is empty without looking.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use durable_core::ids::QueueName;
use durable_core::time::Timestamp;
use parking_lot::Mutex;

/// What the last look at a queue left: after one that found everything there was, and until the
/// bell rings, there is nothing to look for before a known time. It spares the look that would
/// otherwise follow every receive that brought something.
#[derive(Debug, Default)]
pub(crate) struct Quiet {
    /// How often the bell rang.
    rings: AtomicU64,
    last: Mutex<Option<Emptied>>,
    /// Whether the last look was not answered in time.
    late: AtomicBool,
}

#[derive(Debug)]
struct Emptied {
    /// How often the bell had rung before the look.
    rings: u64,
    /// For which queues.
    queues: Vec<QueueName>,
    /// When something is due next.
    until: Timestamp,
}

impl Quiet {
    /// The bell rings: what was known holds no more. To be called before anybody is woken.
    pub(crate) fn disturb(&self) {
        self.rings.fetch_add(1, Ordering::AcqRel);
    }

    /// To be read before a look.
    pub(crate) fn rings(&self) -> u64 {
        self.rings.load(Ordering::Acquire)
    }

    /// A look that began after that many rings has left nothing.
    pub(crate) fn emptied(&self, rings: u64, queues: &[QueueName], until: Timestamp) {
        *self.last.lock() = Some(Emptied { rings, queues: queues.to_vec(), until });
    }

    /// Whether the last look was not answered in time: the next one is not waited for as long.
    pub(crate) fn is_late(&self) -> bool {
        self.late.load(Ordering::Relaxed)
    }

    pub(crate) fn set_late(&self, late: bool) {
        self.late.store(late, Ordering::Relaxed);
    }

    /// Until when nothing is to be found in these queues, if that is known.
    pub(crate) fn until(&self, queues: &[QueueName], now: Timestamp) -> Option<Timestamp> {
        let last = self.last.lock();
        let last = last.as_ref()?;
        let holds = last.rings == self.rings() && last.until > now && last.queues == queues;
        holds.then_some(last.until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_ends_with_a_ring_with_time_and_for_other_queues() {
        let (quiet, now) = (Quiet::default(), Timestamp::from_millis(5));
        let (mine, other) = ([QueueName::default()], [QueueName::new("other").unwrap()]);
        assert_eq!(quiet.until(&mine, now), None);
        quiet.emptied(quiet.rings(), &mine, Timestamp::from_millis(9));
        assert_eq!(quiet.until(&mine, now), Some(Timestamp::from_millis(9)));
        assert_eq!(quiet.until(&other, now), None);
        assert_eq!(quiet.until(&mine, Timestamp::from_millis(9)), None);
        quiet.disturb();
        assert_eq!(quiet.until(&mine, now), None);
    }

    #[test]
    fn a_ring_during_the_look_is_not_forgotten() {
        let quiet = Quiet::default();
        let before = quiet.rings();
        quiet.disturb();
        quiet.emptied(before, &[], Timestamp::MAX);
        assert_eq!(quiet.until(&[], Timestamp::EPOCH), None);
    }
}
