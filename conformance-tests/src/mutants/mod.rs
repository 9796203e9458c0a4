//! Deliberately broken adapters, and the checks that must find them.
//!
//! A suite is worth what it catches. Each mutant is the memory backend with one thing wrong
//! that a real adapter might get wrong; the table names the checks that must fail for it.

mod commits;
mod corners;
mod corners_table;
mod habits;
mod habits_table;
mod queues;
mod stores;
mod strangers;
mod strangers_table;
mod subtle;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use durable_core::backend::{Backend, BackendResult, Capabilities, SendOutcome};
use durable_core::env::SharedEnv;
use durable_core::ids::HubName;

use crate::fixture::{Fixture, Store, Timings};
use crate::memory::MemoryFixture;
use crate::tamper::{Tamper, Tampered, Untouched};

use commits as c;
use queues as q;
use stores as s;

/// What a mutant remembers between calls.
#[derive(Debug, Default)]
struct Memory<T>(Mutex<T>);

impl<T> Memory<T> {
    fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Make = fn(SharedEnv) -> Box<dyn Tamper>;

/// A broken adapter.
#[derive(Clone, Copy)]
pub struct Mutant {
    /// What is wrong with it.
    pub name: &'static str,
    /// Checks that must fail for it, by their full names.
    pub caught_by: &'static [&'static str],
    make: Make,
    /// The hub that a name opens.
    hub_of: fn(&HubName) -> HubName,
    /// Healthy until the hub is opened for the second time.
    in_second_life: bool,
}

impl fmt::Debug for Mutant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mutant({})", self.name)
    }
}

