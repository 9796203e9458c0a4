//! The steps of a sequence.

use durable_core::backend::{Capabilities, Durability};

use crate::manual_env::{GOLDEN, mix};

/// What a step does. Whatever else it needs to know it draws from its seed, so that leaving out
/// other steps leaves it as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Create,
    Send,
    SendTwice,
    ReceiveTurns,
    CommitTurn,
    CommitTwice,
    CommitStale,
    RenewTurn,
    AbandonTurn,
    ReceiveTasks,
    Complete,
    CompleteTwice,
    CompleteStale,
    RenewTask,
    AbandonTask,
    Track,
    Purge,
    List,
    Audit,
    Time,
    Reopen,
}

/// A step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Op {
    pub(super) kind: Kind,
    pub(super) seed: u64,
}

/// How often each kind occurs.
pub(super) type Profile = &'static [(Kind, u64)];

use Kind::{
    AbandonTask, AbandonTurn, Audit, CommitStale, CommitTurn, CommitTwice, Complete, CompleteStale,
    CompleteTwice, Create, List, Purge, ReceiveTasks, ReceiveTurns, RenewTask, RenewTurn, Reopen,
    Send, SendTwice, Time, Track,
};

pub(super) const TURNS: Profile = &[
    (Create, 6),
    (Send, 10),
    (SendTwice, 3),
    (ReceiveTurns, 10),
    (CommitTurn, 14),
    (CommitTwice, 4),
    (CommitStale, 4),
    (RenewTurn, 3),
    (AbandonTurn, 4),
    (Track, 3),
    (Audit, 2),
];

pub(super) const ACTIVITIES: Profile = &[
    (Create, 4),
    (Send, 6),
    (ReceiveTurns, 8),
    (CommitTurn, 12),
    (ReceiveTasks, 8),
    (Complete, 6),
    (CompleteTwice, 3),
    (CompleteStale, 4),
    (RenewTask, 5),
    (AbandonTask, 5),
    (Audit, 2),
];

pub(super) const GENERATIONS: Profile = &[
    (Create, 10),
    (Send, 8),
    (ReceiveTurns, 10),
    (CommitTurn, 16),
    (CommitTwice, 4),
    (CommitStale, 5),
    (ReceiveTasks, 3),
    (Complete, 2),
    (Purge, 4),
    (Audit, 4),
];

pub(super) const HOLDS: Profile = &[
    (Create, 3),
    (Send, 16),
    (ReceiveTurns, 12),
    (CommitTurn, 16),
    (AbandonTurn, 5),
    (RenewTurn, 2),
    (Audit, 1),
];

pub(super) const READS: Profile = &[
    (Create, 10),
    (Send, 5),
    (ReceiveTurns, 8),
    (CommitTurn, 14),
    (Purge, 6),
    (List, 8),
    (Audit, 6),
    (Track, 3),
];

pub(super) const TIME: Profile = &[
    (Create, 5),
    (Send, 8),
    (ReceiveTurns, 8),
    (CommitTurn, 12),
    (CommitStale, 4),
    (RenewTurn, 3),
    (AbandonTurn, 4),
    (ReceiveTasks, 6),
    (Complete, 3),
    (CompleteStale, 3),
    (RenewTask, 3),
    (AbandonTask, 4),
    (Track, 2),
    (Time, 10),
    (Audit, 1),
];

pub(super) const LIVES: Profile = &[
    (Create, 5),
    (Send, 8),
    (ReceiveTurns, 8),
    (CommitTurn, 14),
    (CommitTwice, 2),
    (CommitStale, 2),
    (ReceiveTasks, 5),
    (Complete, 4),
    (RenewTask, 3),
    (AbandonTask, 3),
    (Track, 4),
    (Purge, 2),
    (List, 2),
    (Reopen, 4),
];

pub(super) const TIME_AND_LIVES: Profile = &[
    (Create, 5),
    (Send, 8),
    (ReceiveTurns, 8),
    (CommitTurn, 14),
    (AbandonTurn, 4),
    (ReceiveTasks, 6),
    (Complete, 3),
    (RenewTask, 3),
    (AbandonTask, 4),
    (Track, 3),
    (Time, 8),
    (Reopen, 5),
];

/// The sequence of a seed, as far as the adapter can play it.
pub(super) fn sequence(seed: u64, steps: usize, profile: Profile, can: &Capabilities) -> Vec<Op> {
    let mut draw = Draw::new(seed);
    let possible = |kind: Kind| match kind {
        Kind::Time => can.injected_clock,
        Kind::Reopen => can.durability != Durability::Process,
        _ => true,
    };
    let possible: Vec<_> = profile.iter().copied().filter(|(kind, _)| possible(*kind)).collect();
    let all: u64 = possible.iter().map(|(_, weight)| weight).sum();
    let mut one = || {
        let mut at = draw.below(all);
        for (kind, weight) in &possible {
            if at < *weight {
                return *kind;
            }
            at -= weight;
        }
        Kind::Audit
    };
    let kinds: Vec<_> = (0..steps).map(|_| one()).collect();
    kinds.into_iter().map(|kind| Op { kind, seed: draw.next() }).collect()
}

/// Randomness of one step.
#[derive(Debug)]
pub(super) struct Draw(u64);

impl Draw {
    pub(super) fn new(seed: u64) -> Self {
        Self(mix(seed.wrapping_add(GOLDEN)))
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        mix(self.0)
    }

    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }

    pub(super) fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub(super) fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).unwrap_or(0)
    }
}
