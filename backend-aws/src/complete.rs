//! Completing tasks: out of their item and their completions into the inbox there, at once; all
//! of one item by one update.

use std::sync::Arc;

use durable_core::backend::{ActivityCommit, BackendResult, CommitOutcome};
use durable_core::hot::Signals;
use durable_core::ids::{InstanceId, LeaseToken, MessageId};
use durable_core::time::Timestamp;
use foldhash::{HashMap, HashSet};
use futures_util::{StreamExt as _, stream};

use crate::acquire::Wanted;
use crate::claim::CLAIMS_MAX;
use crate::deliver::id_set;
use crate::head::Head;
use crate::hub::{Hub, spread};
use crate::schema::HEAD;
use crate::tasks::{Changed, Holder, path};
use crate::update::{Update, binary, id, number};
use crate::values::{Message, id_bytes, id_text};

const OPERATION: &str = "commit_activities";

/// Items that are changed at a time.
const AT_ONCE: usize = 16;

/// How often an update is tried again without those that do not hold their task any more.
const TRIES: usize = 4;

type Outcome = BackendResult<CommitOutcome>;

/// A completion that is ready to be put.
struct Completion {
    /// Its place in the batch.
    n: usize,
    task: MessageId,
    token: LeaseToken,
    message: Message,
    /// When it is due, if not at once.
    later: Option<Timestamp>,
}

/// What was seen when completions were refused.
struct Refusal {
    holder: Option<Holder>,
    /// Whether an earlier attempt may have been applied without an answer.
    unanswered: bool,
    /// Whether this was the last try.
    last: bool,
}

impl Hub {
    /// Completes tasks of one instance.
    pub(crate) async fn complete_run(self: &Arc<Self>, commits: &[ActivityCommit]) -> Vec<Outcome> {
        let mut outcomes: Vec<Option<Outcome>> = commits.iter().map(|_| None).collect();
        let mut items: HashMap<Arc<str>, Vec<usize>> = HashMap::default();
        for (n, commit) in commits.iter().enumerate() {
            match self.place(OPERATION, &commit.lease).await {
                Ok(place) => items.entry(place.item).or_default().push(n),
                Err(error) => outcomes[n] = Some(Err(error)),
            }
        }
        let works = items.iter().map(|(item, places)| self.complete_in(item, commits, places));
        let done: Vec<_> =
            stream::iter(works.collect::<Vec<_>>()).buffer_unordered(AT_ONCE).collect().await;
        for (n, outcome) in done.into_iter().flatten() {
            outcomes[n] = Some(outcome);
        }
        // Each place of the batch has been in one group.
        outcomes.into_iter().map(|o| o.unwrap_or(Ok(CommitOutcome::LeaseLost))).collect()
    }

    /// Completes the tasks that are in one item, in their order.
    async fn complete_in(
        self: &Arc<Self>,
        item: &Arc<str>,
        commits: &[ActivityCommit],
        places: &[usize],
    ) -> Vec<(usize, Outcome)> {
        let mut outcomes = Vec::with_capacity(places.len());
        let mut ready: Vec<Completion> = Vec::new();
        let mut seen = HashSet::default();
        for &n in places {
            let commit = &commits[n];
            let ids = [commit.lease.task, commit.completion.id];
            let again = ids.into_iter().any(|id| seen.contains(&id));
            if again || ready.len() == CLAIMS_MAX {
                outcomes.extend(self.complete_all(item, commits, std::mem::take(&mut ready)).await);
                seen.clear();
            }
            seen.extend(ids);
            match self.completion(n, commit).await {
                Ok(completion) => ready.push(completion),
                Err(error) => outcomes.push((n, Err(error))),
            }
        }
        outcomes.extend(self.complete_all(item, commits, ready).await);
        outcomes
    }

    async fn completion(&self, n: usize, commit: &ActivityCommit) -> BackendResult<Completion> {
        let (lease, completion) = (&commit.lease, &commit.completion);
        let body = self.body(OPERATION, &lease.instance, &completion.body).await?;
        let later = completion.visible_at.filter(|at| *at > self.now());
        let message = Message {
            id: completion.id,
            execution: completion.execution,
            control: completion.control,
            counted: false,
            ready: false,
            at: later.unwrap_or_else(|| self.stamp()),
            order: completion.order_key,
            body,
        };
        Ok(Completion { n, task: lease.task, token: lease.token, message, later })
    }

