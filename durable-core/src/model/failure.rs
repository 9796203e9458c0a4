//! Failures as history records them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::limits::FAILURE_MESSAGE_BYTES_MAX;
use crate::payload::Payload;

/// What kind of failure ended an activity, child or orchestration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum FailureKind {
    /// User code returned an error.
    Application,
    /// User code panicked.
    Panicked,
    /// A time limit passed.
    TimedOut,
    /// No worker serves the name.
    NotRegistered,
    /// The result was no longer wanted.
    Cancelled,
    /// The orchestration was terminated.
    Terminated,
    /// A value could not be encoded or decoded.
    Conversion,
    /// A limit of the library was exceeded.
    LimitExceeded,
    /// The id of a child is taken by a live instance.
    AlreadyExists,
    /// The work crashed its workers too often and was given up.
    Poisoned,
}

/// A failure: a kind for programs, a message for people, and optionally the user's own
/// error value in encoded form.
///
/// It is also the simplest error type for activities and orchestrations: any
/// [`std::error::Error`] converts into it with `?`, its sources included.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    kind: FailureKind,
    message: String,
    causes: Vec<String>,
    details: Option<Payload>,
    retryable: bool,
}

fn cut(mut text: String) -> String {
    if text.len() > FAILURE_MESSAGE_BYTES_MAX {
        let mut end = FAILURE_MESSAGE_BYTES_MAX;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push('…');
    }
    text
}

impl Failure {
    /// An application failure that a retry policy may retry. Messages above
    /// [`FAILURE_MESSAGE_BYTES_MAX`] are cut.
    pub fn new(message: impl Into<String>) -> Self {
        Self::of_kind(FailureKind::Application, message)
    }

    /// An application failure that no retry policy retries.
    pub fn non_retryable(message: impl Into<String>) -> Self {
        Self { retryable: false, ..Self::new(message) }
    }

    /// A failure of a given kind.
    pub fn of_kind(kind: FailureKind, message: impl Into<String>) -> Self {
        let retryable = matches!(
            kind,
            FailureKind::Application | FailureKind::Panicked | FailureKind::TimedOut
        );
        Self { kind, message: cut(message.into()), causes: Vec::new(), details: None, retryable }
    }

    /// Attaches the user's own error value.
    #[must_use]
    pub fn with_details(mut self, details: Payload) -> Self {
        self.details = Some(details);
        self
    }

    /// Says whether a retry policy may retry it.
    #[must_use]
    pub fn with_retryable(mut self, retryable: bool) -> Self {
        self.retryable = retryable;
        self
    }

    /// What kind of failure.
    pub fn kind(&self) -> FailureKind {
        self.kind
    }

    /// What happened, for people.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The messages of the underlying errors, outermost first.
    pub fn causes(&self) -> &[String] {
        &self.causes
    }

    /// The user's own error value, if there is one.
    pub fn details(&self) -> Option<&Payload> {
        self.details.as_ref()
    }

    /// Whether a retry policy may retry it.
    pub fn is_retryable(&self) -> bool {
        self.retryable
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        for cause in &self.causes {
            write!(f, ": {cause}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Failure({:?}: {self})", self.kind)
    }
}

/// `Failure` itself is not a [`std::error::Error`], so that this conversion can exist.
impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        let mut failure = Self::new(error.to_string());
        let mut source = error.source();
        while let Some(cause) = source {
            failure.causes.push(cut(cause.to_string()));
            source = cause.source();
        }
        failure
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_messages_are_cut_at_a_character() {
        let failure = Failure::new("é".repeat(FAILURE_MESSAGE_BYTES_MAX));
        assert!(failure.message().len() <= FAILURE_MESSAGE_BYTES_MAX + '…'.len_utf8());
    }

    #[test]
    fn sources_are_kept() {
        #[derive(Debug, thiserror::Error)]
        #[error("outer")]
        struct Outer(#[from] std::num::ParseIntError);
        let failure = Failure::from(Outer("x".parse::<u8>().unwrap_err()));
        assert_eq!(failure.to_string(), "outer: invalid digit found in string");
    }
}
