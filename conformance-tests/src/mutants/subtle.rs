//! Adapters that are nearly right.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_trait::async_trait;
use durable_core::backend::{
    AbandonOutcome, ActivityCommit, ActivityLease, ActivityWork, Backend, BackendResult,
    Capabilities, CommitOutcome, CreateInstance, CreateOutcome, Disposition, HistoryPage,
    HistoryRead, InstancePage, InstanceQuery, InstanceRecord, RenewActivity, RenewOutcome,
    TrackingLease, TurnCommit, TurnLease, TurnWork,
};
use durable_core::ids::{InstanceId, LeaseToken, MessageId};
use durable_core::time::Timestamp;

use super::{Memory, Mutant, mutant};
use crate::tamper::Tamper;

/// Compares only these bits of a turn's token.
pub(super) struct PartOfToken {
    mask: u128,
    tokens: Memory<BTreeMap<InstanceId, LeaseToken>>,
}

impl PartOfToken {
    pub(super) fn new(mask: u128) -> Self {
        Self { mask, tokens: Memory::default() }
    }

    fn current(&self, lease: TurnLease) -> TurnLease {
        match self.tokens.lock().get(&lease.instance) {
            Some(token) if token.0 & self.mask == lease.token.0 & self.mask => {
                TurnLease { token: *token, ..lease }
            }
            _ => lease,
        }
    }
}

#[async_trait]
impl Tamper for PartOfToken {
    fn on_turns(&self, works: Vec<TurnWork>) -> Vec<TurnWork> {
        let leases = works.iter().map(|w| (w.lease.instance.clone(), w.lease.token));
        self.tokens.lock().extend(leases);
        works
    }

    fn on_commit(&self, commit: TurnCommit) -> TurnCommit {
        TurnCommit { lease: self.current(commit.lease.clone()), ..commit }
    }

    async fn renew_turns(
        &self,
        inner: &dyn Backend,
        leases: Vec<TurnLease>,
        lease_for: Duration,
    ) -> Vec<BackendResult<RenewOutcome>> {
        let leases = leases.into_iter().map(|l| self.current(l)).collect();
        inner.renew_turns(leases, lease_for).await
    }

    async fn abandon_turns(
        &self,
        inner: &dyn Backend,
        leases: Vec<TurnLease>,
        delay: Duration,
    ) -> Vec<BackendResult<AbandonOutcome>> {
        let leases = leases.into_iter().map(|l| self.current(l)).collect();
        inner.abandon_turns(leases, delay).await
    }
}

/// Commits are fenced; giving back and renewing are not.
#[derive(Default)]
pub(super) struct FencesCommitsOnly {
    turns: Memory<BTreeMap<InstanceId, LeaseToken>>,
    tasks: Memory<BTreeMap<MessageId, LeaseToken>>,
}

#[async_trait]
impl Tamper for FencesCommitsOnly {
    fn on_turns(&self, works: Vec<TurnWork>) -> Vec<TurnWork> {
        let leases = works.iter().map(|w| (w.lease.instance.clone(), w.lease.token));
        self.turns.lock().extend(leases);
        works
    }

    fn on_activities(&self, works: Vec<ActivityWork>) -> Vec<ActivityWork> {
        self.tasks.lock().extend(works.iter().map(|w| (w.lease.task, w.lease.token)));
        works
    }

    async fn renew_turns(
        &self,
        inner: &dyn Backend,
        mut leases: Vec<TurnLease>,
        lease_for: Duration,
    ) -> Vec<BackendResult<RenewOutcome>> {
        for lease in &mut leases {
            lease.token = self.turns.lock().get(&lease.instance).copied().unwrap_or(lease.token);
        }
        inner.renew_turns(leases, lease_for).await
    }

    async fn abandon_turns(
        &self,
        inner: &dyn Backend,
        mut leases: Vec<TurnLease>,
        delay: Duration,
    ) -> Vec<BackendResult<AbandonOutcome>> {
        for lease in &mut leases {
            lease.token = self.turns.lock().get(&lease.instance).copied().unwrap_or(lease.token);
        }
        inner.abandon_turns(leases, delay).await
    }

