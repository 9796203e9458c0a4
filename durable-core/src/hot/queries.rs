//! Records, histories, listings, purge.

use std::ops::Bound;

use super::HubState;
use super::slot::StoredChunk;
use crate::backend::{
    HistoryChunk, HistoryPage, InstancePage, InstanceQuery, InstanceRecord, PageCursor,
    PurgeOutcome,
};
use crate::ids::{ExecutionId, InstanceId};

/// Page size when none is asked for.
const PAGE_ITEMS: usize = 100;

/// Records looked at for one page before it is handed out short.
const PAGE_LOOKS: usize = 20_000;

impl HubState {
    /// An instance's record.
    pub fn record(&self, instance: &InstanceId) -> Option<&InstanceRecord> {
        self.instances.get(instance).map(|slot| &slot.record)
    }

    /// The blocks of a generation's history; empty when unknown.
    pub fn history(&self, instance: &InstanceId, execution: ExecutionId) -> &[StoredChunk] {
        let Some(slot) = self.instances.get(instance) else { return &[] };
        if slot.record.execution == execution {
            return &slot.history;
        }
        let older = slot.rare.as_ref().and_then(|r| r.older.iter().find(|(e, _)| *e == execution));
        older.map_or(&[], |(_, chunks)| chunks)
    }

    /// Part of a history whose bytes are all in memory.
    pub fn history_page(
        &self,
        instance: &InstanceId,
        execution: ExecutionId,
        from: u64,
        bytes_max: usize,
    ) -> HistoryPage {
        let mut page = HistoryPage::default();
        let (mut at, mut bytes) = (0_u64, 0);
        for chunk in self.history(instance, execution) {
            if at >= from {
                if bytes >= bytes_max && !page.chunks.is_empty() {
                    page.next = Some(at);
                    break;
                }
                let data = chunk.bytes.clone().unwrap_or_default();
                bytes += data.len();
                page.chunks.push(HistoryChunk { events: chunk.events, bytes: data });
            }
            at += u64::from(chunk.events);
        }
        page
    }

    /// The generations whose history is kept, oldest first.
    pub fn executions(&self, instance: &InstanceId) -> Vec<ExecutionId> {
        let Some(slot) = self.instances.get(instance) else { return Vec::new() };
        let older = slot.rare.iter().flat_map(|r| r.older.iter().map(|(e, _)| *e));
        older.chain([slot.record.execution]).collect()
    }

    /// One page of instances in id order.
    pub fn list(&self, query: &InstanceQuery) -> InstancePage {
        let items_max = if query.page_items == 0 { PAGE_ITEMS } else { query.page_items };
        let prefix = query.id_prefix.as_deref().unwrap_or("");
        let mut page = InstancePage::default();
        let start = match &query.cursor {
            Some(cursor) => Bound::Excluded(cursor.0.as_str()),
            None => Bound::Included(prefix),
        };
        let mut last: Option<&InstanceId> = None;
        for (looked, id) in self.ids.range::<str, _>((start, Bound::Unbounded)).enumerate() {
            if !id.as_str().starts_with(prefix) && id.as_str() > prefix {
                return page;
            }
            if page.items.len() == items_max || looked == PAGE_LOOKS {
                page.next = last.map(|id| PageCursor(id.as_str().to_owned()));
                return page;
            }
            last = Some(id);
            if let Some(record) = self.record(id).filter(|r| query.matches(r)) {
                page.items.push(record.clone());
            }
        }
        page
    }

    /// Whether an instance may be purged.
    pub fn check_purge(&self, instance: &InstanceId) -> PurgeOutcome {
        match self.instances.get(instance) {
            None => PurgeOutcome::NoInstance,
            Some(slot) if slot.is_terminal() => PurgeOutcome::Purged,
            Some(_) => PurgeOutcome::NotTerminal,
        }
    }

    /// Removes an instance that [`check_purge`](Self::check_purge) has let through.
    pub fn apply_purge(&mut self, instance: &InstanceId) {
        if self.has_already(instance) {
            return;
        }
        self.forget(instance);
        self.touch(instance);
        self.note_change(instance);
    }

    /// Drops an instance from memory, e.g. because a store keeps it.
    pub fn forget(&mut self, instance: &InstanceId) {
        self.remove_slot(instance);
        self.ids.remove(instance);
    }

    /// Removes a terminal instance.
    pub fn purge(&mut self, instance: &InstanceId) -> PurgeOutcome {
        let outcome = self.check_purge(instance);
        if outcome == PurgeOutcome::Purged {
            self.apply_purge(instance);
        }
        outcome
    }
}
