//! When loans end that this process knows of, so that whoever dies with one is noticed; and
//! forgotten again when a loan is over before, so that nobody is asked about it in vain.

use std::collections::BTreeSet;

use durable_core::ids::LeaseToken;
use durable_core::time::Timestamp;
use foldhash::HashMap;

/// Loans watched at most; others come back by doorbell or sweep.
const LOANS_MAX: usize = 200_000;

/// Ends of loans, and what is on loan.
#[derive(Debug)]
pub(crate) struct LoanEnds<P> {
    ends: BTreeSet<(Timestamp, u128)>,
    loans: HashMap<u128, (Timestamp, P)>,
}

impl<P> Default for LoanEnds<P> {
    fn default() -> Self {
        Self { ends: BTreeSet::default(), loans: HashMap::default() }
    }
}

impl<P> LoanEnds<P> {
    /// Looks at `place` when the loan ends; a renewed loan ends later than was thought. Whether it
    /// is earlier than all others.
    pub(crate) fn watch(&mut self, token: LeaseToken, until: Timestamp, place: P) -> bool {
        self.over(token);
        if self.is_full() {
            return false;
        }
        let earliest = self.ends.first().is_none_or(|(first, _)| until < *first);
        self.ends.insert((until, token.0));
        self.loans.insert(token.0, (until, place));
        earliest
    }

    /// Whether no further loan is watched.
    pub(crate) fn is_full(&self) -> bool {
        self.loans.len() >= LOANS_MAX
    }

    /// The loan is over, whether or not it has ended. What was on loan, if it was watched.
    pub(crate) fn over(&mut self, token: LeaseToken) -> Option<P> {
        let (until, place) = self.loans.remove(&token.0)?;
        self.ends.remove(&(until, token.0));
        Some(place)
    }

    /// The next loan that has ended.
    pub(crate) fn pop(&mut self, now: Timestamp) -> Option<P> {
        let (until, token) = *self.ends.first()?;
        if until > now {
            return None;
        }
        self.ends.remove(&(until, token));
        self.loans.remove(&token).map(|(_, place)| place)
    }

    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.ends.first().map(|(until, _)| *until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn a_loan_that_is_over_is_not_looked_at() {
        let mut ends = LoanEnds::default();
        assert!(ends.watch(LeaseToken(1), at(5), "a"));
        assert!(!ends.watch(LeaseToken(2), at(6), "b"));
        assert_eq!(ends.over(LeaseToken(1)), Some("a"));
        assert_eq!(ends.over(LeaseToken(1)), None);
        assert_eq!(ends.next(), Some(at(6)));
        assert_eq!(ends.pop(at(5)), None);
        assert_eq!(ends.pop(at(6)), Some("b"));
        assert_eq!((ends.pop(at(60)), ends.next()), (None, None));
    }

    #[test]
    fn a_renewed_loan_ends_once_and_later() {
        let mut ends = LoanEnds::default();
        ends.watch(LeaseToken(1), at(5), "a");
        ends.watch(LeaseToken(1), at(9), "a");
        assert_eq!(ends.pop(at(8)), None);
        assert_eq!(ends.pop(at(9)), Some("a"));
        assert_eq!(ends.pop(at(90)), None);
    }
}
