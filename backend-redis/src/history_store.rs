//! The history store.

use std::time::Duration;

use crate::backend::RedisBackend;
use crate::doorbell::Doorbell;
use crate::error::{Effect, damaged};
use crate::reply::{Reply, read};
use crate::scripts::SCRIPTS;
use crate::values::{self, Beside};
use async_trait::async_trait;
use durable_core::backend::sealed::{Damaged, Decoded};
use durable_core::backend::{
    BackendResult, HistoryPage, HistoryRead, HistoryStore, InstancePage, InstanceQuery,
    InstanceRecord, PageCursor, PurgeOutcome,
};
use durable_core::ids::{ExecutionId, InstanceId};
use durable_core::time::Timestamp;

/// Page size when none is asked for.
const PAGE_ITEMS: usize = 100;

/// Records looked at for one page before it is handed out short.
const PAGE_LOOKS: usize = 20_000;

/// Most bytes of history that one script reads; bounds how long it blocks the server.
const HISTORY_BYTES_MAX: usize = 1024 * 1024;

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

/// What a watch looks for.
#[derive(Debug, Clone, Copy)]
enum Watched {
    /// A record above this revision.
    Newer(u64),
    /// A terminal record, or that there is none.
    End,
}

/// What it found.
enum Seen {
    Now(Option<InstanceRecord>),
    NotYet,
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
    /// What a watch looks for, if it is there; otherwise the next change rings.
    async fn watched(&self, instance: &InstanceId, watched: Watched) -> BackendResult<Seen> {
        let script = &SCRIPTS.watch;
        let args = self.args(script, instance).text(instance.as_str());
        let args = match watched {
            Watched::Newer(seen) => args.number(seen),
            Watched::End => args.text(""),
        };
        let args = args.span(WATCH_ENDS);
        let answer = self.call("watch", Effect::Reads, script, args).await?;
        let mut reply = Reply::new("watch", answer)?;
        if reply.is_empty() {
            return Ok(Seen::NotYet);
        }
        let what = format!("the record of {instance}");
        read("watch", &what, read_stored(&mut reply, instance.clone())).map(Seen::Now)
    }

    /// Waits for what a watch looks for. Ends without it when the time has passed.
    async fn watch_for(
        &self,
        instance: &InstanceId,
        watched: Watched,
        wait: Duration,
    ) -> BackendResult<Seen> {
        let deadline = self.env().now() + wait;
        let bell = self.doorbell().bells.listen(instance);
        let _watch = Watch { doorbell: self.doorbell(), instance };
        loop {
            // Listens before it looks, so that what comes in between is heard.
            let rung = bell.notified();
            tokio::pin!(rung);
            rung.as_mut().enable();
            let seen = self.watched(instance, watched).await?;
            let now = self.env().now();
            if now >= deadline || matches!(seen, Seen::Now(_)) {
                return Ok(seen);
            }
            let pause = deadline.since(now).min(self.doorbell().trust()).min(WATCH_AGAIN);
            tokio::select! {
                biased;
                () = rung => {}
                () = self.env().sleep(pause) => {}
            }
        }
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
            .args(script, &read.instance)
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
        let args = self.args(script, instance).text(instance.as_str());
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
        match self.watch_for(instance, Watched::Newer(seen), wait).await? {
            Seen::Now(record) => Ok(record),
            Seen::NotYet => Ok(None),
        }
    }

    async fn watch_end(
        &self,
        instance: &InstanceId,
        wait: Duration,
    ) -> BackendResult<Option<InstanceRecord>> {
        match self.watch_for(instance, Watched::End, wait).await? {
            Seen::Now(record) => Ok(record),
            Seen::NotYet => {
                let read = self.read_records(vec![instance.clone()]).await.pop();
                Ok(read.transpose()?.flatten())
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
        let script = &SCRIPTS.purge;
        let args = |id: &InstanceId| self.args(script, id).text(id.as_str());
        self.each("purge", script, &instances, &outcomes, args).await
    }
}
