//! From sled's errors to the contract's.

use std::io;

use durable_core::backend::sealed::Damaged;
use durable_core::backend::{BackendError, BackendErrorKind, Retry};

/// The contract's error for one of sled's.
pub(crate) fn from_sled(operation: &'static str, error: sled::Error) -> BackendError {
    let (kind, text) = match &error {
        sled::Error::Io(e) if is_full(e) => (
            BackendErrorKind::StorageFull,
            "the disk is full (DT0009): free space and restart this program; nothing acknowledged is lost",
        ),
        sled::Error::Io(e) if is_locked(e) => (
            BackendErrorKind::InUse,
            "another process has this store open (DT0010): stop it, or give this one a folder of its own; or this process had an error of the disk: restart it",
        ),
        // A file that ends too early.
        sled::Error::Io(e) if e.kind() == io::ErrorKind::UnexpectedEof => (
            BackendErrorKind::Corrupt,
            "the store is damaged (DT0008): restore the folder from a backup",
        ),
        sled::Error::Io(_) => (
            BackendErrorKind::Unavailable,
            "the disk reported an error: mend it and restart this program; nothing acknowledged is lost",
        ),
        sled::Error::Corruption { .. } => (
            BackendErrorKind::Corrupt,
            "the store is damaged (DT0008): restore the folder from a backup",
        ),
        sled::Error::Unsupported(_) => {
            (BackendErrorKind::Incompatible, "the store was written by another version of sled")
        }
        _ => (BackendErrorKind::Internal, "sled reported an error"),
    };
    // sled takes no more writes after an error of the disk, and what the system still holds in
    // memory cannot be trusted then: only opening again tells what is safe.
    let text = format!("{text}: {error}");
    BackendError::new(kind, operation, text).retry(Retry::Never).source(error)
}

fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}

fn is_locked(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
        || error.to_string().contains("could not acquire lock")
}

/// The contract's error for a damaged value.
pub(crate) fn damaged(operation: &'static str, what: &str, why: &Damaged) -> BackendError {
    let text = format!("{what} is damaged (DT0008): {}; restore the folder from a backup", why.0);
    BackendError::new(BackendErrorKind::Corrupt, operation, text)
}
