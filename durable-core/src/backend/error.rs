//! Errors of a store: what kind, whether it happened, and what to do.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

/// The result of a backend call.
pub type BackendResult<T> = Result<T, BackendError>;

/// What kind of trouble a store has. A kind exists only where the caller does something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BackendErrorKind {
    /// Cannot be reached or is starting: try again.
    Unavailable,
    /// Too much load: try again, slower.
    Throttled,
    /// No space left: stop taking work until there is.
    StorageFull,
    /// Stored data is damaged; the context names it. Other instances go on.
    Corrupt,
    /// The request is wrong, or over a limit of this store: do not repeat it.
    Invalid,
    /// The store belongs to another format version or another application.
    Incompatible,
    /// Another process holds the store.
    InUse,
    /// Credentials or rights are missing.
    Denied,
    /// The backend was closed.
    Closed,
    /// A bug in the adapter.
    Internal,
}

/// Whether the failed request took effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Applied {
    /// Certainly not.
    NotApplied,
    /// Nobody knows, e.g. the answer was lost. Repeating the same request is safe.
    Unknown,
}

/// What to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Retry {
    /// The same request may succeed after this long.
    After(Duration),
    /// It will not succeed by repetition.
    Never,
}

/// An error of a store.
pub struct BackendError {
    inner: Box<Inner>,
}

struct Inner {
    kind: BackendErrorKind,
    applied: Applied,
    retry: Retry,
    operation: &'static str,
    context: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl BackendError {
    /// An error of `kind` in `operation`; the context says what to do, in plain words.
    /// Starts as not applied, with the kind's usual retry advice.
    pub fn new(
        kind: BackendErrorKind,
        operation: &'static str,
        context: impl Into<String>,
    ) -> Self {
        let retry = match kind {
            BackendErrorKind::Unavailable => Retry::After(Duration::from_millis(100)),
            BackendErrorKind::Throttled => Retry::After(Duration::from_millis(500)),
            BackendErrorKind::StorageFull => Retry::After(Duration::from_secs(5)),
            _ => Retry::Never,
        };
        let context = context.into();
        Self {
            inner: Box::new(Inner {
                kind,
                applied: Applied::NotApplied,
                retry,
                operation,
                context,
                source: None,
            }),
        }
    }

    /// Says that nobody knows whether the request took effect.
    #[must_use]
    pub fn unknown(mut self) -> Self {
        self.inner.applied = Applied::Unknown;
        self
    }

    /// Replaces the retry advice.
    #[must_use]
    pub fn retry(mut self, retry: Retry) -> Self {
        self.inner.retry = retry;
        self
    }

    /// Adds the cause.
    #[must_use]
    pub fn source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.inner.source = Some(source.into());
        self
    }

    /// What kind of trouble.
    pub fn kind(&self) -> BackendErrorKind {
        self.inner.kind
    }

    /// Whether it took effect.
    pub fn applied(&self) -> Applied {
        self.inner.applied
    }

    /// What to do.
    pub fn advice(&self) -> Retry {
        self.inner.retry
    }

    /// The verb that failed.
    pub fn operation(&self) -> &'static str {
        self.inner.operation
    }

    /// What it was about, and what to do.
    pub fn context(&self) -> &str {
        &self.inner.context
    }
}

/// In one line, with what decides on repeating the request.
impl fmt::Debug for BackendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self} [{:?}, retry {:?}]", self.applied(), self.advice())
    }
}

impl fmt::Display for BackendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let i = &self.inner;
        write!(f, "{} failed ({:?}): {}", i.operation, i.kind, i.context)
    }
}

impl StdError for BackendError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.inner.source.as_deref().map(|s| s as &(dyn StdError + 'static))
    }
}
