//! Reading a history: its blocks, and then the tail in the head.

use durable_core::backend::{
    BackendError, BackendErrorKind, BackendResult, HistoryChunk, HistoryPage, HistoryRead,
};

use crate::hub::Hub;
use crate::item::{self, Item};
use crate::schema::{self, SK, partition};
use crate::table::damaged;
use crate::tail;
use durable_core::backend::sealed::Damaged;

const OPERATION: &str = "read_history";

/// Items read at a time.
const BLOCKS: usize = 64;

/// What counts of a generation, as its head says.
struct Extent {
    events: u64,
    /// The last chunks, which stand in no block.
    tail: Vec<HistoryChunk>,
}

/// A page that is being filled.
struct Filling<'a> {
    read: &'a HistoryRead,
    page: HistoryPage,
    /// The next event.
    at: u64,
    bytes: usize,
}

impl Filling<'_> {
    /// Takes the chunks of a block that begins at an event, but for those before the page;
    /// whether there is room for more.
    fn take(&mut self, mut first: u64, chunks: Vec<HistoryChunk>) -> BackendResult<bool> {
        for chunk in chunks {
            if self.bytes >= self.read.bytes_max && !self.page.chunks.is_empty() {
                self.page.next = Some(self.at);
                return Ok(false);
            }
            let end = first + u64::from(chunk.events);
            if first == self.at {
                self.at = end;
                self.bytes += chunk.bytes.len();
                self.page.chunks.push(chunk);
            } else if end > self.at {
                return Err(self.hole("no chunk begins there"));
            }
            first = end;
        }
        Ok(true)
    }

    fn hole(&self, why: &'static str) -> BackendError {
        let what = format!("the history of {} at event {}", self.read.instance, self.at);
        damaged(OPERATION, &what, &Damaged(why))
    }
}

impl Hub {
    /// What there is of a generation; `None` when nobody may see it.
    async fn extent(&self, read: &HistoryRead) -> BackendResult<Option<Extent>> {
        let head =
            self.head(OPERATION, &read.instance).await?.filter(|head| head.purging.is_none());
        let Some(head) = head else { return Ok(None) };
        let events = self.length(OPERATION, &head, read.execution).await?;
        let tail = if head.execution == read.execution {
            let what = format!("the history of {}", read.instance);
            head.tail().map_err(|why| damaged(OPERATION, &what, &why))?
        } else {
            // A generation that is kept was put into blocks to its end.
            Vec::new()
        };
        Ok(Some(Extent { events, tail }))
    }

    pub(crate) async fn page_of_history(&self, read: &HistoryRead) -> BackendResult<HistoryPage> {
        let Some(extent) = self.extent(read).await? else { return Ok(HistoryPage::default()) };
        let page = self.fill_page(read, &extent).await;
        if page.as_ref().is_err_and(|error| error.kind() == BackendErrorKind::Corrupt) {
            let now = self.extent(read).await?;
            if now.is_none_or(|now| now.events < extent.events) {
                // It was purged, or another generation began, while it was read.
                return Ok(HistoryPage::default());
            }
        }
        page
    }

    async fn fill_page(&self, read: &HistoryRead, extent: &Extent) -> BackendResult<HistoryPage> {
        let page = HistoryPage::default();
        let mut filling = Filling { read, page, at: read.from, bytes: 0 };
        let tail = extent.events.saturating_sub(tail::events(&extent.tail));
        let more = self.fill_from_blocks(&mut filling, tail).await?;
        if more && filling.at < extent.events {
            filling.take(tail, extent.tail.clone())?;
        }
        Ok(filling.page)
    }

    /// Reads blocks up to the event `end`; whether there is room for more.
    async fn fill_from_blocks(&self, filling: &mut Filling<'_>, end: u64) -> BackendResult<bool> {
        let (pk, execution) = (partition(&filling.read.instance), filling.read.execution);
        let (mut first, mut is_within) = (filling.at, false);
        while filling.at < end {
            let (from, to) = schema::blocks(execution, first);
            let (items, _) = self.table.range(OPERATION, &pk, (&from, &to), BLOCKS).await?;
            let begins = items.first().is_some_and(|item| key(item) == from);
            if !begins && first == filling.read.from && !is_within {
                is_within = true;
                let from = self.block_before(&pk, (&schema::block(execution, 0), &from)).await?;
                let before = from.filter(|before| *before < first);
                first = before.ok_or_else(|| filling.hole("a block is missing"))?;
                continue;
            }
            // Behind the key of a block come those of its parts.
            for item in items.iter().filter(|item| key(item).len() == from.len()) {
                if filling.at >= end {
                    break;
                }
                if key(item) != schema::block(execution, first) {
                    return Err(filling.hole("a block is missing"));
                }
                let chunks = self.block(OPERATION, item).await?;
                let chunks =
                    chunks.ok_or_else(|| filling.hole("a block is not what was written"))?;
                let next = first + tail::events(&chunks);
                if !filling.take(first, chunks)? {
                    return Ok(false);
                }
                first = next;
            }
            if !begins {
                return Err(filling.hole("a block is missing"));
            }
        }
        Ok(true)
    }

    /// The first event of the last block in a range.
    async fn block_before(&self, pk: &str, range: (&str, &str)) -> BackendResult<Option<u64>> {
        let item = self.table.last(OPERATION, pk, range).await?;
        Ok(item.as_ref().and_then(|item| schema::first_event(key(item))))
    }
}

fn key(item: &Item) -> &str {
    item::text(item, SK).ok().flatten().unwrap_or_default()
}
