//! Mistakes that the compiler finds, with what it says: the text is part of the interface.
//!
//! `TRYBUILD=overwrite cargo test -p durable --test ui` writes the expectations anew.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
#![allow(clippy::print_stderr, reason = "a skipped part must be seen")]

use std::process::Command;

/// The compiler whose own words are written down in `ui/compiler`.
const COMPILER: &str = "rustc 1.95.";

#[test]
fn mistakes_are_compile_errors_that_say_what_to_do() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/*.rs");
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = Command::new(rustc).arg("--version").output().unwrap().stdout;
    let version = String::from_utf8(version).unwrap();
    if version.starts_with(COMPILER) {
        cases.compile_fail("tests/ui/compiler/*.rs");
    } else {
        eprintln!("skipped: the words of {COMPILER}* are known, this is {version}");
    }
}