    async fn renew_activities(
        &self,
        inner: &dyn Backend,
        mut renewals: Vec<RenewActivity>,
    ) -> Vec<BackendResult<RenewOutcome>> {
        for RenewActivity { lease, .. } in &mut renewals {
            lease.token = self.tasks.lock().get(&lease.task).copied().unwrap_or(lease.token);
        }
        inner.renew_activities(renewals).await
    }

    async fn abandon_activities(
        &self,
        inner: &dyn Backend,
        mut leases: Vec<ActivityLease>,
        delay: Duration,
    ) -> Vec<BackendResult<AbandonOutcome>> {
        for lease in &mut leases {
            lease.token = self.tasks.lock().get(&lease.task).copied().unwrap_or(lease.token);
        }
        inner.abandon_activities(leases, delay).await
    }
}

/// Answers batches in another order than they came in.
pub(super) struct AnswersBackwards;

fn backwards<T>(mut answers: Vec<T>) -> Vec<T> {
    answers.reverse();
    answers
}

#[async_trait]
impl Tamper for AnswersBackwards {
    async fn create_instances(
        &self,
        inner: &dyn Backend,
        requests: Vec<CreateInstance>,
    ) -> Vec<BackendResult<CreateOutcome>> {
        backwards(inner.create_instances(requests).await)
    }

    async fn renew_turns(
        &self,
        inner: &dyn Backend,
        leases: Vec<TurnLease>,
        lease_for: Duration,
    ) -> Vec<BackendResult<RenewOutcome>> {
        backwards(inner.renew_turns(leases, lease_for).await)
    }

    async fn abandon_turns(
        &self,
        inner: &dyn Backend,
        leases: Vec<TurnLease>,
        delay: Duration,
    ) -> Vec<BackendResult<AbandonOutcome>> {
        backwards(inner.abandon_turns(leases, delay).await)
    }

    async fn renew_activities(
        &self,
        inner: &dyn Backend,
        renewals: Vec<RenewActivity>,
    ) -> Vec<BackendResult<RenewOutcome>> {
        backwards(inner.renew_activities(renewals).await)
    }

    async fn abandon_activities(
        &self,
        inner: &dyn Backend,
        leases: Vec<ActivityLease>,
        delay: Duration,
    ) -> Vec<BackendResult<AbandonOutcome>> {
        backwards(inner.abandon_activities(leases, delay).await)
    }

    async fn commit_activities(
        &self,
        inner: &dyn Backend,
        commits: Vec<ActivityCommit>,
    ) -> Vec<BackendResult<CommitOutcome>> {
        backwards(inner.commit_activities(commits).await)
    }
}

/// Forgets the progress of what is given back, and how often it was handed out.
#[derive(Default)]
pub(super) struct ForgetsGivenBack {
    turns: Memory<BTreeSet<InstanceId>>,
    tasks: Memory<BTreeSet<MessageId>>,
}

#[async_trait]
impl Tamper for ForgetsGivenBack {
    fn on_turns(&self, mut works: Vec<TurnWork>) -> Vec<TurnWork> {
        for work in &mut works {
            if self.turns.lock().contains(&work.lease.instance) {
                work.delivery = 1;
            }
        }
        works
    }

    fn on_activities(&self, mut works: Vec<ActivityWork>) -> Vec<ActivityWork> {
        for work in &mut works {
            if self.tasks.lock().contains(&work.lease.task) {
                work.progress = None;
            }
        }
        works
    }

    async fn abandon_turns(
        &self,
        inner: &dyn Backend,
        leases: Vec<TurnLease>,
        delay: Duration,
    ) -> Vec<BackendResult<AbandonOutcome>> {
        self.turns.lock().extend(leases.iter().map(|l| l.instance.clone()));
        inner.abandon_turns(leases, delay).await
    }

