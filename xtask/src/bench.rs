//! `cargo xtask bench`: the benchmarks, built as they should be measured.

use crate::shell::cargo;

/// Passes everything on to the program of the crate `benchmarks`.
pub(crate) fn run(arguments: &[&str]) -> bool {
    let program = ["run", "--release", "--package", "benchmarks", "--"];
    cargo(&[&program, arguments].concat(), &[])
}
