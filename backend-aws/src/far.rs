//! Messages for an inbox that is too full for the head: in pages.

use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue;
use durable_core::backend::{BackendResult, Envelope, OrchestrationStatus, SendOutcome};
use durable_core::hot::Signals;
use durable_core::limits;

use crate::deliver::{id_set, is_full};
use crate::head::{Head, Load};
use crate::hub::Hub;
use crate::item::Item;
use crate::page::Page;
use crate::schema::{self, PK, SK, partition};
use crate::table::{Written, text};
use crate::update::{Update, binary, id, number};
use crate::values::{Body, Message, id_text};

/// Messages in one page, and their bytes.
const PAGE_MESSAGES: usize = 32;
const PAGE_BYTES: usize = 16 * 1_024;

/// Messages for one instance that are put into pages together.
const RUN_MAX: usize = 1_024;

/// From so many on, messages for one instance are put together.
const RUN_MIN: usize = 4;

impl Hub {
    /// Puts messages for one instance into its inbox, in their order.
    pub(crate) async fn deliver_run(
        &self,
        operation: &'static str,
        envelopes: &[Envelope],
        is_inside: bool,
    ) -> Vec<BackendResult<SendOutcome>> {
        let mut outcomes = Vec::with_capacity(envelopes.len());
        while outcomes.len() < envelopes.len() {
            let rest = &envelopes[outcomes.len()..];
            let plain = rest.iter().take(RUN_MAX).take_while(|e| e.creates.is_none()).count();
            if plain >= RUN_MIN
                && let Ok(Some(together)) =
                    self.deliver_together(operation, &rest[..plain], is_inside).await
            {
                outcomes.extend(together.into_iter().map(Ok));
                continue;
            }
            if let Some(envelope) = rest.first() {
                outcomes.push(self.deliver(operation, envelope, is_inside).await);
            }
        }
        outcomes
    }

    /// Puts many messages into pages, if the inbox is full; `None` when it is not.
    async fn deliver_together(
        &self,
        operation: &'static str,
        envelopes: &[Envelope],
        is_inside: bool,
    ) -> BackendResult<Option<Vec<SendOutcome>>> {
        let Some(first) = envelopes.first() else { return Ok(None) };
        let Some(head) = self.head(operation, &first.target).await? else { return Ok(None) };
        if head.is_terminal() || head.purging.is_some() || !is_full(&head) {
            return Ok(None);
        }
        let mut bodies = Vec::with_capacity(envelopes.len());
        for envelope in envelopes {
            let body = self.body(operation, &envelope.target, &envelope.body).await?;
            bodies.push((envelope, body));
        }
        Ok(self.put_far(operation, &bodies, is_inside, &head).await?.ok())
    }

    /// Puts messages into pages, if the instance is still as it was seen.
    pub(crate) async fn put_far(
        &self,
        operation: &'static str,
        bodies: &[(&Envelope, Body)],
        is_inside: bool,
        head: &Arc<Head>,
    ) -> BackendResult<Result<Vec<SendOutcome>, Option<Arc<Head>>>> {
        let instance = &head.instance;
        let is_single = bodies.len() == 1;
        let pages = if is_single { Vec::new() } else { self.pages(operation, head).await? };
        let (outcomes, messages) = self.sort_out(bodies, is_inside, head, &pages);
        if messages.is_empty() {
            return Ok(Ok(outcomes));
        }
        let mut counted = messages.iter().filter(|(m, _)| m.counted).count() as u64;
        let bound = messages.iter().any(|(m, _)| m.execution.is_some());
        let first_due = messages.iter().filter(|(_, later)| *later).map(|(m, _)| m.at).min();
        let keys = if is_single {
            match self.put_single(operation, head, &messages).await? {
                Some((key, is_new)) => {
                    counted *= u64::from(is_new);
                    vec![key]
                }
                None => return Ok(Ok(outcomes)),
            }
        } else {
            self.put_pages(operation, head, messages).await?
        };
        // Only then they are known to be there; and only while they are for those who live.
        let mut update = Update::default();
        match head.life.filter(|_| !bound) {
            // A turn that reads all pages may have read these and gone on as new: they have
            // arrived, and what is refused here would be put once more.
            Some(life) => update.when_equal("lf", id(life)),
            None => update.when_equal("ex", id(head.execution.0)),
        }
        let terminal = update.value(number(u64::from(OrchestrationStatus::Completed.number())));
        update.when(&format!("st<{terminal}"));
        update.add("pn", number(1));
        if counted > 0 {
            update.add("un", number(counted));
        }
        // Counted once, also when the answer is lost and the same request is made again.
        let by = self.env.random_u128();
        let token = update.value(id(by));
        update.when(&format!("(attribute_not_exists(pt) OR pt<>{token})"));
        update.set_expression(&format!("pt={token}"));
        let now = match self.change_head(operation, instance, update).await? {
            Ok(now) => now,
            Err(Some(now)) if now.paged_by == Some(by) => now,
            Err(now) => {
                let pk = partition(instance);
                let keys = keys.into_iter().map(|key| (pk.clone(), key)).collect();
                self.table.delete_all(operation, keys).await?;
                return Ok(Err(now));
            }
        };
        self.turns.lock().push(instance, None);
        self.bells.ring(Signals { turns: true, ..Signals::default() });
        if !now.on_loan(self.now()) && !self.serves_turns() && now.load.inbox.is_empty() {
            self.ring_instances(vec![instance.clone()]).await;
        }
        if let Some(due) = first_due {
            self.arrange(instance, due).await;
        }
        Ok(Ok(outcomes))
    }

