//! The history store.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use durable_core::backend::sealed::Damaged;
use durable_core::backend::{
    BackendResult, HistoryPage, HistoryRead, HistoryStore, InstancePage, InstanceQuery,
    InstanceRecord, PurgeOutcome,
};
use durable_core::ids::{ExecutionId, InstanceId};

use crate::backend::AwsBackend;
use crate::head::Head;
use crate::hub::{Hub, closed, spread};
use crate::item;
use crate::pace;
use crate::schema::{self, partition};
use crate::sweep::head_key;
use crate::table::damaged;

/// The first pause of a watch between two looks; it doubles.
const WATCH_FIRST: Duration = Duration::from_millis(50);

impl Hub {
    /// The record of an instance with its details.
    pub(crate) async fn full_record(
        &self,
        operation: &'static str,
        head: &Head,
    ) -> BackendResult<InstanceRecord> {
        let unreadable = |why| damaged(operation, "a record", &why);
        if let Some(record) = head.small_record().map_err(unreadable)? {
            return Ok(record);
        }
        let mut body = head.record().map_err(unreadable)?;
        let details = self.bodies(operation, &head.instance, vec![&body.details]).await?;
        body.record.details = details.into_iter().next().unwrap_or_default();
        Ok(body.record)
    }

    /// Records of instances in the order asked for.
    pub(crate) async fn records(
        &self,
        operation: &'static str,
        instances: &[InstanceId],
    ) -> BackendResult<Vec<BackendResult<Option<InstanceRecord>>>> {
        let mut keys: Vec<_> = instances.iter().map(head_key).collect();
        // A batch may not ask for the same item twice.
        keys.sort_unstable();
        keys.dedup();
        let items = self.table.get_all(operation, keys).await?;
        let mut found = foldhash::HashMap::default();
        for item in &items {
            let pk = item::text(item, schema::PK).ok().flatten().unwrap_or_default().to_owned();
            found.insert(pk, Self::read_head(operation, item));
        }
        let mut records = Vec::with_capacity(instances.len());
        for instance in instances {
            records.push(match found.get(&partition(instance)) {
                None => Ok(None),
                Some(Ok(head)) if head.purging.is_some() => Ok(None),
                Some(Ok(head)) => match self.full_record(operation, head).await {
                    Ok(record) => Ok(Some(record)),
                    Err(error) => self.again(operation, instance, error).await,
                },
                Some(Err(error)) => Err(damaged(
                    operation,
                    "the head of an instance",
                    &Damaged(if error.context().is_empty() { "" } else { "see its context" }),
                )),
            });
        }
        Ok(records)
    }

    /// The details of a record may be replaced between two reads.
    async fn again(
        &self,
        operation: &'static str,
        instance: &InstanceId,
        error: durable_core::backend::BackendError,
    ) -> BackendResult<Option<InstanceRecord>> {
        for _ in 0..3 {
            let Some(head) = self.head(operation, instance).await? else { return Ok(None) };
            if let Ok(record) = self.full_record(operation, &head).await {
                return Ok(Some(record));
            }
        }
        Err(error)
    }

    /// How many events of a generation count.
    pub(crate) async fn length(
        &self,
        operation: &'static str,
        head: &Head,
        execution: ExecutionId,
    ) -> BackendResult<u64> {
        if head.execution == execution {
            return Ok(head.events);
        }
        let kept = self.kept(operation, head).await?;
        Ok(kept.into_iter().find(|(e, _)| *e == execution).map_or(0, |(_, events)| events))
    }

