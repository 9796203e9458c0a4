//! `cargo xtask bench`: the benchmarks, built as they should be measured.

use crate::shell::cargo;

/// The peers' workspaces; each has a target folder of its own.
const PEERS: [&str; 2] = ["benchmarks/peers/Cargo.toml", "benchmarks/peers/durust/Cargo.toml"];

/// Passes everything on to the program of the crate `benchmarks`, and builds the peers first if
/// they are wanted. One that does not build is skipped there, visibly.
pub(crate) fn run(arguments: &[&str]) -> bool {
    if arguments.contains(&"--peers") {
        for manifest in PEERS {
            cargo(&["build", "--release", "--manifest-path", manifest], &[]);
        }
    }
    let program = ["run", "--release", "--package", "benchmarks", "--"];
    cargo(&[&program, arguments].concat(), &[])
}
