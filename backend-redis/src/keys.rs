//! Where keys begin. What follows is in the scripts; `DESIGN.md` lists all keys.

use std::fmt::Write as _;

use durable_core::backend::{BackendError, BackendErrorKind, BackendResult};
use durable_core::ids::HubName;

/// The start of all keys of one partition of a hub: prefix, and the hash tag that keeps them on
/// one server of a cluster.
///
/// Different hubs have different starts, and no start is the beginning of another one: the
/// prefix holds no brace, and in the tag all but letters, digits, `_` and `.` is escaped.
pub(crate) fn base(prefix: &str, hub: &HubName, partition: u16) -> Vec<u8> {
    let mut tag = String::new();
    for byte in hub.as_str().bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'.' => tag.push(char::from(byte)),
            other => {
                // Writing to a string cannot fail.
                let _ = write!(tag, "%{other:02x}");
            }
        }
    }
    format!("{prefix}{{{tag}-{partition}}}:").into_bytes()
}

/// Refuses a prefix that could make keys of two stores the same.
pub(crate) fn check_prefix(prefix: &str) -> BackendResult<()> {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '.' | '_' | '-');
    if prefix.len() <= 128 && prefix.chars().all(good) {
        return Ok(());
    }
    let text = "the prefix may hold letters, digits and `:._-` only, at most 128 of them";
    Err(BackendError::new(BackendErrorKind::Invalid, "connect", text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_start_of_keys_is_the_beginning_of_another() {
        let hubs = ["a", "A", "a-0", "a}", "{a", "a%7d", "a b", "a%20b", "\u{e9}", "a-0}:"];
        let bases: Vec<_> = hubs.iter().map(|h| base("p:", &HubName::new(h).unwrap(), 0)).collect();
        for (i, one) in bases.iter().enumerate() {
            for (j, two) in bases.iter().enumerate() {
                assert!(i == j || !two.starts_with(one), "{} and {}", hubs[i], hubs[j]);
            }
        }
        assert_eq!(base("durable:", &HubName::default(), 0), b"durable:{default-0}:");
    }

    #[test]
    fn a_prefix_with_braces_is_refused() {
        assert!(check_prefix("app:1.x_y-").is_ok());
        assert!(check_prefix("a{b").is_err());
    }
}
