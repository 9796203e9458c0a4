//! Instances, events, control, listings, purges.

use std::time::Duration;

use durable::backend::{InstanceQuery, OrchestrationStatus};
use durable::model::Failure;

use crate::table::{Row, big, client, long, now, rows, unencodable};

fn page(page_items: usize) -> InstanceQuery {
    InstanceQuery { page_items, ..Default::default() }
}

fn of(status: OrchestrationStatus) -> InstanceQuery {
    InstanceQuery { statuses: vec![status], ..Default::default() }
}

#[rustfmt::skip]
#[allow(clippy::too_many_lines, reason = "a table")]
pub(crate) fn handles() -> Vec<Row> {
    rows! {
        "an empty id" => |w| now(client(&w).instance("")), InvalidArgument, Never, "instance id must not be empty";
        "an id that is too long" => |w| now(client(&w).instance(long(257))), InvalidArgument, Never, "instance id is 257 bytes long; the limit is 256 bytes";
        "an id with a zero byte" => |w| now(client(&w).instance("\0")), InvalidArgument, Never, "instance id holds the control character U+0000 at byte 0; remove it";
        "an id with an escape" => |w| now(client(&w).instance("\u{1b}[31m")), InvalidArgument, Never, "instance id holds the control character U+001B at byte 0; remove it";
        "an event without name" => |w| w.live.raise_event("", "x").send(), InvalidArgument, Never, "name must not be empty";
        "an event with a long name" => |w| w.live.raise_event(long(257), "x").send(), InvalidArgument, Never, "name is 257 bytes long; the limit is 256 bytes";
        "an event with a line feed in its name" => |w| w.live.raise_event("go\n", "x").send(), InvalidArgument, Never, "name holds the control character U+000A at byte 2; remove it";
        "an event with a zero byte in its name" => |w| w.live.raise_event("\0go", "x").send(), InvalidArgument, Never, "name holds the control character U+0000 at byte 0; remove it";
        "an event that is too large" => |w| w.live.raise_event("go", &big()).send(), InvalidArgument, Never, "the value of event `go` is 2097155 bytes; the limit is 2097152 (DT0005)";
        "an event that cannot be encoded" => |w| w.live.raise_event("go", &unencodable()).send(), Conversion, Never, "cannot encode alloc::collections::btree::map::BTreeMap<(u8, u8), u8>: key must be a string";
        "an event for nobody" => |w| w.nobody.raise_event("go", "x").send(), NotFound, Never, "there is no instance `nobody` in this hub";
        "an event for nobody under an identity" => |w| w.nobody.raise_event("go", "x").dedupe_id(7).send(), NotFound, Never, "there is no instance `nobody` in this hub";
        "an event after the end" => |w| w.done.raise_event("go", "x").send(), Ended, Never, "instance `done` has ended; it takes no more messages";
        "an event to keep for an ended instance" => |w| w.done.raise_event("go", "x").buffer_before_start().send(), Ended, Never, "instance `done` has ended; it takes no more messages";
        "a large event to keep for nobody" => |w| w.nobody.raise_event("go", &big()).buffer_before_start().send(), InvalidArgument, Never, "the value of event `go` is 2097155 bytes; the limit is 2097152 (DT0005)";
        "a nameless event to keep for nobody" => |w| w.nobody.raise_event("", "x").buffer_before_start().send(), InvalidArgument, Never, "name must not be empty";
        "terminate: nobody" => |w| w.nobody.terminate("r"), NotFound, Never, "there is no instance `nobody` in this hub";
        "terminate: an ended instance" => |w| w.done.terminate("r"), Ended, Never, "instance `done` has ended; it takes no more messages";
        "terminate: a reason that is too long" => |w| w.live.terminate(long(16_385)), InvalidArgument, Never, "the reason is 16385 bytes long; the limit is 16384 bytes";
        "terminate: a reason that is far too long" => |w| w.live.terminate(big()), InvalidArgument, Never, "the reason is 2097153 bytes long; the limit is 16384 bytes";
        "terminate alone: nobody" => |w| w.nobody.terminate_alone("r"), NotFound, Never, "there is no instance `nobody` in this hub";
        "terminate alone: an ended instance" => |w| w.done.terminate_alone("r"), Ended, Never, "instance `done` has ended; it takes no more messages";
        "terminate alone: a reason that is too long" => |w| w.live.terminate_alone(long(16_385)), InvalidArgument, Never, "the reason is 16385 bytes long; the limit is 16384 bytes";
        "terminate alone: a reason that is far too long" => |w| w.live.terminate_alone(big()), InvalidArgument, Never, "the reason is 2097153 bytes long; the limit is 16384 bytes";
        "suspend: nobody" => |w| w.nobody.suspend("r"), NotFound, Never, "there is no instance `nobody` in this hub";
        "suspend: an ended instance" => |w| w.done.suspend("r"), Ended, Never, "instance `done` has ended; it takes no more messages";
        "suspend: a reason that is too long" => |w| w.live.suspend(long(16_385)), InvalidArgument, Never, "the reason is 16385 bytes long; the limit is 16384 bytes";
        "suspend: a reason that is far too long" => |w| w.live.suspend(big()), InvalidArgument, Never, "the reason is 2097153 bytes long; the limit is 16384 bytes";
        "resume: nobody" => |w| w.nobody.resume("r"), NotFound, Never, "there is no instance `nobody` in this hub";
        "resume: an ended instance" => |w| w.done.resume("r"), Ended, Never, "instance `done` has ended; it takes no more messages";
        "resume: a reason that is too long" => |w| w.live.resume(long(16_385)), InvalidArgument, Never, "the reason is 16385 bytes long; the limit is 16384 bytes";
        "resume: a reason that is far too long" => |w| w.live.resume(big()), InvalidArgument, Never, "the reason is 2097153 bytes long; the limit is 16384 bytes";
        "the status of nobody" => |w| w.nobody.status(), NotFound, Never, "there is no instance `nobody` in this hub";
        "the history of nobody" => |w| w.nobody.history().collect(), NotFound, Never, "there is no instance `nobody` in this hub";
        "the result of nobody" => |w| w.nobody.result(), NotFound, Never, "there is no instance `nobody` in this hub";
        "waiting for nobody" => |w| w.nobody.wait(Duration::from_secs(1)), NotFound, Never, "there is no instance `nobody` in this hub";
        "no time to wait" => |w| w.live.wait(Duration::ZERO), TimedOut, Later, "instance `live` is Running after 0ns";
        "too little time for a result" => |w| w.live.result_within(Duration::from_millis(1)), TimedOut, Later, "instance `live` is Running after 1ms";
        "a result of another type" => |w| w.done.typed::<u64, Failure>().result(), Conversion, Never, "cannot decode u64: invalid type: string \"ended\", expected u64 at line 1 column 7";
        "a result of another shape" => |w| w.done.typed::<Vec<u64>, Failure>().result(), Conversion, Never, "cannot decode alloc::vec::Vec<u64>: invalid type: string \"ended\", expected a sequence at line 1 column 7";
        "an input of another type" => |w| async { w.done.status().await?.input::<u64>() }, Conversion, Never, "cannot decode u64: invalid type: string \"end\", expected u64 at line 1 column 5";
        "an output of another type" => |w| async { w.done.status().await?.output::<bool>() }, Conversion, Never, "cannot decode bool: invalid type: string \"ended\", expected a boolean at line 1 column 7";
        "a custom status of another type" => |w| async { w.done.status().await?.custom_status::<u64>() }, Conversion, Never, "cannot decode u64: invalid type: string \"end\", expected u64 at line 1 column 5";
        "the purge of nobody" => |w| w.nobody.purge(), NotFound, Never, "there is no instance `nobody` in this hub";
        "the purge of a live instance" => |w| w.live.purge(), InvalidArgument, Never, "instance `live` has not ended; terminate it before purging it";
        "a page that is too large" => |w| client(&w).list(page(1_001)), InvalidArgument, Never, "a page of 1001 items; the limit is 1000";
        "the largest page" => |w| client(&w).list(page(usize::MAX)), InvalidArgument, Never, "a page of 18446744073709551615 items; the limit is 1000";
        "a purge of a page that is too large" => |w| client(&w).purge_page(page(1_001)), InvalidArgument, Never, "a page of 1001 items; the limit is 1000";
        "a purge of all in pages that are too large" => |w| client(&w).purge_all(page(5_000)), InvalidArgument, Never, "a page of 5000 items; the limit is 1000";
        "a purge of those that are Pending" => |w| client(&w).purge_page(of(OrchestrationStatus::Pending)), InvalidArgument, Never, "Pending instances cannot be purged; terminate them first";
        "a purge of those that are Running" => |w| client(&w).purge_page(of(OrchestrationStatus::Running)), InvalidArgument, Never, "Running instances cannot be purged; terminate them first";
        "a purge of those that are Suspended" => |w| client(&w).purge_page(of(OrchestrationStatus::Suspended)), InvalidArgument, Never, "Suspended instances cannot be purged; terminate them first";
        "a purge of those that are Blocked" => |w| client(&w).purge_page(of(OrchestrationStatus::Blocked)), InvalidArgument, Never, "Blocked instances cannot be purged; terminate them first";
        "a purge of those that are Quarantined" => |w| client(&w).purge_page(of(OrchestrationStatus::Quarantined)), InvalidArgument, Never, "Quarantined instances cannot be purged; terminate them first";
        "a purge of those that are AwaitingStart" => |w| client(&w).purge_page(of(OrchestrationStatus::AwaitingStart)), InvalidArgument, Never, "AwaitingStart instances cannot be purged; terminate them first";
        "a purge of all that are Running or Completed" => |w| client(&w).purge_all(InstanceQuery { statuses: vec![OrchestrationStatus::Completed, OrchestrationStatus::Running], ..page(0) }), InvalidArgument, Never, "Running instances cannot be purged; terminate them first";
    }
}
