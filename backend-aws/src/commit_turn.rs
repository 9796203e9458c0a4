//! Committing a turn: stage what is large, then one conditional update of the head.

use std::sync::Arc;

use durable_core::backend::{BackendResult, CommitOutcome, TurnCommit};
use durable_core::hot::Signals;

use crate::head::{Head, Load, Task};
use crate::hub::{Hub, Lent};
use crate::item::Item;
use crate::schema::{self, HEAD, PK, SK, partition};
use crate::table::text;
use crate::tail::Ending;
use crate::turn_update::Plan;
use crate::update::{id, number};
use crate::values::{Body, TaskBody};

pub(crate) const OPERATION: &str = "commit_turns";

/// Why a commit may not be applied to a head, or that it has been already.
fn verdict(head: Option<&Head>, commit: &TurnCommit) -> Option<CommitOutcome> {
    let Some(head) = head else { return Some(CommitOutcome::LeaseLost) };
    if head.loan.is_none_or(|loan| loan.token != commit.lease.token) {
        let repeated = head.committed == Some(commit.lease.token);
        return Some(if repeated { CommitOutcome::Applied } else { CommitOutcome::LeaseLost });
    }
    let fits = head.execution == commit.execution && head.events == commit.expected_events;
    (!fits).then_some(CommitOutcome::Conflict)
}

impl Hub {
    /// What was read with the loan, or what is there now.
    async fn lent(&self, commit: &TurnCommit) -> BackendResult<Result<Arc<Lent>, CommitOutcome>> {
        let known = self.lent.lock().get(&commit.lease.token).cloned();
        if let Some(lent) = known.filter(|l| l.head.instance == commit.lease.instance) {
            return Ok(Ok(lent));
        }
        let head = self.head(OPERATION, &commit.lease.instance).await?;
        if let Some(outcome) = verdict(head.as_deref(), commit) {
            if let Some(head) = head.filter(|_| outcome == CommitOutcome::Applied) {
                self.bring_out(&head).await?;
            }
            return Ok(Err(outcome));
        }
        let Some(head) = head else { return Ok(Err(CommitOutcome::LeaseLost)) };
        let pages = self.pages(OPERATION, &head).await?;
        Ok(Ok(Arc::new(Lent { paged: head.paged, head, pages })))
    }

    /// Commits one turn.
    pub(crate) async fn commit_turn(
        self: &Arc<Self>,
        commit: TurnCommit,
    ) -> BackendResult<CommitOutcome> {
        let _alone = self.commit_alone(&commit.lease.instance).await;
        let lent = match self.lent(&commit).await? {
            Ok(lent) => lent,
            Err(outcome) => return Ok(outcome),
        };
        if let Some(CommitOutcome::Conflict) = verdict(Some(&lent.head), &commit) {
            // The loan may have gone as well.
            let head = self.head(OPERATION, &commit.lease.instance).await?;
            return Ok(verdict(head.as_deref(), &commit).unwrap_or(CommitOutcome::Conflict));
        }
        let ending = Ending::plan(&commit, &lent.head)?;
        if !self.stage_history(&commit, &lent, &ending).await? {
            let head = self.head(OPERATION, &commit.lease.instance).await?;
            return Ok(verdict(head.as_deref(), &commit).unwrap_or(CommitOutcome::LeaseLost));
        }
        let plan = self.plan(&commit, &lent).await?;
        let before = lent.head.next_due(self.now());
        let instance = &commit.lease.instance;
        let mut update = plan.update(&commit, &lent);
        ending.update(&mut update);
        match self.change_head(OPERATION, instance, update).await? {
            Ok(head) => {
                self.applied(&commit, &lent, &plan, head, before).await;
                Ok(CommitOutcome::Applied)
            }
            Err(head) => {
                let outcome = verdict(head.as_deref(), &commit);
                match (outcome, head) {
                    // The answer to the first attempt was lost.
                    (Some(CommitOutcome::Applied), Some(head)) => {
                        self.applied(&commit, &lent, &plan, head, before).await;
                    }
                    _ => self.forget(instance, plan.bodies()).await,
                }
                Ok(outcome.unwrap_or(CommitOutcome::Conflict))
            }
        }
    }

