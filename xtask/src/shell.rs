//! Running other programs, visibly.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

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

/// Runs `cargo` in the workspace root and keeps what it writes to its standard output, which is
/// not shown; whether it succeeded, and the text.
pub(crate) fn cargo_output(
    arguments: &[&str],
    variables: &[(&str, &str)],
) -> Option<(bool, String)> {
    let settings: String =
        variables.iter().map(|(name, value)| format!("{name}='{value}' ")).collect();
    println!("\n$ {settings}cargo {}", arguments.join(" "));
    let output = Command::new(program())
        .args(arguments)
        .envs(variables.iter().copied())
        .current_dir(workspace::root())
        .stderr(Stdio::inherit())
        .output();
    match output {
        Ok(output) => {
            Some((output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned()))
        }
        Err(error) => {
            eprintln!("cargo did not start: {error}");
            None
        }
    }
}

/// Runs `cargo` in the workspace root, shows what it writes to its standard output line by line,
/// and gives each line to `hear`; whether it succeeded.
pub(crate) fn cargo_lines(
    arguments: &[&str],
    variables: &[(&str, &str)],
    mut hear: impl FnMut(&str),
) -> bool {
    let settings: String =
        variables.iter().map(|(name, value)| format!("{name}='{value}' ")).collect();
    println!("\n$ {settings}cargo {}", arguments.join(" "));
    let child = Command::new(program())
        .args(arguments)
        .envs(variables.iter().copied())
        .current_dir(workspace::root())
        .stdout(Stdio::piped())
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) => {
            eprintln!("cargo did not start: {error}");
            return false;
        }
    };
    for line in child.stdout.take().into_iter().flat_map(|out| BufReader::new(out).lines()) {
        let Ok(line) = line else { break };
        println!("{line}");
        hear(&line);
    }
    child.wait().is_ok_and(|status| status.success())
}

/// Starts `cargo` in the workspace root, with pipes to its input and from its standard output.
pub(crate) fn cargo_child(arguments: &[&str]) -> Option<Child> {
    println!("\n$ cargo {}", arguments.join(" "));
    let child = Command::new(program())
        .args(arguments)
        .current_dir(workspace::root())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    child.map_err(|error| eprintln!("cargo did not start: {error}")).ok()
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