    async fn complete_all(
        self: &Arc<Self>,
        item: &Arc<str>,
        commits: &[ActivityCommit],
        ready: Vec<Completion>,
    ) -> Vec<(usize, Outcome)> {
        let Some(instance) = ready.first().map(|c| &commits[c.n].lease.instance) else {
            return Vec::new();
        };
        let mut left = ready;
        let mut outcomes = Vec::with_capacity(left.len());
        let mut loan = self.loan_for_turn(instance, item, &left);
        for attempt in 0..=TRIES {
            let mut update = complete(&left);
            if let Some((token, wanted)) = &loan {
                take_turn(&mut update, *token, self.now() + wanted.lease_for);
            }
            let changed = self.change_item(OPERATION, (instance, item), update).await;
            let is_taken = |holder: &Holder| {
                let lent = holder.head.as_ref().and_then(|head| head.loan);
                lent.zip(loan.as_ref()).is_some_and(|(lent, (token, _))| lent.token == *token)
            };
            match changed.map(|changed| changed.or_done_before(is_taken)) {
                Ok(Changed::Done(holder)) => {
                    self.completed(instance, holder, &left, loan).await;
                    outcomes.extend(left.iter().map(|c| (c.n, Ok(CommitOutcome::Applied))));
                    return outcomes;
                }
                Ok(Changed::Refused(holder, unanswered)) => {
                    if loan.take().is_some() {
                        self.set_unready(instance);
                    }
                    let seen = Refusal { holder, unanswered, last: attempt == TRIES };
                    let (sure, rest) = self.refused(instance, item, seen, left).await;
                    outcomes.extend(sure);
                    left = rest;
                    if left.is_empty() {
                        break;
                    }
                }
                Err(error) => {
                    let places: Vec<usize> = left.iter().map(|c| c.n).collect();
                    let errors = spread(error, places.len());
                    outcomes.extend(places.into_iter().zip(errors));
                    return outcomes;
                }
            }
        }
        outcomes
    }

    /// What is certain when completions were refused, and those that may be tried again.
    async fn refused(
        self: &Arc<Self>,
        instance: &InstanceId,
        item: &Arc<str>,
        Refusal { holder, unanswered, last }: Refusal,
        left: Vec<Completion>,
    ) -> (Vec<(usize, Outcome)>, Vec<Completion>) {
        if let Some(head) = holder.as_ref().and_then(|h| h.head.as_ref()) {
            self.note(head);
        }
        let load = holder.as_ref().map(|holder| &holder.load);
        let holds = |c: &Completion| load.is_some_and(|load| load.lends(c.task, c.token));
        let waits = |c: &Completion| load.is_some_and(|load| load.knows(c.message.id));
        let (held, gone): (Vec<_>, Vec<_>) = left.into_iter().partition(|c| holds(c) && !last);
        // What an earlier attempt has put there waits, and its task is gone.
        let (own, lost): (Vec<_>, Vec<_>) = gone.into_iter().partition(|c| unanswered && waits(c));
        let (known, rest): (Vec<_>, Vec<_>) = held.into_iter().partition(waits);
        let mut sure: Vec<(usize, Outcome)> =
            lost.iter().map(|c| (c.n, Ok(CommitOutcome::LeaseLost))).collect();
        self.forget(instance, lost.iter().map(|c| &c.message.body).collect()).await;
        for completion in known {
            sure.push((completion.n, self.drop_task(instance, item, &completion).await));
        }
        sure.extend(own.iter().map(|c| (c.n, Ok(CommitOutcome::Applied))));
        if let Some(holder) = holder.filter(|_| !own.is_empty()) {
            self.completed(instance, holder, &own, None).await;
        }
        (sure, rest)
    }

    /// The completion waits already: only the task is left to remove.
    async fn drop_task(&self, instance: &InstanceId, item: &str, of: &Completion) -> Outcome {
        let mut update = Update::default();
        let path = path(&mut update, of.task);
        update.remove(&path);
        update.when_equal(&format!("{path}.lt"), id(of.token.0));
        self.change_item(OPERATION, (instance, item), update).await?;
        self.lent_tasks.lock().remove(&of.token);
        self.tasks.lock().over(of.token);
        Ok(CommitOutcome::Applied)
    }

