//! Named places where a test has the process die, to see what is found afterwards.
//!
//! Without the feature `crash-points` they are nothing.

/// Every place, in the order in which a group, a checkpoint and an opening come by them.
#[cfg(feature = "crash-points")]
pub const CRASH_POINTS: [&str; 12] = [
    "a group is about to be written",
    "a group is written in part",
    "a group is written and not flushed",
    "a group is flushed and not noted",
    "a group is noted and not announced",
    "rows are about to be written",
    "rows are written and still in memory",
    "all rows are written and the log is not cut",
    "the log is cut in part",
    "rows are read",
    "a superfluous group is removed",
    "the log is replayed",
];

/// Aborts here when the variable `CRASH_POINT` says so: `<n>:<name>` for the n-th time.
#[cfg(feature = "crash-points")]
pub(crate) fn crash_point(name: &str) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static WANTED: OnceLock<Option<(u64, String)>> = OnceLock::new();
    static PASSED: AtomicU64 = AtomicU64::new(0);
    debug_assert!(CRASH_POINTS.contains(&name), "{name} is not in the list");
    let wanted = WANTED.get_or_init(|| {
        let text = std::env::var("CRASH_POINT").ok()?;
        let (n, name) = text.split_once(':')?;
        Some((n.parse().ok()?, name.to_owned()))
    });
    if let Some((n, wanted)) = wanted
        && wanted == name
        && PASSED.fetch_add(1, Ordering::Relaxed) + 1 == *n
    {
        std::process::abort();
    }
}

/// Nothing.
#[cfg(not(feature = "crash-points"))]
pub(crate) fn crash_point(_: &str) {}
