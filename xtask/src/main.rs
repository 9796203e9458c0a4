//! Tasks for people who work on this repository, as `cargo xtask <command>`.
//!
//! One file per command. No dependency outside the standard library: the gate builds in
//! seconds and has no supply chain of its own.

#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program talks")]

mod bench;
mod fix;
mod shell;
mod source;
mod tidy;
mod verify;
mod workspace;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask <command>

  verify   everything that must hold before a change is merged; changes no file
  fix      format and apply what the linter can repair
  bench    measure one workload, or the whole table: `cargo xtask bench --help`
  tidy     the repository's own rules: layers, file sizes, manifests, paths, documentation
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let passed = match arguments.as_slice() {
        ["verify"] => verify::run(),
        ["bench", rest @ ..] => bench::run(rest),
        ["fix"] => fix::run(),
        ["tidy"] => tidy::run(),
        ["help" | "--help" | "-h"] => {
            print!("{USAGE}");
            true
        }
        _ => {
            eprint!("{USAGE}");
            false
        }
    };
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