    async fn abandon_activities(
        &self,
        inner: &dyn Backend,
        leases: Vec<ActivityLease>,
        delay: Duration,
    ) -> Vec<BackendResult<AbandonOutcome>> {
        self.tasks.lock().extend(leases.iter().map(|l| l.task));
        inner.abandon_activities(leases, delay).await
    }
}

/// Delivers a completion and leaves the task in its queue.
pub(super) struct LeavesTheTask;

#[async_trait]
impl Tamper for LeavesTheTask {
    async fn commit_activities(
        &self,
        inner: &dyn Backend,
        commits: Vec<ActivityCommit>,
    ) -> Vec<BackendResult<CommitOutcome>> {
        let leases = commits.iter().map(|c| c.lease.clone()).collect();
        let held = inner.abandon_activities(leases, Duration::ZERO).await;
        let mut answers = Vec::new();
        for (commit, held) in commits.into_iter().zip(held) {
            if matches!(held, Ok(AbandonOutcome::Done)) {
                inner.send(vec![commit.completion]).await;
                answers.push(Ok(CommitOutcome::Applied));
            } else {
                answers.push(Ok(CommitOutcome::LeaseLost));
            }
        }
        answers
    }
}

/// Counts deliveries over the whole life of an instance.
#[derive(Default)]
pub(super) struct CountsForEver(Memory<BTreeMap<InstanceId, u32>>);

impl Tamper for CountsForEver {
    fn on_turns(&self, mut works: Vec<TurnWork>) -> Vec<TurnWork> {
        let mut counts = self.0.lock();
        for work in &mut works {
            let count = counts.entry(work.lease.instance.clone()).or_insert(0);
            *count += 1;
            work.delivery = *count;
        }
        works
    }
}

pub(super) fn claims_to_be_the_last(work: &mut TurnWork) {
    work.committed = Some(work.lease.token);
}

pub(super) fn no_control_between(commit: &mut TurnCommit) {
    for message in &mut commit.messages {
        message.control = false;
    }
}

pub(super) fn holds_without_end(commit: &mut TurnCommit) {
    if let Disposition::Hold { until } = &mut commit.disposition {
        *until = None;
    }
}

pub(super) fn tasks_at_once(commit: &mut TurnCommit) {
    for task in &mut commit.activities {
        task.visible_at = None;
    }
}

pub(super) fn cannot_give_up_what_it_begins(commit: &mut TurnCommit) {
    let begun: BTreeSet<_> =
        commit.messages.iter().chain(&commit.activities).map(|e| e.id).collect();
    commit.cancelled.retain(|id| !begun.contains(id));
}

pub(super) fn updated_now(commit: &mut TurnCommit) {
    commit.at = crate::manual_env::START + Duration::from_secs(1);
}

pub(super) fn one_chunk_is_one_event(commit: &mut TurnCommit) {
    if let Some(chunk) = &mut commit.chunk {
        chunk.events = 1;
    }
}

/// Acknowledges every tracking record, whoever asks.
pub(super) struct AcksAnybody;

#[async_trait]
impl Tamper for AcksAnybody {
    async fn ack_tracking(
        &self,
        inner: &dyn Backend,
        leases: Vec<TrackingLease>,
    ) -> Vec<BackendResult<AbandonOutcome>> {
        let count = leases.len();
        inner.ack_tracking(leases).await;
        (0..count).map(|_| Ok(AbandonOutcome::Done)).collect()
    }
}

/// Reads the current history, whichever was asked for.
pub(super) struct AnyHistory;

#[async_trait]
impl Tamper for AnyHistory {
    async fn read_history(
        &self,
        inner: &dyn Backend,
        read: HistoryRead,
    ) -> BackendResult<HistoryPage> {
        let last = inner.executions(&read.instance).await?.pop();
        inner.read_history(HistoryRead { execution: last.unwrap_or(read.execution), ..read }).await
    }
}

/// Where a history goes on is counted in chunks.
pub(super) struct CountsChunks;

