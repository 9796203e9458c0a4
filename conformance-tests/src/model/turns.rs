//! Steps about instances, messages and turns.

use std::time::Duration;

use durable_core::backend::{
    CommitOutcome, CreateOutcome, Disposition, Envelope, NextGeneration, OrchestrationStatus,
    ReceiveTurns, ReusePolicy, SendOutcome, TurnCommit, TurnWork,
};
use durable_core::ids::LeaseToken;
use durable_core::limits::MESSAGES_PER_TURN_MAX;

use super::compare;
use super::op::Draw;
use super::pair::{Held, Pair};
use crate::check::{Checked, Failure};
use crate::driver::Hub;
use crate::driver::step::chunk;

const STATUSES: [OrchestrationStatus; 10] = [
    OrchestrationStatus::Running,
    OrchestrationStatus::Running,
    OrchestrationStatus::Running,
    OrchestrationStatus::Running,
    OrchestrationStatus::Suspended,
    OrchestrationStatus::Blocked,
    OrchestrationStatus::Quarantined,
    OrchestrationStatus::Completed,
    OrchestrationStatus::Failed,
    OrchestrationStatus::Terminated,
];

const POLICIES: [ReusePolicy; 3] =
    [ReusePolicy::Reject, ReusePolicy::ReturnExisting, ReusePolicy::ReplaceTerminal];

impl Pair {
    pub(super) async fn create(&mut self, draw: &mut Draw) -> Checked {
        let mut request = self.subject.creation(Self::name(draw)?.as_str())?;
        request.reuse = POLICIES[draw.index(3)];
        if self.has_time() && draw.percent(25) {
            request.start.visible_at = Some(self.ahead(draw));
        }
        if let Some(execution) = request.start.execution {
            self.executions.push((request.start.target.clone(), execution));
        }
        let expected = self.reference.create(request.clone()).await?;
        let found = self.subject.create(request).await?;
        match (expected, found) {
            (CreateOutcome::Created, CreateOutcome::Created) => Ok(()),
            (CreateOutcome::Exists(expected), CreateOutcome::Exists(found)) => {
                let (expected, found) = (compare::record(&expected), compare::record(&found));
                ensure_eq!(found, expected, "who has the id");
                Ok(())
            }
            (expected, found) => {
                Err(Failure::new(format!("creation answered {found:?}, expected {expected:?}")))
            }
        }
    }

    /// A message of any kind, from a client or a commit.
    fn envelope(&mut self, draw: &mut Draw) -> Checked<Envelope> {
        let id = Self::name(draw)?;
        let body = format!("m{}", self.subject.number());
        let mut envelope = match draw.below(10) {
            0 | 1 => self.subject.control(&id, &body),
            2 => self.subject.placeholder(id.as_str(), &body)?,
            _ => self.subject.message(&id, &body),
        };
        if envelope.creates.is_none() && draw.percent(20) {
            let known: Vec<_> = self.executions.iter().filter(|(of, _)| *of == id).collect();
            if !known.is_empty() {
                envelope.execution = Some(known[draw.index(known.len())].1);
            }
        }
        if self.has_time() && draw.percent(15) {
            envelope.visible_at = Some(self.ahead(draw));
        }
        if let Some(record) = &envelope.creates {
            self.executions.push((id, record.execution));
        }
        Ok(envelope)
    }

    pub(super) async fn send(&mut self, draw: &mut Draw, times: usize) -> Checked {
        let envelope = self.envelope(draw)?;
        for _ in 0..times {
            let expected = self.reference.send(envelope.clone()).await?;
            let found = self.subject.send(envelope.clone()).await?;
            // A message to another generation may also be dropped later.
            let vague = expected == SendOutcome::Terminal && envelope.execution.is_some();
            ensure!(vague || found == expected, "a send answered {found:?}, expected {expected:?}");
        }
        Ok(())
    }