    /// The loan of the instance for a receiver of turns that waits in this process, if the
    /// completions may take it.
    fn loan_for_turn(
        &self,
        instance: &InstanceId,
        item: &str,
        ready: &[Completion],
    ) -> Option<(LeaseToken, Wanted)> {
        let wakes = item == HEAD && ready.iter().any(|c| c.later.is_none());
        if !wakes || self.unready.lock().contains(instance) {
            return None;
        }
        let wanted = self.turn_desk.lock().reserve(|_| true)?;
        Some((LeaseToken(self.env.random_u128()), wanted))
    }

    /// Hands out an instance whose loan was taken with completions.
    async fn hand_on(self: &Arc<Self>, head: Arc<Head>, token: LeaseToken, wanted: Wanted) {
        let (now, until) = (self.now(), self.now() + wanted.lease_for);
        let paged = head.paged;
        match self.hand_out(head, (Vec::new(), paged), token, wanted, now).await {
            Ok(Some(work)) => {
                self.grant(None, work, until);
                self.bells.ring(Signals { turns: true, ..Signals::default() });
            }
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "an instance could not be handed out"),
        }
    }

    /// What follows from completions.
    async fn completed(
        self: &Arc<Self>,
        instance: &InstanceId,
        holder: Holder,
        done: &[Completion],
        loan: Option<(LeaseToken, Wanted)>,
    ) {
        {
            let mut lent = self.lent_tasks.lock();
            for completion in done {
                lent.remove(&completion.token);
            }
        }
        {
            let mut tasks = self.tasks.lock();
            for completion in done {
                tasks.over(completion.token);
            }
        }
        let now = self.now();
        let due_now = done.iter().filter(|c| c.later.is_none()).count();
        let first = due_now > 0 && holder.load.inbox.len() <= due_now && !self.serves_turns();
        let rings = match &holder.head {
            Some(head) => {
                self.note(head);
                first && !head.on_loan(now) && head.deliverable(&[], now).is_some()
            }
            None => {
                if self.turns.lock().push(instance, None) {
                    self.bells.ring(Signals { turns: true, ..Signals::default() });
                }
                first
            }
        };
        if rings {
            self.ring_instances(vec![instance.clone()]).await;
        }
        if let Some((head, (token, wanted))) = holder.head.zip(loan) {
            self.hand_on(head, token, wanted).await;
        }
        if let Some(due) = done.iter().filter_map(|c| c.later).min() {
            self.turns.lock().push_due(due, instance);
            self.arrange(instance, due).await;
        }
    }
}

/// Takes the loan of an instance that is ready but for its messages.
fn take_turn(update: &mut Update, token: LeaseToken, until: Timestamp) {
    update.set("lt", id(token.0));
    update.set("lu", number(until.as_micros()));
    let (zero, one) = (update.value(number(0)), update.value(number(1)));
    update.set_expression(&format!("dl=if_not_exists(dl,{zero})+{one}"));
    for pause in ["lt", "hu", "du", "ob"] {
        update.when(&format!("attribute_not_exists({pause})"));
    }
    update.when("(attribute_not_exists(pn) OR pn<=pd)");
}

/// Completes all of these, or none.
fn complete(all: &[Completion]) -> Update {
    let mut update = Update::default();
    let mut now = Vec::new();
    for completion in all {
        let path = path(&mut update, completion.task);
        update.remove(&path);
        update.when_equal(&format!("{path}.lt"), id(completion.token.0));
        let message = &completion.message;
        let member = update.value(binary(id_bytes(message.id)));
        update.when(&format!("NOT contains(ii,{member})"));
        let sealed = binary(message.seal());
        if completion.later.is_some() {
            let key = update.key(id_text(message.id));
            update.set(&format!("dm.{key}"), sealed);
        } else {
            now.push((message.id, sealed));
        }
    }
    if !now.is_empty() {
        update.add("ii", id_set(now.iter().map(|(id, _)| *id)));
        update.append("ib", now.into_iter().map(|(_, sealed)| sealed).collect());
    }
    update
}
