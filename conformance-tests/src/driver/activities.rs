//! Receiving and completing activities.

use std::time::Duration;

use durable_core::backend::{
    AbandonOutcome, ActivityCommit, ActivityLease, ActivityWork, CommitOutcome, Envelope,
    ReceiveActivities, RenewActivity, RenewOutcome,
};
use durable_core::ids::{MessageId, QueueName};
use durable_core::time::Timestamp;

use super::{Hub, Inst, bytes, only};
use crate::check::{Checked, Failure};

impl Hub {
    /// A running instance with activities `a1`, `a2`, … on the default queue.
    pub(crate) async fn scheduling(&self, name: &str, count: u64) -> Checked<Inst> {
        let inst = self.running(name).await?;
        let work = self.woken(&inst, "schedule").await?;
        let step =
            (1..=count).fold(self.step(&work), |step, seq| step.activity(seq, &format!("a{seq}")));
        step.apply().await?;
        Ok(inst)
    }

    /// An instance whose only activity is on loan.
    pub(crate) async fn with_activity(&self, name: &str) -> Checked<(Inst, ActivityWork)> {
        let inst = self.scheduling(name, 1).await?;
        let task = self.activity().await?;
        ensure_eq!(task.lease.instance, inst.id, "the instance of the task");
        Ok((inst, task))
    }

    pub(crate) fn ask_activities(&self, max: usize, wait: Duration) -> ReceiveActivities {
        ReceiveActivities {
            max,
            lease_for: self.timings().lease_long,
            wait,
            queues: vec![QueueName::default()],
            worker: self.worker(),
        }
    }

    pub(crate) async fn activities_now(&self, max: usize) -> Checked<Vec<ActivityWork>> {
        Ok(self.backend().receive_activities(self.ask_activities(max, Duration::ZERO)).await?)
    }

    /// What a receive brings that must bring something.
    pub(crate) async fn activities(
        &self,
        request: ReceiveActivities,
    ) -> Checked<Vec<ActivityWork>> {
        let works = self
            .soon("the arrival of an activity", self.backend().receive_activities(request))
            .await??;
        ensure!(!works.is_empty(), "no activity arrived");
        Ok(works)
    }

    /// The one activity that must be ready, or become ready at once.
    pub(crate) async fn activity(&self) -> Checked<ActivityWork> {
        let works = self.activities(self.ask_activities(1, self.wait())).await?;
        ensure_eq!(works.len(), 1, "activities received with a maximum of one");
        works.into_iter().next().ok_or_else(|| Failure::new("no activity"))
    }

    /// An activity on a lease that the check lets end.
    pub(crate) async fn short_activity(&self) -> Checked<ActivityWork> {
        let lease_for = self.timings().lease_short;
        let mut works = self
            .activities(ReceiveActivities { lease_for, ..self.ask_activities(1, self.wait()) })
            .await?;
        works.pop().ok_or_else(|| Failure::new("no activity"))
    }

    /// Exactly `count` activities, however many receives it takes.
    pub(crate) async fn activities_all(&self, count: usize) -> Checked<Vec<ActivityWork>> {
        let mut works = Vec::new();
        while works.len() < count {
            works.extend(
                self.activities(self.ask_activities(count - works.len(), self.wait())).await?,
            );
        }
        ensure_eq!(works.len(), count, "activities received");
        Ok(works)
    }

    /// Insists that no activity is ready.
    pub(crate) async fn no_activity(&self, why: &str) -> Checked {
        self.settle().await;
        let works = self.activities_now(10).await?;
        ensure!(works.is_empty(), "{why}, but {works:?} was handed out");
        Ok(())
    }

    /// Insists that no activity is handed out before `at`.
    pub(crate) async fn no_activity_before(&self, at: Timestamp, why: &str) -> Checked {
        self.settle().await;
        let works = self.activities_now(10).await?;
        ensure!(works.is_empty() || self.now() >= at, "{why}, but {works:?} was handed out");
        Ok(())
    }

    /// The completion message of a task, with the task's id and execution.
    pub(crate) fn completion(&self, task: &ActivityWork, body: &str) -> Envelope {
        let MessageId { source, seq } = task.lease.task;
        // Another id than the task's: the inbox knows messages, not tasks.
        let id = MessageId { source, seq: seq + (1 << 40) };
        let target = task.lease.instance.clone();
        Envelope {
            execution: Some(task.execution),
            ..Envelope::new(id, target, self.number(), bytes(body))
        }
    }

    pub(crate) fn activity_commit(&self, task: &ActivityWork, body: &str) -> ActivityCommit {
        ActivityCommit { lease: task.lease.clone(), completion: self.completion(task, body) }
    }

    pub(crate) async fn complete(&self, task: &ActivityWork, body: &str) -> Checked<CommitOutcome> {
        only(self.backend().commit_activities(vec![self.activity_commit(task, body)]).await)
    }

    /// Completes and insists on success.
    pub(crate) async fn completes(&self, task: &ActivityWork, body: &str) -> Checked {
        ensure_eq!(
            self.complete(task, body).await?,
            CommitOutcome::Applied,
            "outcome of an activity's commit"
        );
        Ok(())
    }

    pub(crate) async fn renew_activity(
        &self,
        lease: &ActivityLease,
        lease_for: Duration,
        progress: Option<&str>,
    ) -> Checked<RenewOutcome> {
        let renewal =
            RenewActivity { lease: lease.clone(), lease_for, progress: progress.map(bytes) };
        only(self.backend().renew_activities(vec![renewal]).await)
    }

    pub(crate) async fn abandon_activity(
        &self,
        lease: &ActivityLease,
        delay: Duration,
    ) -> Checked<AbandonOutcome> {
        only(self.backend().abandon_activities(vec![lease.clone()], delay).await)
    }
}
