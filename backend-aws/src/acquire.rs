//! Handing out one instance: look, take the loan, bring the messages.

use std::sync::Arc;
use std::time::Duration;

use durable_core::backend::{BackendResult, InboxMessage, TurnLease, TurnWork};
use durable_core::ids::{InstanceId, LeaseToken};
use durable_core::time::Timestamp;

use crate::head::{Head, Load, Loan};
use crate::hub::{Hub, Lent};
use crate::item::Item;
use crate::page::Page;
use crate::schema::{self, HEAD, partition};
use crate::table::{Written, damaged};
use crate::update::{Update, id, number};

const OPERATION: &str = "receive_turns";

/// How often a look is repeated when the instance changes meanwhile.
const LOOKS: usize = 6;

/// Bytes of messages in one turn; the rest follows in the next.
const BYTES_MAX: usize = 16 * 1024 * 1024;

/// Pages read for one turn.
const PAGES_MAX: usize = 20_000;

/// What a caller wants to have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    pub(crate) messages: usize,
    pub(crate) lease_for: Duration,
}

impl Hub {
    pub(crate) fn read_head(operation: &'static str, item: &Item) -> BackendResult<Arc<Head>> {
        let head = Head::read(item).map(Arc::new);
        head.map_err(|why| damaged(operation, "the head of an instance", &why))
    }

    pub(crate) async fn head(
        &self,
        operation: &'static str,
        instance: &InstanceId,
    ) -> BackendResult<Option<Arc<Head>>> {
        let item = self.table.get(operation, &partition(instance), HEAD).await?;
        item.as_ref().map(|item| Self::read_head(operation, item)).transpose()
    }

    /// Changes the head of an instance: as it is now, or as it is instead.
    pub(crate) async fn change_head(
        &self,
        operation: &'static str,
        instance: &InstanceId,
        update: Update,
    ) -> BackendResult<Result<Arc<Head>, Option<Arc<Head>>>> {
        match self.table.update(operation, (&partition(instance), HEAD), update).await? {
            Written::Done(item) => Ok(Ok(Self::read_head(operation, &item)?)),
            Written::Refused(None) => Ok(Err(None)),
            Written::Refused(Some(item)) => Ok(Err(Some(Self::read_head(operation, &item)?))),
        }
    }

    pub(crate) async fn pages(
        &self,
        operation: &'static str,
        head: &Head,
    ) -> BackendResult<Vec<Page>> {
        if !head.has_pages() {
            return Ok(Vec::new());
        }
        let pk = partition(&head.instance);
        let (items, _) = self.table.range(operation, &pk, schema::PAGES, PAGES_MAX).await?;
        let pages = items.iter().map(|item| {
            Page::read(item).map_err(|why| damaged(operation, "a page of an instance", &why))
        });
        pages.collect()
    }

    /// Hands an instance out if it is ready. Answers doorbells that rang for it.
    pub(crate) async fn acquire(
        &self,
        instance: &InstanceId,
        hint: Option<Arc<Head>>,
        wanted: Wanted,
    ) -> BackendResult<Option<TurnWork>> {
        let mut known = hint;
        for _ in 0..LOOKS {
            let head = match known.take() {
                Some(head) => head,
                None => match self.head(OPERATION, instance).await? {
                    Some(head) => head,
                    None => {
                        self.answer_doorbells(instance, false);
                        return Ok(None);
                    }
                },
            };
            if head.outbox.is_some() {
                // Whoever committed is bringing it out, or has died. If it is somebody here, it
                // need not be done twice.
                let Some(_alone) = self.try_commit_alone(instance) else {
                    let at = self.now() + Duration::from_secs(1);
                    self.turns.lock().push_due(at, instance);
                    return Ok(None);
                };
                known = self.bring_out(&head).await?;
                continue;
            }
            let pages = self.pages(OPERATION, &head).await?;
            let now = self.now();
            for page in &pages {
                self.note_tasks(instance, &page.key, &page.load);
            }
            let loads: Vec<Load> = pages.iter().map(|page| page.load.clone()).collect();
            if head.on_loan(now) || head.deliverable(&loads, now).is_none() {
                self.rest(&head, &pages);
                return Ok(None);
            }
            let token = LeaseToken(self.env.random_u128());
            let update = take(&head, token, now + wanted.lease_for);
            match self.change_head(OPERATION, instance, update).await? {
                Ok(now_head) => {
                    return self.hand_out(now_head, (pages, head.paged), token, wanted, now).await;
                }
                // A lost answer, and the same request again.
                Err(Some(old)) if old.loan.is_some_and(|l: Loan| l.token == token) => {
                    return self.hand_out(old, (pages, head.paged), token, wanted, now).await;
                }
                Err(old) => known = old,
            }
        }
        // It changes faster than it can be looked at; somebody has it.
        let mut turns = self.turns.lock();
        turns.push_due(self.now() + Duration::from_millis(100), instance);
        Ok(None)
    }

