//! Over a backend that does nothing every check fails, but for a few that say why not.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::collections::BTreeSet;
use std::sync::Mutex;

use conformance_tests::hollow::Hollow;
use conformance_tests::{Check, checks, run_check};

/// Most of the time of a check here is waiting.
const THREADS: usize = 16;

/// Hold for whatever answers at all: what was not asked has no answer, and what a backend says of
/// itself it may say without doing anything.
const BY_NATURE: [&str; 10] = [
    "activity_commit::an_empty_batch_has_no_answers",
    "errors::capabilities_are_those_of_the_fixture",
    "foreign_hubs::a_hub_knows_its_name",
    "history_store::an_empty_batch_of_records_has_no_answers",
    "leases::empty_batches_have_no_answers",
    "orchestration_queue::an_empty_batch_of_creations_has_no_answers",
    "orchestration_queue::an_empty_batch_of_messages_has_no_answers",
    "purge::an_empty_batch_has_no_answers",
    "tracking_queue::an_empty_batch_has_no_answers",
    "turn_commit::an_empty_batch_has_no_answers",
];

/// About an empty hub, which a backend that stores nothing is: nothing to read, nothing to list,
/// nothing to hand out, and a wait that ends with nothing.
const OF_AN_EMPTY_HUB: [&str; 16] = [
    "activity_queue::a_wait_without_work_ends_empty_when_it_has_passed",
    "activity_queue::a_zero_wait_answers_at_once",
    "history_store::an_absent_instance_has_an_empty_history",
    "history_store::an_absent_instance_has_no_executions",
    "history_store::an_absent_instance_has_no_record",
    "orchestration_queue::a_wait_without_work_does_not_end_before_its_time",
    "orchestration_queue::a_wait_without_work_ends_empty_when_it_has_passed",
    "orchestration_queue::a_zero_wait_answers_at_once",
    "paging::an_empty_hub_lists_nothing",
    "tracking_queue::a_wait_without_work_ends_empty_when_it_has_passed",
    "tracking_queue::a_zero_wait_answers_at_once",
    "watch::a_wait_ends_with_none_when_it_has_passed",
    "watch::a_zero_wait_answers_at_once",
    "watch::an_absent_instance_has_no_end",
    "watch::an_absent_instance_is_not_answered",
    // Refused by the client, before the store is asked.
    "scenarios::s66_an_input_over_the_limit_is_refused",
];

/// True of a hub whose every write is agreed to.
const WHEN_IT_AGREES: [&str; 1] = ["errors::closing_twice_does_no_harm"];

/// True of a hub in which nobody is.
const WHEN_IT_DENIES: [&str; 3] = [
    "orchestration_queue::a_message_to_an_absent_instance_is_refused",
    "purge::an_absent_instance_is_answered_as_absent",
    "scenarios::s26_an_event_for_nobody_is_refused",
];

fn passing(how: Hollow) -> BTreeSet<String> {
    let (todo, passed) = (Mutex::new(checks()), Mutex::new(BTreeSet::new()));
    let work = || {
        let next = || todo.lock().unwrap().pop();
        while let Some(check) = next() {
            if run_check(&check, &how).is_ok() {
                passed.lock().unwrap().insert(name_in_every_mode(&check));
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            std::thread::Builder::new().spawn_scoped(scope, work).unwrap();
        }
    });
    passed.into_inner().unwrap()
}

/// Scenarios without their settings.
fn name_in_every_mode(check: &Check) -> String {
    let name = check.full_name();
    name.split("::").take(2).collect::<Vec<_>>().join("::")
}

fn expect(how: Hollow, lists: &[&[&str]]) {
    let expected: BTreeSet<String> = lists.concat().iter().map(|&n| n.to_owned()).collect();
    let passed = passing(how);
    let vacuous: Vec<_> = passed.difference(&expected).collect();
    assert!(vacuous.is_empty(), "pass over a backend that does nothing ({how:?}): {vacuous:#?}");
    let failed: Vec<_> = expected.difference(&passed).collect();
    assert!(failed.is_empty(), "need not be excused any more ({how:?}): {failed:#?}");
}

#[test]
fn a_backend_that_agrees_to_everything_fails() {
    expect(Hollow::Agrees, &[&BY_NATURE, &OF_AN_EMPTY_HUB, &WHEN_IT_AGREES]);
}

#[test]
fn a_backend_that_denies_everything_fails() {
    expect(Hollow::Denies, &[&BY_NATURE, &OF_AN_EMPTY_HUB, &WHEN_IT_DENIES]);
}

#[test]
fn a_backend_that_refuses_everything_fails() {
    expect(Hollow::Refuses, &[&BY_NATURE]);
}
