//! Which rare paths a simulation has reached, and what was found wrong.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Paths that a campaign of many seeds must reach; otherwise it proves less than it seems to.
pub const RARE: [&str; 40] = [
    "a batch was reordered",
    "a call failed before",
    "a call stalled",
    "a call was applied and reported failed",
    "a call was given up",
    "a call was performed twice",
    "a child reported back",
    "a commit was repeated after it was applied",
    "a creation found another",
    "a creation was repeated",
    "a history was replayed from nothing",
    "a message came after the end",
    "a message was sent again",
    "a renewal came too late",
    "a running activity was cancelled",
    "a timer won its race",
    "a turn changed nothing",
    "a turn was handed out again",
    "a turn's lease was lost",
    "a worker crashed",
    "a worker did not drain",
    "a worker drained",
    "a worker stood still",
    "an activity was handed out again",
    "an activity was tried again",
    "an activity won its race",
    "an activity's lease was lost",
    "an activity's lease was renewed",
    "an event came before the start",
    "an event was read",
    "an id was used again",
    "an instance failed",
    "an instance was purged",
    "an instance was resumed",
    "an instance was suspended",
    "an instance was terminated",
    "an event was read in the last turn of a generation",
    "continued as new",
    "unread events were carried over",
    "work was cancelled",
];

/// Everything that must hold, and the guarantees that say so.
pub const INVARIANTS: [(&str, &[&str]); 17] = [
    ("clients work", &["L1"]),
    ("contiguous history", &["G3"]),
    ("effects have events", &["G4"]),
    ("effects match events", &["G4", "G5"]),
    ("every instance ends", &["G1", "G7", "L1", "L2"]),
    ("fencing", &["G6"]),
    ("hubs are isolated", &["G7"]),
    ("no instance is blocked", &["G11"]),
    ("no message is lost", &["G7"]),
    ("no panic", &["G16"]),
    ("readable history", &["G16", "G17"]),
    ("recorded once", &["G3", "G5"]),
    ("status matches history", &["G4", "G17"]),
    ("terminal is final", &["G10"]),
    ("the result is that of the model", &["G1", "G3", "G8"]),
    ("timers are never early", &["G9"]),
    ("workers start", &["L2"]),
];

/// How often each rare path was taken. A simulation that never takes one proves nothing
/// about it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reached(BTreeMap<&'static str, u64>);

impl Reached {
    /// Notes that a path was taken.
    pub fn note(&mut self, path: &'static str) {
        *self.0.entry(path).or_insert(0) += 1;
    }

    /// Adds the counts of another run.
    pub fn add(&mut self, other: &Self) {
        for (path, count) in &other.0 {
            *self.0.entry(path).or_insert(0) += count;
        }
    }

    /// How often a path was taken.
    pub fn count(&self, path: &str) -> u64 {
        self.0.get(path).copied().unwrap_or(0)
    }

    /// All paths taken, with their counts.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.0.iter().map(|(path, count)| (*path, *count))
    }
}

/// Something that must never happen, and did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The invariant that does not hold.
    pub invariant: &'static str,
    /// What was seen.
    pub text: String,
}

/// What all parts of one simulation write to.
#[derive(Debug, Default)]
pub(super) struct Notes(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    reached: Reached,
    violation: Option<Violation>,
    trace: u64,
    operations: u64,
}

impl Notes {
    fn with<T>(&self, f: impl FnOnce(&mut Inner) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn reached(&self, path: &'static str) {
        self.with(|inner| inner.reached.note(path));
    }

    pub(super) fn reached_if(&self, condition: bool, path: &'static str) {
        if condition {
            self.reached(path);
        }
    }

    /// Keeps the first violation: later ones may be its consequences.
    pub(super) fn violated(&self, invariant: &'static str, text: impl Into<String>) {
        debug_assert!(INVARIANTS.iter().any(|(known, _)| *known == invariant), "{invariant}");
        self.with(|inner| {
            inner.violation.get_or_insert_with(|| Violation { invariant, text: text.into() });
        });
    }

    pub(super) fn violation(&self) -> Option<Violation> {
        self.with(|inner| inner.violation.clone())
    }

    /// Adds to the trace that must be the same for the same seed.
    pub(super) fn trace(&self, time: u64, what: &str, number: u64) {
        self.with(|inner| {
            inner.operations += 1;
            let mut hash = inner.trace ^ time;
            for byte in what.bytes() {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3);
            }
            inner.trace = crate::manual_env::mix(hash.wrapping_add(number));
        });
    }

    /// Trace hash, number of operations, and paths reached.
    pub(super) fn summary(&self) -> (u64, u64, Reached) {
        self.with(|inner| (inner.trace, inner.operations, inner.reached.clone()))
    }
}
