//! Bringing about what a commit has promised: messages for others, tracking records, pages.

use std::sync::Arc;

use durable_core::backend::{BackendResult, Envelope};
use durable_core::env::BoxFuture;
use durable_core::hot::Signals;
use durable_core::ids::{InstanceId, MessageId};
use foldhash::HashMap;
use futures_util::{StreamExt as _, stream};

use crate::head::{Head, Load, Task};
use crate::hub::Hub;
use crate::item::{self, Item};
use crate::outbox::{Chore, Outbox, unseal_chores};
use crate::page::Page;
use crate::schema::{self, HEAD, partition};
use crate::table::{Written, damaged};
use crate::update::{Update, binary, number};
use crate::values::id_text;

const OPERATION: &str = "bring_out";

/// Requests in flight at a time.
const AT_ONCE: usize = 16;

/// How often a page is tried again when it changes meanwhile.
const TRIES: usize = 8;

impl Hub {
    /// Does what stands in the outbox of a head and empties it; the head as it is then.
    pub(crate) fn bring_out<'a>(
        self: &'a Hub,
        head: &'a Arc<Head>,
    ) -> BoxFuture<'a, BackendResult<Option<Arc<Head>>>> {
        Box::pin(async move {
            let Some(raw) = head.outbox.clone() else { return Ok(Some(Arc::clone(head))) };
            let unreadable = |why| damaged(OPERATION, "an outbox", &why);
            let outbox = Outbox::unseal(raw.clone()).map_err(unreadable)?;
            let bodies = self.bodies(OPERATION, &head.instance, vec![&outbox.chores]).await;
            let content = match bodies {
                Ok(mut bodies) => bodies.pop().unwrap_or_default(),
                Err(error) => {
                    // Whoever else was at it may be done, and have removed the parts.
                    let now = self.head(OPERATION, &head.instance).await?;
                    let done = now.as_ref().is_none_or(|h| h.outbox.as_ref() != Some(&raw));
                    return if done { Ok(now) } else { Err(error) };
                }
            };
            let chores = unseal_chores(content).map_err(unreadable)?;
            self.do_chores(&head.instance, &outbox, chores).await?;
            let mut update = Update::default();
            update.remove("ob");
            update.when_equal("ob", binary(raw.to_vec()));
            let changed = self.change_head(OPERATION, &head.instance, update).await?;
            Ok(match changed {
                Ok(now) => {
                    self.forget(&head.instance, vec![&outbox.chores]).await;
                    self.note(&now);
                    Some(now)
                }
                Err(now) => now,
            })
        })
    }

    async fn do_chores(
        &self,
        instance: &InstanceId,
        outbox: &Outbox,
        chores: Vec<Chore>,
    ) -> BackendResult<()> {
        let mut pages = Vec::new();
        let mut leaving = Vec::new();
        let mut deliveries: Vec<Vec<Envelope>> = Vec::new();
        let mut places: HashMap<InstanceId, usize> = HashMap::default();
        let mut dropped = false;
        for chore in chores {
            match chore {
                Chore::Deliver(envelope) => {
                    let place = *places.entry(envelope.target.clone()).or_insert_with(|| {
                        deliveries.push(Vec::new());
                        deliveries.len() - 1
                    });
                    deliveries[place].push(envelope);
                }
                Chore::Track(stamp, envelope) => self.track(stamp, envelope).await?,
                Chore::Page(messages, tasks) => {
                    let tasks = tasks.into_iter().map(|(id, visible_at, body)| Task {
                        id,
                        body,
                        loan: None,
                        visible_at,
                        delivery: 0,
                        progress: None,
                        given_back: None,
                    });
                    let load =
                        Load { inbox: Vec::new(), delayed: messages, tasks: tasks.collect() };
                    let key = schema::page(outbox.stamp, outbox.token.0, pages.len());
                    pages.push(Page { key: Arc::from(key), load });
                }
                Chore::Leave(page, ids) => leaving.push((page, ids)),
                Chore::DropPages => dropped = true,
            }
        }
        if dropped {
            self.drop_pages(instance).await?;
        }
        self.leave_all(instance, leaving).await?;
        let puts = pages.iter().map(|page| self.put_page(instance, page));
        all(puts.collect()).await?;
        let sends = deliveries.into_iter().map(|envelopes| self.deliver_all(envelopes));
        all(sends.collect()).await?;
        self.announce(instance, outbox, &pages).await
    }

    async fn deliver_all(&self, envelopes: Vec<Envelope>) -> BackendResult<()> {
        let outcomes = self.deliver_run(OPERATION, &envelopes, true).await;
        outcomes.into_iter().try_for_each(|outcome| outcome.map(drop))
    }

    async fn put_page(&self, instance: &InstanceId, page: &Page) -> BackendResult<()> {
        let mut condition = Update::default();
        condition.when("attribute_not_exists(pk)");
        let item = page.item(&partition(instance), &page.key);
        // When it is there, another one was at it.
        self.table.put(OPERATION, item, condition).await.map(drop)
    }

    /// Tells of the tasks and timers in new pages, unless somebody else has been here long ago.
    async fn announce(
        &self,
        instance: &InstanceId,
        outbox: &Outbox,
        pages: &[Page],
    ) -> BackendResult<()> {
        if pages.is_empty() {
            return Ok(());
        }
        let head = self.head(OPERATION, instance).await?;
        if head.and_then(|h| h.committed) != Some(outbox.token) {
            // Too late: they may have been used and removed before they were put again.
            let pk = partition(instance);
            let keys = pages.iter().map(|page| (pk.clone(), page.key.to_string())).collect();
            return self.table.delete_all(OPERATION, keys).await;
        }
        for page in pages {
            self.note_tasks(instance, &page.key, &page.load);
            self.ring_tasks(instance, &page.key, &page.load);
        }
        let now = self.now();
        let delayed = pages.iter().flat_map(|page| &page.load.delayed);
        if delayed.clone().any(|m| m.due_at(now).is_none()) {
            self.turns.lock().push(instance, None);
            self.bells.ring(Signals { turns: true, ..Signals::default() });
        }
        if let Some(first) = delayed.filter_map(|m| m.due_at(now)).min() {
            self.turns.lock().push_due(first, instance);
            self.arrange(instance, first).await;
        }
        Ok(())
    }

    /// Takes messages and tasks out of pages, which are read together.
    async fn leave_all(
        &self,
        instance: &InstanceId,
        leaving: Vec<(Arc<str>, Vec<MessageId>)>,
    ) -> BackendResult<()> {
        let pk = partition(instance);
        let keys = leaving.iter().map(|(page, _)| (pk.clone(), page.to_string())).collect();
        let items = if leaving.is_empty() {
            Vec::new()
        } else {
            self.table.get_all(OPERATION, keys).await?
        };
        let mut found: HashMap<String, Item> = HashMap::default();
        for item in items {
            let key = item::text(&item, schema::SK).ok().flatten().map(str::to_owned);
            found.extend(key.map(|key| (key, item)));
        }
        let leaves = leaving.into_iter().filter_map(|(page, ids)| {
            // One that is gone has nothing left to take out.
            let first = found.remove(&*page)?;
            Some(self.leave(instance, page, ids, first))
        });
        all(leaves.collect()).await
    }

    /// Takes messages and tasks out of a page, and the page away when nothing is left.
    async fn leave(
        &self,
        instance: &InstanceId,
        page: Arc<str>,
        ids: Vec<MessageId>,
        first: Item,
    ) -> BackendResult<()> {
        let pk = partition(instance);
        let mut known = Some(first);
        for _ in 0..TRIES {
            let item = match known.take() {
                Some(item) => Some(item),
                None => self.table.get(OPERATION, &pk, &page).await?,
            };
            let Some(item) = item else { return Ok(()) };
            let now = Page::read(&item).map_err(|why| damaged(OPERATION, "a page", &why))?;
            let wanted: foldhash::HashSet<_> = ids.iter().copied().collect();
            let mut rest = now.clone();
            rest.load.inbox.retain(|m| !wanted.contains(&m.id));
            rest.load.delayed.retain(|m| !wanted.contains(&m.id));
            rest.load.tasks.retain(|t| !wanted.contains(&t.id));
            let update = leave_update(&now, &wanted);
            let written = if rest.is_empty() {
                let mut condition = Update::default();
                for (part, count) in [
                    ("tk", now.load.tasks.len()),
                    ("ib", now.load.inbox.len()),
                    ("dm", now.load.delayed.len()),
                ] {
                    let count = condition.value(number(count as u64));
                    condition.when(&format!("size({part})={count}"));
                }
                self.table.delete(OPERATION, (&pk, &page), condition).await?
            } else if let Some(update) = update {
                self.table.update(OPERATION, (&pk, &page), update).await?
            } else {
                return Ok(());
            };
            if matches!(written, Written::Done(_) | Written::Refused(None)) {
                let gone = now.load.inbox.iter().chain(&now.load.delayed);
                let messages = gone.filter(|m| wanted.contains(&m.id)).map(|m| &m.body);
                let tasks = now.load.tasks.iter().filter(|t| wanted.contains(&t.id));
                let bodies = messages.chain(tasks.map(|t| &t.body.body)).collect();
                self.forget(instance, bodies).await;
                return Ok(());
            }
        }
        let text = "a page changes faster than it can be read";
        Err(durable_core::backend::BackendError::new(
            durable_core::backend::BackendErrorKind::Unavailable,
            OPERATION,
            text,
        ))
    }

    async fn drop_pages(&self, instance: &InstanceId) -> BackendResult<()> {
        let pk = partition(instance);
        loop {
            let (items, more) = self.table.range(OPERATION, &pk, schema::PAGES, 1_000).await?;
            let keys: Vec<_> = items
                .iter()
                .filter_map(|item| item::text(item, schema::SK).ok().flatten())
                .filter(|sk| *sk != HEAD)
                .map(|sk| (pk.clone(), sk.to_owned()))
                .collect();
            if !keys.is_empty() {
                self.table.delete_all(OPERATION, keys).await?;
            }
            if !more {
                return Ok(());
            }
        }
    }
}

