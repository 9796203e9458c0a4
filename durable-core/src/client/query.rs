//! The status of instances, and listings.

use serde::de::DeserializeOwned;

use super::{Client, InstanceHandle};
use crate::backend::{InstanceQuery, InstanceRecord, OrchestrationStatus, PageCursor};
use crate::error::{Error, ErrorKind};
use crate::ids::{ExecutionId, InstanceId, Name};
use crate::limits;
use crate::model::wire;
use crate::model::{BlockReport, Failure, RecordDetails};
use crate::payload::{Payload, decode};
use crate::time::Timestamp;

/// Where an instance stands, with its values.
#[derive(Debug, Clone)]
pub struct InstanceStatus {
    record: InstanceRecord,
    details: RecordDetails,
}

impl InstanceStatus {
    pub(super) fn from_record(record: InstanceRecord) -> Result<Self, Error> {
        let details = wire::decode_details(&record.details).map_err(|error| {
            let text = format!(
                "the record of instance `{}` (DT0012) cannot be read: {error}",
                record.instance
            );
            Error::new(ErrorKind::Conversion, text)
        })?;
        Ok(Self { record, details })
    }

    /// Its id.
    pub fn id(&self) -> &InstanceId {
        &self.record.instance
    }

    /// Its current generation.
    pub fn execution(&self) -> ExecutionId {
        self.record.execution
    }

    /// How many generations there have been.
    pub fn generation(&self) -> u32 {
        self.record.generation
    }

    /// The orchestration it runs.
    pub fn name(&self) -> &Name {
        &self.record.name
    }

    /// Its version; empty when unversioned.
    pub fn version(&self) -> &str {
        &self.record.version
    }

    /// Where it is in its life.
    pub fn status(&self) -> OrchestrationStatus {
        self.record.status
    }

    /// When it was created.
    pub fn created_at(&self) -> Timestamp {
        self.record.created_at
    }

    /// When its last turn was committed.
    pub fn updated_at(&self) -> Timestamp {
        self.record.updated_at
    }

    /// When it ended.
    pub fn completed_at(&self) -> Option<Timestamp> {
        self.record.completed_at
    }

    /// Who started it as a child.
    pub fn parent(&self) -> Option<&InstanceId> {
        self.record.parent.as_ref()
    }

    /// Events in the current generation's history.
    pub fn events(&self) -> u64 {
        self.record.events
    }

    /// Rises with every change of the record.
    pub fn revision(&self) -> u64 {
        self.record.revision
    }

    /// The labels given at the start.
    pub fn tags(&self) -> &[(String, String)] {
        &self.details.tags
    }

    /// The wished start time, if it was started for later.
    pub fn start_at(&self) -> Option<Timestamp> {
        self.details.start_at
    }

    /// Why it failed or was terminated.
    pub fn failure(&self) -> Option<&Failure> {
        self.details.failure.as_ref()
    }

    /// Why it is blocked or quarantined, and what to do.
    pub fn report(&self) -> Option<&BlockReport> {
        self.details.report.as_ref()
    }

    /// Why it is suspended.
    pub fn suspended_reason(&self) -> Option<&str> {
        self.details.suspended.as_deref()
    }

    /// The encoded input.
    pub fn raw_input(&self) -> Option<&Payload> {
        self.details.input.as_ref()
    }

    /// The encoded output.
    pub fn raw_output(&self) -> Option<&Payload> {
        self.details.output.as_ref()
    }

    /// The encoded custom status.
    pub fn raw_custom_status(&self) -> Option<&Payload> {
        self.details.custom_status.as_ref()
    }

    /// The input.
    ///
    /// # Errors
    /// [`Conversion`](ErrorKind::Conversion) when it is of another type.
    pub fn input<T: DeserializeOwned>(&self) -> Result<Option<T>, Error> {
        decoded(self.raw_input())
    }

    /// The output.
    ///
    /// # Errors
    /// [`Conversion`](ErrorKind::Conversion) when it is of another type.
    pub fn output<T: DeserializeOwned>(&self) -> Result<Option<T>, Error> {
        decoded(self.raw_output())
    }

    /// What the orchestration says about itself.
    ///
    /// # Errors
    /// [`Conversion`](ErrorKind::Conversion) when it is of another type.
    pub fn custom_status<T: DeserializeOwned>(&self) -> Result<Option<T>, Error> {
        decoded(self.raw_custom_status())
    }
}

fn decoded<T: DeserializeOwned>(payload: Option<&Payload>) -> Result<Option<T>, Error> {
    Ok(payload.map(decode).transpose()?)
}

/// Pages have a limit, of listings and of purges.
pub(super) fn check_page(query: &InstanceQuery) -> Result<(), Error> {
    let (items, max) = (query.page_items, limits::PAGE_ITEMS_MAX);
    if items <= max {
        return Ok(());
    }
    let text = format!("a page of {items} items; the limit is {max}");
    Err(Error::new(ErrorKind::InvalidArgument, text))
}

/// One page of a listing.
#[derive(Debug, Clone)]
pub struct InstanceStatusPage {
    /// The instances.
    pub items: Vec<InstanceStatus>,
    /// Where the next page starts; `None` at the end. A page may be empty and still have one.
    pub next: Option<PageCursor>,
}

impl Client {
    /// One page of instances that match.
    ///
    /// # Errors
    /// [`InvalidArgument`](ErrorKind::InvalidArgument) when the page is larger than
    /// [`PAGE_ITEMS_MAX`](limits::PAGE_ITEMS_MAX) or the cursor is of another query, or
    /// [`Backend`](ErrorKind::Backend).
    pub async fn list(&self, query: InstanceQuery) -> Result<InstanceStatusPage, Error> {
        check_page(&query)?;
        let page = self.backend.list(query).await?;
        let items =
            page.items.into_iter().map(InstanceStatus::from_record).collect::<Result<_, _>>()?;
        Ok(InstanceStatusPage { items, next: page.next })
    }

    /// The status of several instances; `None` for those that do not exist.
    ///
    /// # Errors
    /// [`Backend`](ErrorKind::Backend) when any read fails.
    pub async fn statuses(
        &self,
        ids: Vec<InstanceId>,
    ) -> Result<Vec<Option<InstanceStatus>>, Error> {
        let mut statuses = Vec::with_capacity(ids.len());
        for batch in ids.chunks(limits::BATCH_ITEMS_MAX) {
            for record in self.backend.read_records(batch.to_vec()).await {
                statuses.push(record?.map(InstanceStatus::from_record).transpose()?);
            }
        }
        Ok(statuses)
    }
}

impl<O, E> InstanceHandle<O, E> {
    /// Whether there is such an instance.
    ///
    /// # Errors
    /// [`Backend`](ErrorKind::Backend) when the store fails.
    pub async fn exists(&self) -> Result<bool, Error> {
        match self.status().await {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}
