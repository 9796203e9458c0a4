//! What can go wrong with a request, and when it does.

use serde_json::Value;

use super::wire::Request;

/// What goes wrong with one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Fault {
    /// Refused for want of capacity.
    Throttled,
    /// Refused because another transaction holds the item.
    Conflict,
    /// Refused because the credentials have expired.
    Expired,
    /// Not performed; the service reports trouble of its own.
    ErrorBefore,
    /// Performed; the service reports trouble nevertheless.
    ErrorAfter,
    /// Not performed; the connection breaks.
    ResetBefore,
    /// Performed; the connection times out before the answer.
    TimeoutAfter,
    /// Not performed and never answered.
    HungBefore,
    /// Performed and never answered.
    HungAfter,
    /// A part of the batch is performed, the rest is handed back.
    Partial,
    /// The answer of a read is that of the same read some time ago.
    Stale,
    /// Messages are delivered now and again at the next receive.
    Duplicate,
    /// Messages are delivered back to front.
    Reorder,
    /// A message is accepted and never delivered.
    Lost,
    /// A message is delivered two seconds later than asked for.
    Late,
}

impl Fault {
    pub(crate) const ALL: [Self; 15] = [
        Self::Throttled,
        Self::Conflict,
        Self::Expired,
        Self::ErrorBefore,
        Self::ErrorAfter,
        Self::ResetBefore,
        Self::TimeoutAfter,
        Self::HungBefore,
        Self::HungAfter,
        Self::Partial,
        Self::Stale,
        Self::Duplicate,
        Self::Reorder,
        Self::Lost,
        Self::Late,
    ];

    /// Whether this can happen to that request at all.
    pub(crate) fn befalls(self, request: &Request) -> bool {
        let operation = request.operation.as_str();
        let consistent = request.body.get("ConsistentRead") == Some(&Value::Bool(true));
        match self {
            Self::Conflict => matches!(
                operation,
                "PutItem" | "UpdateItem" | "DeleteItem" | "TransactWriteItems" | "TransactGetItems"
            ),
            Self::Partial => operation.contains("Batch"),
            Self::Stale => matches!(operation, "GetItem" | "Query" | "Scan") && !consistent,
            Self::Duplicate | Self::Reorder => operation == "ReceiveMessage",
            Self::Lost | Self::Late => matches!(operation, "SendMessage" | "SendMessageBatch"),
            _ => true,
        }
    }
}

/// When which fault happens.
#[derive(Debug, Clone)]
pub(crate) enum Plan {
    None,
    /// So many times from the n-th call of an action on, counted from 0.
    At {
        operation: &'static str,
        nth: u64,
        times: u64,
        fault: Fault,
    },
    /// Every write to the table is performed, and the answer to its first attempt is lost.
    EachAnswerLost,
    /// In so many of a thousand requests, chosen by the seed among those that can happen.
    Seeded {
        seed: u64,
        per_mille: u64,
        kinds: Vec<Fault>,
    },
}

impl Plan {
    /// The fault of a request: its number among all, and among those of its action.
    pub(crate) fn fault(&self, call: u64, of_operation: u64, request: &Request) -> Option<Fault> {
        match self {
            Self::None => None,
            Self::At { operation, nth, times, fault } => {
                let hit = request.operation == *operation
                    && (*nth..nth + times).contains(&of_operation)
                    && fault.befalls(request);
                hit.then_some(*fault)
            }
            Self::EachAnswerLost => {
                let writes = ["PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem"];
                let hit = writes.contains(&&*request.operation) && request.is_first_attempt();
                hit.then_some(Fault::ErrorAfter)
            }
            Self::Seeded { seed, per_mille, kinds } => {
                let draw = mix(seed ^ mix(call + 1));
                if draw % 1000 >= *per_mille {
                    return None;
                }
                let possible: Vec<Fault> =
                    kinds.iter().copied().filter(|kind| kind.befalls(request)).collect();
                let count = u64::try_from(possible.len()).ok().filter(|count| *count > 0)?;
                possible.get(usize::try_from(mix(draw) % count).ok()?).copied()
            }
        }
    }
}

/// Spreads the bits of a number (splitmix64).
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}
