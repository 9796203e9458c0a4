//! What travels on the orchestration queue.

use serde::{Deserialize, Serialize};

use super::event::{
    ActivityCompleted, ActivityFailed, ChildCompleted, ChildFailed, EventRaised, ExecutionStarted,
    TimerFired,
};
use super::wire::{Reader, WireError, Writer};
use crate::time::Timestamp;

/// Ends an instance from outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terminate {
    /// Why.
    pub reason: String,
    /// Whether its children end too.
    pub cascade: bool,
}

/// Suspends or resumes an instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Control {
    /// Why.
    pub reason: String,
}

/// Begins an instance at a wished time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduledStart {
    /// The wished time.
    pub at: Timestamp,
    /// What begins.
    pub start: ExecutionStarted,
}

/// A message to an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Message {
    /// Begin.
    Start(ExecutionStarted),
    /// An activity returned a value.
    ActivityCompleted(ActivityCompleted),
    /// An activity failed.
    ActivityFailed(ActivityFailed),
    /// A timer is due.
    TimerFired(TimerFired),
    /// A child returned a value.
    ChildCompleted(ChildCompleted),
    /// A child failed.
    ChildFailed(ChildFailed),
    /// An external event.
    EventRaised(EventRaised),
    /// End it.
    Terminate(Terminate),
    /// Stop taking turns.
    Suspend(Control),
    /// Take turns again; also unblocks and takes out of quarantine.
    Resume(Control),
    /// Look again: something woke the orchestration from outside the engine.
    Poke,
    /// Begin, as was wished for that time.
    StartAt(ScheduledStart),
}

impl Message {
    pub(super) fn write(&self, to: &mut Writer) {
        match self {
            Self::Start(m) => to.kind_and_body(1, m),
            Self::ActivityCompleted(m) => to.kind_and_body(2, m),
            Self::ActivityFailed(m) => to.kind_and_body(3, m),
            Self::TimerFired(m) => to.kind_and_body(4, m),
            Self::ChildCompleted(m) => to.kind_and_body(5, m),
            Self::ChildFailed(m) => to.kind_and_body(6, m),
            Self::EventRaised(m) => to.kind_and_body(7, m),
            Self::Terminate(m) => to.kind_and_body(8, m),
            Self::Suspend(m) => to.kind_and_body(9, m),
            Self::Resume(m) => to.kind_and_body(10, m),
            Self::Poke => to.byte(11),
            Self::StartAt(m) => to.kind_and_body(12, m),
        }
    }

    pub(super) fn read(from: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(match from.byte()? {
            1 => Self::Start(from.body()?),
            2 => Self::ActivityCompleted(from.body()?),
            3 => Self::ActivityFailed(from.body()?),
            4 => Self::TimerFired(from.body()?),
            5 => Self::ChildCompleted(from.body()?),
            6 => Self::ChildFailed(from.body()?),
            7 => Self::EventRaised(from.body()?),
            8 => Self::Terminate(from.body()?),
            9 => Self::Suspend(from.body()?),
            10 => Self::Resume(from.body()?),
            11 => Self::Poke,
            12 => Self::StartAt(from.body()?),
            number => return Err(WireError::UnknownKind { what: "message", number }),
        })
    }
}
