//! `cargo xtask fix`: what a machine can repair.

use crate::shell::cargo;

/// Applies the linter's suggestions, then formats; whether both worked.
pub(crate) fn run() -> bool {
    let lint = ["clippy", "--workspace", "--all-targets", "--all-features"];
    let how = ["--fix", "--allow-dirty", "--allow-staged"];
    cargo(&[lint.as_slice(), how.as_slice()].concat(), &[]) && cargo(&["fmt", "--all"], &[])
}
