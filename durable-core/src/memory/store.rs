//! The history store.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;

use super::MemoryBackend;
use crate::backend::{
    BackendResult, HistoryPage, HistoryRead, HistoryStore, InstancePage, InstanceQuery,
    InstanceRecord, PurgeOutcome,
};
use crate::env::Elapsed;
use crate::hot::{HubState, Wanted};
use crate::ids::{ExecutionId, InstanceId};

/// A watch that waits. It is given back when the call ends, also when it is dropped.
struct Watch<'a> {
    backend: &'a MemoryBackend,
    instance: &'a InstanceId,
    wanted: Wanted,
    bell: Arc<Notify>,
    over: bool,
}

impl<'a> Watch<'a> {
    /// To be called with the state locked, so that no change goes unheard.
    fn begin(
        backend: &'a MemoryBackend,
        state: &mut HubState,
        instance: &'a InstanceId,
        wanted: Wanted,
    ) -> Self {
        state.watch(instance, wanted);
        Self { backend, instance, wanted, bell: backend.bells.listen(instance), over: false }
    }

    /// Ends it while the state is locked anyhow.
    fn end(&mut self, state: &mut HubState) {
        state.unwatch(self.instance, self.wanted);
        self.over = true;
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if !self.over {
            self.backend.lock().unwatch(self.instance, self.wanted);
        }
        self.backend.bells.leave(self.instance);
    }
}

impl MemoryBackend {
    /// Looks at an instance. With nothing to answer yet, listens from that moment on.
    fn see<'a>(
        &'a self,
        instance: &'a InstanceId,
        wanted: Wanted,
        watch: &mut Option<Watch<'a>>,
    ) -> Result<Option<InstanceRecord>, OwnedNotified> {
        let mut state = self.lock();
        let record = state.record(instance);
        let found = record.filter(|record| wanted.is(record)).cloned();
        if found.is_some() || (record.is_none() && wanted == Wanted::End) {
            if let Some(watch) = watch {
                watch.end(&mut state);
            }
            return Ok(found);
        }
        let watch = watch.get_or_insert_with(|| Watch::begin(self, &mut state, instance, wanted));
        Err(Arc::clone(&watch.bell).notified_owned())
    }

    /// Waits for something to become of an instance. `Err` when the time passes first.
    async fn wait_for(
        &self,
        operation: &'static str,
        instance: &InstanceId,
        wanted: Wanted,
        wait: Duration,
    ) -> BackendResult<Result<Option<InstanceRecord>, Elapsed>> {
        let deadline = self.env.now() + wait;
        let mut watch = None;
        loop {
            self.check_open(operation)?;
            let rung = match self.see(instance, wanted, &mut watch) {
                Ok(answer) => return Ok(Ok(answer)),
                Err(rung) => rung,
            };
            // It may have been closed, and rung for that, before this call listened.
            self.check_open(operation)?;
            let now = self.env.now();
            if now >= deadline {
                return Ok(Err(Elapsed));
            }
            tokio::select! {
                biased;
                () = rung => {}
                () = self.env.sleep(deadline.since(now)) => {}
            }
        }
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
        let newer = self.wait_for("watch", instance, Wanted::Newer(seen), wait).await?;
        Ok(newer.unwrap_or(None))
    }

    async fn watch_end(
        &self,
        instance: &InstanceId,
        wait: Duration,
    ) -> BackendResult<Option<InstanceRecord>> {
        let ended = self.wait_for("watch_end", instance, Wanted::End, wait).await?;
        Ok(ended.unwrap_or_else(|Elapsed| self.lock().record(instance).cloned()))
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
