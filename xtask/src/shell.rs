//! Running other programs, visibly.

use std::process::{Command, Stdio};

use crate::workspace;

/// Runs `cargo` in the workspace root; whether it succeeded.
pub(crate) fn cargo(arguments: &[&str], variables: &[(&str, &str)]) -> bool {
    let settings: String =
        variables.iter().map(|(name, value)| format!("{name}='{value}' ")).collect();
    println!("\n$ {settings}cargo {}", arguments.join(" "));
    let status = Command::new(program())
        .args(arguments)
        .envs(variables.iter().copied())
        .current_dir(workspace::root())
        .status();
    match status {
        Ok(status) => status.success(),
        Err(error) => {
            eprintln!("cargo did not start: {error}");
            false
        }
    }
}

/// Whether `cargo <subcommand>` is installed here.
pub(crate) fn has_cargo(subcommand: &str) -> bool {
    Command::new(program())
        .args([subcommand, "--version"])
        .current_dir(workspace::root())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// The cargo that runs this task, so that a chosen toolchain stays chosen.
fn program() -> String {
    std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned())
}