    /// Writes the blocks of history that the commit makes count.
    async fn stage_history(
        &self,
        commit: &TurnCommit,
        lent: &Lent,
        ending: &Ending,
    ) -> BackendResult<bool> {
        let (instance, token) = (&commit.lease.instance, commit.lease.token);
        for (key, chunks) in &ending.blocks {
            if !self.stage(OPERATION, instance, token, key, chunks).await? {
                return Ok(false);
            }
        }
        if commit.next.as_ref().is_none_or(|next| !next.keep_history) {
            return Ok(true);
        }
        let new = commit.chunk.as_ref().map_or(0, |c| u64::from(c.events));
        let item: Item = [
            (PK.to_owned(), text(partition(instance))),
            (SK.to_owned(), text(schema::generation(lent.head.kept))),
            ("lt".to_owned(), id(token.0)),
            ("ex".to_owned(), id(commit.execution.0)),
            ("ev".to_owned(), number(commit.expected_events + new)),
        ]
        .into();
        self.stage_item(OPERATION, instance, token, item).await
    }

    /// What follows when the head has changed.
    async fn applied(
        self: &Arc<Self>,
        commit: &TurnCommit,
        lent: &Lent,
        plan: &Plan,
        head: Arc<Head>,
        before: Option<durable_core::time::Timestamp>,
    ) {
        let instance = &commit.lease.instance;
        self.lent.lock().remove(&commit.lease.token);
        self.unready.lock().remove(instance);
        let granted = plan.granted(&head);
        if !granted.is_empty() {
            for (queue, work, until) in granted {
                self.lend_task(work.lease.token, Arc::from(HEAD));
                self.grant(Some(queue), work, until);
            }
            self.bells.ring(Signals { activities: true, ..Signals::default() });
        }
        if commit.record.is_some() {
            self.bells.ring_changed(std::slice::from_ref(instance));
        }
        let head = match self.bring_out(&head).await {
            Ok(Some(now)) => now,
            Ok(None) => return,
            Err(error) => {
                // Its doorbell is still there: whoever hears it goes on.
                tracing::warn!(%error, %instance, "what a turn sends out has to be tried again");
                self.note(&head);
                return;
            }
        };
        // It is seen to from here on by what is noted of it now.
        self.turns.lock().over(commit.lease.token);
        self.follow_up(&head, before, false).await;
        let tasks = Load { tasks: plan.waiting_tasks(), ..Load::default() };
        self.ring_tasks(instance, HEAD, &tasks);
        self.forget(instance, plan.used(commit, lent)).await;
        if commit.next.as_ref().is_some_and(|next| !next.keep_history) {
            self.drop_history(instance, commit.execution).await;
        }
    }

    /// Tasks with durable bodies.
    pub(crate) async fn new_tasks(&self, commit: &TurnCommit) -> BackendResult<Vec<Task>> {
        let mut tasks = Vec::with_capacity(commit.activities.len());
        let now = self.now();
        let current = commit.next.as_ref().map_or(commit.execution, |next| next.execution);
        for envelope in &commit.activities {
            let body: Body = self.body(OPERATION, &commit.lease.instance, &envelope.body).await?;
            tasks.push(Task {
                id: envelope.id,
                body: TaskBody {
                    execution: envelope.execution.unwrap_or(current),
                    // In this order and that of their ids, which rises with that of the schedule.
                    enqueued_at: now,
                    queue: envelope.queue.clone(),
                    body,
                },
                loan: None,
                visible_at: envelope.visible_at.filter(|at| *at > now),
                delivery: 0,
                progress: None,
                given_back: None,
            });
        }
        Ok(tasks)
    }
}
