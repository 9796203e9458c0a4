//! What orchestration code can ask the engine to do.

use std::time::Duration;

use crate::ids::QueueName;
use crate::model::HistoryEvent;
use crate::model::event::{
    ActivityScheduled, ChildScheduled, EventSent, TimerCreated, VersionMarked,
};
use crate::payload::Payload;
use crate::time::Timestamp;

/// How an activity is to be run. Not part of history: it may change between versions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ActivityOptions {
    /// Longest time of one run.
    pub start_to_close: Option<Duration>,
    /// Longest time between heartbeats.
    pub heartbeat: Option<Duration>,
    /// Which pool of workers runs it.
    pub queue: QueueName,
}

/// A request of orchestration code. Recorded in history before it takes effect.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Run an activity.
    Activity {
        /// What is recorded.
        event: ActivityScheduled,
        /// What is not.
        options: ActivityOptions,
    },
    /// Set a timer.
    Timer(TimerCreated),
    /// Start a child.
    Child {
        /// What is recorded.
        event: ChildScheduled,
        /// Labels of the child.
        tags: Vec<(String, String)>,
    },
    /// Send an event to an instance.
    Send(EventSent),
    /// Take note of a change of code.
    Mark(VersionMarked),
}

impl Action {
    /// The number of the action in program order.
    pub fn id(&self) -> u64 {
        match self {
            Self::Activity { event, .. } => event.id,
            Self::Timer(e) => e.id,
            Self::Child { event, .. } => event.id,
            Self::Send(e) => e.id,
            Self::Mark(e) => e.id,
        }
    }

    /// As history records it.
    pub fn to_event(&self) -> HistoryEvent {
        match self {
            Self::Activity { event, .. } => HistoryEvent::ActivityScheduled(event.clone()),
            Self::Timer(e) => HistoryEvent::TimerCreated(e.clone()),
            Self::Child { event, .. } => HistoryEvent::ChildScheduled(event.clone()),
            Self::Send(e) => HistoryEvent::EventSent(e.clone()),
            Self::Mark(e) => HistoryEvent::VersionMarked(e.clone()),
        }
    }

    /// Whether a recorded event is this action. Values that may legitimately change with the
    /// code (inputs computed alike but encoded by a newer serializer, a marker's version) are
    /// compared only where they steer the orchestration.
    pub fn matches(&self, recorded: &HistoryEvent) -> bool {
        match (self, recorded) {
            (Self::Activity { event: a, .. }, HistoryEvent::ActivityScheduled(b)) => {
                a.id == b.id && a.name == b.name && a.attempt == b.attempt && a.input == b.input
            }
            (Self::Timer(a), HistoryEvent::TimerCreated(b)) => {
                a.id == b.id && a.fire_at == b.fire_at
            }
            (Self::Child { event: a, .. }, HistoryEvent::ChildScheduled(b)) => {
                a.id == b.id
                    && a.name == b.name
                    && a.instance == b.instance
                    && a.detached == b.detached
                    && a.input == b.input
            }
            (Self::Send(a), HistoryEvent::EventSent(b)) => a == b,
            (Self::Mark(a), HistoryEvent::VersionMarked(b)) => a.id == b.id && a.change == b.change,
            _ => false,
        }
    }

    /// In words, for reports.
    pub fn describe(&self) -> String {
        describe_event(&self.to_event())
    }
}

fn size(payload: &Option<Payload>) -> String {
    payload
        .as_ref()
        .map_or_else(|| "no input".to_owned(), |p| format!("{} bytes of input", p.len()))
}

fn at(time: Timestamp) -> String {
    time.to_string()
}

/// An event in words, without its values.
pub fn describe_event(event: &HistoryEvent) -> String {
    match event {
        HistoryEvent::ActivityScheduled(e) => {
            format!("#{} activity `{}` attempt {} with {}", e.id, e.name, e.attempt, size(&e.input))
        }
        HistoryEvent::TimerCreated(e) => format!("#{} timer for {}", e.id, at(e.fire_at)),
        HistoryEvent::ChildScheduled(e) => format!(
            "#{} child `{}` as `{}`{} with {}",
            e.id,
            e.name,
            e.instance,
            if e.detached { " (detached)" } else { "" },
            size(&e.input)
        ),
        HistoryEvent::EventSent(e) => format!("#{} event `{}` to `{}`", e.id, e.name, e.instance),
        HistoryEvent::VersionMarked(e) => format!("#{} version marker `{}`", e.id, e.change),
        HistoryEvent::EventRaised(e) => format!("event `{}` raised", e.name),
        HistoryEvent::ActivityCompleted(e) => format!("#{} activity completed", e.id),
        HistoryEvent::ActivityFailed(e) => format!("#{} activity failed", e.id),
        HistoryEvent::TimerFired(e) => format!("#{} timer fired", e.id),
        HistoryEvent::ChildCompleted(e) => format!("#{} child completed", e.id),
        HistoryEvent::ChildFailed(e) => format!("#{} child failed", e.id),
        other => other.kind().to_owned(),
    }
}
