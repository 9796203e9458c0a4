//! Removing instances, and what earlier generations leave behind.

use std::sync::Arc;

use durable_core::backend::{BackendResult, PurgeOutcome};
use durable_core::ids::{ExecutionId, InstanceId};

use crate::head::Head;
use crate::hub::Hub;
use crate::item;
use crate::schema::{self, HEAD, SK, partition};
use crate::table::Written;
use crate::update::{Update, id, number};

const OPERATION: &str = "purge";

/// How often it is tried again when the instance changes meanwhile.
const TRIES: usize = 5;

/// Items removed at a time.
const AT_ONCE: usize = 1_000;

impl Hub {
    /// Removes a terminal instance.
    pub(crate) async fn purge(&self, instance: &InstanceId) -> BackendResult<PurgeOutcome> {
        for _ in 0..TRIES {
            let Some(head) = self.head(OPERATION, instance).await? else {
                return Ok(PurgeOutcome::NoInstance);
            };
            if head.purging.is_some() {
                // Nobody sees it any more, whoever began to purge it.
                self.finish_purge(&head).await?;
                return Ok(PurgeOutcome::NoInstance);
            }
            if !head.is_terminal() {
                return Ok(PurgeOutcome::NotTerminal);
            }
            if head.outbox.is_some() {
                self.bring_out(&head).await?;
                continue;
            }
            // From here on nobody else can begin in its place before all is gone.
            let mut update = Update::default();
            let by = self.env.random_u128();
            update.set("pu", id(by));
            update.set("rv", number(head.revision + 1));
            update.when_equal("ex", id(head.execution.0));
            update.when_equal("rv", number(head.revision));
            let marked = match self.change_head(OPERATION, instance, update).await? {
                Ok(head) => Some(head),
                // The answer was lost, and the same request was made again.
                Err(head) => head.filter(|head| head.purging == Some(by)),
            };
            if let Some(head) = marked {
                self.finish_purge(&head).await?;
                self.bells.ring_changed(std::slice::from_ref(instance));
                return Ok(PurgeOutcome::Purged);
            }
        }
        let text = format!("{instance} changes faster than it can be purged");
        let kind = durable_core::backend::BackendErrorKind::Throttled;
        Err(durable_core::backend::BackendError::new(kind, OPERATION, text))
    }

    /// Removes everything of an instance that is being purged, its head last.
    pub(crate) async fn finish_purge(&self, head: &Arc<Head>) -> BackendResult<()> {
        let pk = partition(&head.instance);
        // Keys other than the head's sort before or behind it; all begin with a capital letter.
        for range in [("A", "L~"), ("N", "Z~")] {
            self.remove_range(&pk, range).await?;
        }
        let mut condition = Update::default();
        condition.when_equal("ex", id(head.execution.0));
        condition.when_equal("rv", number(head.revision));
        match self.table.delete(OPERATION, (&pk, HEAD), condition).await? {
            // Refused when another one was at it, too.
            Written::Done(_) | Written::Refused(_) => Ok(()),
        }
    }

    async fn remove_range(&self, pk: &str, range: (&str, &str)) -> BackendResult<()> {
        loop {
            let (items, more) = self.table.range(OPERATION, pk, range, AT_ONCE).await?;
            let keys: Vec<_> = items
                .iter()
                .filter_map(|item| item::text(item, SK).ok().flatten())
                .map(|sk| (pk.to_owned(), sk.to_owned()))
                .collect();
            if !keys.is_empty() {
                self.table.delete_all(OPERATION, keys).await?;
            }
            if !more {
                return Ok(());
            }
        }
    }

    /// Removes the history of a generation. What stays behind goes when the instance is purged.
    pub(crate) async fn drop_history(&self, instance: &InstanceId, execution: ExecutionId) {
        let (from, to) = schema::blocks(execution, 0);
        if let Err(error) = self.remove_range(&partition(instance), (&from, &to)).await {
            tracing::debug!(%error, "an old history was not removed; it goes with its instance");
        }
    }

    /// Removes what a generation that was replaced has left.
    pub(crate) async fn remove_old(&self, old: &Arc<Head>) {
        if let Ok(generations) = self.kept(OPERATION, old).await {
            for (execution, _) in generations {
                self.drop_history(&old.instance, execution).await;
            }
        }
        self.drop_history(&old.instance, old.execution).await;
        if let Ok(body) = old.record() {
            self.forget(&old.instance, vec![&body.details]).await;
        }
    }
}