#[async_trait]
impl Tamper for CountsChunks {
    async fn read_history(
        &self,
        inner: &dyn Backend,
        read: HistoryRead,
    ) -> BackendResult<HistoryPage> {
        let from = read.from;
        let mut page = inner.read_history(read).await?;
        page.next = page.next.map(|_| from + page.chunks.len() as u64);
        Ok(page)
    }
}

/// A watch is answered although the caller knows.
pub(super) struct AnswersTheKnown;

#[async_trait]
impl Tamper for AnswersTheKnown {
    async fn watch(
        &self,
        inner: &dyn Backend,
        instance: &InstanceId,
        seen: u64,
        wait: Duration,
    ) -> BackendResult<Option<InstanceRecord>> {
        inner.watch(instance, seen.saturating_sub(1), wait).await
    }
}

/// Changes a query by a function.
pub(super) struct ChangedQuery(pub(super) fn(&mut InstanceQuery));

#[async_trait]
impl Tamper for ChangedQuery {
    async fn list(
        &self,
        inner: &dyn Backend,
        mut query: InstanceQuery,
    ) -> BackendResult<InstancePage> {
        (self.0)(&mut query);
        inner.list(query).await
    }
}

pub(super) fn all_ids(query: &mut InstanceQuery) {
    query.id_prefix = None;
}

pub(super) fn children_too(query: &mut InstanceQuery) {
    query.roots_only = false;
}

pub(super) fn a_moment_later(query: &mut InstanceQuery) {
    let later = |at: Timestamp| at + Duration::from_micros(1);
    query.created_from = query.created_from.map(later);
}

pub(super) fn ended_then_too(query: &mut InstanceQuery) {
    let later = |at: Timestamp| at + Duration::from_micros(1);
    query.completed_before = query.completed_before.map(later);
}

/// Claims what it cannot do.
pub(super) struct Boasts(Capabilities);

impl Boasts {
    pub(super) fn new() -> Self {
        let mut claimed = Capabilities::new("memory");
        claimed.multi_process = true;
        Self(claimed)
    }
}

impl Tamper for Boasts {
    fn capabilities(&self) -> Option<&Capabilities> {
        Some(&self.0)
    }
}

const fn turns_changed(change: fn(&mut TurnCommit)) -> super::commits::Changed {
    super::commits::Changed(change)
}

