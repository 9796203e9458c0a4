//! The simulation finds the bugs that an engine might have, each by the promise it breaks.

#![allow(clippy::print_stdout, reason = "tells which seed found what")]

use std::process::ExitCode;

use conformance_tests::sim::{EngineBug, campaign, engine_bugs};
use libtest_mimic::{Arguments, Failed, Trial};

/// A bug that this many seeds do not find would not be found.
const SEEDS: u64 = 200;

fn verdict(bug: EngineBug) -> Result<(), Failed> {
    let findings = campaign(0, SEEDS, 1, Some(bug));
    let Some((seed, violation)) = findings.violations.first() else {
        return Err(format!("{SEEDS} seeds have not found it").into());
    };
    println!("{} found by seed {seed}: {}: {}", bug.name, violation.invariant, violation.text);
    if bug.caught_by.contains(&violation.invariant) {
        return Ok(());
    }
    let text = format!("seed {seed} found it by \"{}\": {}", violation.invariant, violation.text);
    Err(format!("{text}; expected was one of {:?}", bug.caught_by).into())
}

fn main() -> ExitCode {
    let trial =
        |bug: EngineBug| Trial::test(format!("engine_bug::{}", bug.name), move || verdict(bug));
    let trials = engine_bugs().into_iter().map(trial).collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
