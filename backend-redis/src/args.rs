//! What a script is called with.

use std::time::Duration;

use durable_core::backend::{
    ActivityCommit, ActivityLease, CreateInstance, Disposition, Envelope, ReusePolicy,
    TrackingLease, TurnCommit, TurnLease,
};
use durable_core::ids::{ExecutionId, MessageId};
use durable_core::time::Timestamp;
use redis::Cmd;

use crate::link::Call;
use crate::partition::{Home, Partition};
use crate::scripts::Script;
use crate::values;

/// Numbers of a script are exact up to 2^53; this many microseconds are the year 2255.
const MICROS_MAX: u64 = 9_000_000_000_000_000;

/// The longest span in microseconds: with the time of day it stays below [`MICROS_MAX`].
const SPAN_MAX: u64 = 4_000_000_000_000_000;

/// The call of a script.
pub(crate) struct Args {
    home: Home,
    cmd: Cmd,
    /// Command, hash, count of keys, keys.
    before: usize,
}

impl Args {
    /// The call of a script on the keys of a partition.
    pub(crate) fn of(script: &Script, partition: &Partition) -> Self {
        let mut cmd = Cmd::with_capacity(16, 256);
        cmd.arg("EVALSHA").arg(&script.hash);
        let before = match &partition.guard {
            None => {
                cmd.arg(1).arg(&partition.base);
                4
            }
            Some(guard) => {
                cmd.arg(2).arg(&partition.base).arg(guard);
                5
            }
        };
        Self { home: partition.home, cmd, before }
    }

    pub(crate) fn into_call(self) -> Call {
        Call { slot: self.home.slot, cmd: self.cmd }
    }

    /// The call of a script for several items: each is the count of its arguments and these.
    pub(crate) fn of_several(script: &Script, partition: &Partition, items: &[Self]) -> Self {
        let mut several = Self::of(script, partition);
        for item in items {
            several = item.own().fold(several.count(item.own().count()), Self::bytes);
        }
        several
    }

    /// The call of a script for a verb that takes something along: the count of the verb's
    /// arguments, these, and those of the taking.
    pub(crate) fn along(script: &Script, partition: &Partition, verb: &Self, take: &Self) -> Self {
        let args = Self::of(script, partition).count(verb.own().count());
        verb.own().chain(take.own()).fold(args, Self::bytes)
    }

    /// The arguments behind the keys.
    fn own(&self) -> impl Iterator<Item = &[u8]> {
        self.cmd.args_iter().skip(self.before).filter_map(|arg| match arg {
            redis::Arg::Simple(bytes) => Some(bytes),
            _ => None,
        })
    }

    pub(crate) fn bytes(mut self, bytes: &[u8]) -> Self {
        self.cmd.arg(bytes);
        self
    }

    pub(crate) fn text(self, text: &str) -> Self {
        self.bytes(text.as_bytes())
    }

    pub(crate) fn number(mut self, n: u64) -> Self {
        self.cmd.arg(n);
        self
    }

    pub(crate) fn count(self, n: usize) -> Self {
        self.number(n as u64)
    }

    pub(crate) fn span(self, span: Duration) -> Self {
        self.number(u64::try_from(span.as_micros()).unwrap_or(u64::MAX).min(SPAN_MAX))
    }

    /// An execution or token; empty when there is none.
    pub(crate) fn id(self, id: Option<u128>) -> Self {
        match id {
            Some(id) => self.bytes(&id.to_be_bytes()),
            None => self.text(""),
        }
    }

    fn time(self, time: Option<Timestamp>) -> Self {
        match time {
            Some(time) => self.number(time.as_micros().min(MICROS_MAX)),
            None => self.text(""),
        }
    }

    pub(crate) fn message_id(self, id: MessageId) -> Self {
        self.bytes(&values::message_id(id))
    }

    fn message_ids(self, ids: &[MessageId]) -> Self {
        self.bytes(&ids.iter().flat_map(|id| values::message_id(*id)).collect::<Vec<_>>())
    }

    pub(crate) fn flag(self, flag: bool) -> Self {
        self.text(if flag { "1" } else { "" })
    }

    /// The nine parts of a message that `deliver` in `message.lua` takes.
    pub(crate) fn message(self, m: &Envelope) -> Self {
        let args = self
            .message_id(m.id)
            .text(m.target.as_str())
            .id(m.execution.map(|e| e.0))
            .time(m.visible_at)
            .flag(m.control)
            .bytes(&m.body);
        match &m.creates {
            Some(record) => args
                .bytes(&values::record(record))
                .number(record.status.number().into())
                .id(Some(record.execution.0)),
            None => args.text("").text("").text(""),
        }
    }