const fn mutant(name: &'static str, make: Make, caught_by: &'static [&'static str]) -> Mutant {
    Mutant { name, caught_by, make, hub_of: HubName::clone, in_second_life: false }
}

#[derive(Debug)]
struct MutantStore {
    inner: Arc<dyn Store>,
    mutant: Mutant,
    opened: Memory<BTreeSet<HubName>>,
}

#[async_trait]
impl Store for MutantStore {
    async fn open(&self, hub: &HubName, env: SharedEnv) -> BackendResult<Arc<dyn Backend>> {
        let hub = (self.mutant.hub_of)(hub);
        let inner = self.inner.open(&hub, Arc::clone(&env)).await?;
        let first_life = self.opened.lock().insert(hub);
        if self.mutant.in_second_life && first_life {
            return Ok(inner);
        }
        Ok(Arc::new(Tampered::new(inner, (self.mutant.make)(env))))
    }
}

#[async_trait]
impl Fixture for Mutant {
    fn capabilities(&self) -> Capabilities {
        MemoryFixture.capabilities()
    }

    /// Mutants fail by hanging, too; that should not take long.
    fn timings(&self) -> Timings {
        let mut timings = MemoryFixture.timings();
        timings.patience = Duration::from_secs(1);
        timings.check_limit = Duration::from_secs(5);
        timings
    }

    async fn fresh(&self) -> BackendResult<Arc<dyn Store>> {
        let inner = MemoryFixture.fresh().await?;
        Ok(Arc::new(MutantStore { inner, mutant: *self, opened: Memory::default() }))
    }
}

/// The healthy adapter with the timings of a mutant, for comparison.
pub const HEALTHY: Mutant = mutant("healthy", |_| Box::new(Untouched), &[]);

/// All mutants.
pub fn mutants() -> Vec<Mutant> {
    [
        of_commits().as_slice(),
        &of_queues(),
        &of_stores(),
        &subtle::list(),
        &strangers_table::list(),
        &habits_table::list(),
        &corners_table::list(),
    ]
    .concat()
}

#[allow(clippy::too_many_lines, reason = "a table")]
fn of_commits() -> Vec<Mutant> {
    vec![
        mutant(
            "commits_by_stale_tokens",
            |_| Box::<c::NoFence>::default(),
            &[
                "leases::a_stale_holder_cannot_commit",
                "turn_commit::an_unknown_token_is_a_lost_lease",
            ],
        ),
        mutant(
            "commits_on_an_older_history",
            |_| Box::<c::NoVersion>::default(),
            &[
                "turn_commit::a_history_length_too_small_is_a_conflict",
                "turn_commit::a_history_length_too_large_is_a_conflict",
            ],
        ),
        mutant(
            "repeated_commit_applied_twice",
            |_| Box::<c::TwiceApplied>::default(),
            &["turn_commit::a_repeated_commit_sends_no_message_twice"],
        ),
        mutant(
            "repeated_commit_looks_lost",
            |_| Box::<c::RepeatIsLost>::default(),
            &["turn_commit::a_repeated_commit_answers_applied"],
        ),
        mutant(
            "lost_lease_fails_the_batch",
            |_| Box::new(c::BatchPoison),
            &["turn_commit::a_lost_commit_does_not_fail_its_neighbours"],
        ),
        mutant(
            "acknowledges_without_applying",
            |_| Box::new(c::AckOnly),
            &["turn_commit::an_applied_commit_shows_its_events"],
        ),
        mutant(
            "messages_of_a_commit_dropped",
            |_| Box::new(c::Changed(c::drop_messages)),
            &[
                "turn_commit::an_applied_commit_shows_its_messages",
                "scenarios::s13_children_run_one_by_one::replayed",
            ],
        ),
        mutant(
            "activities_of_a_commit_dropped",
            |_| Box::new(c::Changed(c::drop_activities)),
            &["turn_commit::an_applied_commit_shows_its_activities"],
        ),
        mutant(
            "history_without_record",
            |_| Box::new(c::Changed(c::drop_record)),
            &["turn_commit::an_applied_commit_shows_its_record"],
        ),
        mutant(
            "record_without_history",
            |_| Box::new(c::Changed(c::drop_events)),
            &["history_store::a_committed_chunk_is_readable_at_once"],
        ),
        mutant(
            "tracking_dropped",
            |_| Box::new(c::Changed(c::drop_tracking)),
            &["turn_commit::an_applied_commit_shows_its_tracking_record"],
        ),
        mutant(
            "continue_as_new_forgotten",
            |_| Box::new(c::Changed(c::drop_generation)),
            &["generations::the_next_generation_starts_with_its_first_chunk"],
        ),
        mutant(
            "old_generations_not_kept",
            |_| Box::new(c::Changed(c::forget_generations)),
            &["generations::executions_lists_kept_generations_oldest_first"],
        ),
        mutant(
            "cancelled_work_still_delivered",
            |_| Box::new(c::Changed(c::cancel_nothing)),
            &[
                "activity_queue::a_cancelled_task_in_the_queue_vanishes",
                "timers::a_cancelled_timer_is_never_handed_out",
            ],
        ),
        mutant(
            "consumed_messages_stay",
            |_| Box::new(c::Changed(c::consume_nothing)),
            &["turn_commit::a_read_inbox_leaves_the_instance_idle"],
        ),
        mutant(
            "unread_messages_consumed",
            |_| Box::<c::ConsumesAll>::default(),
            &["turn_commit::messages_that_arrived_during_the_turn_stay"],
        ),
        mutant(
            "holds_ignored",
            |_| Box::new(c::Changed(c::hold_nothing)),
            &["holds::a_held_instance_is_not_handed_out_for_a_due_timer"],
        ),
        mutant(
            "queue_names_ignored",
            |_| Box::new(c::Changed(c::one_queue)),
            &["activity_queue::a_task_is_not_handed_out_on_another_queue"],
        ),
        mutant(
            "timers_a_moment_early",
            |_| Box::new(c::Changed(c::early_timers)),
            &["timers::a_timer_does_not_wake_a_moment_before_its_time"],
        ),
        mutant(
            "timers_at_once",
            |_| Box::new(c::Changed(c::timers_at_once)),
            &["timers::a_timer_is_not_handed_out_early"],
        ),
        mutant(
            "commits_reach_any_generation",
            |_| Box::new(c::Changed(c::any_generation)),
            &["generations::a_message_of_a_commit_to_an_older_generation_is_dropped"],
        ),
        mutant(
            "messages_of_a_commit_reversed",
            |_| Box::new(c::Changed(c::reversed)),
            &["ordering::messages_of_one_commit_keep_their_order"],
        ),
        mutant(
            "more_turns_than_asked_for",
            |_| Box::new(c::MoreThanAsked),
            &["orchestration_queue::no_more_instances_than_asked_for"],
        ),
    ]
}

#[allow(clippy::too_many_lines, reason = "a table")]
fn of_queues() -> Vec<Mutant> {
    vec![
        mutant(
            "repeated_messages_stored_twice",
            |env| Box::new(q::NoDedupe(env)),
            &["dedupe::a_repeated_message_arrives_once"],
        ),
        mutant(
            "inbox_newest_first",
            |_| Box::new(q::ChangedTurns(q::newest_first)),
            &["ordering::messages_sent_one_by_one_keep_their_order"],
        ),
        mutant(
            "batches_accepted_backwards",
            |_| Box::new(q::BatchBackwards),
            &["ordering::messages_sent_in_a_batch_keep_their_order"],
        ),
        mutant(
            "sends_reach_any_generation",
            |_| Box::new(q::ChangedSends(q::any_generation)),
            &["generations::a_message_to_an_older_generation_is_dropped"],
        ),
        mutant(
            "control_messages_are_ordinary",
            |_| Box::new(q::ChangedSends(q::no_control)),
            &["holds::a_control_message_hands_out_a_held_instance"],
        ),
        mutant(
            "scheduled_sends_at_once",
            |_| Box::new(q::ChangedSends(q::send_at_once)),
            &["timers::a_message_sent_with_a_time_waits_too"],
        ),
        mutant(
            "scheduled_starts_at_once",
            |_| Box::new(q::StartsAtOnce),
            &["orchestration_queue::a_scheduled_start_is_not_handed_out_early"],
        ),
        mutant(
            "full_inbox_drops_politely",
            |_| Box::new(q::PoliteDrop(SendOutcome::InboxFull)),
            &["limits::a_full_inbox_refuses_messages"],
        ),
        mutant(
            "terminal_instance_drops_politely",
            |_| Box::new(q::PoliteDrop(SendOutcome::Terminal)),
            &["orchestration_queue::a_message_to_a_terminal_instance_is_refused"],
        ),
        mutant(
            "absent_instance_drops_politely",
            |_| Box::new(q::PoliteDrop(SendOutcome::NoInstance)),
            &["orchestration_queue::a_message_to_an_absent_instance_is_refused"],
        ),
        mutant(
            "wake_up_of_turns_forgotten",
            |env| Box::new(q::DeafTurns(env)),
            &[
                "timers::a_due_timer_wakes_a_waiting_receive",
                "concurrency::one_message_wakes_one_of_many_receivers",
            ],
        ),
        mutant(
            "wake_up_of_tasks_forgotten",
            |env| Box::new(q::DeafTasks(env)),
            &["concurrency::a_task_between_two_receives_is_never_missed"],
        ),
        mutant(
            "leases_not_renewed",
            |_| Box::new(q::RenewsNothing),
            &[
                "leases::a_renewed_lease_lasts_longer",
                "activity_queue::a_renewed_lease_lasts_longer",
            ],
        ),
        mutant(
            "delays_ignored",
            |_| Box::new(q::NoDelay),
            &[
                "leases::an_abandoned_instance_waits_for_its_delay",
                "activity_queue::an_abandoned_task_waits_for_its_delay",
            ],
        ),
        mutant(
            "work_lent_twice",
            |_| Box::<q::LendsTwice>::default(),
            &[
                "leases::an_instance_on_loan_is_not_handed_out_again",
                "activity_queue::a_task_on_loan_is_not_handed_out_again",
            ],
        ),
        mutant(
            "delivery_count_of_turns_lost",
            |_| Box::new(q::ChangedTurns(q::turn_always_first_delivery)),
            &["orchestration_queue::delivery_rises_when_a_lease_ends"],
        ),
        mutant(
            "delivery_count_of_tasks_lost",
            |_| Box::new(q::ChangedTasks(q::task_always_first_delivery)),
            &["activity_queue::delivery_rises_when_a_lease_ends"],
        ),
        mutant(
            "progress_lost",
            |_| Box::new(q::ChangedTasks(q::no_progress)),
            &["activity_queue::progress_reaches_the_next_delivery"],
        ),
        mutant(
            "bodies_end_at_a_zero_byte",
            |_| Box::new(q::ChangedTurns(q::trimmed_bodies)),
            &["hostile_payloads::every_byte_passes_everywhere"],
        ),
        mutant(
            "tasks_completed_by_stale_tokens",
            |_| Box::<q::NoTaskFence>::default(),
            &["activity_commit::a_stale_holder_delivers_nothing"],
        ),
        mutant(
            "completions_delivered_twice",
            |_| Box::<q::DeliversTwice>::default(),
            &["activity_commit::a_repetition_after_the_message_was_read_delivers_nothing"],
        ),
        mutant(
            "completions_lost",
            |_| Box::new(q::LosesCompletions),
            &[
                "activity_commit::a_completion_is_delivered",
                "scenarios::s02_an_activity_returns_a_value::sticky",
            ],
        ),
        mutant(
            "completions_acknowledged_only",
            |_| Box::new(c::AckActivityOnly),
            &["activity_commit::a_completed_task_does_not_come_back_when_its_lease_ends"],
        ),
        mutant(
            "tracking_records_kept",
            |_| Box::new(q::KeepsTracking),
            &["tracking_queue::an_acknowledged_record_is_gone"],
        ),
        mutant(
            "live_instances_overwritten",
            |_| Box::new(q::Overwrites),
            &["reuse::reject_leaves_an_instance_that_is_running"],
        ),
    ]
}

#[allow(clippy::too_many_lines, reason = "a table")]
fn of_stores() -> Vec<Mutant> {
    vec![
        mutant(
            "stale_read_after_commit",
            |_| Box::<s::StaleRead>::default(),
            &["history_store::a_committed_record_is_readable_at_once"],
        ),
        mutant(
            "revisions_frozen",
            |_| Box::new(s::FrozenRevision),
            &["history_store::every_commit_with_a_record_raises_the_revision"],
        ),
        mutant(
            "watches_miss_changes",
            |env| Box::new(s::BlindWatch(env)),
            &["watch::a_commit_is_seen"],
        ),
        mutant(
            "waits_miss_the_end",
            |env| Box::new(s::BlindEnd(env)),
            &["watch::the_end_is_waited_for"],
        ),
        mutant(
            "pages_skip_one",
            |_| Box::new(s::BadPages(s::Boundary::Skip)),
            &["paging::pages_of_one_join_to_the_whole"],
        ),
        mutant(
            "pages_repeat_one",
            |_| Box::new(s::BadPages(s::Boundary::Repeat)),
            &["paging::pages_of_one_join_to_the_whole"],
        ),
        mutant(
            "pages_without_bound",
            |_| Box::new(s::EndlessPage),
            &["paging::a_page_holds_no_more_than_asked_for"],
        ),
        mutant(
            "first_page_only",
            |_| Box::new(s::FirstPageOnly),
            &["paging::page_sizes_do_not_change_the_result"],
        ),
        mutant(
            "status_filter_ignored",
            |_| Box::new(s::NoFilter),
            &["paging::filter_by_one_status"],
        ),
        mutant(
            "living_instances_purged",
            |_| Box::<s::PurgesTheLiving>::default(),
            &["purge::an_instance_that_is_running_is_not_purged"],
        ),
        mutant(
            "purge_does_nothing",
            |_| Box::new(s::PurgesNothing),
            &["purge::a_purged_instance_has_no_record"],
        ),
        mutant(
            "purge_leaves_history",
            |_| Box::<s::LeavesHistory>::default(),
            &["purge::a_purged_instance_has_no_history"],
        ),
        mutant(
            "hole_in_history",
            |_| Box::new(s::HoleInHistory),
            &["history_store::chunks_come_in_commit_order"],
        ),
        mutant(
            "closed_looks_unreachable",
            |_| Box::new(s::WrongKind),
            &["errors::send_on_a_closed_hub_is_closed"],
        ),
        mutant(
            "closed_hub_still_answers",
            |_| Box::new(s::NeverCloses),
            &["errors::read_records_on_a_closed_hub_is_closed"],
        ),
        Mutant {
            hub_of: |_| HubName::default(),
            ..mutant(
                "hub_names_ignored",
                |_| Box::new(Untouched),
                &["foreign_hubs::an_instance_is_not_readable_in_another_hub"],
            )
        },
    ]
}
