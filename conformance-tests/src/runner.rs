//! From checks to tests of a test binary.

use std::panic::AssertUnwindSafe;
use std::process::ExitCode;
use std::sync::Arc;

use durable_core::env::{TokioEnv, timeout};
use futures_util::FutureExt as _;
use libtest_mimic::{Arguments, Completion, Failed, Trial};

use crate::check::{Check, Checked, Failure};
use crate::driver::Hub;
use crate::fixture::Fixture;

/// Set to 1 to make a missing server a failure instead of a skip.
pub const REQUIRE: &str = "CONFORMANCE_REQUIRE";

/// Runs the suite against an adapter, as the `main` of a test with `harness = false`.
///
/// Understands the arguments of Rust's own test runner: filters (an area such as `leases::`,
/// a check's name, a part of either), `--list`, `--exact`, `--skip`, `--test-threads`.
pub fn main(name: &str, fixture: impl Fixture) -> ExitCode {
    let arguments = Arguments::from_args();
    let fixture: Arc<dyn Fixture> = Arc::new(fixture);
    libtest_mimic::run(&arguments, trials(name, &fixture, crate::checks())).exit_code()
}

/// Whether a missing server is a failure.
fn required() -> bool {
    std::env::var_os(REQUIRE).is_some_and(|v| v == "1")
}

fn trials(name: &str, fixture: &Arc<dyn Fixture>, checks: Vec<Check>) -> Vec<Trial> {
    let unavailable =
        fixture.unavailable().map(|reason| format!("{name} is not available: {reason}"));
    let capabilities = fixture.capabilities();
    checks
        .into_iter()
        .map(|check| {
            let missing = check.need.missing(&capabilities).map(str::to_owned);
            let skip = missing.or_else(|| unavailable.clone().filter(|_| !required()));
            // nextest knows only what the listing says; Rust's own runner shows the reason.
            let listed_as_ignored = skip.is_some() && std::env::var_os("NEXTEST").is_some();
            let (fixture, unavailable) = (Arc::clone(fixture), unavailable.clone());
            Trial::ignorable_test(check.full_name(), move || match (skip, unavailable) {
                (Some(reason), _) => Ok(Completion::ignored_with(reason)),
                (None, Some(reason)) => {
                    Err(Failed::from(format!("{reason}, and {REQUIRE}=1 demands it")))
                }
                (None, None) => match run_check(&check, &*fixture) {
                    Ok(()) => Ok(Completion::Completed),
                    Err(failure) => Err(Failed::from(format!("rule {}: {failure}", check.rule))),
                },
            })
            .with_ignored_flag(listed_as_ignored)
        })
        .collect()
}

/// Runs one check on a fresh store, whatever it needs. A panic or a hang is a failure.
///
/// # Errors
/// What the check found.
pub fn run_check(check: &Check, fixture: &dyn Fixture) -> Checked {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|e| Failure::new(format!("cannot start a runtime: {e}")))?;
    let limit = fixture.timings().check_limit;
    let outcome = runtime.block_on(async {
        let checked =
            AssertUnwindSafe(async { check.run(Hub::fresh(fixture).await?).await }).catch_unwind();
        timeout(&*TokioEnv::shared(), limit, checked).await
    });
    // A stuck task of the adapter must not keep the runner from going on.
    runtime.shutdown_background();
    match outcome {
        Ok(Ok(checked)) => checked,
        Ok(Err(panic)) => Err(Failure::new(format!("panicked: {}", panic_text(&*panic)))),
        Err(_) => Err(Failure::new(format!("hangs: not finished after {limit:?}"))),
    }
}

/// Runs those of the checks that the adapter can run, one after the other; how many they were.
///
/// # Errors
/// The name of the first check that failed, and what it found.
pub fn run_checks<'a>(
    checks: impl IntoIterator<Item = &'a Check>,
    fixture: &dyn Fixture,
) -> Result<usize, String> {
    let capabilities = fixture.capabilities();
    let mut passed = 0;
    for check in checks.into_iter().filter(|check| check.need.missing(&capabilities).is_none()) {
        run_check(check, fixture).map_err(|failure| format!("{}: {failure}", check.full_name()))?;
        passed += 1;
    }
    Ok(passed)
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}
