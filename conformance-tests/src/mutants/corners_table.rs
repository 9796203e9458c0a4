//! The table of the adapters in `corners`.

use super::corners as c;
use super::{Mutant, mutant};

#[allow(clippy::too_many_lines, reason = "a table")]
pub(super) fn list() -> Vec<Mutant> {
    vec![
        mutant(
            "creating_messages_checked_by_generation",
            |_| Box::new(c::CreatesOrNothing),
            &[
                "orchestration_queue::a_creating_message_reaches_a_live_instance_of_another_generation",
            ],
        ),
        mutant(
            "delays_end_holds",
            |_| Box::<c::DelaysEndHolds>::default(),
            &["holds::an_instance_given_back_for_later_is_still_held"],
        ),
        mutant(
            "one_of_several_ended_leases_is_found",
            |_| Box::<c::FindsSomeEnded>::default(),
            &[
                "leases::every_lease_that_ends_comes_back",
                "activity_queue::every_lease_that_ends_comes_back",
            ],
        ),
        mutant(
            "leases_that_end_later_are_forgotten",
            |_| Box::new(c::FindsSomeEnded::first_time_only()),
            &[
                "leases::every_lease_that_ends_comes_back",
                "activity_queue::every_lease_that_ends_comes_back",
            ],
        ),
        mutant(
            "only_queued_tasks_are_cancelled",
            |_| Box::<c::CancelsTheQueued>::default(),
            &["activity_queue::a_cancelled_task_that_waits_for_its_time_vanishes"],
        ),
        mutant(
            "delayed_tasks_outlive_their_instance",
            |env| Box::new(c::DelayedTasksOutlive::new(env, c::ends_the_instance)),
            &["activity_queue::a_delayed_task_of_a_terminal_instance_is_not_handed_out"],
        ),
        mutant(
            "delayed_tasks_outlive_their_generation",
            |env| Box::new(c::DelayedTasksOutlive::new(env, c::ends_the_generation)),
            &["generations::delayed_activities_of_the_old_generation_vanish"],
        ),
        mutant(
            "first_version_for_ever",
            |_| Box::new(c::KeepsOfRecord(|new, old| new.version.clone_from(&old.version))),
            &["history_store::a_committed_record_keeps_every_field"],
        ),
        mutant(
            "first_name_for_ever",
            |_| Box::new(c::KeepsOfRecord(|new, old| new.name.clone_from(&old.name))),
            &["history_store::a_committed_record_keeps_every_field"],
        ),
        mutant(
            "first_parent_for_ever",
            |_| Box::new(c::KeepsOfRecord(|new, old| new.parent.clone_from(&old.parent))),
            &["history_store::a_committed_record_keeps_every_field"],
        ),
        mutant(
            "first_time_of_creation_for_ever",
            |_| Box::new(c::KeepsOfRecord(|new, old| new.created_at = old.created_at)),
            &["history_store::a_committed_record_keeps_every_field"],
        ),
        mutant(
            "completed_when_updated",
            |_| {
                Box::new(c::KeepsOfRecord(|new, _| {
                    new.completed_at = new.completed_at.map(|_| new.updated_at);
                }))
            },
            &["history_store::a_committed_record_keeps_every_field"],
        ),
        mutant(
            "repeated_hold_looks_lost",
            |_| Box::<c::ForgetsHolds>::default(),
            &["turn_commit::a_repeated_commit_that_holds_answers_applied"],
        ),
        mutant(
            "who_drops_one_history_drops_all",
            |_| Box::<c::DropsAllHistories>::default(),
            &["generations::a_history_that_is_not_kept_leaves_those_that_were"],
        ),
        mutant(
            "wakes_at_old_times",
            |env| Box::new(c::WakesAtOldTimes::new(env)),
            &[
                "holds::a_hold_that_was_ended_early_hands_out_nothing_at_its_time",
                "leases::a_delay_that_was_ended_early_hands_out_nothing_at_its_time",
            ],
        ),
        mutant(
            "tasks_given_back_are_queued_anew",
            |env| Box::new(c::QueuedAnew::new(env)),
            &["activity_queue::an_abandoned_task_keeps_the_time_it_was_queued"],
        ),
        mutant(
            "control_messages_end_with_their_generation",
            |_| Box::new(c::EndsWithGeneration::new(|sent| sent.control)),
            &["generations::control_messages_stay"],
        ),
        mutant(
            "delayed_messages_end_with_their_generation",
            |_| Box::new(c::EndsWithGeneration::new(|sent| sent.visible_at.is_some())),
            &["generations::delayed_messages_without_execution_stay"],
        ),
    ]
}
