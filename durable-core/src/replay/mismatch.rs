//! Reports for people when code and history disagree, or code waits for the wrong thing.

use super::action::{Action, describe_event};
use crate::model::{BlockReport, HistoryEvent};

/// History has an event that the code did not cause.
pub(super) fn unexpected_event(
    number: u64,
    recorded: &HistoryEvent,
    next: Option<&Action>,
) -> BlockReport {
    BlockReport {
        code: "DT0001".to_owned(),
        message: "the code takes other steps than this instance's history records".to_owned(),
        expected: Some(describe_event(recorded)),
        found: Some(next.map_or_else(|| "no further step".to_owned(), Action::describe)),
        event: Some(number),
        hint:
            "Deploy code that takes the recorded steps (guard the change with ctx.version_of), or \
               terminate the instance; it goes on by itself once the code fits"
                .to_owned(),
    }
}

/// The code took a step that history does not have.
pub(super) fn extra_action(number: u64, action: &Action) -> BlockReport {
    BlockReport {
        code: "DT0001".to_owned(),
        message: "the code takes a step that this instance's history does not have".to_owned(),
        expected: Some("no step before the next recorded event".to_owned()),
        found: Some(action.describe()),
        event: Some(number),
        hint:
            "Guard new steps with ctx.version_of, or keep them out of running instances; it goes \
               on by itself once the code fits"
                .to_owned(),
    }
}

/// The code ended where history goes on.
pub(super) fn ended_early(number: u64, recorded: &HistoryEvent) -> BlockReport {
    BlockReport {
        code: "DT0001".to_owned(),
        message: "the code ends before this instance's history does".to_owned(),
        expected: Some(describe_event(recorded)),
        found: Some("the end of the orchestration".to_owned()),
        event: Some(number),
        hint: "Deploy code that takes the recorded steps; it goes on by itself once the code fits"
            .to_owned(),
    }
}

/// The code did not end where history says it did.
pub(super) fn no_end(number: u64, recorded: &HistoryEvent) -> BlockReport {
    BlockReport {
        code: "DT0001".to_owned(),
        message: "history records an end that the code does not reach".to_owned(),
        expected: Some(describe_event(recorded)),
        found: Some("code that still waits".to_owned()),
        event: Some(number),
        hint: "Use the code that wrote this history".to_owned(),
    }
}

/// The code waits for something that is not durable.
pub(super) fn foreign_await(detail: &str) -> BlockReport {
    BlockReport {
        code: "DT0002".to_owned(),
        message: format!("the orchestration awaits something that is not durable: {detail}"),
        expected: None,
        found: None,
        event: None,
        hint: "Inside an orchestration await only what its context offers: ctx.sleep instead of \
               tokio::time::sleep, an activity for I/O, join!/select! instead of spawned tasks"
            .to_owned(),
    }
}

/// History does not begin as it must, or ends where no turn ends.
pub(super) fn malformed(number: u64, what: &str) -> BlockReport {
    BlockReport {
        code: "DT0012".to_owned(),
        message: format!("the history is not one that this library writes: {what}"),
        expected: None,
        found: None,
        event: Some(number),
        hint: "The instance is set aside; restore its history from a backup or purge it".to_owned(),
    }
}
