//! Listing instances: the shards of the index, merged in the order of ids.

use durable_core::backend::{
    BackendResult, InstancePage, InstanceQuery, OrchestrationStatus, PageCursor,
};
use durable_core::ids::InstanceId;
use durable_core::limits;
use futures_util::{StreamExt as _, stream};

use crate::hub::Hub;
use crate::item;
use crate::schema::{self, INDEX_SHARDS};

const OPERATION: &str = "list";

/// Page size when none is asked for.
const PAGE_ITEMS: usize = 100;

/// Ids looked at for one page before it is handed out short.
const PAGE_LOOKS: usize = 10_000;

/// Ids after another one, in order.
struct Ids {
    ids: Vec<String>,
    /// Up to here all are known; none when there are no more at all.
    known: Option<String>,
}

impl Hub {
    /// One page of instances in the order of their ids.
    pub(crate) async fn list(&self, query: &InstanceQuery) -> BackendResult<InstancePage> {
        let items_max = match query.page_items {
            0 => PAGE_ITEMS,
            n => n.min(limits::PAGE_ITEMS_MAX),
        };
        let prefix = query.id_prefix.as_deref().unwrap_or("");
        let mut after: Option<String> = query.cursor.as_ref().map(|cursor| cursor.0.clone());
        let mut page = InstancePage::default();
        let mut looked = 0;
        loop {
            let found =
                self.ids(prefix, after.as_deref(), &query.statuses, items_max.max(16)).await?;
            let mut ended = found.known.is_none();
            let mut ids = found.ids;
            let outside = ids.iter().position(|id| !id.starts_with(prefix));
            if let Some(outside) = outside {
                // Behind the ids with the prefix there are only others.
                ids.truncate(outside);
                ended = true;
            }
            let room = items_max - page.items.len();
            for ids in ids.chunks(room.clamp(1, 100)) {
                let instances: Vec<_> =
                    ids.iter().filter_map(|id| InstanceId::new(id).ok()).collect();
                looked += ids.len();
                let records = self.records(OPERATION, &instances).await?;
                for (instance, record) in instances.iter().zip(records) {
                    if page.items.len() == items_max {
                        page.next = after.clone().map(PageCursor);
                        return Ok(page);
                    }
                    after = Some(instance.as_str().to_owned());
                    match record {
                        Ok(record) => page.items.extend(record.filter(|r| query.matches(r))),
                        Err(error) => {
                            tracing::warn!(%error, %instance, "a listing passes by an instance");
                        }
                    }
                }
            }
            if ended {
                return Ok(page);
            }
            // Between the last id that matched and here there is nothing.
            after = after.max(found.known);
            if page.items.len() == items_max || looked >= PAGE_LOOKS {
                page.next = after.map(PageCursor);
                return Ok(page);
            }
        }
    }

    /// The next ids of all shards, as far as all shards are known.
    async fn ids(
        &self,
        prefix: &str,
        after: Option<&str>,
        statuses: &[OrchestrationStatus],
        count: usize,
    ) -> BackendResult<Ids> {
        let from = after.unwrap_or(prefix).max(prefix);
        let limit = i32::try_from(count + 1).unwrap_or(i32::MAX);
        let shards = (0..INDEX_SHARDS)
            .map(|shard| self.index_page(OPERATION, shard, (from, None), statuses, limit));
        let pages: Vec<_> = stream::iter(shards.collect::<Vec<_>>()).buffered(8).collect().await;
        let mut ids = Vec::new();
        let mut known: Option<String> = None;
        for page in pages {
            let page = page?;
            let last = page.next.as_ref().and_then(|key| {
                item::text(key, schema::INDEX_ID).ok().flatten().map(str::to_owned)
            });
            if let Some(last) = last {
                known = Some(match known {
                    Some(known) => known.min(last),
                    None => last,
                });
            }
            ids.extend(page.ids);
        }
        ids.retain(|id| after.is_none_or(|after| id.as_str() > after));
        if let Some(known) = &known {
            ids.retain(|id| id <= known);
        }
        ids.sort_unstable();
        Ok(Ids { ids, known })
    }
}
