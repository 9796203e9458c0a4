//! Reading histories.

use std::collections::VecDeque;

use super::Client;
use crate::backend::HistoryRead;
use crate::error::{Error, ErrorKind};
use crate::ids::{ExecutionId, InstanceId};
use crate::model::HistoryEvent;
use crate::model::wire;

const PAGE_BYTES: usize = 1024 * 1024;

/// An event with its place in history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryEntry {
    /// Counted from 1.
    pub number: u64,
    /// The event.
    pub event: HistoryEvent,
}

/// Reads a history piece by piece, so that a long one never is in memory as a whole. Made by
/// [`InstanceHandle::history`](super::InstanceHandle::history).
#[derive(Debug)]
pub struct HistoryStream {
    client: Client,
    instance: InstanceId,
    execution: Option<ExecutionId>,
    next: Option<u64>,
    number: u64,
    ready: VecDeque<HistoryEvent>,
}

impl HistoryStream {
    pub(super) fn new(client: Client, instance: InstanceId) -> Self {
        Self { client, instance, execution: None, next: Some(0), number: 0, ready: VecDeque::new() }
    }

    /// Reads the history of a given generation instead of the current one.
    #[must_use]
    pub fn of_execution(mut self, execution: ExecutionId) -> Self {
        self.execution = Some(execution);
        self
    }

    /// The next event, or `None` at the end.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) when there is no such instance,
    /// [`Conversion`](ErrorKind::Conversion) when a stored event cannot be read, or
    /// [`Backend`](ErrorKind::Backend).
    ///
    /// Cancel safety: may be dropped and called again.
    pub async fn next(&mut self) -> Result<Option<HistoryEntry>, Error> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                self.number += 1;
                return Ok(Some(HistoryEntry { number: self.number, event }));
            }
            let Some(from) = self.next else { return Ok(None) };
            let execution = self.execution().await?;
            let read = HistoryRead {
                instance: self.instance.clone(),
                execution,
                from,
                bytes_max: PAGE_BYTES,
            };
            let page = self.client.backend.read_history(read).await?;
            for chunk in &page.chunks {
                let events = wire::decode_chunk(chunk).map_err(|error| {
                    let text = format!(
                        "the history of `{}` (DT0012) cannot be read: {error}",
                        self.instance
                    );
                    Error::new(ErrorKind::Conversion, text)
                })?;
                self.ready.extend(events);
            }
            self.next = page.next;
        }
    }

    /// All remaining events.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub async fn collect(mut self) -> Result<Vec<HistoryEntry>, Error> {
        let mut all = Vec::new();
        while let Some(entry) = self.next().await? {
            all.push(entry);
        }
        Ok(all)
    }

    async fn execution(&mut self) -> Result<ExecutionId, Error> {
        if let Some(execution) = self.execution {
            return Ok(execution);
        }
        let execution = self.client.instance(self.instance.as_str())?.status().await?.execution();
        self.execution = Some(execution);
        Ok(execution)
    }
}
