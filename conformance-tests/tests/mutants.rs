//! Every deliberately broken adapter is found by the checks that the table names, and the
//! healthy one passes them.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;

use conformance_tests::mutants::{HEALTHY, Mutant, mutants};
use conformance_tests::{Check, checks, run_check};
use libtest_mimic::{Arguments, Failed, Trial};

fn verdict(mutant: Mutant, checks: &BTreeMap<String, Check>) -> Result<(), Failed> {
    for name in mutant.caught_by {
        let check = checks.get(*name).ok_or_else(|| format!("there is no check {name}"))?;
        run_check(check, &HEALTHY)
            .map_err(|failure| format!("{name} fails for the healthy adapter: {failure}"))?;
        if run_check(check, &mutant).is_ok() {
            return Err(format!("{name} passes, although {} is broken", mutant.name).into());
        }
    }
    if mutant.caught_by.is_empty() {
        return Err("no check is named that must find it".into());
    }
    Ok(())
}

fn main() -> ExitCode {
    let checks: Arc<BTreeMap<String, Check>> =
        Arc::new(checks().into_iter().map(|check| (check.full_name(), check)).collect());
    let trial = |mutant: Mutant| {
        let checks = Arc::clone(&checks);
        Trial::test(format!("mutant::{}", mutant.name), move || verdict(mutant, &checks))
    };
    let trials = mutants().into_iter().map(trial).collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