    /// What becomes of each message, and those that are to be put, with whether they are for later.
    fn sort_out(
        &self,
        bodies: &[(&Envelope, Body)],
        is_inside: bool,
        head: &Head,
        pages: &[Page],
    ) -> (Vec<SendOutcome>, Vec<(Message, bool)>) {
        let waits = |id| head.load.knows(id) || pages.iter().any(|page: &Page| page.load.knows(id));
        let full = u64::try_from(limits::UNREAD_EVENTS_MAX).unwrap_or(u64::MAX);
        let mut unread = head.unread + head.load.inbox.len() as u64;
        let mut outcomes = Vec::with_capacity(bodies.len());
        let mut messages: Vec<(Message, bool)> = Vec::new();
        let mut seen = foldhash::HashSet::default();
        for (envelope, body) in bodies {
            if envelope.creates.is_none() && envelope.execution.is_some_and(|e| e != head.execution)
            {
                outcomes.push(SendOutcome::Terminal);
                continue;
            }
            if !seen.insert(envelope.id) || waits(envelope.id) {
                outcomes.push(SendOutcome::Accepted);
                continue;
            }
            let limited = !is_inside && !envelope.control && envelope.execution.is_none();
            if limited && unread >= full {
                outcomes.push(SendOutcome::InboxFull);
                continue;
            }
            let later = envelope.visible_at.is_some_and(|at| at > self.now());
            let mut message = self.message(envelope, body.clone());
            message.counted = limited;
            unread += u64::from(limited);
            messages.push((message, later));
            outcomes.push(SendOutcome::Accepted);
        }
        (outcomes, messages)
    }

    /// One message in a page of its own, which its id names: it cannot be there twice. Says
    /// whether it is new.
    async fn put_single(
        &self,
        operation: &'static str,
        head: &Head,
        messages: &[(Message, bool)],
    ) -> BackendResult<Option<(String, bool)>> {
        let Some((message, later)) = messages.first() else { return Ok(None) };
        let key = format!("P#m{}", id_text(message.id));
        let page = Page::of_messages([(message.clone(), *later)]);
        let item = page.item(&partition(&head.instance), &key);
        let mut condition = Update::default();
        condition.when("attribute_not_exists(pk)");
        match self.table.put(operation, item, condition).await? {
            Written::Done(_) => Ok(Some((key, true))),
            // Whoever put it may have died before saying so in the head.
            Written::Refused(_) => Ok(Some((key, false))),
        }
    }

    async fn put_pages(
        &self,
        operation: &'static str,
        head: &Head,
        messages: Vec<(Message, bool)>,
    ) -> BackendResult<Vec<String>> {
        let pk = partition(&head.instance);
        let (unique, stamp) = (self.env.random_u128(), self.stamp().as_micros());
        let (mut items, mut keys): (Vec<Item>, Vec<String>) = (Vec::new(), Vec::new());
        let mut page = Vec::new();
        let mut bytes = 0;
        let mut rest = messages.into_iter().peekable();
        while let Some((message, later)) = rest.next() {
            bytes += message.body.length().min(2 * 1_024);
            page.push((message, later));
            if page.len() == PAGE_MESSAGES || bytes >= PAGE_BYTES || rest.peek().is_none() {
                let key = schema::page(stamp, unique, keys.len());
                items.push(Page::of_messages(page.drain(..)).item(&pk, &key));
                keys.push(key);
                bytes = 0;
            }
        }
        self.table.put_all(operation, items).await?;
        Ok(keys)
    }
}

impl Page {
    fn of_messages(messages: impl IntoIterator<Item = (Message, bool)>) -> Self {
        let mut load = Load::default();
        for (message, later) in messages {
            if later { load.delayed.push(message) } else { load.inbox.push(message) }
        }
        Self { key: Arc::from(""), load }
    }

    /// The item of a page that nothing of is on loan.
    pub(crate) fn item(&self, pk: &str, key: &str) -> Item {
        let messages = self.load.inbox.iter().map(|m| binary(m.seal())).collect();
        let delayed = self.load.delayed.iter().map(|m| (id_text(m.id), binary(m.seal())));
        let tasks = self.load.tasks.iter().map(|t| (id_text(t.id), t.attribute()));
        let mut item: Item = [
            (PK.to_owned(), text(pk)),
            (SK.to_owned(), text(key)),
            ("ib".to_owned(), AttributeValue::L(messages)),
            ("dm".to_owned(), AttributeValue::M(delayed.collect())),
            ("tk".to_owned(), AttributeValue::M(tasks.collect())),
        ]
        .into();
        if !self.load.inbox.is_empty() {
            item.insert("ii".to_owned(), id_set(self.load.inbox.iter().map(|m| m.id)));
        }
        item
    }
}
