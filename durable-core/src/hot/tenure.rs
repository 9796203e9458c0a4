//! Who has an instance, and whose commit was the last.

use crate::ids::LeaseToken;
use crate::time::Timestamp;

/// Whether and until when something is on loan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Loan {
    pub(super) token: LeaseToken,
    pub(super) until: Timestamp,
}

/// The loan and the token of the last commit. Two options of 128-bit numbers would take
/// nearly twice the room, and there is one of these for every instance that waits.
#[derive(Debug)]
pub(super) struct Tenure {
    loan: LeaseToken,
    committed: LeaseToken,
    until: Timestamp,
    on_loan: bool,
    has_committed: bool,
}

impl Default for Tenure {
    fn default() -> Self {
        Self {
            loan: LeaseToken(0),
            committed: LeaseToken(0),
            until: Timestamp::EPOCH,
            on_loan: false,
            has_committed: false,
        }
    }
}

impl Tenure {
    pub(super) fn loan(&self) -> Option<Loan> {
        self.on_loan.then_some(Loan { token: self.loan, until: self.until })
    }

    pub(super) fn set_loan(&mut self, loan: Option<Loan>) {
        self.on_loan = loan.is_some();
        if let Some(Loan { token, until }) = loan {
            (self.loan, self.until) = (token, until);
        }
    }

    /// The token of the last commit, which may be repeated.
    pub(super) fn committed(&self) -> Option<LeaseToken> {
        self.has_committed.then_some(self.committed)
    }

    pub(super) fn set_committed(&mut self, token: Option<LeaseToken>) {
        self.has_committed = token.is_some();
        self.committed = token.unwrap_or(LeaseToken(0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_of_zero_is_a_token_like_any_other() {
        let mut tenure = Tenure::default();
        assert_eq!((tenure.loan(), tenure.committed()), (None, None));
        let zero = Loan { token: LeaseToken(0), until: Timestamp::MAX };
        tenure.set_loan(Some(zero));
        tenure.set_committed(Some(LeaseToken(0)));
        assert_eq!((tenure.loan(), tenure.committed()), (Some(zero), Some(LeaseToken(0))));
        tenure.set_loan(None);
        assert_eq!(tenure.loan(), None);
    }
}