    pub(crate) fn turn_lease(self, lease: &TurnLease) -> Self {
        self.text(lease.instance.as_str()).id(Some(lease.token.0))
    }

    pub(crate) fn activity(self, lease: &ActivityLease) -> Self {
        self.message_id(lease.task).text(lease.instance.as_str()).id(Some(lease.token.0))
    }

    /// What `commit_activity.lua` reads.
    pub(crate) fn completion(self, commit: &ActivityCommit) -> Self {
        self.message(&commit.completion).activity(&commit.lease)
    }

    pub(crate) fn tracking(self, lease: &TrackingLease) -> Self {
        self.message_id(lease.record).id(Some(lease.token.0))
    }

    /// What `create_instance.lua` reads. `None` when there is no first record.
    pub(crate) fn create(self, request: &CreateInstance) -> Option<Self> {
        let start = &request.start;
        let record = start.creates.as_deref()?;
        Some(
            self.message_id(start.id)
                .text(start.target.as_str())
                .flag(request.reuse == ReusePolicy::ReplaceTerminal)
                .time(start.visible_at)
                .flag(start.control)
                .bytes(&start.body)
                .bytes(&values::record(record))
                .number(record.status.number().into())
                .id(Some(record.execution.0)),
        )
    }

    /// What `commit_turn.lua` reads; the last of the single values says how many parts of the
    /// commit are staged.
    pub(crate) fn turn(self, c: &TurnCommit, staged: usize) -> Self {
        let mut args = self.turn_itself(c).count(staged).count(c.activities.len());
        for task in &c.activities {
            args = args.task(task, c.execution);
        }
        let home = args.home;
        let (others, here): (Vec<&Envelope>, Vec<&Envelope>) =
            c.messages.iter().partition(|m| home.elsewhere(&m.target).is_some());
        args = args.count(here.len());
        for message in here {
            args = args.message(message);
        }
        for message in others {
            args = args.posted(message);
        }
        args
    }

    /// The ten parts of a message to another partition that `post` in `outbox.lua` takes.
    pub(crate) fn posted(self, message: &Envelope) -> Self {
        let target = self.home.elsewhere(&message.target).unwrap_or(self.home.number);
        self.number(target.into()).message(message)
    }

    /// The eighteen single values of a turn.
    fn turn_itself(self, c: &TurnCommit) -> Self {
        let mut args = self
            .text(c.lease.instance.as_str())
            .id(Some(c.lease.token.0))
            .id(Some(c.execution.0))
            .number(c.expected_events)
            .number(c.at.as_micros());
        args = match &c.chunk {
            Some(chunk) => args.number(chunk.events.into()).bytes(&values::chunk(chunk)),
            None => args.number(0).text(""),
        };
        args = match &c.record {
            Some(record) => args
                .bytes(&values::record(record))
                .number(record.status.number().into())
                .id(Some(record.execution.0)),
            None => args.text("").text("").text(""),
        };
        args = match &c.next {
            Some(next) => args
                .text(if next.keep_history { "2" } else { "1" })
                .id(Some(next.execution.0))
                .number(next.chunk.events.into())
                .bytes(&values::chunk(&next.chunk)),
            None => args.text("").text("").text("").text(""),
        };
        args = match &c.tracking {
            Some(tracking) => args.bytes(&tracking_value(tracking)),
            None => args.text(""),
        };
        args = match c.disposition {
            Disposition::Hold { until: Some(until) } => {
                args.text(&format!("h{}", until.as_micros().min(MICROS_MAX)))
            }
            Disposition::Hold { until: None } => args.text("h"),
            _ => args.text(""),
        };
        args.message_ids(&c.consumed).message_ids(&c.cancelled)
    }

    /// The five parts of a task that `add_task` in `turn.lua` takes.
    pub(crate) fn task(self, task: &Envelope, current: ExecutionId) -> Self {
        self.message_id(task.id)
            .id(Some(task.execution.unwrap_or(current).0))
            .time(task.visible_at)
            .text(task.queue.as_str())
            .bytes(&task.body)
    }
}

/// Id, length and text of the instance, body.
fn tracking_value(tracking: &Envelope) -> Vec<u8> {
    let instance = tracking.target.as_str();
    let mut value = values::message_id(tracking.id).to_vec();
    value.extend_from_slice(format!("{:03}", instance.len()).as_bytes());
    value.extend_from_slice(instance.as_bytes());
    value.extend_from_slice(&tracking.body);
    value
}
