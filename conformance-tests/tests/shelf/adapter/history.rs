// ANCHOR: head
//! Records, histories, listings.

use std::time::Duration;

use async_trait::async_trait;
use durable_core::backend::{
    BackendResult, HistoryPage, HistoryRead, HistoryStore, InstancePage, InstanceQuery,
    InstanceRecord, PurgeOutcome,
};
use durable_core::hot::Wanted;
use durable_core::ids::{ExecutionId, InstanceId};

use super::Shelf;
// ANCHOR_END: head

// ANCHOR: watched
/// Somebody waits for an instance to change; ends also when the wait is dropped.
struct Watched<'a> {
    shelf: &'a Shelf,
    instance: &'a InstanceId,
    wanted: Wanted,
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        self.shelf.lock().unwatch(self.instance, self.wanted);
        self.shelf.bells.leave(self.instance);
    }
}
// ANCHOR_END: watched

// ANCHOR: store
#[async_trait]
impl HistoryStore for Shelf {
    async fn read_records(
        &self,
        instances: Vec<InstanceId>,
    ) -> Vec<BackendResult<Option<InstanceRecord>>> {
        self.each("read_records", instances, |state, id, _| state.record(&id).cloned())
    }

    async fn read_history(&self, read: HistoryRead) -> BackendResult<HistoryPage> {
        self.check_open("read_history")?;
        Ok(self.lock().history_page(&read.instance, read.execution, read.from, read.bytes_max))
    }

    async fn executions(&self, instance: &InstanceId) -> BackendResult<Vec<ExecutionId>> {
        self.check_open("executions")?;
        Ok(self.lock().executions(instance))
    }

    async fn list(&self, query: InstanceQuery) -> BackendResult<InstancePage> {
        self.check_open("list")?;
        Ok(self.lock().list(&query))
    }

    async fn index(&self, _records: Vec<InstanceRecord>) -> BackendResult<()> {
        self.check_open("index")
    }

    async fn purge(&self, instances: Vec<InstanceId>) -> Vec<BackendResult<PurgeOutcome>> {
        self.each("purge", instances, |state, id, _| state.purge(&id))
    }

    async fn watch(
        &self,
        instance: &InstanceId,
        seen: u64,
        wait: Duration,
    ) -> BackendResult<Option<InstanceRecord>> {
        let bell = self.bells.listen(instance);
        let wanted = Wanted::Newer(seen);
        self.lock().watch(instance, wanted);
        let _watched = Watched { shelf: self, instance, wanted };
        let newer = |shelf: &Self| {
            let record = shelf.lock().record(instance).cloned();
            record.filter(|record| wanted.is(record))
        };
        self.wait("watch", &bell, wait, |shelf, _| (newer(shelf), None)).await
    }
}
// ANCHOR_END: store