    /// Hands out everything that is ready.
    pub(super) async fn receive_turns(&mut self, draw: &mut Draw) -> Checked {
        let lease_for = self.lease(draw);
        let messages_max = if draw.percent(30) { 2 } else { MESSAGES_PER_TURN_MAX };
        let ask = |hub: &Hub, max| ReceiveTurns {
            lease_for,
            messages_max,
            ..hub.ask_turns(max, Duration::ZERO)
        };
        let mut expected = self.reference.backend().receive_turns(ask(&self.reference, 50)).await?;
        self.subject.settle().await;
        let mut found = Vec::new();
        loop {
            let more = self.subject.backend().receive_turns(ask(&self.subject, 50)).await?;
            let end = more.is_empty();
            found.extend(more);
            if end || found.len() > expected.len() {
                break;
            }
        }
        let by_instance = |work: &TurnWork| work.lease.instance.clone();
        expected.sort_by_key(by_instance);
        found.sort_by_key(by_instance);
        let text = |works: &[TurnWork]| works.iter().map(compare::turn).collect::<Vec<_>>();
        ensure_eq!(text(&found), text(&expected), "the turns handed out");
        let until = self.subject.now() + lease_for;
        for (reference, subject) in expected.into_iter().zip(found) {
            self.compare_committed(&reference, &subject)?;
            let instance = &subject.lease.instance;
            let (over, on) = std::mem::take(&mut self.turns)
                .into_iter()
                .partition(|held| held.subject.lease.instance == *instance);
            self.turns = on;
            let over: Vec<_> = over;
            self.old_turns.extend(over);
            self.turns.push(Held { reference, subject, until });
        }
        Ok(())
    }

    /// What a turn may do, by its seed.
    fn commit_of(&mut self, draw: &mut Draw, work: &TurnWork) -> Checked<TurnCommit> {
        let mut step = self.subject.step(work).no_events();
        if draw.percent(80) {
            let events = 1 + u32::try_from(draw.below(3)).unwrap_or(0);
            step = step.events(events, &format!("chunk {}", self.subject.number()));
        }
        match draw.below(10) {
            0 => step.commit.consumed.clear(),
            1 | 2 => step.commit.consumed.retain(|_| draw.percent(50)),
            _ => {}
        }
        for _ in 0..draw.below(3) {
            self.actions += 1;
            let mut task = step.task(self.actions, &format!("task {}", self.actions));
            if self.has_time() && draw.percent(25) {
                task.visible_at = Some(self.ahead(draw));
            }
            step = step.activity_envelope(task);
        }
        if self.has_time() && draw.percent(30) {
            let at = self.ahead(draw);
            step = step.timer(self.actions, at, "timer");
        }
        if draw.percent(25) {
            let envelope = self.envelope(draw)?;
            step = step.message(envelope);
        }
        if draw.percent(25) && self.actions > 0 {
            step = step.cancel(1 + draw.below(self.actions));
        }
        if draw.percent(30) {
            step = step.tracking(&format!("tracked {}", self.subject.number()));
        }
        if draw.percent(70) {
            step = step.status(STATUSES[draw.index(STATUSES.len())])?;
        }
        self.end_of(draw, &mut step.commit);
        Ok(step.commit)
    }

    /// How the turn ends: with a hold, a next generation, or neither.
    fn end_of(&mut self, draw: &mut Draw, commit: &mut TurnCommit) {
        let ended = commit.record.as_ref().is_some_and(|r| r.status.is_terminal());
        if ended {
            return;
        }
        if draw.percent(25) {
            let until = (self.has_time() && draw.percent(50)).then(|| self.ahead(draw));
            commit.disposition = Disposition::Hold { until };
        } else if draw.percent(15)
            && let Some(record) = &mut commit.record
        {
            let execution = self.subject.execution();
            record.execution = execution;
            record.generation = 2;
            self.executions.push((commit.lease.instance.clone(), execution));
            let chunk = chunk(1, &format!("next {}", self.subject.number()));
            let keep_history = draw.percent(50);
            commit.next = Some(NextGeneration { execution, chunk, keep_history });
        }
    }

