//! Steps that look, purge and track.

use std::collections::BTreeMap;
use std::time::Duration;

use durable_core::backend::{AbandonOutcome, InstanceQuery, OrchestrationStatus};

use super::compare;
use super::op::Draw;
use super::pair::{NAMES, Pair};
use crate::check::Checked;
use crate::driver::turns::text;
use crate::driver::{Hub, iid};

/// Bytes of a page: of one chunk, of a few, of all.
const PAGES: [usize; 3] = [1, 25, 1 << 20];

impl Pair {
    pub(super) async fn purge(&mut self, draw: &mut Draw) -> Checked {
        let id = Self::name(draw)?;
        let expected = self.reference.purge(&id).await?;
        let found = self.subject.purge(&id).await?;
        ensure_eq!(found, expected, "outcome of a purge");
        self.revisions.remove(&id);
        Ok(())
    }

    pub(super) async fn list(&mut self, draw: &mut Draw) -> Checked {
        let ids = NAMES.into_iter().map(iid).collect::<Result<Vec<_>, _>>()?;
        self.subject.index(&ids).await?;
        let mut query = InstanceQuery::default();
        if draw.percent(50) {
            let all = OrchestrationStatus::ALL;
            query.statuses = vec![all[draw.index(all.len())], all[draw.index(all.len())]];
        }
        if draw.percent(30) {
            query.id_prefix = Some("a".to_owned());
        }
        query.page_items = draw.index(4);
        let whole = InstanceQuery { page_items: 0, ..query.clone() };
        let listed = self.reference.list(whole).await?;
        let expected: Vec<_> = listed.iter().map(|r| r.instance.as_str()).collect();
        self.subject.listed(query, &expected).await
    }

    /// Hands out all tracking records and acknowledges them; the texts by instance.
    async fn tracked(hub: &Hub) -> Checked<BTreeMap<String, Vec<String>>> {
        let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
        loop {
            let works = hub.tracking_now(50).await?;
            if works.is_empty() {
                return Ok(found);
            }
            for work in works {
                ensure_eq!(hub.ack(&work).await?, AbandonOutcome::Done, "an acknowledgement");
                found.entry(work.instance.to_string()).or_default().push(text(&work.body));
            }
        }
    }

    pub(super) async fn track(&mut self) -> Checked {
        let expected = Self::tracked(&self.reference).await?;
        ensure_eq!(Self::tracked(&self.subject).await?, expected, "the tracking records");
        Ok(())
    }

    /// Everything that can be read.
    pub(super) async fn audit(&mut self) -> Checked {
        self.subject.settle().await;
        for name in NAMES {
            let id = iid(name)?;
            let expected = self.reference.record(&id).await?;
            let found = self.subject.record(&id).await?;
            let alike = [&found, &expected].map(|r| r.as_ref().map(compare::record));
            ensure_eq!(alike[0], alike[1], "the record of {name}");
            let watched = self.subject.backend().watch(&id, 0, Duration::ZERO).await?;
            ensure_eq!(watched, found, "the record that a watch shows");
            if let (Some(expected), Some(found)) = (expected, found) {
                let now = (expected.revision, found.revision);
                let before = self.revisions.insert(id.clone(), now).unwrap_or_default();
                let must_rise = now.0 > before.0;
                let rises = if must_rise { now.1 > before.1 } else { now.1 >= before.1 };
                ensure!(rises, "the revision of {name} went from {} to {}", before.1, now.1);
            }
            let expected = self.reference.executions(&id).await?;
            ensure_eq!(self.subject.executions(&id).await?, expected, "the executions of {name}");
        }
        for (number, (id, execution)) in self.executions.iter().enumerate() {
            let expected = self.reference.history_of(id, *execution).await?;
            let bytes = PAGES[number % PAGES.len()];
            let found = self.subject.history_in_pages(id, *execution, bytes).await?;
            ensure_eq!(found, expected, "the history of {id} {execution}");
        }
        Ok(())
    }
}
