//! Every limit of the library: a name, a number with its unit, and the reason.
//!
//! Limits are enforced once, in the core, before anything reaches a store.

use std::time::Duration;

/// Bytes of UTF-8 in an instance id. Fits the key limits of all supported stores
/// even after escaping every byte.
pub const INSTANCE_ID_BYTES_MAX: usize = 256;

/// Bytes in the name of an orchestration, activity, event or activity queue.
pub const NAME_BYTES_MAX: usize = 256;

/// Bytes in a task hub name. It is part of every key and of queue names.
pub const HUB_NAME_BYTES_MAX: usize = 64;

/// Bytes of one user payload (an input, output, event or custom status).
pub const PAYLOAD_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Bytes of one error message recorded in history; longer ones are cut.
pub const FAILURE_MESSAGE_BYTES_MAX: usize = 16 * 1024;

/// Bytes of a heartbeat's progress value.
pub const PROGRESS_BYTES_MAX: usize = 64 * 1024;

/// Bytes in the version of an orchestration, and in the name of a change of its code.
pub const VERSION_BYTES_MAX: usize = 256;

/// Bytes of the reason given for terminating, suspending or resuming. It is kept in the history.
pub const REASON_BYTES_MAX: usize = 16 * 1024;

/// Tags on one instance.
pub const TAGS_MAX: usize = 32;

/// Bytes of all labels of one instance, keys and values together.
pub const TAGS_BYTES_MAX: usize = 4 * 1024;

/// Bytes of one encoded record before decoding is refused.
pub const RECORD_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Events in one execution before the instance is failed with advice to
/// continue as new. A warning is traced at a fifth of it.
pub const HISTORY_EVENTS_MAX: u64 = 250_000;

/// Actions that one turn may take (fan-out). Bounds memory and commit size.
pub const ACTIONS_PER_TURN_MAX: usize = 50_000;

/// Messages handed to one turn. The rest follows in the next turn.
pub const MESSAGES_PER_TURN_MAX: usize = 1_000;

/// Unread external events an instance may hold; above it, sends are refused.
pub const UNREAD_EVENTS_MAX: usize = 10_000;

/// Ids of consumed external events remembered across continue-as-new, so that
/// a client's repeated send is still recognised.
pub const EVENT_IDS_REMEMBERED_MAX: usize = 256;

/// Items in one page of a listing.
pub const PAGE_ITEMS_MAX: usize = 1_000;

/// Items in one batch given to a backend.
pub const BATCH_ITEMS_MAX: usize = 1_024;

/// Fetches of the same work without a successful commit before it is quarantined.
pub const DELIVERY_ATTEMPTS_MAX: u32 = 10;

/// How long a worker holds work before another may take it, when it stops renewing.
pub const LEASE_DEFAULT: Duration = Duration::from_secs(30);

/// The shortest lease: below it, work would come back before it can be done.
pub const LEASE_MIN: Duration = Duration::from_millis(10);

/// The longest lease: what a crashed worker held comes back after it.
pub const LEASE_MAX: Duration = Duration::from_secs(24 * 3600);

/// The shortest wait of a loop that asks again; a shorter one would only keep a core busy.
pub const WAIT_MIN: Duration = Duration::from_millis(1);

/// The furthest a durable timer may be set: a hundred years.
pub const TIMER_MAX: Duration = Duration::from_secs(100 * 366 * 24 * 3600);
