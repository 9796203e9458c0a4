//! The history store.

use std::time::Duration;

use async_trait::async_trait;
use durable_core::backend::{
    BackendResult, HistoryPage, HistoryRead, HistoryStore, InstancePage, InstanceQuery,
    InstanceRecord, PageCursor, PurgeOutcome,
};
use durable_core::ids::{ExecutionId, InstanceId};
use durable_core::time::Timestamp;
use redis::{Cmd, Value};

use crate::args::Args;
use crate::backend::RedisBackend;
use crate::codec::{Damaged, Decoded};
use crate::doorbell::Doorbell;
use crate::error::{Effect, damaged, from_redis, from_server};
use crate::link::unexpected;
use crate::reply::{Reply, read};
use crate::scripts::SCRIPTS;
use crate::values::{self, Beside};

/// Page size when none is asked for.
const PAGE_ITEMS: usize = 100;

/// Records looked at for one page before it is handed out short.
const PAGE_LOOKS: usize = 20_000;

/// Records read by one script.
const RECORDS_AT_ONCE: usize = 128;

/// Most bytes of history that one script reads.
const HISTORY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// How often a watch renews its entry, and after how long an entry counts no more.
const WATCH_AGAIN: Duration = Duration::from_secs(30);
const WATCH_ENDS: Duration = Duration::from_secs(300);

/// A record as scripts answer it: the value and four parts beside it.
pub(crate) fn read_stored(
    reply: &mut Reply,
    instance: InstanceId,
) -> Decoded<Option<InstanceRecord>> {
    let (value, execution) = (reply.option()?, reply.option()?);
    let (events, revision, updated) = (reply.option()?, reply.option()?, reply.option()?);
    let Some(execution) = execution else { return Ok(None) };
    let number = |bytes: Option<bytes::Bytes>| {
        bytes.map_or(Err(Damaged("a part is missing")), |b| values::read_decimal(&b))
    };
    let beside = Beside {
        execution: ExecutionId(values::read_number(&execution)?),
        events: number(events)?,
        revision: number(revision)?,
        updated_at: updated
            .map(|b| values::read_decimal(&b))
            .transpose()?
            .map(Timestamp::from_micros),
    };
    let value = value.ok_or(Damaged("its value is missing"))?;
    values::read_record(instance, value, &beside).map(Some)
}

/// Reads a page; a hole between blocks is damage.
fn read_page(read: &HistoryRead, mut reply: Reply) -> Decoded<HistoryPage> {
    let total = reply.number()?;
    let mut page = HistoryPage { next: reply.number()?, ..HistoryPage::default() };
    let mut at = read.from;
    while !reply.is_empty() {
        let (first, chunk) = values::read_chunk(reply.bytes()?)?;
        if first != at {
            return Err(Damaged("a block of history is missing"));
        }
        at += u64::from(chunk.events);
        page.chunks.push(chunk);
    }
    let expected = page.next.or_else(|| total.map(|total| total.max(read.from)));
    if expected.is_some_and(|expected| expected != at) {
        return Err(Damaged("the end of the history is missing"));
    }
    Ok(page)
}

/// Gives the bell of a watch back when the call ends, also when it is dropped.
struct Watch<'a> {
    doorbell: &'a Doorbell,
    instance: &'a InstanceId,
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        self.doorbell.bells.leave(self.instance);
    }
}

impl RedisBackend {
    /// The record if it is newer; otherwise its next change rings.
    async fn newer(
        &self,
        instance: &InstanceId,
        seen: u64,
    ) -> BackendResult<Option<InstanceRecord>> {
        let script = &SCRIPTS.watch;
        let args = self.args(script).text(instance.as_str()).number(seen).span(WATCH_ENDS);
        let answer = self.call("watch", Effect::Reads, script, args).await?;
        let mut reply = Reply::new("watch", answer)?;
        if reply.is_empty() {
            return Ok(None);
        }
        let what = format!("the record of {instance}");
        read("watch", &what, read_stored(&mut reply, instance.clone()))
    }

    /// Records of some instances, in order.
    async fn records(
        &self,
        operation: &'static str,
        instances: &[InstanceId],
    ) -> Vec<BackendResult<Option<InstanceRecord>>> {
        let script = &SCRIPTS.read_records;
        let call = |ids: &[InstanceId]| {
            let args = ids.iter().fold(self.args(script), |args, id| args.text(id.as_str()));
            args.into_cmd()
        };
        let calls: Vec<Cmd> = instances.chunks(RECORDS_AT_ONCE).map(call).collect();
        let answers = self.all(operation, Effect::Reads, script, calls).await;
        let mut records = Vec::with_capacity(instances.len());
        for (ids, answer) in instances.chunks(RECORDS_AT_ONCE).zip(answers) {
            match answer.and_then(|answer| Reply::new(operation, answer)) {
                Ok(mut reply) => records.extend(ids.iter().map(|id| {
                    let record = read_stored(&mut reply, id.clone());
                    record.map_err(|why| damaged(operation, &format!("the record of {id}"), &why))
                })),
                Err(error) => {
                    // Each gets its own; the first one the original.
                    let (kind, text) = (error.kind(), error.context().to_owned());
                    let copy = || durable_core::backend::BackendError::new(kind, operation, &text);
                    records.extend(ids.iter().skip(1).map(|_| Err(copy())));
                    records.push(Err(error));
                }
            }
        }
        records
    }

