//! The heart of the shared suite, as part of every run; `conformance` is the whole.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod emulator;
mod suite;

use conformance_tests::{Fixture as _, checks, run_check};

fn area(name: &str) {
    let fixture = suite::of_emulator();
    let capabilities = fixture.capabilities();
    let checks = checks().into_iter().filter(|c| c.area == name);
    let mut failed = Vec::new();
    let mut passed = 0;
    for check in checks.filter(|c| c.need.missing(&capabilities).is_none()) {
        match run_check(&check, &fixture) {
            Ok(()) => passed += 1,
            Err(failure) => failed.push(format!("{}: {failure}", check.full_name())),
        }
    }
    assert!(failed.is_empty() && passed > 0, "{passed} passed, failed: {failed:#?}");
}

#[test]
fn turns_are_committed_wholly_or_not_at_all() {
    area("turn_commit");
}

#[test]
fn activities_are_completed_once() {
    area("activity_commit");
}

#[test]
fn dropped_calls_do_no_harm() {
    area("cancel_safety");
}
