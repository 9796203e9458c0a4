//! Turns that are committed wrongly.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use durable_core::backend::{
    Backend, BackendResult, CommitOutcome, Disposition, OrchestrationStatus, TurnCommit, TurnWork,
};
use durable_core::ids::{InstanceId, LeaseToken, MessageId};
use durable_core::model::wire::{self, ChunkWriter};
use durable_core::model::{HistoryEvent, Message};
use durable_core::time::Timestamp;

use super::EveryNth;
use crate::tamper::Tamper;

/// Changes a commit; `false` if there is nothing in it to change.
type Change = fn(&mut TurnCommit) -> bool;

struct Sometimes(EveryNth, Change);

impl Tamper for Sometimes {
    fn on_commit(&self, commit: TurnCommit) -> TurnCommit {
        let mut changed = commit.clone();
        if (self.1)(&mut changed) && self.0.now() { changed } else { commit }
    }
}

/// A change at every n-th chance.
pub(super) fn sometimes(n: u64, change: Change) -> Box<dyn Tamper> {
    Box::new(Sometimes(EveryNth::new(n), change))
}

/// Changes the events of a turn.
fn events(commit: &mut TurnCommit, change: impl FnOnce(&mut Vec<HistoryEvent>) -> bool) -> bool {
    let Some(chunk) = &commit.chunk else { return false };
    let Ok(mut events) = wire::decode_chunk(chunk) else { return false };
    if !change(&mut events) {
        return false;
    }
    let mut writer = ChunkWriter::default();
    events.iter().for_each(|event| writer.push(event));
    commit.chunk = writer.finish();
    true
}

fn is_timer(body: &Bytes) -> bool {
    matches!(wire::decode_message(body), Ok(Message::TimerFired(_)))
}

/// Removes the first message of a kind.
fn drop_message(commit: &mut TurnCommit, of: impl Fn(&Message) -> bool) -> bool {
    let at = commit
        .messages
        .iter()
        .position(|m| wire::decode_message(&m.body).is_ok_and(|message| of(&message)));
    at.map(|at| commit.messages.remove(at)).is_some()
}

pub(super) fn drop_activity(commit: &mut TurnCommit) -> bool {
    commit.activities.pop().is_some()
}

pub(super) fn extra_activity(commit: &mut TurnCommit) -> bool {
    let Some(mut extra) = commit.activities.first().cloned() else { return false };
    extra.id.seq += 1_000;
    commit.activities.push(extra);
    true
}

pub(super) fn drop_timer(commit: &mut TurnCommit) -> bool {
    drop_message(commit, |m| matches!(m, Message::TimerFired(_)))
}

pub(super) fn drop_child(commit: &mut TurnCommit) -> bool {
    drop_message(commit, |m| matches!(m, Message::Start(_) | Message::StartAt(_)))
}

pub(super) fn drop_report(commit: &mut TurnCommit) -> bool {
    drop_message(commit, |m| matches!(m, Message::ChildCompleted(_) | Message::ChildFailed(_)))
}

pub(super) fn drop_sent_event(commit: &mut TurnCommit) -> bool {
    drop_message(commit, |m| matches!(m, Message::EventRaised(_)))
}

pub(super) fn early_timer(commit: &mut TurnCommit) -> bool {
    let timer = commit.messages.iter_mut().find(|m| is_timer(&m.body));
    let Some(at) = timer.and_then(|timer| timer.visible_at.as_mut()) else { return false };
    *at = Timestamp::from_micros(at.as_micros().saturating_sub(1));
    true
}

/// Records that a timer has fired in the very turn that sets it.
pub(super) fn timer_at_once(commit: &mut TurnCommit) -> bool {
    let at = commit.at;
    events(commit, |events| {
        let later = events.iter().find_map(|event| match event {
            HistoryEvent::TimerCreated(e) if e.fire_at > at => Some(e.id),
            _ => None,
        });
        let fired = |id| HistoryEvent::TimerFired(durable_core::model::event::TimerFired { id });
        events.extend(later.map(fired));
        later.is_some()
    })
}

pub(super) fn drop_chunk(commit: &mut TurnCommit) -> bool {
    commit.chunk.take().is_some()
}

pub(super) fn drop_last_event(commit: &mut TurnCommit) -> bool {
    events(commit, |events| events.len() > 1 && events.pop().is_some())
}

pub(super) fn repeat_event(commit: &mut TurnCommit) -> bool {
    events(commit, |events| {
        let again = events.iter().find(|e| {
            matches!(e, HistoryEvent::ActivityCompleted(_) | HistoryEvent::EventRaised(_))
        });
        let again = again.cloned();
        let found = again.is_some();
        events.extend(again);
        found
    })
}

pub(super) fn keep_message(commit: &mut TurnCommit) -> bool {
    let raised = commit.chunk.as_ref().and_then(|c| wire::decode_chunk(c).ok());
    let raised = raised.into_iter().flatten().find_map(|event| match event {
        HistoryEvent::EventRaised(e) => Some(e.message),
        _ => None,
    });
    let Some(kept) = raised else { return false };
    commit.consumed.retain(|id| *id != kept);
    true
}