    /// Earlier generations whose history is kept, with their lengths.
    pub(crate) async fn kept(
        &self,
        operation: &'static str,
        head: &Head,
    ) -> BackendResult<Vec<(ExecutionId, u64)>> {
        if head.kept == 0 {
            return Ok(Vec::new());
        }
        let range = (schema::generation(0), schema::generation(head.kept - 1));
        let pk = partition(&head.instance);
        let (items, _) = self.table.range(operation, &pk, (&range.0, &range.1), usize::MAX).await?;
        let read = |item| {
            let execution = item::id(item, "ex")?.ok_or(Damaged("it has no execution"))?;
            Ok((ExecutionId(execution), item::number(item, "ev")?.unwrap_or(0)))
        };
        let kept: Result<Vec<_>, Damaged> = items.iter().map(read).collect();
        kept.map_err(|why| damaged(operation, "a generation", &why))
    }

    async fn watched(
        &self,
        instance: &InstanceId,
        seen: u64,
        wait: Duration,
    ) -> BackendResult<Option<InstanceRecord>> {
        let operation = "watch";
        let deadline = self.now() + wait;
        let bell = self.bells.listen(instance);
        let mut pause = WATCH_FIRST;
        loop {
            let rung = bell.notified();
            tokio::pin!(rung);
            rung.as_mut().enable();
            self.check_open(operation)?;
            if let Some(head) = self.head(operation, instance).await?
                && head.revision > seen
                && head.purging.is_none()
            {
                return match self.full_record(operation, &head).await {
                    Ok(record) => Ok(Some(record)),
                    Err(error) => self.again(operation, instance, error).await,
                };
            }
            let now = self.now();
            if now >= deadline {
                return Ok(None);
            }
            // Changes of other processes are looked for, less and less often.
            let left = deadline.since(now).max(Duration::from_micros(50));
            let look = pause;
            pause = (pause * 2).min(self.settings.watch_every);
            tokio::select! {
                biased;
                () = rung => {}
                () = self.env.sleep(left) => {}
                () = pace::before_asking_again(look) => {}
            }
        }
    }
}

#[async_trait]
impl HistoryStore for AwsBackend {
    async fn read_records(
        &self,
        instances: Vec<InstanceId>,
    ) -> Vec<BackendResult<Option<InstanceRecord>>> {
        let operation = "read_records";
        if self.check_open(operation).is_err() {
            return instances.iter().map(|_| Err(closed(operation))).collect();
        }
        if instances.is_empty() {
            return Vec::new();
        }
        match self.hub.records(operation, &instances).await {
            Ok(records) => records,
            Err(error) => spread(error, instances.len()),
        }
    }

    async fn read_history(&self, read: HistoryRead) -> BackendResult<HistoryPage> {
        self.check_open("read_history")?;
        self.hub.page_of_history(&read).await
    }

    async fn executions(&self, instance: &InstanceId) -> BackendResult<Vec<ExecutionId>> {
        let operation = "executions";
        self.check_open(operation)?;
        let Some(head) = self.hub.head(operation, instance).await? else { return Ok(Vec::new()) };
        let kept = self.hub.kept(operation, &head).await?;
        Ok(kept.into_iter().map(|(execution, _)| execution).chain([head.execution]).collect())
    }

    async fn watch(
        &self,
        instance: &InstanceId,
        seen: u64,
        wait: Duration,
    ) -> BackendResult<Option<InstanceRecord>> {
        struct Listening<'a>(&'a Hub, &'a InstanceId);
        impl Drop for Listening<'_> {
            fn drop(&mut self) {
                self.0.bells.leave(self.1);
            }
        }
        let _listening = Listening(&self.hub, instance);
        self.hub.watched(instance, seen, wait).await
    }

    async fn list(&self, query: InstanceQuery) -> BackendResult<InstancePage> {
        self.check_open("list")?;
        self.hub.list(&query).await
    }

    async fn index(&self, _records: Vec<InstanceRecord>) -> BackendResult<()> {
        self.check_open("index")
    }

    async fn purge(&self, instances: Vec<InstanceId>) -> Vec<BackendResult<PurgeOutcome>> {
        self.each(
            "purge",
            instances,
            |i| Some(i.clone()),
            |hub: Arc<Hub>, instance| Box::pin(async move { hub.purge(&instance).await }),
        )
        .await
    }
}
