//! The error of clients and workers.

use std::error::Error as StdError;
use std::fmt;

use crate::backend::{BackendError, BackendErrorKind, Retry};
use crate::ids::InvalidId;
use crate::model::Failure;
use crate::payload::ConvertError;
use crate::replay::UserError;

/// What kind of trouble. A kind exists only where the caller does something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// An argument is wrong: correct it.
    InvalidArgument,
    /// There is no such instance.
    NotFound,
    /// The instance id is taken.
    AlreadyExists,
    /// The instance has ended, so it takes no more messages.
    Ended,
    /// Something is full: try again later.
    Busy,
    /// The wait was given up; the instance goes on.
    TimedOut,
    /// The orchestration ended with a failure; see [`Error::failure`].
    OrchestrationFailed,
    /// A stored value is of another type than asked for.
    Conversion,
    /// The store failed; see [`Error::backend`].
    Backend,
}

/// An error of a client or worker.
pub struct Error {
    inner: Box<Inner>,
}

struct Inner {
    kind: ErrorKind,
    context: String,
    failure: Option<Failure>,
    backend: Option<BackendError>,
}

impl Error {
    /// An error of a kind; the context says what it was about and what to do.
    pub fn new(kind: ErrorKind, context: impl Into<String>) -> Self {
        Self {
            inner: Box::new(Inner { kind, context: context.into(), failure: None, backend: None }),
        }
    }

    pub(crate) fn failed(context: String, failure: Failure) -> Self {
        let mut error = Self::new(ErrorKind::OrchestrationFailed, context);
        error.inner.failure = Some(failure);
        error
    }

    /// What kind of trouble.
    pub fn kind(&self) -> ErrorKind {
        self.inner.kind
    }

    /// The failure the orchestration ended with.
    pub fn failure(&self) -> Option<&Failure> {
        self.inner.failure.as_ref()
    }

    /// The orchestration's own error value, if it failed with one of this type.
    pub fn application<E: UserError>(&self) -> Option<E> {
        self.failure().and_then(E::from_failure)
    }

    /// The store's error.
    pub fn backend(&self) -> Option<&BackendError> {
        self.inner.backend.as_ref()
    }

    /// Whether the same call may succeed later.
    pub fn is_retryable(&self) -> bool {
        match self.kind() {
            ErrorKind::Busy | ErrorKind::TimedOut => true,
            ErrorKind::Backend => {
                self.backend().is_some_and(|b| matches!(b.advice(), Retry::After(_)))
            }
            _ => false,
        }
    }
}

/// In one line for people: it is what a `main` that returns it shows.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {self}", self.kind())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.inner.context)?;
        if let Some(failure) = &self.inner.failure {
            write!(f, ": {failure}")?;
        }
        if let Some(backend) = &self.inner.backend {
            write!(f, "{backend}")?;
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.inner.backend.as_ref().and_then(|b| b.source())
    }
}

impl From<BackendError> for Error {
    fn from(backend: BackendError) -> Self {
        let kind = match backend.kind() {
            BackendErrorKind::Invalid => ErrorKind::InvalidArgument,
            _ => ErrorKind::Backend,
        };
        let mut error = Self::new(kind, "");
        error.inner.backend = Some(backend);
        error
    }
}

impl From<InvalidId> for Error {
    fn from(error: InvalidId) -> Self {
        Self::new(ErrorKind::InvalidArgument, error.to_string())
    }
}

impl From<ConvertError> for Error {
    fn from(error: ConvertError) -> Self {
        Self::new(ErrorKind::Conversion, error.to_string())
    }
}
