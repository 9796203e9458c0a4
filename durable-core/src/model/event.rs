//! History events: an append-only list with explicit numbers.
//!
//! Received events (start, completions, raised events, control) are followed by the
//! actions they caused, so a history reads as cause and effect. `id` is the number of the
//! action in program order, starting at 1.

use serde::{Deserialize, Serialize};

use super::failure::Failure;
use crate::ids::{ExecutionId, InstanceId, MessageId, Name};
use crate::payload::Payload;
use crate::time::Timestamp;

/// Who started a child, and as which action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parent {
    /// The parent instance.
    pub instance: InstanceId,
    /// Its execution at that time.
    pub execution: ExecutionId,
    /// The number of the action there.
    pub id: u64,
}

macro_rules! events {
    ($( $(#[$doc:meta])* $number:literal $name:ident { $( $(#[$fdoc:meta])* $field:ident : $ty:ty ),* $(,)? } )*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
            pub struct $name { $( $(#[$fdoc])* pub $field: $ty ),* }
        )*

        /// One history event.
        #[derive(Debug, Clone, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum HistoryEvent {
            $( $(#[$doc])* $name($name) ),*
        }

        impl HistoryEvent {
            /// The stable number of the kind, as stored. Never reused.
            pub const fn number(&self) -> u8 {
                match self { $( Self::$name(_) => $number ),* }
            }

            /// The name of the kind.
            pub const fn kind(&self) -> &'static str {
                match self { $( Self::$name(_) => stringify!($name) ),* }
            }
        }

        pub(super) mod codec {
            //! Dispatch between kinds; the bytes themselves are made in `wire`.
            use super::*;
            use crate::model::wire::{Reader, WireError, Writer};

            pub(in crate::model) fn write(event: &HistoryEvent, to: &mut Writer) {
                to.byte(event.number());
                match event { $( HistoryEvent::$name(body) => to.body(body) ),* }
            }

            pub(in crate::model) fn read(from: &mut Reader<'_>) -> Result<HistoryEvent, WireError> {
                match from.byte()? {
                    $( $number => Ok(HistoryEvent::$name(from.body()?)), )*
                    number => Err(WireError::UnknownKind { what: "history event", number }),
                }
            }
        }
    };
}

events! {
    /// The generation began.
    1 ExecutionStarted {
        /// The orchestration.
        name: Name,
        /// Its version; empty when unversioned.
        version: String,
        /// Its input.
        input: Option<Payload>,
        /// Who started it as a child.
        parent: Option<Parent>,
        /// When the instance was created.
        created_at: Timestamp,
        /// How many generations there have been, this one included.
        generation: u32,
        /// Free labels, given at the start.
        tags: Vec<(String, String)>,
        /// Ids of external events consumed by earlier generations.
        seen: Vec<MessageId>,
    }
    /// A turn began; `now()` is this time until the next turn.
    2 TurnStarted {
        /// When.
        at: Timestamp,
    }
    /// An activity was scheduled.
    3 ActivityScheduled {
        /// Number of the action.
        id: u64,
        /// The activity.
        name: Name,
        /// Its input.
        input: Option<Payload>,
        /// Number of the first attempt's action: the logical call.
        call: u64,
        /// 1 for the first attempt.
        attempt: u32,
    }
    /// An activity returned a value.
    4 ActivityCompleted {
        /// Number of the action.
        id: u64,
        /// The value.
        output: Option<Payload>,
    }
    /// An activity failed.
    5 ActivityFailed {
        /// Number of the action.
        id: u64,
        /// Why.
        failure: Failure,
    }
    /// A timer was set.
    6 TimerCreated {
        /// Number of the action.
        id: u64,
        /// When it fires.
        fire_at: Timestamp,
    }
    /// A timer fired.
    7 TimerFired {
        /// Number of the action.
        id: u64,
    }
    /// A child orchestration was started.
    8 ChildScheduled {
        /// Number of the action.
        id: u64,
        /// The child.
        instance: InstanceId,
        /// The orchestration it runs.
        name: Name,
        /// Its version.
        version: String,
        /// Its input.
        input: Option<Payload>,
        /// Whether nobody waits for its result.
        detached: bool,
    }
    /// A child returned a value.
    9 ChildCompleted {
        /// Number of the action.
        id: u64,
        /// The value.
        output: Option<Payload>,
    }
    /// A child failed, was terminated or could not be started.
    10 ChildFailed {
        /// Number of the action.
        id: u64,
        /// Why.
        failure: Failure,
    }
    /// An external event arrived.
    11 EventRaised {
        /// Identity, for de-duplication.
        message: MessageId,
        /// The event.
        name: Name,
        /// Its value.
        payload: Option<Payload>,
    }
    /// An event was sent to another instance.
    12 EventSent {
        /// Number of the action.
        id: u64,
        /// To whom.
        instance: InstanceId,
        /// The event.
        name: Name,
        /// Its value.
        payload: Option<Payload>,
    }
    /// The orchestration returned a value.
    13 ExecutionCompleted {
        /// The value.
        output: Option<Payload>,
    }
    /// The orchestration returned an error.
    14 ExecutionFailed {
        /// The error.
        failure: Failure,
    }
    /// The instance was terminated.
    15 ExecutionTerminated {
        /// Why.
        reason: String,
    }
    /// The orchestration continued as a new generation.
    16 ContinuedAsNew {
        /// The next generation.
        execution: ExecutionId,
        /// Its version.
        version: String,
        /// Its input.
        input: Option<Payload>,
    }
    /// The instance was suspended.
    17 ExecutionSuspended {
        /// Why.
        reason: String,
    }
    /// The instance was resumed.
    18 ExecutionResumed {
        /// Why.
        reason: String,
    }
    /// A change of code was taken note of: from here on this change is active or not.
    19 VersionMarked {
        /// Number of the action.
        id: u64,
        /// Name of the change.
        change: String,
        /// The version chosen when it was first met.
        version: u32,
    }
}
