//! Tasks for people who work on this repository, as `cargo xtask <command>`.
//!
//! One file per command. No dependency outside the standard library: the gate builds in
//! seconds and has no supply chain of its own.

#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program talks")]

mod aws;
mod bench;
mod campaign;
mod conformance;
mod cost;
mod fix;
mod fuzz;
mod generated;
mod guarantees;
mod long_runs;
mod shell;
mod sim;
mod source;
mod tidy;
mod torture;
mod verify;
mod workspace;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask <command>

  verify   everything that must hold before a change is merged; changes no file
  fix      format and apply what the linter can repair
  bench    measure one workload, or the whole table: `cargo xtask bench --help`
  tidy     the repository's own rules: layers, file sizes, manifests, paths, documentation
  conformance --backend memory|sled|redis|valkey|redis-proxy|redis-partitions|redis-cluster|aws   the contract's suite over an adapter, as a table
              [--emulator fast|ministack|dynamodb-local] [--faults [--seed N]] [--record]   only for aws
  aws install [--dynamodb-local]      the emulators that tests do not bring themselves
  aws emulator [--emulator fast|ministack|dynamodb-local]   run one and say its URL
  aws main-job [--release] [arguments of the job]   the main job on an emulator, which ends with it
  aws create-hub|delete-hub aws://HUB?region=REGION   with the standard credentials
  cost --backend aws                  requests and capacity units of a step, and their price
  guarantees [--check]                what proves each guarantee, into the documents
  sim --seeds N [--from S] [--record] the deterministic simulation of the engine
  torture --backend sled|redis|aws [--kills N] [--mutations M] [--pauses P] [--server-kills K] [--seed S] [--record]
           processes killed at named points and at random, paused, stores damaged
  fuzz [--inputs N] [--seed S] [--record]   hostile bytes for every decoder
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let passed = match arguments.as_slice() {
        ["verify"] => Some(verify::run()),
        ["aws", rest @ ..] => aws::run(rest),
        ["bench", rest @ ..] => Some(bench::run(rest)),
        ["fix"] => Some(fix::run()),
        ["tidy"] => Some(tidy::run()),
        ["conformance", rest @ ..] => conformance::run(rest),
        ["cost", rest @ ..] => cost::run(rest),
        ["guarantees", rest @ ..] => guarantees::run(rest),
        ["sim", rest @ ..] => sim::run(rest),
        ["fuzz", rest @ ..] => fuzz::run(rest),
        ["torture", rest @ ..] => torture::run(rest),
        ["help" | "--help" | "-h"] => {
            print!("{USAGE}");
            Some(true)
        }
        _ => None,
    };
    if passed.is_none() {
        eprint!("{USAGE}");
    }
    if passed == Some(true) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
