//! `cargo xtask fuzz [--inputs N] [--seed S] [--record]`: hostile bytes for every decoder, for as
//! long as you like.

use crate::campaign::{self, Options};

/// Package, what to build of it, and which of its tests. To add an adapter, add a row, and the
/// kind of its summary to the record.
const TARGETS: [(&str, &[&str], &str); 3] = [
    ("conformance-tests", &["--test", "fuzz"], "hostile_bytes"),
    ("backend-sled", &["--lib"], "hostile_bytes"),
    ("backend-redis", &["--lib"], "hostile_bytes"),
];

/// Runs it; `None` when the arguments make no sense, else whether every decoder held.
pub(crate) fn run(arguments: &[&str]) -> Option<bool> {
    let options = Options::parse(arguments, &["inputs", "seed"])?;
    let mut variables = vec![("FUZZ_INPUTS", options.number("inputs", 100_000)?.to_string())];
    if options.text("seed").is_some() {
        variables.push(("FUZZ_SEED", options.number("seed", 0)?.to_string()));
    }
    let mut passed = true;
    for (package, what, filter) in TARGETS {
        let mut words = vec!["test", "--release", "--package", package];
        words.extend(what);
        words.extend(["--", filter, "--nocapture"]);
        passed &= campaign::run(&words, &variables, options.record);
    }
    Some(passed)
}
