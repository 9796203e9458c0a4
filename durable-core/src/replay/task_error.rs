//! Errors of activities and children, as the caller sees them.

use std::any::Any;
use std::fmt::{self, Display};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::model::{Failure, FailureKind};
use crate::payload::{decode, encode};

/// What may be the error type of an activity or orchestration: a value that can be stored
/// and shown. Implemented for every such type; [`Failure`] is the simplest one.
pub trait UserError: Serialize + DeserializeOwned + Display + Send + Sync + 'static {
    /// As a failure for history. A [`Failure`] stays what it is.
    fn into_failure(self) -> Failure;

    /// Back from history; `None` when the failure is not this type's.
    fn from_failure(failure: &Failure) -> Option<Self>;
}

impl<E: Serialize + DeserializeOwned + Display + Send + Sync + 'static> UserError for E {
    fn into_failure(self) -> Failure {
        if let Some(failure) = (&self as &dyn Any).downcast_ref::<Failure>() {
            return failure.clone();
        }
        let failure = Failure::new(self.to_string());
        match encode(&self) {
            Ok(details) => failure.with_details(details),
            Err(_) => failure,
        }
    }

    fn from_failure(failure: &Failure) -> Option<Self> {
        if failure.kind() != FailureKind::Application {
            return None;
        }
        let own: Box<dyn Any> = Box::new(failure.clone());
        match own.downcast::<Self>() {
            Ok(same) => Some(*same),
            Err(_) => failure.details().and_then(|details| decode(details).ok()),
        }
    }
}

/// Why an activity or child did not return a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum TaskError<E> {
    /// It returned this error.
    Application(E),
    /// Anything else: a panic, a time-out, a termination, a name nobody serves.
    Engine(Failure),
}

impl<E: UserError> TaskError<E> {
    pub(crate) fn from_failure(failure: Failure) -> Self {
        match E::from_failure(&failure) {
            Some(error) => Self::Application(error),
            None => Self::Engine(failure),
        }
    }

    /// The task's own error, if it returned one.
    pub fn application(&self) -> Option<&E> {
        match self {
            Self::Application(error) => Some(error),
            Self::Engine(_) => None,
        }
    }

    /// What kind of failure it is.
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::Application(_) => FailureKind::Application,
            Self::Engine(failure) => failure.kind(),
        }
    }
}

impl<E: Display> Display for TaskError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Application(error) => error.fmt(f),
            Self::Engine(failure) => failure.fmt(f),
        }
    }
}

impl<E: UserError> From<TaskError<E>> for Failure {
    fn from(error: TaskError<E>) -> Self {
        match error {
            TaskError::Application(error) => error.into_failure(),
            TaskError::Engine(failure) => failure,
        }
    }
}
