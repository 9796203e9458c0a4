//! Steps about activities.

use std::time::Duration;

use durable_core::backend::{
    ActivityCommit, ActivityWork, CommitOutcome, ReceiveActivities, RenewActivity, RenewOutcome,
};

use super::compare;
use super::op::Draw;
use super::pair::{Held, Pair};
use crate::check::Checked;
use crate::driver::{Hub, bytes, only};

impl Pair {
    /// Hands out every task that is ready.
    pub(super) async fn receive_tasks(&mut self, draw: &mut Draw) -> Checked {
        let lease_for = self.lease(draw);
        let ask =
            |hub: &Hub| ReceiveActivities { lease_for, ..hub.ask_activities(100, Duration::ZERO) };
        let mut expected =
            self.reference.backend().receive_activities(ask(&self.reference)).await?;
        self.subject.settle().await;
        let mut found = Vec::new();
        loop {
            let more = self.subject.backend().receive_activities(ask(&self.subject)).await?;
            let end = more.is_empty();
            found.extend(more);
            if end || found.len() > expected.len() {
                break;
            }
        }
        expected.sort_by_key(|w| w.lease.task);
        found.sort_by_key(|w| w.lease.task);
        let text = |works: &[ActivityWork]| works.iter().map(compare::task).collect::<Vec<_>>();
        ensure_eq!(text(&found), text(&expected), "the tasks handed out");
        let until = self.subject.now() + lease_for;
        for (reference, subject) in expected.into_iter().zip(found) {
            if let Some(at) =
                self.tasks.iter().position(|h| h.subject.lease.task == subject.lease.task)
            {
                let over = self.tasks.remove(at);
                self.old_tasks.push(over);
            }
            self.tasks.push(Held { reference, subject, until });
        }
        Ok(())
    }

    async fn complete_held(&self, held: &Held<ActivityWork>) -> Checked<[CommitOutcome; 2]> {
        let text = format!("done {}", held.subject.lease.task);
        let commit = self.subject.activity_commit(&held.subject, &text);
        let same = ActivityCommit { lease: held.reference.lease.clone(), ..commit.clone() };
        let expected = only(self.reference.backend().commit_activities(vec![same]).await)?;
        let found = only(self.subject.backend().commit_activities(vec![commit]).await)?;
        self.subject.settle().await;
        Ok([expected, found])
    }

    pub(super) async fn complete(&mut self, draw: &mut Draw, times: usize) -> Checked {
        if self.tasks.is_empty() {
            return Ok(());
        }
        let at = draw.index(self.tasks.len());
        let held = self.tasks.remove(at);
        for time in 0..times {
            let [expected, found] = self.complete_held(&held).await?;
            // A repetition may be recognised.
            let fine = found == expected || (time > 0 && found == CommitOutcome::Applied);
            ensure!(fine, "a completion answered {found:?}, expected {expected:?}");
        }
        self.old_tasks.push(held);
        Ok(())
    }

    pub(super) async fn complete_stale(&mut self, draw: &mut Draw) -> Checked {
        if self.old_tasks.is_empty() {
            return Ok(());
        }
        let held = self.old_tasks[draw.index(self.old_tasks.len())].clone();
        let [_, found] = self.complete_held(&held).await?;
        ensure!(found != CommitOutcome::Conflict, "a completion answered {found:?}");
        Ok(())
    }

    pub(super) async fn renew_task(&mut self, draw: &mut Draw) -> Checked {
        let lease_for = self.lease(draw);
        let stale = draw.percent(30);
        let progress = draw.percent(60).then(|| bytes(&format!("{} %", draw.below(100))));
        let from = if stale { &mut self.old_tasks } else { &mut self.tasks };
        if from.is_empty() {
            return Ok(());
        }
        let at = draw.index(from.len());
        let held = &mut from[at];
        let renewal = |lease| vec![RenewActivity { lease, lease_for, progress: progress.clone() }];
        let expected = renewal(held.reference.lease.clone());
        let expected = only(self.reference.backend().renew_activities(expected).await)?;
        let found = renewal(held.subject.lease.clone());
        let found = only(self.subject.backend().renew_activities(found).await)?;
        // Of what is gone, an adapter need not know why.
        let renewed = [expected, found].map(|answer| answer == RenewOutcome::Renewed);
        ensure_eq!(renewed[1], renewed[0], "whether a task was renewed ({found:?}, {expected:?})");
        held.until = self.subject.now() + lease_for;
        Ok(())
    }

    pub(super) async fn abandon_task(&mut self, draw: &mut Draw) -> Checked {
        if draw.percent(25) && !self.old_tasks.is_empty() {
            let held = &self.old_tasks[draw.index(self.old_tasks.len())];
            let (ours, theirs) = (&held.reference.lease, &held.subject.lease);
            let expected = self.reference.abandon_activity(ours, Duration::ZERO).await?;
            let found = self.subject.abandon_activity(theirs, Duration::ZERO).await?;
            ensure_eq!(found, expected, "answer to a stale holder who gives a task back");
            return Ok(());
        }
        if self.tasks.is_empty() {
            return Ok(());
        }
        let (at, delay) = (draw.index(self.tasks.len()), self.delay(draw));
        self.give_back_task(at, delay).await
    }

    pub(super) async fn give_back_task(&mut self, at: usize, delay: Duration) -> Checked {
        let held = self.tasks.remove(at);
        let expected = self.reference.abandon_activity(&held.reference.lease, delay).await?;
        let found = self.subject.abandon_activity(&held.subject.lease, delay).await?;
        ensure_eq!(found, expected, "answer to giving a task back");
        self.old_tasks.push(held);
        Ok(())
    }
}
