//! Removing instances.

use super::query::check_page;
use super::{Client, InstanceHandle};
use crate::backend::{InstanceQuery, OrchestrationStatus, PageCursor, PurgeOutcome};
use crate::error::{Error, ErrorKind};

/// What a purge by filter did so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PurgeReport {
    /// Instances removed by this call.
    pub purged: u64,
    /// Where to go on; `None` when everything that matched was seen.
    pub next: Option<PageCursor>,
}

impl<O, E> InstanceHandle<O, E> {
    /// Removes the instance with its history. Only a terminal one can be removed.
    ///
    /// # Errors
    /// [`InvalidArgument`](ErrorKind::InvalidArgument) when it is not terminal,
    /// [`NotFound`](ErrorKind::NotFound) when there is none, or [`Backend`](ErrorKind::Backend).
    pub async fn purge(&self) -> Result<(), Error> {
        match self.client.backend.purge(vec![self.id.clone()]).await.pop() {
            Some(Ok(PurgeOutcome::Purged)) => Ok(()),
            Some(Ok(PurgeOutcome::NoInstance)) | None => Err(self.not_found()),
            Some(Ok(PurgeOutcome::NotTerminal)) => {
                let text =
                    format!("instance `{}` has not ended; terminate it before purging it", self.id);
                Err(Error::new(ErrorKind::InvalidArgument, text))
            }
            Some(Err(error)) => Err(error.into()),
        }
    }
}

impl Client {
    /// Removes terminal instances that match, one page per call: repeat with the report's
    /// cursor until it is `None`. May be given up and resumed at any time. Without statuses in
    /// the query, all terminal ones are meant; statuses that are not terminal are refused.
    ///
    /// # Errors
    /// [`InvalidArgument`](ErrorKind::InvalidArgument) or [`Backend`](ErrorKind::Backend).
    pub async fn purge_page(&self, mut query: InstanceQuery) -> Result<PurgeReport, Error> {
        check_page(&query)?;
        if let Some(live) = query.statuses.iter().find(|s| !s.is_terminal()) {
            let text = format!("{live:?} instances cannot be purged; terminate them first");
            return Err(Error::new(ErrorKind::InvalidArgument, text));
        }
        if query.statuses.is_empty() {
            query.statuses =
                OrchestrationStatus::ALL.into_iter().filter(|s| s.is_terminal()).collect();
        }
        let page = self.backend.list(query).await?;
        let ids: Vec<_> = page.items.into_iter().map(|record| record.instance).collect();
        let mut report = PurgeReport { purged: 0, next: page.next };
        if ids.is_empty() {
            return Ok(report);
        }
        for outcome in self.backend.purge(ids).await {
            // One that was started afresh meanwhile is left alone.
            if outcome? == PurgeOutcome::Purged {
                report.purged += 1;
            }
        }
        Ok(report)
    }

    /// Removes all terminal instances that match; answers with how many.
    ///
    /// # Errors
    /// As [`purge_page`](Self::purge_page); what was removed until then stays removed.
    pub async fn purge_all(&self, query: InstanceQuery) -> Result<u64, Error> {
        let mut query = query;
        let mut purged = 0;
        loop {
            let report = self.purge_page(query.clone()).await?;
            purged += report.purged;
            match report.next {
                Some(next) => query.cursor = Some(next),
                None => return Ok(purged),
            }
        }
    }
}