/// Gives up an activity that it has just begun.
pub(super) fn cancel_wanted(commit: &mut TurnCommit) -> bool {
    let wanted = commit.activities.first().map(|a| a.id);
    commit.cancelled.extend(wanted);
    wanted.is_some()
}

fn is_end(commit: &TurnCommit) -> bool {
    commit.record.as_ref().is_some_and(|r| r.status.is_terminal())
}

pub(super) fn drop_end(commit: &mut TurnCommit) -> bool {
    is_end(commit) && commit.record.take().is_some()
}

pub(super) fn end_early(commit: &mut TurnCommit) -> bool {
    match &mut commit.record {
        Some(record) if record.status == OrchestrationStatus::Running => {
            record.status = OrchestrationStatus::Completed;
            true
        }
        _ => false,
    }
}

pub(super) fn swap_status(commit: &mut TurnCommit) -> bool {
    match &mut commit.record {
        Some(record) if record.status == OrchestrationStatus::Completed => {
            record.status = OrchestrationStatus::Failed;
            true
        }
        Some(record) if record.status == OrchestrationStatus::Failed => {
            record.status = OrchestrationStatus::Completed;
            true
        }
        _ => false,
    }
}

pub(super) fn drop_next(commit: &mut TurnCommit) -> bool {
    commit.next.take().is_some()
}

pub(super) fn drop_carried(commit: &mut TurnCommit) -> bool {
    let Some(next) = &mut commit.next else { return false };
    let Ok(events) = wire::decode_chunk(&next.chunk) else { return false };
    let mut writer = ChunkWriter::default();
    events.iter().take(1).for_each(|event| writer.push(event));
    if let Some(chunk) = writer.finish() {
        next.chunk = chunk;
    }
    events.len() > 1
}

pub(super) fn hold_for_ever(commit: &mut TurnCommit) -> bool {
    let runs = !is_end(commit) && commit.disposition == Disposition::Ready;
    commit.disposition = Disposition::Hold { until: None };
    runs
}

/// Every commit of these fails for ever, because the caller counts wrongly.
pub(super) fn wrong_length(commit: &mut TurnCommit) -> bool {
    let first = commit.expected_events > 0;
    commit.expected_events += 1;
    first && commit.lease.instance.as_str().len().is_multiple_of(3)
}

pub(super) fn drop_output(commit: &mut TurnCommit) -> bool {
    let Some(record) = &mut commit.record else { return false };
    let Ok(mut details) = wire::decode_details(&record.details) else { return false };
    let had = details.output.take().is_some();
    record.details = wire::encode_details(&details);
    had
}

/// Consumes also messages that it was given and did not look at.
pub(super) struct Greedy {
    when: EveryNth,
    unread: Mutex<BTreeMap<LeaseToken, Vec<MessageId>>>,
}

impl Greedy {
    pub(super) fn new(n: u64) -> Self {
        Self { when: EveryNth::new(n), unread: Mutex::default() }
    }
}

impl Tamper for Greedy {
    fn on_turns(&self, mut works: Vec<TurnWork>) -> Vec<TurnWork> {
        let mut unread = self.unread.lock().unwrap_or_else(PoisonError::into_inner);
        for work in &mut works {
            if work.messages.len() > 1
                && work.events > 0
                && self.when.now()
                && let Some(last) = work.messages.pop()
            {
                unread.insert(work.lease.token, vec![last.id]);
            }
        }
        works
    }

    fn on_commit(&self, mut commit: TurnCommit) -> TurnCommit {
        let mut unread = self.unread.lock().unwrap_or_else(PoisonError::into_inner);
        commit.consumed.extend(unread.remove(&commit.lease.token).unwrap_or_default());
        commit
    }
}

/// Commits under the token of the turn before.
#[derive(Default)]
pub(super) struct Stale(Mutex<BTreeMap<InstanceId, LeaseToken>>);

impl Tamper for Stale {
    fn on_commit(&self, mut commit: TurnCommit) -> TurnCommit {
        let mut tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let own = commit.lease.token;
        if let Some(old) = tokens.insert(commit.lease.instance.clone(), own) {
            commit.lease.token = old;
        }
        commit
    }
}

/// Takes some commits for applied without having asked.
pub(super) struct Forgets(EveryNth);

impl Forgets {
    pub(super) fn new(n: u64) -> Self {
        Self(EveryNth::new(n))
    }
}

#[async_trait]
impl Tamper for Forgets {
    async fn commit_turns(
        &self,
        inner: &dyn Backend,
        commits: Vec<TurnCommit>,
    ) -> Vec<BackendResult<CommitOutcome>> {
        if self.0.now() {
            // Nobody else may find it out by taking the turn over.
            let leases: Vec<_> = commits.iter().map(|c| c.lease.clone()).collect();
            inner.renew_turns(leases, std::time::Duration::from_secs(30 * 24 * 3600)).await;
            return commits.iter().map(|_| Ok(CommitOutcome::Applied)).collect();
        }
        inner.commit_turns(commits).await
    }
}
