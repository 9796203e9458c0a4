//! The sweep ("JumpStart"): looks at every live instance for starts, timers and wake-ups whose
//! doorbells were lost.

use aws_sdk_dynamodb::types::AttributeValue;
use durable_core::backend::{BackendResult, OrchestrationStatus};

use crate::error::{Effect, from_sdk};
use crate::hub::Hub;
use crate::item::{self, Item};
use crate::schema::{self, HEAD, INDEX_SHARDS, partition};
use crate::table::text;
use crate::update::{Update, number};

const OPERATION: &str = "sweep";

/// One page of the index.
pub(crate) struct IndexPage {
    pub(crate) ids: Vec<String>,
    pub(crate) next: Option<Item>,
}

impl Hub {
    /// Reads a part of one shard of the index, in the order of ids.
    pub(crate) async fn index_page(
        &self,
        operation: &'static str,
        shard: u32,
        (from, start): (&str, Option<Item>),
        statuses: &[OrchestrationStatus],
        limit: i32,
    ) -> BackendResult<IndexPage> {
        let mut query = self
            .table
            .client
            .query()
            .table_name(&self.table.name)
            .index_name(schema::INDEX)
            .expression_attribute_values(":s", text(shard.to_string()))
            .set_exclusive_start_key(start)
            .limit(limit);
        query = if from.is_empty() {
            query.key_condition_expression("gs=:s")
        } else {
            query
                .key_condition_expression("gs=:s AND gi>=:f")
                .expression_attribute_values(":f", text(from))
        };
        if !statuses.is_empty() && statuses.len() < OrchestrationStatus::ALL.len() {
            let names: Vec<String> = (0..statuses.len()).map(|n| format!(":t{n}")).collect();
            for (name, status) in names.iter().zip(statuses) {
                let status: AttributeValue = number(u64::from(status.number()));
                query = query.expression_attribute_values(name, status);
            }
            query = query.filter_expression(format!("st IN ({})", names.join(",")));
        }
        let answer = query.send().await.map_err(|e| from_sdk(operation, Effect::Reads, e))?;
        let items = answer.items.unwrap_or_default();
        let ids = items.iter().filter_map(|item| {
            item::text(item, schema::INDEX_ID).ok().flatten().map(str::to_owned)
        });
        Ok(IndexPage {
            ids: ids.collect(),
            next: answer.last_evaluated_key.filter(|key| !key.is_empty()),
        })
    }

    /// Whether the sweep of this interval is this process's.
    async fn takes_sweep(&self) -> BackendResult<bool> {
        let now = self.now();
        let mut update = Update::default();
        update.set("h", number(now.as_micros()));
        let before = update.value(number((now - self.settings.sweep_every).as_micros()));
        update.when(&format!("(attribute_not_exists(pk) OR h<={before})"));
        let taken = self.table.update(OPERATION, ("s", "sweep"), update).await?;
        Ok(matches!(taken, crate::table::Written::Done(_)))
    }

    /// Looks at all live instances, however many.
    pub(crate) async fn sweep(&self) -> BackendResult<()> {
        if !self.takes_sweep().await? {
            return Ok(());
        }
        let live: Vec<_> =
            OrchestrationStatus::ALL.into_iter().filter(|s| !s.is_terminal()).collect();
        for shard in 0..INDEX_SHARDS {
            let mut start = None;
            loop {
                self.check_open(OPERATION)?;
                let page = self.index_page(OPERATION, shard, ("", start), &live, 1_000).await?;
                let keys = page.ids.iter().map(|id| (format!("i{id}"), HEAD.to_owned()));
                for item in self.table.get_all(OPERATION, keys.collect()).await? {
                    match Self::read_head(OPERATION, &item) {
                        Ok(head) => {
                            self.note(&head);
                            if head.has_pages() {
                                self.turns.lock().push(&head.instance, None);
                            }
                        }
                        Err(error) => tracing::warn!(%error, "the sweep passes by an instance"),
                    }
                }
                start = page.next;
                if start.is_none() {
                    break;
                }
            }
        }
        self.bells.ring_all();
        Ok(())
    }
}

/// The key of an instance, for batches.
pub(crate) fn head_key(instance: &durable_core::ids::InstanceId) -> (String, String) {
    (partition(instance), HEAD.to_owned())
}
