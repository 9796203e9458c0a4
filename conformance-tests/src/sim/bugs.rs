//! Bugs that an engine might have, put between the engine and its backend.
//!
//! Each tampers with what the engine commits, sometimes: at every n-th chance, so that the
//! simulation has to find it among much that is right.

mod activities;
mod turns;

use std::sync::atomic::{AtomicU64, Ordering};

use super::world::MakeBug;

use activities as a;
use turns as t;

/// A bug, and the invariants that may catch it.
#[derive(Clone, Copy)]
pub struct EngineBug {
    /// What is wrong.
    pub name: &'static str,
    /// The invariants of which one must be found violated.
    pub caught_by: &'static [&'static str],
    pub(super) make: MakeBug,
}

impl std::fmt::Debug for EngineBug {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "EngineBug({})", self.name)
    }
}

/// Says yes at every n-th question.
#[derive(Debug)]
struct EveryNth(u64, AtomicU64);

impl EveryNth {
    fn new(n: u64) -> Self {
        Self(n, AtomicU64::new(0))
    }

    fn now(&self) -> bool {
        (self.1.fetch_add(1, Ordering::Relaxed) + 1).is_multiple_of(self.0)
    }
}

const LIVE: &str = "every instance ends";
const EFFECT: &str = "effects match events";
const REASON: &str = "effects have events";
const ONCE: &str = "recorded once";
const LOST: &str = "no message is lost";
const MODEL: &str = "the result is that of the model";
const FINAL: &str = "terminal is final";
const FENCE: &str = "fencing";
const LENGTH: &str = "contiguous history";
const EARLY: &str = "timers are never early";
const STATUS: &str = "status matches history";
const BLOCKED: &str = "no instance is blocked";
const CLIENTS: &str = "clients work";
const HUBS: &str = "hubs are isolated";

const fn bug(name: &'static str, caught_by: &'static [&'static str], make: MakeBug) -> EngineBug {
    EngineBug { name, caught_by, make }
}

/// All bugs.
#[allow(clippy::too_many_lines, reason = "a table")]
pub fn engine_bugs() -> Vec<EngineBug> {
    vec![
        bug("activity_not_scheduled", &[EFFECT], |_| t::sometimes(5, t::drop_activity)),
        bug("activity_scheduled_without_event", &[REASON], |_| t::sometimes(5, t::extra_activity)),
        bug("timer_not_set", &[EFFECT], |_| t::sometimes(2, t::drop_timer)),
        bug("timer_set_too_early", &[EARLY], |_| t::sometimes(2, t::early_timer)),
        bug("timer_event_recorded_early", &[EARLY, BLOCKED], |_| t::sometimes(1, t::timer_at_once)),
        bug("child_not_started", &[EFFECT], |_| t::sometimes(1, t::drop_child)),
        bug("child_end_not_reported", &[LIVE], |_| t::sometimes(2, t::drop_report)),
        bug("event_to_another_not_sent", &[EFFECT], |_| t::sometimes(2, t::drop_sent_event)),
        bug("events_of_a_turn_not_recorded", &[LOST, REASON, STATUS], |_| {
            t::sometimes(6, t::drop_chunk)
        }),
        bug("last_event_of_a_turn_not_recorded", &[REASON, STATUS, LOST, EFFECT, LENGTH], |_| {
            t::sometimes(6, t::drop_last_event)
        }),
        bug("event_recorded_twice", &[ONCE, LENGTH, EFFECT], |_| t::sometimes(6, t::repeat_event)),
        bug("consumes_what_it_did_not_process", &[LOST, MODEL, LIVE], |_| {
            Box::new(t::Greedy::new(3))
        }),
        bug("does_not_consume_what_it_processed", &[ONCE], |_| t::sometimes(4, t::keep_message)),
        bug("cancels_what_is_still_wanted", &[LIVE], |_| t::sometimes(4, t::cancel_wanted)),
        bug("terminal_record_forgotten", &[STATUS], |_| t::sometimes(4, t::drop_end)),
        bug("ends_without_event", &[STATUS], |_| t::sometimes(6, t::end_early)),
        bug("wrong_terminal_status", &[MODEL, CLIENTS], |_| t::sometimes(2, t::swap_status)),
        bug("next_generation_forgotten", &[EFFECT], |_| t::sometimes(2, t::drop_next)),
        bug("unread_events_not_carried_over", &[LIVE, MODEL, LENGTH], |_| {
            t::sometimes(1, t::drop_carried)
        }),
        bug("waits_for_ever", &[LIVE], |_| t::sometimes(5, t::hold_for_ever)),
        bug("uses_a_stale_token", &[FENCE, LENGTH, FINAL, LIVE], |_| Box::<t::Stale>::default()),
        bug("guesses_the_history_length", &[LIVE], |_| t::sometimes(1, t::wrong_length)),
        bug("output_dropped", &[MODEL, CLIENTS], |_| t::sometimes(2, t::drop_output)),
        bug("commits_before_it_knows", &[LIVE], |_| Box::new(t::Forgets::new(6))),
        bug("completion_of_another_call", &[ONCE, BLOCKED, MODEL, LIVE], |_| {
            Box::<a::Mixed>::default()
        }),
        bug("completion_lost", &[LIVE], |_| Box::new(a::Loses::new(6))),
        bug("completion_recorded_with_another_value", &[MODEL], |_| Box::new(a::Forged::new(4))),
        bug("completion_sent_beside_the_commit", &[MODEL, ONCE, LIVE], |_| {
            Box::new(a::Beside::new(2))
        }),
        bug("activity_runs_in_another_hub", &[HUBS], |_| Box::new(a::OtherHub)),
    ]
}
