//! What fails at each step of the chapter "Write your own backend", and what makes it pass.

#[path = "shelf/adapter/mod.rs"]
mod adapter;

use std::sync::Arc;
use std::time::Duration;

use adapter::{Shelf, Shelves, Step};
use conformance_tests::{Timings, checks, fixture, run_check};

/// Whether a check passes at a step that claims these capabilities.
fn passes(name: &str, step: Step, claimed: Step) -> bool {
    let all = checks();
    let check = all.iter().find(|check| check.full_name() == name);
    let check = check.unwrap_or_else(|| panic!("there is no check {name}"));
    let shelves = Arc::new(Shelves::default());
    let mut timings = Timings::manual();
    timings.patience = Duration::from_secs(1);
    timings.check_limit = Duration::from_secs(5);
    let fixture = fixture(Shelf::capabilities(claimed), move |place, hub, env| {
        let shelf = shelves.open(&place.name, hub, env, step);
        async move { Ok(shelf as Arc<_>) }
    });
    run_check(check, &fixture.with_timings(timings)).is_ok()
}

/// Holds at every step: what the state machine knows by itself.
#[test]
fn from_the_first_step_on_commits_are_fenced_and_whole() {
    for name in [
        "leases::a_stale_holder_cannot_commit",
        "turn_commit::an_applied_commit_shows_its_events",
        "turn_commit::a_repeated_commit_answers_applied",
    ] {
        assert!(passes(name, Step::Looks, Step::Looks), "{name}");
    }
}

/// Fails at the first step, passes from the second on.
#[test]
fn one_who_only_looks_does_not_wait() {
    let name = "orchestration_queue::a_wait_without_work_does_not_end_before_its_time";
    assert!(!passes(name, Step::Looks, Step::Looks));
    assert!(passes(name, Step::Polls, Step::Polls));
}

/// Fails at the second step if push is claimed, passes at the third.
#[test]
fn one_who_polls_is_not_woken() {
    for name in [
        "activity_commit::a_completion_wakes_a_waiting_receive",
        "tracking_queue::a_waiting_receive_is_woken_by_a_commit",
    ] {
        assert!(!passes(name, Step::Polls, Step::Rings), "{name}");
        assert!(passes(name, Step::Rings, Step::Rings), "{name}");
    }
}
