//! The history store.

use std::time::Duration;

use async_trait::async_trait;

use super::MemoryBackend;
use crate::backend::{
    BackendResult, HistoryPage, HistoryRead, HistoryStore, InstancePage, InstanceQuery,
    InstanceRecord, PurgeOutcome,
};
use crate::ids::{ExecutionId, InstanceId};

/// Gives a watch back when the call ends, also when it is dropped.
struct Watch<'a> {
    backend: &'a MemoryBackend,
    instance: &'a InstanceId,
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        self.backend.lock().unwatch(self.instance);
        self.backend.bells.leave(self.instance);
    }
}

#[async_trait]
impl HistoryStore for MemoryBackend {
    async fn read_records(
        &self,
        instances: Vec<InstanceId>,
    ) -> Vec<BackendResult<Option<InstanceRecord>>> {
        self.each("read_records", instances, |state, instance, _| state.record(&instance).cloned())
    }

    async fn read_history(&self, read: HistoryRead) -> BackendResult<HistoryPage> {
        self.check_open("read_history")?;
        Ok(self.lock().history_page(&read.instance, read.execution, read.from, read.bytes_max))
    }

    async fn executions(&self, instance: &InstanceId) -> BackendResult<Vec<ExecutionId>> {
        self.check_open("executions")?;
        Ok(self.lock().executions(instance))
    }

    async fn watch(
        &self,
        instance: &InstanceId,
        seen: u64,
        wait: Duration,
    ) -> BackendResult<Option<InstanceRecord>> {
        self.check_open("watch")?;
        let newer = |record: Option<&InstanceRecord>| record.filter(|r| r.revision > seen).cloned();
        // Mostly the change is there already, or the call does not want to wait.
        if let Some(record) = newer(self.lock().record(instance)) {
            return Ok(Some(record));
        }
        let deadline = self.env.now() + wait;
        let bell = self.bells.listen(instance);
        self.lock().watch(instance);
        let _watch = Watch { backend: self, instance };
        loop {
            let rung = bell.notified();
            self.check_open("watch")?;
            if let Some(record) = newer(self.lock().record(instance)) {
                return Ok(Some(record));
            }
            let now = self.env.now();
            if now >= deadline {
                return Ok(None);
            }
            tokio::select! {
                biased;
                () = rung => {}
                () = self.env.sleep(deadline.since(now)) => {}
            }
        }
    }

    async fn list(&self, query: InstanceQuery) -> BackendResult<InstancePage> {
        self.check_open("list")?;
        Ok(self.lock().list(&query))
    }

    async fn index(&self, _records: Vec<InstanceRecord>) -> BackendResult<()> {
        self.check_open("index")
    }

    async fn purge(&self, instances: Vec<InstanceId>) -> Vec<BackendResult<PurgeOutcome>> {
        self.each("purge", instances, |state, instance, _| state.purge(&instance))
    }
}
