//! The shared suite but for most of its scenarios and faults, as part of every run; and those of its
//! areas that change instances once more while requests go wrong. `conformance` is the whole.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod connector;
mod emulator;
mod suite;

use std::sync::{Arc, Mutex};

use conformance_tests::{Check, Fixture, checks, run_check};
use connector::{Faults, Plan};

/// Checks that run at a time: most of them wait most of the time.
const AT_ONCE: usize = 4;

/// Of the faults.
const SEED: u64 = 1;

fn run(name: &str, chosen: impl Fn(&Check) -> bool) {
    run_with(None, name, chosen);
}

fn run_with(faults: Option<Arc<Faults>>, name: &str, chosen: impl Fn(&Check) -> bool) {
    // What a dropped call has begun must come to its end before the check looks.
    let at_once = if name == "cancel_safety" { 1 } else { AT_ONCE };
    let fixture = suite::of_emulator(faults);
    let capabilities = fixture.capabilities();
    let wanted = |check: &Check| chosen(check) && check.need.missing(&capabilities).is_none();
    let left: Mutex<Vec<Check>> = Mutex::new(checks().into_iter().filter(wanted).collect());
    let count = left.lock().unwrap().len();
    assert!(count > 0, "there is no check of {name}");
    let failed = Mutex::new(Vec::new());
    let next = || left.lock().unwrap().pop();
    let work = || {
        while let Some(check) = next() {
            if let Err(failure) = run_check(&check, &fixture as &dyn Fixture) {
                failed.lock().unwrap().push(format!("{}: {failure}", check.full_name()));
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(work);
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{} of {count} failed: {failed:#?}", failed.len());
}

/// Scenarios in the mode that workers use by themselves.
const SCENARIOS: [&str; 9] = [
    "s01_an_orchestration_returns_its_input",
    "s02_an_activity_returns_a_value",
    "s03_a_sequence_runs_each_activity_once",
    "s05_a_fan_out_keeps_its_order",
    "s05_two_fan_outs_follow_each_other",
    "s08_ids_and_times_are_the_same_at_replay",
    "s09_many_instances_wait_at_once",
    "s12_a_custom_status_is_visible_while_running_and_afterwards",
    "s07_two_hundred_activities_at_once_sum_up",
];

#[test]
fn whole_orchestrations_run() {
    run("scenarios", |check| {
        let of = |(name, mode): (&str, &str)| mode == "sticky" && SCENARIOS.contains(&name);
        check.area == "scenarios" && check.name.split_once("::").is_some_and(of)
    });
}

#[test]
fn instances_change_once_while_requests_go_wrong() {
    const AREAS: [&str; 5] = ["turn_commit", "activity_commit", "leases", "dedupe", "reuse"];
    let faults = suite::faults(SEED);
    run_with(Some(faults.clone()), "changes", |check| AREAS.contains(&check.area));
    println!("seed {SEED}: {}", suite::summary(&faults));
    assert!(faults.injected().len() > 20, "nearly nothing went wrong");
}

#[test]
#[ignore = "refusals after lost answers use up the SDK's budget now and then: run by hand"]
fn verbs_say_what_they_did_when_every_answer_to_a_write_is_lost() {
    const AREAS: [&str; 3] = ["activity_commit", "purge", "reuse"];
    const ALSO: &str = "an_inbox_that_was_read_accepts_again";
    // More requests made again at a time than the SDK has a budget for.
    const NOT: &str = "many_instances_are_purged_in_one_batch";
    let faults = Faults::new(Plan::EachAnswerLost);
    run_with(Some(faults.clone()), "verbs", |check| {
        let gives_back = check.name.contains("abandon") && check.area != "cancel_safety";
        (AREAS.contains(&check.area) || gives_back || check.name == ALSO) && check.name != NOT
    });
    println!("{}", suite::summary(&faults));
    assert!(faults.injected().len() > 1_000, "nearly nothing was lost");
}

/// One test for each area.
macro_rules! areas {
    ($($area:ident),+ $(,)?) => {
        $(#[test]
        fn $area() {
            run(stringify!($area), |check| check.area == stringify!($area));
        })+

        #[test]
        fn no_area_is_left_out() {
            let here = [$(stringify!($area)),+, "scenarios", "faults"];
            let all: std::collections::BTreeSet<_> = checks().iter().map(|c| c.area).collect();
            let left: Vec<_> = all.iter().filter(|area| !here.contains(area)).collect();
            assert!(left.is_empty(), "{left:?} run nowhere");
        }
    };
}

areas![
    activity_commit,
    activity_queue,
    cancel_safety,
    concurrency,
    dedupe,
    durability,
    errors,
    foreign_hubs,
    generations,
    handles,
    history_store,
    holds,
    hostile_ids,
    hostile_payloads,
    leases,
    limits,
    model,
    orchestration_queue,
    ordering,
    paging,
    placeholders,
    purge,
    reuse,
    timers,
    tracking_queue,
    turn_commit,
    watch,
];
