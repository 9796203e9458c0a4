//! Starting instances.

use std::collections::BTreeMap;
use std::time::Duration;

use durable::backend::ReusePolicy;
use durable::limits;
use durable::model::Failure;
use durable::replay::NamedOrchestration;
use durable::time::Timestamp;

use crate::table::{Row, big, client, long, rows, unencodable};
use crate::world::waits;

fn odd() -> NamedOrchestration<BTreeMap<(u8, u8), u8>, (), Failure> {
    NamedOrchestration::new("waits").unwrap()
}

#[rustfmt::skip]
#[allow(clippy::too_many_lines, reason = "a table")]
pub(crate) fn starts() -> Vec<Row> {
    rows! {
        "an empty id" => |w| client(&w).start(waits(), "x".to_owned()).id("").send(), InvalidArgument, Never, "instance id must not be empty";
        "an id that is too long" => |w| client(&w).start(waits(), "x".to_owned()).id(long(257)).send(), InvalidArgument, Never, "instance id is 257 bytes long; the limit is 256 bytes";
        "an id with a zero byte" => |w| client(&w).start(waits(), "x".to_owned()).id("a\0b").send(), InvalidArgument, Never, "instance id holds the control character U+0000 at byte 1; remove it";
        "an id with a line feed" => |w| client(&w).start(waits(), "x".to_owned()).id("a\nb").send(), InvalidArgument, Never, "instance id holds the control character U+000A at byte 1; remove it";
        "an id with a tab at its end" => |w| client(&w).start(waits(), "x".to_owned()).id("a\t").send(), InvalidArgument, Never, "instance id holds the control character U+0009 at byte 1; remove it";
        "an id with a control character of two bytes" => |w| client(&w).start(waits(), "x".to_owned()).id("\u{85}").send(), InvalidArgument, Never, "instance id holds the control character U+0085 at byte 0; remove it";
        "a version that is too long" => |w| client(&w).start(waits(), "x".to_owned()).id("n").version(long(257)).send(), InvalidArgument, Never, "version is 257 bytes long; the limit is 256 bytes";
        "a version with a line feed" => |w| client(&w).start(waits(), "x".to_owned()).id("n").version("1\n").send(), InvalidArgument, Never, "version holds the control character U+000A at byte 1; remove it";
        "a version in the reference that is too long" => |w| client(&w).start(waits().version(long(257)), "x".to_owned()).id("n").send(), InvalidArgument, Never, "version is 257 bytes long; the limit is 256 bytes";
        "a start after more than a hundred years" => |w| client(&w).start(waits(), "x".to_owned()).id("n").after(limits::TIMER_MAX + Duration::from_secs(1)).send(), InvalidArgument, Never, "`n` would start more than 36600 days from now; that is the limit";
        "a start after the longest duration" => |w| client(&w).start(waits(), "x".to_owned()).id("n").after(Duration::MAX).send(), InvalidArgument, Never, "`n` would start more than 36600 days from now; that is the limit";
        "a start at the end of time" => |w| client(&w).start(waits(), "x".to_owned()).id("n").at(Timestamp::MAX).send(), InvalidArgument, Never, "`n` would start more than 36600 days from now; that is the limit";
        "too many labels" => |w| (0..33).fold(client(&w).start(waits(), "x".to_owned()).id("n"), |s, n| s.tag(n.to_string(), "v")).send(), InvalidArgument, Never, "33 labels of 89 bytes; the limits are 32 labels and 4096 bytes";
        "a label that is too long" => |w| client(&w).start(waits(), "x".to_owned()).id("n").tag("k", long(4_096)).send(), InvalidArgument, Never, "1 labels of 4097 bytes; the limits are 32 labels and 4096 bytes";
        "a name of a label that is too long" => |w| client(&w).start(waits(), "x".to_owned()).id("n").tag(long(4_097), "").send(), InvalidArgument, Never, "1 labels of 4097 bytes; the limits are 32 labels and 4096 bytes";
        "labels that are too long together" => |w| client(&w).start(waits(), "x".to_owned()).id("n").tag(long(2_000), "v").tag("k", long(2_200)).send(), InvalidArgument, Never, "2 labels of 4202 bytes; the limits are 32 labels and 4096 bytes";
        "an input that is too large" => |w| client(&w).start(waits(), big()).id("n").send(), InvalidArgument, Never, "the input of `n` is 2097155 bytes; the limit is 2097152 (DT0005): store it elsewhere and pass a reference";
        "an input that cannot be encoded" => |w| client(&w).start(odd(), unencodable()).id("n").send(), Conversion, Never, "cannot encode alloc::collections::btree::map::BTreeMap<(u8, u8), u8>: key must be a string";
        "an id that is taken by a live instance" => |w| client(&w).start(waits(), "x".to_owned()).id("live").send(), AlreadyExists, Never, "instance `live` (DT0006) already exists and is Running; choose another id or a reuse policy";
        "an id that is taken by an ended instance" => |w| client(&w).start(waits(), "x".to_owned()).id("done").send(), AlreadyExists, Never, "instance `done` (DT0006) already exists and is Completed; choose another id or a reuse policy";
        "a live instance that is to be replaced" => |w| client(&w).start(waits(), "x".to_owned()).id("live").reuse(ReusePolicy::ReplaceTerminal).send(), AlreadyExists, Never, "instance `live` (DT0006) already exists and is Running; choose another id or a reuse policy";
        "an id that is taken, with a later start" => |w| client(&w).start(waits(), "x".to_owned()).id("live").after(Duration::from_secs(9)).send(), AlreadyExists, Never, "instance `live` (DT0006) already exists and is Running; choose another id or a reuse policy";
    }
}
