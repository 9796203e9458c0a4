//! The table of strangers.

use super::queues::{
    ChangedSends, ChangedTasks, ChangedTurns, NoDedupe, newest_first, no_progress,
    turn_always_first_delivery,
};
use super::strangers::{self as s, AS_ASKED, ChangedRequests, Forgetful};
use super::subtle::ChangedQuery;
use super::{Make, Mutant, mutant};

/// Mutants by what they get wrong.
#[allow(clippy::too_many_lines, reason = "a table")]
pub(super) fn list() -> Vec<Mutant> {
    vec![
        mutant(
            "loans_of_turns_never_end",
            |_| Box::new(ChangedRequests { turns: s::turns_on_loan_for_ever, ..AS_ASKED }),
            &[
                "leases::an_instance_comes_back_when_its_lease_ends",
                "leases::a_stale_holder_cannot_commit",
            ],
        ),
        mutant(
            "loans_of_tasks_never_end",
            |_| Box::new(ChangedRequests { tasks: s::tasks_on_loan_for_ever, ..AS_ASKED }),
            &["activity_queue::delivery_rises_when_a_lease_ends"],
        ),
        mutant(
            "loans_of_tracking_records_never_end",
            |_| Box::new(ChangedRequests { tracking: s::tracking_on_loan_for_ever, ..AS_ASKED }),
            &["tracking_queue::a_record_comes_back_when_its_lease_ends"],
        ),
        mutant(
            "loans_of_turns_end_early",
            |_| Box::new(ChangedRequests { turns: s::turns_on_loan_half_as_long, ..AS_ASKED }),
            &["leases::a_loan_lasts_to_its_end"],
        ),
        mutant(
            "loans_of_tasks_end_early",
            |_| Box::new(ChangedRequests { tasks: s::tasks_on_loan_half_as_long, ..AS_ASKED }),
            &["activity_queue::a_loan_lasts_to_its_end"],
        ),
        mutant(
            "loans_of_tracking_records_end_early",
            |_| {
                Box::new(ChangedRequests { tracking: s::tracking_on_loan_half_as_long, ..AS_ASKED })
            },
            &["tracking_queue::a_loan_lasts_to_its_end"],
        ),
        mutant(
            "receives_of_turns_do_not_wait",
            |_| Box::new(ChangedRequests { turns: s::turns_at_once, ..AS_ASKED }),
            &[
                "orchestration_queue::a_wait_without_work_does_not_end_before_its_time",
                "timers::a_due_timer_wakes_a_waiting_receive",
            ],
        ),
        mutant(
            "receives_of_tasks_do_not_wait",
            |_| Box::new(ChangedRequests { tasks: s::tasks_at_once, ..AS_ASKED }),
            &["concurrency::a_task_between_two_receives_is_never_missed"],
        ),
        mutant(
            "receives_of_tracking_records_do_not_wait",
            |_| Box::new(ChangedRequests { tracking: s::tracking_at_once, ..AS_ASKED }),
            &["tracking_queue::a_waiting_receive_is_woken_by_a_commit"],
        ),
        mutant(
            "whole_inboxes_handed_out",
            |_| Box::new(ChangedRequests { turns: s::whole_inboxes, ..AS_ASKED }),
            &["orchestration_queue::no_more_messages_than_asked_for"],
        ),
        mutant(
            "first_queue_only",
            |_| Box::new(ChangedRequests { tasks: s::first_queue, ..AS_ASKED }),
            &["activity_queue::a_receive_on_several_queues_gets_tasks_of_each"],
        ),
        mutant(
            "more_tasks_than_asked_for",
            |_| Box::new(ChangedRequests { tasks: s::all_tasks, ..AS_ASKED }),
            &["activity_queue::no_more_tasks_than_asked_for"],
        ),
        mutant(
            "more_tracking_records_than_asked_for",
            |_| Box::new(ChangedRequests { tracking: s::all_tracking, ..AS_ASKED }),
            &["tracking_queue::no_more_records_than_asked_for"],
        ),
        mutant(
            "renewals_last_twice_as_long",
            |_| Box::new(s::RenewsFor(|time| time * 2)),
            &["leases::a_renewal_counts_from_now"],
        ),
        mutant(
            "renewals_last_half_as_long",
            |_| Box::new(s::RenewsFor(|time| time / 2)),
            &["leases::a_renewal_lasts_to_its_end", "activity_queue::a_renewal_lasts_to_its_end"],
        ),
        mutant(
            "unwanted_work_goes_on",
            |_| Box::new(s::NeverCancelled),
            &["activity_queue::a_cancelled_task_on_loan_is_told_at_renewal"],
        ),
        mutant(
            "messages_sent_before_the_fence",
            |_| Box::new(s::SendsFirst),
            &[
                "turn_commit::a_lost_commit_leaves_no_trace_of_its_messages",
                "turn_commit::a_conflicting_commit_leaves_no_trace_of_its_timers",
            ],
        ),
        mutant(
            "completions_sent_before_the_fence",
            |_| Box::new(s::CompletesFirst),
            &["activity_commit::a_stale_holder_delivers_nothing"],
        ),
        mutant(
            "batches_stop_half_way",
            |_| Box::new(s::StopsHalfWay),
            &[
                "turn_commit::a_lost_commit_does_not_fail_its_neighbours",
                "activity_commit::a_lost_commit_does_not_fail_its_neighbours",
            ],
        ),
        mutant(
            "one_outcome_for_the_whole_batch",
            |_| Box::new(s::OneForAll),
            &[
                "orchestration_queue::messages_of_a_batch_are_answered_in_order",
                "orchestration_queue::creations_of_a_batch_are_answered_in_order",
            ],
        ),
        mutant(
            "creations_forgotten",
            |_| Box::new(Forgetful { creations: true, messages: false, given_back: false }),
            &["orchestration_queue::a_created_record_is_readable_at_once"],
        ),
        mutant(
            "messages_forgotten",
            |_| Box::new(Forgetful { creations: false, messages: true, given_back: false }),
            &["dedupe::a_repeated_message_arrives_once"],
        ),
        mutant(
            "work_given_back_stays_on_loan",
            |_| Box::new(Forgetful { creations: false, messages: false, given_back: true }),
            &[
                "leases::an_abandoned_instance_is_ready_at_once",
                "activity_queue::an_abandoned_task_is_ready_at_once",
            ],
        ),
        mutant(
            "newest_tracking_record_first",
            |_| Box::new(s::NewestTracking),
            &["tracking_queue::records_of_one_instance_come_in_commit_order"],
        ),
        mutant(
            "wake_up_of_tracking_forgotten",
            |env| Box::new(s::DeafTracking(env)),
            &["tracking_queue::a_waiting_receive_is_woken_by_a_commit"],
        ),
        mutant(
            "newest_execution_first",
            |_| Box::new(s::NewestExecution),
            &["generations::executions_lists_kept_generations_oldest_first"],
        ),
        mutant(
            "the_absent_are_purged",
            |_| Box::new(s::PurgedAnyway),
            &["purge::an_absent_instance_is_answered_as_absent"],
        ),
        mutant(
            "large_blocks_of_history_left_out",
            |_| Box::new(s::StrictPages),
            &["history_store::the_cursor_counts_events_not_chunks"],
        ),
        mutant("watches_do_not_wait", |_| Box::new(s::GlancesOnly), &["watch::a_commit_is_seen"]),
        mutant(
            "terminal_instances_look_absent",
            |_| Box::new(s::TerminalIsAbsent),
            &["orchestration_queue::a_message_to_a_terminal_instance_is_refused"],
        ),
        mutant(
            "name_filter_ignored",
            |_| Box::new(ChangedQuery(s::any_name)),
            &["paging::filter_by_name"],
        ),
        mutant(
            "created_before_takes_its_moment_in",
            |_| Box::new(ChangedQuery(s::created_then_too)),
            &["paging::filter_created_before_excludes_its_time"],
        ),
        mutant(
            "filter_knows_one_status",
            |_| Box::new(ChangedQuery(s::first_status)),
            &["paging::filter_by_several_statuses"],
        ),
        mutant(
            "messages_told_apart_by_number_only",
            |_| Box::new(ChangedSends(s::by_number_only)),
            &["dedupe::ids_that_differ_in_the_source_only_are_different"],
        ),
        mutant(
            "arrival_of_messages_unknown",
            |_| Box::new(ChangedTurns(s::arrived_at_the_beginning)),
            &["orchestration_queue::a_message_is_handed_out_with_its_arrival_time"],
        ),
        mutant(
            "arrival_of_tasks_unknown",
            |_| Box::new(ChangedTasks(s::queued_at_the_beginning)),
            &["activity_queue::a_task_carries_the_time_it_was_queued"],
        ),
        mutant(
            "empty_progress_is_no_progress",
            |_| Box::new(ChangedTasks(s::empty_progress_is_none)),
            &["activity_queue::empty_progress_is_not_absent_progress"],
        ),
        later(
            "dedupe_forgotten_over_a_restart",
            |env| Box::new(NoDedupe(env)),
            &["durability::repeated_messages_are_still_recognised_after_a_crash"],
        ),
        later(
            "order_lost_over_a_restart",
            |_| Box::new(ChangedTurns(newest_first)),
            &["durability::inboxes_survive_in_order_after_a_crash"],
        ),
        later(
            "deliveries_forgotten_over_a_restart",
            |_| Box::new(ChangedTurns(turn_always_first_delivery)),
            &["durability::deliveries_given_back_still_count_after_a_crash"],
        ),
        later(
            "progress_forgotten_over_a_restart",
            |_| Box::new(ChangedTasks(no_progress)),
            &["durability::progress_survives_after_a_crash"],
        ),
        later(
            "messages_lost_over_a_restart",
            |_| Box::new(ChangedTurns(|work| work.messages.clear())),
            &["durability::inboxes_survive_in_order_after_a_crash"],
        ),
    ]
}

/// Healthy until it is opened again.
const fn later(name: &'static str, make: Make, caught_by: &'static [&'static str]) -> Mutant {
    Mutant { in_second_life: true, ..mutant(name, make, caught_by) }
}