    pub(super) async fn commit_turn(&mut self, draw: &mut Draw, times: usize) -> Checked {
        if self.turns.is_empty() {
            return Ok(());
        }
        let at = draw.index(self.turns.len());
        let work = self.turns[at].clone();
        let mut commit = self.commit_of(draw, &work.subject)?;
        if draw.percent(6) {
            commit.expected_events += 1;
        }
        let same = TurnCommit { lease: work.reference.lease.clone(), ..commit.clone() };
        for _ in 0..times {
            let expected = self.reference.commit(same.clone()).await?;
            let found = self.subject.commit(commit.clone()).await?;
            ensure_eq!(found, expected, "outcome of a commit");
            if expected == CommitOutcome::Applied {
                let (ours, theirs) = (work.reference.lease.token, work.subject.lease.token);
                self.committed.insert(ours, theirs);
            }
        }
        if self.committed.contains_key(&work.reference.lease.token) {
            self.turns.remove(at);
            self.old_turns.push(work);
        }
        self.subject.settle().await;
        Ok(())
    }

    /// A holder whose time is over, or somebody with a made-up token.
    pub(super) async fn commit_stale(&mut self, draw: &mut Draw) -> Checked {
        let forged = draw.percent(30);
        let from = if forged { &self.turns } else { &self.old_turns };
        if from.is_empty() {
            return Ok(());
        }
        let mut work = from[draw.index(from.len())].clone();
        if forged {
            let bit = 1 << draw.below(128);
            work.subject.lease.token = LeaseToken(work.subject.lease.token.0 ^ bit);
        }
        let commit = self.commit_of(draw, &work.subject)?;
        let found = self.subject.commit(commit).await?;
        // An applied commit may be recognised as a repetition, or not any more.
        let repeated = !forged && self.committed.contains_key(&work.reference.lease.token);
        let allowed =
            found == CommitOutcome::LeaseLost || (repeated && found == CommitOutcome::Applied);
        ensure!(allowed, "a commit without a lease answered {found:?}");
        Ok(())
    }

    pub(super) async fn renew_turn(&mut self, draw: &mut Draw) -> Checked {
        let time = self.lease(draw);
        let stale = draw.percent(30);
        let from = if stale { &mut self.old_turns } else { &mut self.turns };
        if from.is_empty() {
            return Ok(());
        }
        let at = draw.index(from.len());
        let held = &mut from[at];
        let expected = self.reference.renew(&held.reference.lease, time).await?;
        let found = self.subject.renew(&held.subject.lease, time).await?;
        ensure_eq!(found, expected, "answer to a renewal");
        held.until = self.subject.now() + time;
        Ok(())
    }

    pub(super) async fn abandon_turn(&mut self, draw: &mut Draw) -> Checked {
        if draw.percent(25) && !self.old_turns.is_empty() {
            let held = &self.old_turns[draw.index(self.old_turns.len())];
            let expected = self.reference.abandon(&held.reference.lease, Duration::ZERO).await?;
            let found = self.subject.abandon(&held.subject.lease, Duration::ZERO).await?;
            ensure_eq!(found, expected, "answer to a stale holder who gives back");
            return Ok(());
        }
        if self.turns.is_empty() {
            return Ok(());
        }
        let (at, delay) = (draw.index(self.turns.len()), self.delay(draw));
        self.give_back_turn(at, delay).await
    }

    pub(super) async fn give_back_turn(&mut self, at: usize, delay: Duration) -> Checked {
        let held = self.turns.remove(at);
        let expected = self.reference.abandon(&held.reference.lease, delay).await?;
        let found = self.subject.abandon(&held.subject.lease, delay).await?;
        ensure_eq!(found, expected, "answer to giving back");
        self.old_turns.push(held);
        Ok(())
    }
}
