//! Activities that are completed wrongly.

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use durable_core::backend::{
    ActivityCommit, ActivityWork, Backend, BackendResult, CommitOutcome, Envelope,
};
use durable_core::ids::MessageId;
use durable_core::model::{Message, wire};
use durable_core::payload::encode;

use super::super::code::Task;
use super::super::plan::HUBS;
use super::EveryNth;
use crate::tamper::Tamper;

/// Reports the result of the call before instead of its own.
#[derive(Default)]
pub(super) struct Mixed(Mutex<Option<Envelope>>);

impl Tamper for Mixed {
    fn on_completion(&self, mut commit: ActivityCommit) -> ActivityCommit {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let own = commit.completion.clone();
        if let Some(before) = last.replace(own.clone())
            && before.execution == own.execution
        {
            commit.completion.body = before.body;
        }
        commit
    }
}

/// Takes some completions for applied without having asked, and keeps the task for itself.
pub(super) struct Loses(EveryNth);

impl Loses {
    pub(super) fn new(n: u64) -> Self {
        Self(EveryNth::new(n))
    }
}

impl Tamper for Loses {
    fn on_completion(&self, mut commit: ActivityCommit) -> ActivityCommit {
        if self.0.now() {
            // To a generation that is not: the store drops it.
            commit.completion.execution = Some(durable_core::ids::ExecutionId(1));
        }
        commit
    }
}

/// Reports another value than the activity returned.
pub(super) struct Forged(EveryNth);

impl Forged {
    pub(super) fn new(n: u64) -> Self {
        Self(EveryNth::new(n))
    }
}

impl Tamper for Forged {
    fn on_completion(&self, mut commit: ActivityCommit) -> ActivityCommit {
        if self.0.now()
            && let Ok(Message::ActivityCompleted(mut done)) =
                wire::decode_message(&commit.completion.body)
            && let Ok(value) = encode(&1_u64)
        {
            done.output = Some(value);
            commit.completion.body = wire::encode_message(&Message::ActivityCompleted(done));
        }
        commit
    }
}

/// Sends the completion as an ordinary message and under another id: the fence does not hold it.
pub(super) struct Beside(EveryNth);

impl Beside {
    pub(super) fn new(n: u64) -> Self {
        Self(EveryNth::new(n))
    }
}

#[async_trait]
impl Tamper for Beside {
    async fn commit_activities(
        &self,
        inner: &dyn Backend,
        commits: Vec<ActivityCommit>,
    ) -> Vec<BackendResult<CommitOutcome>> {
        if self.0.now() {
            let beside = |c: &ActivityCommit| Envelope {
                id: MessageId { source: c.completion.id.source ^ 1, seq: c.completion.id.seq },
                creates: None,
                execution: None,
                ..forged(c.completion.clone())
            };
            inner.send(commits.iter().map(beside).collect()).await;
        }
        inner.commit_activities(commits).await
    }
}

/// The result of an earlier, half-finished run of the activity.
fn forged(completion: Envelope) -> Envelope {
    let body = match wire::decode_message(&completion.body) {
        Ok(Message::ActivityCompleted(mut done)) => {
            done.output = encode(&2_u64).ok();
            wire::encode_message(&Message::ActivityCompleted(done))
        }
        _ => completion.body.clone(),
    };
    Envelope { body, ..completion }
}

/// Runs activities as if they were of the other hub.
pub(super) struct OtherHub;

impl Tamper for OtherHub {
    fn on_activities(&self, mut works: Vec<ActivityWork>) -> Vec<ActivityWork> {
        for work in &mut works {
            if let Ok(mut task) = wire::decode_task(&work.body)
                && let Some(input) = &task.input
                && let Ok(mut inside) = durable_core::payload::decode::<Task>(input)
            {
                let other = HUBS.iter().find(|hub| **hub != inside.hub);
                inside.hub = other.map(ToString::to_string).unwrap_or_default();
                task.input = encode(&inside).ok();
                work.body = wire::encode_task(&task);
            }
        }
        works
    }
}
