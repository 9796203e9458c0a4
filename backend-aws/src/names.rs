//! The names of tables and queues.

use std::fmt::Write as _;

use durable_core::backend::{BackendError, BackendErrorKind, BackendResult};
use durable_core::ids::HubName;
use sha2::{Digest as _, Sha256};

/// Characters that SQS allows in the name of a queue; DynamoDB allows more.
const NAME_MAX: usize = 80;

/// The longest of the endings below.
const ENDING_MAX: usize = "-orchestrator".len();

/// Characters of a digest that stands for the end of a long name.
const DIGEST: usize = 32;

/// What a hub consists of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HubNames {
    pub(crate) table: String,
    pub(crate) orchestrator: String,
    pub(crate) worker: String,
    pub(crate) tracking: String,
}

impl HubNames {
    /// Different hubs have different names, also those that differ only in capitals, and also where
    /// somebody does not tell capitals from small letters, as some emulators and file systems.
    pub(crate) fn new(prefix: &str, hub: &HubName) -> Self {
        let base = base(prefix, hub);
        Self {
            table: format!("{base}-store"),
            orchestrator: format!("{base}-orchestrator"),
            worker: format!("{base}-worker"),
            tracking: format!("{base}-tracking"),
        }
    }

    pub(crate) fn queues(&self) -> [&str; 3] {
        [&self.orchestrator, &self.worker, &self.tracking]
    }
}

/// Small letters and digits stand as they are, everything else as `_` and two digits. What gets too
/// long ends in `__` and a digest, which nothing shorter holds.
fn base(prefix: &str, hub: &HubName) -> String {
    let mut name = prefix.to_owned();
    for byte in hub.as_str().bytes() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' => name.push(char::from(byte)),
            other => {
                // Writing to a string cannot fail.
                let _ = write!(name, "_{other:02x}");
            }
        }
    }
    if name.len() > NAME_MAX - ENDING_MAX {
        let digest = Sha256::digest(name.as_bytes());
        name.truncate(NAME_MAX - ENDING_MAX - DIGEST - 2);
        name.push_str("__");
        for byte in digest.iter().take(DIGEST / 2) {
            let _ = write!(name, "{byte:02x}");
        }
    }
    name
}

/// Refuses a prefix that could make names of two stores the same, or none at all.
pub(crate) fn check_prefix(prefix: &str) -> BackendResult<()> {
    let good = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if prefix.len() <= 40 && prefix.chars().all(good) {
        return Ok(());
    }
    let text = "the prefix may hold letters, digits and `-` only, at most 40 of them";
    Err(BackendError::new(BackendErrorKind::Invalid, "connect", text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(hub: &str) -> HubNames {
        HubNames::new("", &HubName::new(hub).unwrap())
    }

    #[test]
    fn different_hubs_have_different_names_that_both_services_take() {
        let long = "x".repeat(64);
        let (longer, capital) = (format!("{}y", "x".repeat(63)), "X".repeat(64));
        let umlauts = "\u{e4}".repeat(32);
        let hubs = [
            "a", "A", "a-store", "a b", "a_20b", "a.b", "\u{e9}", "_", "__", &long, &longer,
            &capital, &umlauts,
        ];
        let mut seen = std::collections::BTreeSet::new();
        for hub in hubs {
            let all = names(hub);
            for name in all.queues().into_iter().chain([all.table.as_str()]) {
                assert!(seen.insert(name.to_lowercase()), "{name} is there twice");
                assert!((3..=NAME_MAX).contains(&name.len()), "{name}");
                let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
                assert!(name.chars().all(good), "{name}");
            }
        }
        assert_eq!(names("default").worker, "default-worker");
    }

    #[test]
    fn a_prefix_that_is_no_name_is_refused() {
        assert!(check_prefix("app-1-").is_ok());
        assert!(check_prefix("a_b").is_err() && check_prefix(&"x".repeat(41)).is_err());
    }
}