    /// The ids from `start` on, in order.
    async fn ids_from(&self, start: &[u8], count: usize) -> BackendResult<Vec<InstanceId>> {
        let mut cmd = Cmd::new();
        cmd.arg("ZRANGE").arg([self.base(), b"ix"].concat()).arg(start).arg("+");
        cmd.arg("BYLEX").arg("LIMIT").arg(0).arg(count);
        let mut answers =
            self.link().send(&[cmd]).await.map_err(|e| from_redis("list", Effect::Reads, e))?;
        let answer = match answers.pop() {
            Some(Value::ServerError(error)) => return Err(from_server("list", &error)),
            Some(answer) => answer,
            None => return Err(unexpected("list")),
        };
        let mut reply = Reply::new("list", answer)?;
        let mut ids = Vec::new();
        while !reply.is_empty() {
            let id = reply.bytes().and_then(|id| values::read_instance(&id));
            ids.push(read("list", "the index of instances", id)?);
        }
        Ok(ids)
    }
}

#[async_trait]
impl HistoryStore for RedisBackend {
    async fn read_records(
        &self,
        instances: Vec<InstanceId>,
    ) -> Vec<BackendResult<Option<InstanceRecord>>> {
        self.records("read_records", &instances).await
    }

    async fn read_history(&self, read: HistoryRead) -> BackendResult<HistoryPage> {
        let operation = "read_history";
        let script = &SCRIPTS.read_history;
        let args = self
            .args(script)
            .text(read.instance.as_str())
            .id(Some(read.execution.0))
            .number(read.from)
            .count(read.bytes_max.min(HISTORY_BYTES_MAX));
        let answer = self.call(operation, Effect::Reads, script, args).await?;
        read_page(&read, Reply::new(operation, answer)?)
            .map_err(|why| damaged(operation, &format!("the history of {}", read.instance), &why))
    }

    async fn executions(&self, instance: &InstanceId) -> BackendResult<Vec<ExecutionId>> {
        let operation = "executions";
        let script = &SCRIPTS.executions;
        let args = self.args(script).text(instance.as_str());
        let answer = self.call(operation, Effect::Reads, script, args).await?;
        let mut reply = Reply::new(operation, answer)?;
        let mut executions = Vec::new();
        while !reply.is_empty() {
            let number = reply.bytes().and_then(|b| values::read_number(&b));
            executions.push(ExecutionId(read(operation, "a list of generations", number)?));
        }
        Ok(executions)
    }

    async fn watch(
        &self,
        instance: &InstanceId,
        seen: u64,
        wait: Duration,
    ) -> BackendResult<Option<InstanceRecord>> {
        let deadline = self.env().now() + wait;
        let bell = self.doorbell().bells.listen(instance);
        let _watch = Watch { doorbell: self.doorbell(), instance };
        loop {
            // Listens before it looks, so that what comes in between is heard.
            let rung = bell.notified();
            tokio::pin!(rung);
            rung.as_mut().enable();
            if let Some(record) = self.newer(instance, seen).await? {
                return Ok(Some(record));
            }
            let now = self.env().now();
            if now >= deadline {
                return Ok(None);
            }
            let pause = deadline.since(now).min(self.doorbell().trust()).min(WATCH_AGAIN);
            tokio::select! {
                biased;
                () = rung => {}
                () = self.env().sleep(pause) => {}
            }
        }
    }

    async fn list(&self, query: InstanceQuery) -> BackendResult<InstancePage> {
        self.check_open("list")?;
        let items_max = if query.page_items == 0 { PAGE_ITEMS } else { query.page_items };
        let prefix = query.id_prefix.as_deref().unwrap_or("");
        let mut start = match &query.cursor {
            Some(cursor) => format!("({}", cursor.0),
            None => format!("[{prefix}"),
        };
        let mut page = InstancePage::default();
        let mut looked = 0;
        while looked < PAGE_LOOKS {
            let count = (items_max - page.items.len() + 1).clamp(2, 512);
            let ids = self.ids_from(start.as_bytes(), count).await?;
            let end = ids.len() < count;
            for (id, record) in ids.iter().zip(self.records("list", &ids).await) {
                if !id.as_str().starts_with(prefix) && id.as_str() > prefix {
                    page.next = None;
                    return Ok(page);
                }
                if page.items.len() == items_max {
                    return Ok(page);
                }
                page.next = Some(PageCursor(id.as_str().to_owned()));
                looked += 1;
                // A damaged one is reported when it is asked for; it does not hide the others.
                page.items.extend(record.ok().flatten().filter(|r| query.matches(r)));
            }
            match &page.next {
                Some(last) if !end => start = format!("({}", last.0),
                _ => {
                    page.next = None;
                    return Ok(page);
                }
            }
        }
        Ok(page)
    }

    async fn index(&self, _records: Vec<InstanceRecord>) -> BackendResult<()> {
        self.check_open("index")
    }

    async fn purge(&self, instances: Vec<InstanceId>) -> Vec<BackendResult<PurgeOutcome>> {
        let outcomes = [PurgeOutcome::Purged, PurgeOutcome::NoInstance, PurgeOutcome::NotTerminal];
        let args = |args: Args, id: &InstanceId| args.text(id.as_str());
        self.each("purge", &SCRIPTS.purge, &instances, &outcomes, args).await
    }
}
