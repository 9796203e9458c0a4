//! The history store: memory over disk.

use std::time::Duration;

use async_trait::async_trait;
use durable_core::backend::{
    BackendResult, HistoryChunk, HistoryPage, HistoryRead, HistoryStore, InstancePage,
    InstanceQuery, InstanceRecord, PageCursor, PurgeOutcome,
};
use durable_core::env::Elapsed;
use durable_core::hot::Wanted;
use durable_core::ids::{ExecutionId, InstanceId};

use crate::backend::SledBackend;
use crate::disk::read_row;
use crate::error::from_sled;
use crate::hub::Hub;
use crate::keys;
use crate::log::Change;

/// Page size when none is asked for.
const PAGE_ITEMS: usize = 100;

/// Rows looked at for one page before it is handed out short.
const PAGE_LOOKS: usize = 20_000;

/// Gives a watch back when the call ends, also when it is dropped.
struct Watch<'a> {
    hub: &'a Hub,
    instance: &'a InstanceId,
    wanted: Wanted,
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        self.hub.inner.lock().state.unwatch(self.instance, self.wanted);
        self.hub.bells.leave(self.instance);
    }
}

impl SledBackend {
    /// The record with the number of the change it is of.
    fn find(&self, instance: &InstanceId) -> BackendResult<Option<(InstanceRecord, u64)>> {
        let hub = self.state();
        {
            let inner = hub.inner.lock();
            if let Some(record) = inner.state.record(instance) {
                return Ok(Some((record.clone(), inner.state.lsn_of(instance))));
            }
            if inner.purged.contains(instance) {
                return Ok(None);
            }
        }
        if let Some(record) = hub.disk.read_done_record(instance)? {
            return Ok(Some((record, 0)));
        }
        // A live row that is not in memory was found damaged at open.
        let row = hub
            .disk
            .tree
            .get(keys::row(keys::LIVE, instance))
            .map_err(|e| from_sled("read_records", e))?;
        match row.map(|row| read_row(instance, &row)) {
            Some(Err(error)) => Err(error),
            // It came into memory between the two looks, or is leaving it.
            Some(Ok(snapshot)) => Ok(Some((snapshot.record, 0))),
            None => Ok(None),
        }
    }

    /// What there is to answer to a watch, once it is safe; `None` when it has to wait.
    async fn look(
        &self,
        operation: &'static str,
        instance: &InstanceId,
        wanted: Wanted,
    ) -> BackendResult<Option<Option<InstanceRecord>>> {
        match self.find(instance)? {
            Some((record, number)) if wanted.is(&record) => {
                self.state().safe(operation, number).await?;
                Ok(Some(Some(record)))
            }
            None if wanted == Wanted::End => Ok(Some(None)),
            _ => Ok(None),
        }
    }

    /// Waits for something to become of an instance. `Err` when the time passes first.
    async fn wait_for(
        &self,
        operation: &'static str,
        instance: &InstanceId,
        wanted: Wanted,
        wait: Duration,
    ) -> BackendResult<Result<Option<InstanceRecord>, Elapsed>> {
        let hub = self.state();
        hub.check_open(operation)?;
        let deadline = hub.env.now() + wait;
        let bell = hub.bells.listen(instance);
        hub.inner.lock().state.watch(instance, wanted);
        let _watch = Watch { hub, instance, wanted };
        loop {
            let rung = bell.notified();
            tokio::pin!(rung);
            rung.as_mut().enable();
            if let Some(answer) = self.look(operation, instance, wanted).await? {
                return Ok(Ok(answer));
            }
            let now = hub.env.now();
            if now >= deadline {
                return Ok(Err(Elapsed));
            }
            tokio::select! {
                biased;
                () = rung => {}
                () = hub.env.sleep(deadline.since(now)) => {}
            }
            hub.check_open(operation)?;
        }
    }

    /// Terminal instances on disk that match, in id order; the cursor is where it stopped.
    fn list_disk(&self, query: &InstanceQuery, items_max: usize) -> BackendResult<InstancePage> {
        let hub = self.state();
        let prefix =
            [&[keys::DONE][..], query.id_prefix.as_deref().unwrap_or("").as_bytes()].concat();
        let mut begin = prefix.clone();
        if let Some(cursor) = &query.cursor {
            // The smallest key behind the cursor's.
            begin = [&[keys::DONE][..], cursor.0.as_bytes(), &[0]].concat();
        }
        let mut page = InstancePage::default();
        let mut last: Option<InstanceId> = None;
        for (looked, item) in hub.disk.tree.range(begin..).enumerate() {
            let (key, value) = item.map_err(|e| from_sled("list", e))?;
            if !key.starts_with(&prefix) {
                return Ok(page);
            }
            if page.items.len() == items_max || looked == PAGE_LOOKS {
                page.next = last.map(|id| PageCursor(id.as_str().to_owned()));
                return Ok(page);
            }
            let Some(id) = keys::row_id(&key) else { continue };
            // A damaged row is reported when it is asked for; it does not hide the others.
            if let Ok(snapshot) = read_row(&id, &value)
                && query.matches(&snapshot.record)
            {
                page.items.push(snapshot.record);
            }
            last = Some(id);
        }
        Ok(page)
    }
}

#[async_trait]
impl HistoryStore for SledBackend {
    async fn read_records(
        &self,
        instances: Vec<InstanceId>,
    ) -> Vec<BackendResult<Option<InstanceRecord>>> {
        let hub = self.state();
        let mut answers = Vec::with_capacity(instances.len());
        for instance in &instances {
            let found = hub.check_open("read_records").and_then(|()| self.find(instance));
            answers.push(found.map(|found| match found {
                Some((record, number)) => (Some(record), number),
                None => (None, 0),
            }));
        }
        hub.answer("read_records", answers).await
    }

