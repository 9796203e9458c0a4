//! Whole-engine scenarios: real workers and clients over the adapter under test.
//!
//! The number in front of each name is that of the scenario in the list of what the Durable
//! Task Framework's own tests show. Each runs with suspended instances in memory and with
//! forced replay, and with settings that make rare paths the rule.

mod basics;
mod by_hand;
mod children;
mod errors;
mod events;
mod faulty;
mod lifecycle;
mod matrix;
mod payloads;
mod queries;
mod stage;
mod timers;

use std::sync::Arc;
use std::time::Duration;

use durable_core::env::BoxFuture;
use durable_core::worker::WorkerOptions;

use crate::check::{Check, Checked, Need};
use stage::Stage;

type Play = fn(Stage) -> BoxFuture<'static, Checked>;

/// A scenario, before it is known how it is played.
pub(super) struct Scenario {
    name: &'static str,
    need: Need,
    play: Play,
}

/// Scenarios by their functions: `scenarios![function, other needs InjectedClock, …]`.
macro_rules! scenarios {
    (@need) => { $crate::check::Need::Nothing };
    (@need $need:ident) => { $crate::check::Need::$need };
    ($($function:ident $(needs $need:ident)?),+ $(,)?) => {
        vec![$($crate::scenarios::Scenario {
            name: stringify!($function),
            need: scenarios!(@need $($need)?),
            play: |stage| Box::pin($function(stage)),
        }),+]
    };
}
use scenarios;

/// Changes the settings of a worker.
type Set = fn(&mut WorkerOptions);

/// Settings under which every scenario must pass.
const MODES: [(&str, Set); 7] = [
    ("sticky", |_| {}),
    ("replayed", |o| {
        o.sticky_bytes = 0;
        o.paranoid = true;
    }),
    ("one_loop", |o| o.turn_loops = Some(1)),
    ("four_loops", |o| o.turn_loops = Some(4)),
    ("one_turn_per_fetch", |o| o.turns_per_fetch = 1),
    ("one_activity_at_a_time", |o| o.activities_max = 1),
    ("short_leases_in_little_memory", |o| {
        o.lease = Duration::from_secs(10);
        o.sticky_bytes = 4_096;
        o.commits_in_flight = 1;
    }),
];

fn options(mode: Set) -> WorkerOptions {
    let mut options = WorkerOptions::default();
    // Clocks that are moved by hand run fast here; a loaded machine must not lose its leases.
    options.lease = Duration::from_secs(600);
    options.blocked_retry = Duration::from_millis(500);
    mode(&mut options);
    options
}

/// Every scenario in every mode.
pub(crate) fn list() -> Vec<Check> {
    let all = [
        basics::list(),
        children::list(),
        events::list(),
        timers::list(),
        lifecycle::list(),
        errors::list(),
        faulty::list(),
        payloads::list(),
        queries::list(),
    ];
    let mut checks = Vec::new();
    for scenario in all.into_iter().flatten().map(Arc::new) {
        for (mode, set) in MODES {
            let scenario = Arc::clone(&scenario);
            let name = format!("{}::{mode}", scenario.name);
            checks.push(Check::new("scenarios", name, "G", scenario.need, move |hub| {
                (scenario.play)(Stage::new(hub, options(set)))
            }));
        }
    }
    checks.extend(matrix::list());
    checks.extend(by_hand::list());
    checks
}
