//! What fails at each step of the chapter "Write your own backend", and what makes it pass.

#[path = "shelf/adapter/mod.rs"]
#[allow(unreachable_pub, reason = "in the chapter it is a crate")]
mod adapter;

use std::sync::Arc;
use std::time::Duration;

use adapter::{Shelf, Shelves, Step};
use conformance_tests::{Fixture, Timings, checks, fixture, run_check, run_checks};

/// The adapter at a step, with the capabilities of another.
fn shelf(step: Step, claimed: Step, timings: Timings) -> impl Fixture {
    let shelves = Arc::new(Shelves::default());
    let fixture = fixture(Shelf::capabilities(claimed), move |place, hub, env| {
        let shelf = shelves.open(&place.name, hub, env, step);
        async move { Ok(shelf as Arc<_>) }
    });
    fixture.with_timings(timings)
}

/// Whether a check passes at a step that claims these capabilities.
fn passes(name: &str, step: Step, claimed: Step) -> bool {
    let all = checks();
    let check = all.iter().find(|check| check.full_name() == name);
    let check = check.unwrap_or_else(|| panic!("there is no check {name}"));
    let mut timings = Timings::manual();
    timings.patience = Duration::from_secs(1);
    timings.check_limit = Duration::from_secs(5);
    run_check(check, &shelf(step, claimed, timings)).is_ok()
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

/// Who polls may stop there: all that waits passes, although the clock moves only when a check says so.
#[test]
fn one_who_says_that_it_polls_passes_what_waits() {
    let all = checks();
    let waits = ["watch", "concurrency", "foreign_hubs", "timers"];
    let waiting = all.iter().filter(|check| waits.contains(&check.area));
    let polls = shelf(Step::Polls, Step::Polls, Timings::manual());
    let passed = run_checks(waiting, &polls).unwrap_or_else(|failure| panic!("{failure}"));
    assert!(passed > 90, "only {passed} checks ran");
}

/// Whoever types the chapter along has the whole adapter: its blocks, in their order, are the files.
#[test]
fn the_chapter_shows_every_line_of_the_adapter() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let read = |path: &str| {
        let path = format!("{root}/{path}");
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
    };
    let chapter = read("docs/src/write-your-own-backend.md");
    for file in ["adapter/mod.rs", "adapter/queues.rs", "adapter/history.rs"] {
        let include = format!("{{{{#include ../../conformance-tests/tests/shelf/{file}:");
        let shown: Vec<_> =
            chapter.lines().filter_map(|l| l.strip_prefix(&*include)?.strip_suffix("}}")).collect();
        let source = read(&format!("conformance-tests/tests/shelf/{file}"));
        let (mut blocks, mut inside) = (Vec::new(), false);
        for line in source.lines() {
            if let Some(name) = line.strip_prefix("// ANCHOR: ") {
                blocks.push(name);
                inside = true;
            } else if line.starts_with("// ANCHOR_END") {
                inside = false;
            } else {
                assert!(inside || line.is_empty(), "{file}: in no block of the chapter: {line}");
            }
        }
        assert_eq!(shown, blocks, "blocks of {file} in the chapter, and in the file");
    }
}
