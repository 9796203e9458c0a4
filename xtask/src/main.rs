//! Tasks for people who work on this repository: `cargo xtask verify`, `cargo xtask fix`.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program")]

use std::process::{Command, ExitCode};

/// Runs a command and says so; `false` when it fails.
fn run(program: &str, args: &[&str], env: &[(&str, &str)]) -> bool {
    println!("$ {program} {}", args.join(" "));
    let mut command = Command::new(program);
    command.args(args).envs(env.iter().copied());
    match command.status() {
        Ok(status) => status.success(),
        Err(error) => {
            eprintln!("{program}: {error}");
            false
        }
    }
}

fn verify() -> bool {
    run("cargo", &["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"], &[])
        && run("cargo", &["doc", "--workspace", "--no-deps", "--quiet"], &[("RUSTDOCFLAGS", "-D warnings")])
        && run("cargo", &["test", "--workspace", "--quiet", "--doc"], &[])
        && run("cargo", &["test", "--workspace", "--all-targets"], &[])
}

fn fix() -> bool {
    run("cargo", &["clippy", "--workspace", "--all-targets", "--fix", "--allow-dirty", "--quiet"], &[])
        && run("cargo", &["fmt", "--all"], &[])
}

fn main() -> ExitCode {
    let task = std::env::args().nth(1).unwrap_or_default();
    let done = match task.as_str() {
        "verify" => verify(),
        "fix" => fix(),
        _ => {
            eprintln!("usage: cargo xtask verify|fix");
            false
        }
    };
    if done { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