    /// An instance that is not ready: notes when it will be.
    fn rest(&self, head: &Arc<Head>, pages: &[Page]) {
        let now = self.now();
        let outstanding = self.is_outstanding(head);
        // Their own doorbells may be lost, or never have been sent.
        self.note_tasks(&head.instance, &Arc::from(HEAD), &head.load);
        {
            let mut turns = self.turns.lock();
            if let Some(loan) = head.loan.filter(|loan| loan.until > now) {
                turns.watch(loan, &head.instance);
            }
            let in_pages = pages.iter().flat_map(|page| &page.load.delayed);
            let next = in_pages.filter_map(|m| m.due_at(now)).chain(head.next_due(now)).min();
            if let Some(due) = next {
                turns.push_due(due, &head.instance);
            }
        }
        self.answer_doorbells(&head.instance, outstanding);
    }

    /// Removes the doorbells of an instance when there is nothing they would be needed for, and
    /// lets them ring again otherwise.
    pub(crate) fn answer_doorbells(&self, instance: &InstanceId, keep: bool) {
        let handles = self.held.lock().remove(instance);
        if let Some(handles) = handles.filter(|_| !keep) {
            self.orchestrator.remove_soon(handles);
        }
    }

    pub(crate) async fn hand_out(
        &self,
        head: Arc<Head>,
        (pages, paged): (Vec<Page>, u64),
        token: LeaseToken,
        wanted: Wanted,
        now: Timestamp,
    ) -> BackendResult<Option<TurnWork>> {
        // Doorbells keep ringing now and then until a look finds nothing under way.
        self.held.lock().remove(&head.instance);
        let loads: Vec<Load> = pages.iter().map(|page| page.load.clone()).collect();
        let due = head.deliverable(&loads, now).unwrap_or_default();
        let mut bytes = 0;
        let mut chosen = Vec::new();
        let mut seen = foldhash::HashSet::default();
        for message in due {
            if chosen.len() >= wanted.messages || bytes > BYTES_MAX {
                break;
            }
            if seen.insert(message.id) {
                bytes += message.body.length();
                chosen.push(message);
            }
        }
        let bodies = chosen.iter().map(|m| &m.body).collect();
        let bodies = self.bodies(OPERATION, &head.instance, bodies).await;
        let work = bodies.map(|bodies| TurnWork {
            lease: TurnLease { instance: head.instance.clone(), token },
            execution: head.execution,
            events: head.events,
            messages: chosen
                .iter()
                .zip(bodies)
                .map(|(m, body)| InboxMessage { id: m.id, enqueued_at: m.at.min(now), body })
                .collect(),
            delivery: head.delivery,
            committed: head.committed,
        });
        let loan = Loan { token, until: now + wanted.lease_for };
        self.turns.lock().watch(loan, &head.instance);
        match work {
            Ok(work) => {
                self.lend(token, Lent { head, pages, paged });
                Ok(Some(work))
            }
            Err(error) => {
                let lease = TurnLease { instance: head.instance.clone(), token };
                self.give_back(&lease, Duration::from_secs(1), true).await?;
                Err(error)
            }
        }
    }
}

/// Takes the loan if nobody else has taken it or committed since the head was seen.
fn take(head: &Head, token: LeaseToken, until: Timestamp) -> Update {
    let mut update = Update::default();
    update.set("lt", id(token.0));
    update.set("lu", number(until.as_micros()));
    update.set("dl", number(u64::from(head.delivery) + 1));
    update.when("attribute_exists(pk)");
    update.when_equal("ex", id(head.execution.0));
    update.when_still("lt", head.loan.map(|loan| id(loan.token.0)));
    update.when_still("ct", head.committed.map(|token| id(token.0)));
    update.when_still("du", head.delay.map(|at| number(at.as_micros())));
    if let Some(loan) = head.loan {
        // It may have been renewed.
        update.when_equal("lu", number(loan.until.as_micros()));
    }
    update
}
