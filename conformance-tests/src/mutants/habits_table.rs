//! The table of the adapters in `habits`.

use super::commits::Changed;
use super::habits as h;
use super::queues::{ChangedTasks, ChangedTurns};
use super::{Mutant, mutant};
use crate::tamper::Untouched;

#[allow(clippy::too_many_lines, reason = "a table")]
pub(super) fn list() -> Vec<Mutant> {
    vec![
        mutant(
            "times_of_records_in_whole_seconds",
            |_| Box::new(h::ChangedRecords(h::times_in_seconds)),
            &["history_store::updated_at_is_the_time_of_the_turn"],
        ),
        mutant(
            "times_of_records_in_whole_milliseconds",
            |_| Box::new(h::ChangedRecords(h::times_in_milliseconds)),
            &["orchestration_queue::a_created_record_keeps_every_field"],
        ),
        mutant(
            "delays_in_whole_seconds",
            |_| Box::new(h::DelaysInSeconds),
            &[
                "leases::an_abandoned_instance_waits_for_the_last_part_of_a_second",
                "activity_queue::an_abandoned_task_waits_for_the_last_part_of_a_second",
            ],
        ),
        mutant(
            "timers_rounded_up_to_a_second",
            |_| Box::new(Changed(h::timers_rounded_up)),
            &["timers::a_timer_of_part_of_a_second_is_handed_out_at_its_time"],
        ),
        mutant(
            "renewals_add_up",
            |env| Box::new(h::RenewalsAddUp::new(env)),
            &["leases::a_renewal_counts_from_now"],
        ),
        mutant(
            "a_hundred_tasks_of_a_commit",
            |_| Box::new(Changed(h::a_hundred_tasks)),
            &["turn_commit::a_wide_fan_out_is_committed_whole"],
        ),
        mutant(
            "a_hundred_messages_read_at_a_time",
            |_| Box::new(Changed(h::a_hundred_read)),
            &["limits::the_most_messages_of_one_turn_are_consumed"],
        ),
        mutant(
            "twenty_five_cancelled_at_a_time",
            |_| Box::new(Changed(h::twenty_five_cancelled)),
            &["timers::a_hundred_timers_are_cancelled_at_once"],
        ),
        mutant(
            "full_batches_of_messages_lose_one",
            |_| Box::new(Changed(h::full_batches_lose_one)),
            &["limits::a_commit_of_thousands_of_actions_is_whole"],
        ),
        mutant(
            "deliveries_of_turns_counted_to_four",
            |_| Box::new(ChangedTurns(h::turns_counted_to_four)),
            &["orchestration_queue::delivery_rises_when_an_instance_is_abandoned"],
        ),
        mutant(
            "deliveries_of_tasks_counted_to_four",
            |_| Box::new(ChangedTasks(h::tasks_counted_to_four)),
            &["activity_queue::delivery_rises_when_a_task_is_abandoned"],
        ),
        mutant(
            "tasks_cut_at_a_mebibyte",
            |_| Box::new(ChangedTasks(h::tasks_of_a_mebibyte)),
            &["limits::the_largest_task_arrives"],
        ),
        mutant(
            "details_cut_at_64_kib",
            |_| Box::new(h::ChangedRecords(h::details_of_64_kib)),
            &[
                "limits::the_largest_details_are_kept",
                "hostile_payloads::odd_size_passes_everywhere",
            ],
        ),
        mutant(
            "history_cut_at_64_kib",
            |_| Box::new(h::BlocksOf64KiB),
            &["hostile_payloads::odd_size_passes_everywhere"],
        ),
        mutant(
            "lengths_of_histories_in_16_bits",
            |_| Box::new(h::LengthsIn16Bits),
            &["history_store::a_history_of_seventy_thousand_events_is_counted"],
        ),
        mutant(
            "lengths_in_records_in_16_bits",
            |_| Box::new(h::ChangedRecords(h::lengths_in_16_bits)),
            &["history_store::a_history_of_seventy_thousand_events_is_counted"],
        ),
        mutant(
            "ids_compared_without_case",
            |_| Box::new(h::SimplerIds(h::without_case)),
            &["hostile_ids::two_ids_that_differ_by_case"],
        ),
        mutant(
            "ids_trimmed",
            |_| Box::new(h::SimplerIds(h::trimmed)),
            &["hostile_ids::two_ids_that_differ_by_blank_at_the_end"],
        ),
        mutant(
            "ids_composed",
            |_| Box::new(h::SimplerIds(h::composed)),
            &["hostile_ids::two_ids_that_differ_by_normal_forms"],
        ),
        mutant(
            "queues_compared_without_case",
            |_| Box::new(h::QueuesWithoutCase),
            &["activity_queue::queues_that_differ_by_case_or_blanks_are_told_apart"],
        ),
        Mutant {
            hub_of: h::hub_without_case,
            ..mutant(
                "hubs_compared_without_case",
                |_| Box::new(Untouched),
                &["foreign_hubs::hubs_are_told_apart_by_case"],
            )
        },
        mutant(
            "purged_by_prefix",
            |_| Box::new(h::PurgesByPrefix),
            &["purge::a_purge_leaves_other_instances_alone"],
        ),
        mutant(
            "pages_by_position",
            |_| Box::new(h::PagesByPosition),
            &["paging::instances_purged_between_pages_hide_nobody"],
        ),
        mutant(
            "large_pages_end_after_a_hundred",
            |_| Box::new(h::ListingsOfAHundred),
            &["limits::the_largest_page_is_answered"],
        ),
        mutant(
            "the_last_page_of_one_forgotten",
            |_| Box::new(h::ForgetsTheLastOne),
            &["paging::page_sizes_do_not_change_the_result"],
        ),
        mutant(
            "inbox_backwards_after_continue_as_new",
            |_| Box::<h::BackwardsAfterGeneration>::default(),
            &["generations::messages_keep_their_order_into_the_next_generation"],
        ),
        mutant(
            "messages_to_the_held_dropped",
            |_| Box::<h::HeldAreDeaf>::default(),
            &["holds::after_the_hold_all_messages_come_in_order"],
        ),
        mutant(
            "control_messages_jump_the_queue",
            |_| Box::<h::ControlComesFirst>::default(),
            &["ordering::control_messages_keep_their_place_when_nothing_holds_the_instance"],
        ),
        mutant(
            "tracking_acknowledged_up_to_here",
            |_| Box::<h::AcksUpToHere>::default(),
            &["tracking_queue::acknowledging_a_later_record_leaves_the_earlier_one"],
        ),
        mutant(
            "newest_task_first",
            |_| Box::new(h::NewestTaskFirst),
            &["activity_queue::tasks_come_oldest_first"],
        ),
    ]
}