/// Takes these out of a page if they are still where they were seen.
fn leave_update(page: &Page, wanted: &foldhash::HashSet<MessageId>) -> Option<Update> {
    let mut update = Update::default();
    let mut gone = Vec::new();
    let mut any = false;
    for (n, message) in page.load.inbox.iter().enumerate() {
        if wanted.contains(&message.id) {
            update.remove(&format!("ib[{n}]"));
            // Whoever took it out first has moved the others.
            let id = update.value(binary(crate::values::id_bytes(message.id)));
            update.when(&format!("contains(ii,{id})"));
            gone.push(message.id);
            any = true;
        }
    }
    if !gone.is_empty() {
        update.delete("ii", crate::deliver::id_set(gone));
    }
    let delayed = page.load.delayed.iter().map(|m| ("dm", m.id));
    let tasks = page.load.tasks.iter().map(|t| ("tk", t.id));
    for (map, id) in delayed.chain(tasks).filter(|(_, id)| wanted.contains(id)) {
        let key = update.key(id_text(id));
        update.remove(&format!("{map}.{key}"));
        any = true;
    }
    any.then_some(update)
}

async fn all<F>(works: Vec<F>) -> BackendResult<()>
where
    F: Future<Output = BackendResult<()>>,
{
    let done: Vec<_> = stream::iter(works).buffer_unordered(AT_ONCE).collect().await;
    done.into_iter().collect()
}