    async fn read_history(&self, read: HistoryRead) -> BackendResult<HistoryPage> {
        let hub = self.state();
        hub.check_open("read_history")?;
        let (blocks, number) = {
            let mut inner = hub.inner.lock();
            let now = hub.env.now();
            inner.load_done(&hub.disk, &read.instance, now)?;
            let blocks = inner.state.history(&read.instance, read.execution).to_vec();
            (blocks, inner.state.lsn_of(&read.instance))
        };
        hub.safe("read_history", number).await?;
        let stored: u64 =
            blocks.iter().take_while(|b| b.bytes.is_none()).map(|b| u64::from(b.events)).sum();
        let total: u64 = blocks.iter().map(|b| u64::from(b.events)).sum();
        let mut page = HistoryPage::default();
        let mut next = read.from;
        if next < stored {
            next = hub.disk.read_history(
                &read.instance,
                read.execution,
                next,
                read.bytes_max,
                &mut page.chunks,
            )?;
        }
        let mut bytes: usize = page.chunks.iter().map(|c| c.bytes.len()).sum();
        let mut at = stored;
        for block in blocks.iter().skip_while(|b| b.bytes.is_none()) {
            if at >= next && next >= stored && (bytes < read.bytes_max || page.chunks.is_empty()) {
                let data = block.bytes.clone().unwrap_or_default();
                bytes += data.len();
                page.chunks.push(HistoryChunk { events: block.events, bytes: data });
                next = at + u64::from(block.events);
            }
            at += u64::from(block.events);
        }
        page.next = (next < total).then_some(next);
        Ok(page)
    }

    async fn executions(&self, instance: &InstanceId) -> BackendResult<Vec<ExecutionId>> {
        let hub = self.state();
        hub.check_open("executions")?;
        let mut inner = hub.inner.lock();
        let now = hub.env.now();
        inner.load_done(&hub.disk, instance, now)?;
        Ok(inner.state.executions(instance))
    }

    async fn watch(
        &self,
        instance: &InstanceId,
        seen: u64,
        wait: Duration,
    ) -> BackendResult<Option<InstanceRecord>> {
        let newer = self.wait_for("watch", instance, Wanted::Newer(seen), wait).await?;
        Ok(newer.unwrap_or(None))
    }

    async fn watch_end(
        &self,
        instance: &InstanceId,
        wait: Duration,
    ) -> BackendResult<Option<InstanceRecord>> {
        if let Ok(ended) = self.wait_for("watch_end", instance, Wanted::End, wait).await? {
            return Ok(ended);
        }
        let Some((record, number)) = self.find(instance)? else { return Ok(None) };
        self.state().safe("watch_end", number).await?;
        Ok(Some(record))
    }

    async fn list(&self, query: InstanceQuery) -> BackendResult<InstancePage> {
        let hub = self.state();
        hub.check_open("list")?;
        let items_max = if query.page_items == 0 { PAGE_ITEMS } else { query.page_items };
        // Disk before memory: an instance that moves from memory to disk in between is then
        // seen at least in one of them only if memory is read again; so memory goes first and
        // what it had is not taken from disk.
        let (memory, number, known) = {
            let inner = hub.inner.lock();
            let page = inner.state.list(&query);
            (page, inner.last, inner.purged.clone())
        };
        let disk = self.list_disk(&query, items_max)?;
        hub.safe("list", number).await?;
        let in_memory = |id: &InstanceId| known.contains(id) || hub.inner.lock().state.contains(id);
        Ok(merge(memory, disk, items_max, in_memory))
    }

    async fn index(&self, _records: Vec<InstanceRecord>) -> BackendResult<()> {
        self.state().check_open("index")
    }

    async fn purge(&self, instances: Vec<InstanceId>) -> Vec<BackendResult<PurgeOutcome>> {
        let hub = self.state();
        let answers = hub.with(|inner, now| {
            let mut answers = Vec::with_capacity(instances.len());
            for instance in instances {
                let purged = hub.check_open("purge").and_then(|()| {
                    inner.load_done(&hub.disk, &instance, now)?;
                    let outcome = inner.state.check_purge(&instance);
                    if outcome != PurgeOutcome::Purged {
                        return Ok((outcome, 0));
                    }
                    let number = inner.log(now, &Change::Purge(instance.clone()));
                    inner.state.apply_purge(&instance);
                    inner.purged.insert(instance);
                    Ok((outcome, number))
                });
                answers.push(purged);
            }
            answers
        });
        hub.answer("purge", answers).await
    }
}

/// Two pages in id order as one. Behind the nearer of the two cursors nothing is known.
fn merge(
    memory: InstancePage,
    disk: InstancePage,
    items_max: usize,
    in_memory: impl Fn(&InstanceId) -> bool,
) -> InstancePage {
    let bound = [&memory.next, &disk.next].into_iter().flatten().map(|c| c.0.clone()).min();
    let mut items = memory.items;
    let known: std::collections::HashSet<_> = items.iter().map(|r| r.instance.clone()).collect();
    items.extend(
        disk.items.into_iter().filter(|r| !known.contains(&r.instance) && !in_memory(&r.instance)),
    );
    items.sort_unstable_by(|a, b| a.instance.cmp(&b.instance));
    if let Some(bound) = &bound {
        items.retain(|r| r.instance.as_str() <= bound.as_str());
    }
    let full = items.len() > items_max;
    items.truncate(items_max);
    let next = if full { items.last().map(|r| r.instance.as_str().to_owned()) } else { bound };
    InstancePage { items, next: next.map(PageCursor) }
}
