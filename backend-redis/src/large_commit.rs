//! Turns with more parts than one script should handle.
//!
//! A script blocks the server, and with it everybody else, for as long as it runs. So the tasks
//! and messages of a large turn are put aside first, some hundred per script; then the turn is
//! committed, which is the point where all of it counts; then they are brought out, again some
//! hundred per script. Who finds them not brought out, because a process died, goes on with it.

use std::collections::BTreeSet;

use bytes::Bytes;
use durable_core::backend::{
    BackendError, BackendErrorKind, BackendResult, CommitOutcome, Envelope, TurnCommit,
};
use redis::Value;

use crate::args::Args;
use crate::backend::{RedisBackend, TURN_OUTCOMES};
use crate::error::Effect;
use crate::link::unexpected;
use crate::partition::Partition;
use crate::reply::outcome;
use crate::scripts::SCRIPTS;

/// Most parts that one script handles.
pub(crate) const PARTS_MAX: usize = 128;

/// How much a commit adds to the work of a script that has several.
pub(crate) fn weight(commit: &TurnCommit) -> usize {
    parts(commit) + commit.consumed.len() / 8
}

/// How many parts a commit has.
pub(crate) fn parts(commit: &TurnCommit) -> usize {
    commit.activities.len() + commit.messages.len() + commit.cancelled.len()
}

/// Whether a commit is too large for one script.
pub(crate) fn is_large(commit: &TurnCommit) -> bool {
    parts(commit) > PARTS_MAX
}

/// What `stage_turn.lua` answers.
#[derive(Debug, Clone, Copy)]
enum Staged {
    Done,
    Refused(CommitOutcome),
    Missing,
    Committed,
}

const STAGED: [Staged; 5] = [
    Staged::Done,
    Staged::Refused(CommitOutcome::LeaseLost),
    Staged::Refused(CommitOutcome::Conflict),
    Staged::Missing,
    Staged::Committed,
];

const OPERATION: &str = "commit_turns";

fn missing() -> BackendError {
    let text = "parts of a large turn that were put aside are gone; it is to be committed again";
    BackendError::new(BackendErrorKind::Unavailable, OPERATION, text)
}

/// Takes out what the turn itself gives up again, and the parts that are to be staged.
fn take_parts(commit: &mut TurnCommit) -> TurnCommit {
    let cancelled: BTreeSet<_> = commit.cancelled.iter().copied().collect();
    let instance = commit.lease.instance.clone();
    commit.activities.retain(|task| !cancelled.contains(&task.id));
    commit.messages.retain(|m| m.target != instance || !cancelled.contains(&m.id));
    TurnCommit {
        activities: std::mem::take(&mut commit.activities),
        messages: std::mem::take(&mut commit.messages),
        cancelled: std::mem::take(&mut commit.cancelled),
        // The rest of a commit is not looked at when parts are staged.
        chunk: None,
        record: None,
        next: None,
        tracking: None,
        consumed: Vec::new(),
        ..commit.clone()
    }
}

impl RedisBackend {
    /// Commits a large turn. As with a small one, it may be repeated after an unknown outcome.
    pub(crate) async fn commit_large(
        &self,
        mut commit: TurnCommit,
    ) -> BackendResult<CommitOutcome> {
        let parts = take_parts(&mut commit);
        let staged = self::parts(&parts);
        for call in self.stage_calls(&parts) {
            let script = &SCRIPTS.stage_turn;
            let answer = self.call(OPERATION, Effect::Writes, script, call).await?;
            match outcome(OPERATION, &answer, &STAGED)? {
                Staged::Done => {}
                Staged::Refused(outcome) => return Ok(outcome),
                Staged::Missing => return Err(missing()),
                Staged::Committed => break,
            }
        }
        let script = &SCRIPTS.commit_turn;
        let args = self.args(script, &commit.lease.instance).turn(&commit, staged);
        let answer = self.call(OPERATION, Effect::Writes, script, args).await?;
        if matches!(answer, Value::Int(3)) {
            return Err(missing());
        }
        let outcome = outcome(OPERATION, &answer, &TURN_OUTCOMES)?;
        if outcome == CommitOutcome::Applied {
            let lease = &commit.lease;
            // From here on it counts, whatever happens to this call.
            let home = self.partition(&lease.instance);
            let (token, instance) = (lease.token.0.to_be_bytes(), lease.instance.as_str());
            self.publish(home, &token, instance.as_bytes()).await.map_err(BackendError::unknown)?;
        }
        Ok(outcome)
    }

    /// One call for every few hundred parts, in the order in which they take effect.
    fn stage_calls(&self, parts: &TurnCommit) -> Vec<Args> {
        let mut calls = Vec::new();
        let mut before = 0;
        let mut begin = |kind: &str, count: usize| {
            let args = self
                .args(&SCRIPTS.stage_turn, &parts.lease.instance)
                .text(parts.lease.instance.as_str())
                .id(Some(parts.lease.token.0))
                .id(Some(parts.execution.0))
                .number(parts.expected_events)
                .count(before)
                .text(kind);
            before += count;
            args
        };
        for tasks in parts.activities.chunks(PARTS_MAX) {
            let args = begin("t", tasks.len());
            calls.push(tasks.iter().fold(args, |args, t| args.task(t, parts.execution)));
        }
        let home = self.partition(&parts.lease.instance);
        let (others, here): (Vec<&Envelope>, Vec<&Envelope>) =
            parts.messages.iter().partition(|m| home.home.elsewhere(&m.target).is_some());
        for messages in here.chunks(PARTS_MAX) {
            let args = begin("m", messages.len());
            calls.push(messages.iter().fold(args, |args, m| args.message(m)));
        }
        for messages in others.chunks(PARTS_MAX) {
            let args = begin("o", messages.len());
            calls.push(messages.iter().fold(args, |args, m| args.posted(m)));
        }
        for ids in parts.cancelled.chunks(PARTS_MAX) {
            let args = begin("c", ids.len());
            calls.push(ids.iter().fold(args, |args, id| args.message_id(*id)));
        }
        calls
    }

    /// Brings out all staged parts of a committed turn.
    async fn publish(&self, home: &Partition, token: &[u8], instance: &[u8]) -> BackendResult<()> {
        let script = &SCRIPTS.publish_turn;
        loop {
            let args = Args::of(script, home).bytes(token).bytes(instance).count(PARTS_MAX);
            match self.call(OPERATION, Effect::Writes, script, args).await? {
                Value::Int(0) => return Ok(()),
                Value::Int(_) => {}
                _ => return Err(unexpected(OPERATION)),
            }
        }
    }

    /// Brings out what another process has left behind; the answer of a receive names it by
    /// token and instance.
    pub(crate) async fn publish_left_behind(&self, home: &Partition, turn: &Bytes) {
        if let Some((token, instance)) = turn.split_first_chunk::<16>()
            && let Err(error) = self.publish(home, token, instance).await
        {
            // The next receive comes by here again.
            tracing::warn!(%error, "cannot bring out the parts of a large turn");
        }
    }
}