/// The table of these mutants.
#[allow(clippy::too_many_lines, reason = "a table")]
pub(super) fn list() -> Vec<Mutant> {
    vec![
        mutant(
            "tokens_compared_by_their_lower_half",
            |_| Box::new(PartOfToken::new(u128::from(u64::MAX))),
            &["leases::a_guessed_token_has_no_effect"],
        ),
        mutant(
            "tokens_compared_by_their_first_bytes",
            |_| Box::new(PartOfToken::new(u128::MAX << 96)),
            &["leases::a_guessed_token_has_no_effect"],
        ),
        mutant(
            "tokens_compared_but_for_one_bit",
            |_| Box::new(PartOfToken::new(!(1 << 71))),
            &["leases::a_guessed_token_has_no_effect"],
        ),
        mutant(
            "only_commits_are_fenced",
            |_| Box::<FencesCommitsOnly>::default(),
            &[
                "leases::a_stale_holder_cannot_renew",
                "leases::a_stale_holder_cannot_abandon",
                "activity_queue::a_stale_token_cannot_renew",
                "activity_queue::a_stale_token_cannot_abandon",
                "activity_queue::a_lost_renewal_records_no_progress",
            ],
        ),
        mutant(
            "batches_answered_backwards",
            |_| Box::new(AnswersBackwards),
            &[
                "orchestration_queue::creations_of_a_batch_are_answered_in_order",
                "leases::renewals_of_a_batch_are_answered_in_order",
                "leases::abandonings_of_a_batch_are_answered_in_order",
                "activity_queue::renewals_of_a_batch_are_answered_in_order",
                "activity_queue::abandonings_of_a_batch_are_answered_in_order",
                "activity_commit::commits_of_a_batch_are_answered_in_order",
            ],
        ),
        mutant(
            "given_back_is_forgotten",
            |_| Box::<ForgetsGivenBack>::default(),
            &[
                "orchestration_queue::delivery_rises_when_an_instance_is_abandoned",
                "activity_queue::progress_survives_abandoning",
            ],
        ),
        mutant(
            "completed_task_stays_in_its_queue",
            |_| Box::new(LeavesTheTask),
            &[
                "activity_commit::a_completed_task_is_gone",
                "model::sequences_of_activities_behave_alike",
            ],
        ),
        mutant(
            "deliveries_counted_for_ever",
            |_| Box::<CountsForEver>::default(),
            &["orchestration_queue::delivery_starts_again_after_a_commit"],
        ),
        mutant(
            "every_turn_follows_its_own_commit",
            |_| Box::new(super::queues::ChangedTurns(claims_to_be_the_last)),
            &["orchestration_queue::a_turn_names_the_commit_that_it_follows"],
        ),
        mutant(
            "control_messages_of_commits_are_ordinary",
            |_| Box::new(turns_changed(no_control_between)),
            &["holds::a_control_message_of_a_commit_hands_it_out"],
        ),
        mutant(
            "holds_never_end",
            |_| Box::new(turns_changed(holds_without_end)),
            &["holds::a_hold_that_ran_out_hands_out_the_instance"],
        ),
        mutant(
            "delayed_tasks_at_once",
            |_| Box::new(turns_changed(tasks_at_once)),
            &["activity_queue::a_delayed_task_is_not_handed_out_early"],
        ),
        mutant(
            "what_a_turn_begins_it_cannot_give_up",
            |_| Box::new(turns_changed(cannot_give_up_what_it_begins)),
            &["timers::a_timer_set_and_cancelled_in_one_commit_is_never_handed_out"],
        ),
        mutant(
            "updated_when_the_store_says",
            |_| Box::new(turns_changed(updated_now)),
            &["history_store::updated_at_is_the_time_of_the_turn"],
        ),
        mutant(
            "events_counted_by_chunks",
            |_| Box::new(turns_changed(one_chunk_is_one_event)),
            &["history_store::the_record_counts_the_events"],
        ),
        mutant(
            "anybody_acknowledges",
            |_| Box::new(AcksAnybody),
            &[
                "tracking_queue::a_record_cannot_be_acknowledged_twice",
                "tracking_queue::a_stale_token_cannot_acknowledge",
            ],
        ),
        mutant(
            "any_execution_has_the_current_history",
            |_| Box::new(AnyHistory),
            &[
                "history_store::an_unknown_execution_has_an_empty_history",
                "generations::the_last_chunk_of_the_old_generation_is_kept",
            ],
        ),
        mutant(
            "history_goes_on_by_chunks",
            |_| Box::new(CountsChunks),
            &["history_store::the_cursor_counts_events_not_chunks"],
        ),
        mutant(
            "watches_answer_what_is_known",
            |_| Box::new(AnswersTheKnown),
            &["watch::a_known_revision_is_not_answered"],
        ),
        mutant(
            "prefix_filter_ignored",
            |_| Box::new(ChangedQuery(all_ids)),
            &["paging::filter_by_prefix"],
        ),
        mutant(
            "children_listed_as_roots",
            |_| Box::new(ChangedQuery(children_too)),
            &["paging::filter_roots_only"],
        ),
        mutant(
            "created_from_leaves_its_moment_out",
            |_| Box::new(ChangedQuery(a_moment_later)),
            &["paging::filter_created_from_includes_its_time"],
        ),
        mutant(
            "completed_before_takes_its_moment_in",
            |_| Box::new(ChangedQuery(ended_then_too)),
            &["paging::filter_completed_before_excludes_its_time"],
        ),
        mutant(
            "capabilities_boast",
            |_| Box::new(Boasts::new()),
            &["errors::capabilities_are_those_of_the_fixture"],
        ),
    ]
}
