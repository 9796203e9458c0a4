//! Ids and names.

use durable::ids::{HubName, InstanceId, Name, QueueName};

use crate::table::{Row, long, now, rows};

#[rustfmt::skip]
#[allow(clippy::too_many_lines, reason = "a table")]
pub(crate) fn ids() -> Vec<Row> {
    rows! {
        "InstanceId: nothing" => |w| now(InstanceId::new("")), InvalidArgument, Never, "instance id must not be empty";
        "InstanceId: too long" => |w| now(InstanceId::new(long(257))), InvalidArgument, Never, "instance id is 257 bytes long; the limit is 256 bytes";
        "InstanceId: a zero byte" => |w| now(InstanceId::new("a\0")), InvalidArgument, Never, "instance id holds the control character U+0000 at byte 1; remove it";
        "InstanceId: a line feed" => |w| now(InstanceId::new("\n")), InvalidArgument, Never, "instance id holds the control character U+000A at byte 0; remove it";
        "InstanceId: a delete" => |w| now(InstanceId::new("ab\u{7f}")), InvalidArgument, Never, "instance id holds the control character U+007F at byte 2; remove it";
        "Name: nothing" => |w| now(Name::new("")), InvalidArgument, Never, "name must not be empty";
        "Name: too long" => |w| now(Name::new(long(257))), InvalidArgument, Never, "name is 257 bytes long; the limit is 256 bytes";
        "Name: a zero byte" => |w| now(Name::new("a\0")), InvalidArgument, Never, "name holds the control character U+0000 at byte 1; remove it";
        "Name: a line feed" => |w| now(Name::new("\n")), InvalidArgument, Never, "name holds the control character U+000A at byte 0; remove it";
        "Name: a delete" => |w| now(Name::new("ab\u{7f}")), InvalidArgument, Never, "name holds the control character U+007F at byte 2; remove it";
        "HubName: nothing" => |w| now(HubName::new("")), InvalidArgument, Never, "task hub name must not be empty";
        "HubName: too long" => |w| now(HubName::new(long(65))), InvalidArgument, Never, "task hub name is 65 bytes long; the limit is 64 bytes";
        "HubName: a zero byte" => |w| now(HubName::new("a\0")), InvalidArgument, Never, "task hub name holds the control character U+0000 at byte 1; remove it";
        "HubName: a line feed" => |w| now(HubName::new("\n")), InvalidArgument, Never, "task hub name holds the control character U+000A at byte 0; remove it";
        "HubName: a delete" => |w| now(HubName::new("ab\u{7f}")), InvalidArgument, Never, "task hub name holds the control character U+007F at byte 2; remove it";
        "QueueName: nothing" => |w| now(QueueName::new("")), InvalidArgument, Never, "activity queue name must not be empty";
        "QueueName: too long" => |w| now(QueueName::new(long(257))), InvalidArgument, Never, "activity queue name is 257 bytes long; the limit is 256 bytes";
        "QueueName: a zero byte" => |w| now(QueueName::new("a\0")), InvalidArgument, Never, "activity queue name holds the control character U+0000 at byte 1; remove it";
        "QueueName: a line feed" => |w| now(QueueName::new("\n")), InvalidArgument, Never, "activity queue name holds the control character U+000A at byte 0; remove it";
        "QueueName: a delete" => |w| now(QueueName::new("ab\u{7f}")), InvalidArgument, Never, "activity queue name holds the control character U+007F at byte 2; remove it";
    }
}
