//! An instance in memory: its execution and what its record says.

use std::sync::Arc;

use super::shared::Shared;
use crate::backend::{
    BackendError, HistoryChunk, HistoryRead, InstanceRecord, OrchestrationStatus, TurnWork,
};
use crate::ids::LeaseToken;
use crate::model::event::ExecutionStarted;
use crate::model::wire::{self, WireError};
use crate::model::{HistoryEvent, RecordDetails, first_record_in_parts};
use crate::replay::{Execution, ForeignWake, Identity, TurnEnd};
use crate::time::Timestamp;

/// Bytes of history asked for at a time.
const HISTORY_PAGE_BYTES: usize = 4 * 1024 * 1024;

/// What a worker keeps of an instance between turns.
#[derive(Debug)]
pub(super) struct Session {
    /// The lease under which its last turn was, or is being, committed.
    pub(super) token: LeaseToken,
    pub(super) execution: Execution,
    pub(super) record: InstanceRecord,
    pub(super) details: RecordDetails,
}

/// Why an instance could not be brought to where its history ends.
#[derive(Debug)]
pub(super) enum LoadError {
    /// The store failed.
    Backend(#[expect(dead_code, reason = "shown by Debug in the log")] BackendError),
    /// The stored bytes are not readable.
    Undecodable(WireError),
    /// The code does not fit or is not served.
    Turn(Box<TurnEnd>),
    /// The instance vanished, e.g. by a purge.
    Gone,
}

impl From<BackendError> for LoadError {
    fn from(error: BackendError) -> Self {
        Self::Backend(error)
    }
}

impl From<WireError> for LoadError {
    fn from(error: WireError) -> Self {
        Self::Undecodable(error)
    }
}

/// What a session takes by itself, measured.
const SESSION_BYTES: usize = 2_200;

impl Session {
    /// A session for an instance that has no history yet.
    pub(super) fn fresh(
        shared: &Arc<Shared>,
        work: &TurnWork,
        start: &ExecutionStarted,
        start_at: Option<Timestamp>,
    ) -> Self {
        let instance = work.lease.instance.clone();
        let (record, details) = first_record_in_parts(instance, work.execution, start, start_at);
        Self { token: work.lease.token, execution: new_execution(shared, work), record, details }
    }

    /// Loads record and history and replays.
    pub(super) async fn load(shared: &Arc<Shared>, work: &TurnWork) -> Result<Self, LoadError> {
        let (record, details) = load_record(shared, work).await?;
        let history = load_history(shared, work).await?;
        let mut execution = new_execution(shared, work);
        execution.replay(history).map_err(LoadError::Turn)?;
        Ok(Self { token: work.lease.token, execution, record, details })
    }

    /// Roughly how much memory it takes, in bytes.
    pub(super) fn weight(&self) -> usize {
        SESSION_BYTES + self.record.details.len() * 2 + self.execution.weight()
    }
}

/// The instance's record, decoded.
pub(super) async fn load_record(
    shared: &Arc<Shared>,
    work: &TurnWork,
) -> Result<(InstanceRecord, RecordDetails), LoadError> {
    let instance = work.lease.instance.clone();
    let record = match shared.backend.read_records(vec![instance]).await.pop() {
        Some(record) => record?.ok_or(LoadError::Gone)?,
        None => return Err(LoadError::Gone),
    };
    let details = wire::decode_details(&record.details)?;
    Ok((record, details))
}

pub(super) async fn load_history(
    shared: &Arc<Shared>,
    work: &TurnWork,
) -> Result<Vec<HistoryEvent>, LoadError> {
    let mut events = Vec::new();
    let mut next = Some(0);
    while let Some(from) = next {
        let read = HistoryRead {
            instance: work.lease.instance.clone(),
            execution: work.execution,
            from,
            bytes_max: HISTORY_PAGE_BYTES,
        };
        let page = shared.backend.read_history(read).await?;
        decode_into(&mut events, &page.chunks)?;
        next = page.next;
    }
    // A shorter history than the lease promises means the instance has moved on.
    if events.len() as u64 != work.events {
        return Err(LoadError::Gone);
    }
    Ok(events)
}

fn decode_into(events: &mut Vec<HistoryEvent>, chunks: &[HistoryChunk]) -> Result<(), WireError> {
    for chunk in chunks {
        events.extend(wire::decode_chunk(chunk)?);
    }
    Ok(())
}

fn new_execution(shared: &Arc<Shared>, work: &TurnWork) -> Execution {
    let identity = Identity { instance: work.lease.instance.clone(), execution: work.execution };
    Execution::new(identity, Arc::clone(&shared.handlers), Some(foreign_wake(shared, work)))
}

/// Reports a wake-up from outside the engine by making the instance take a turn.
fn foreign_wake(shared: &Arc<Shared>, work: &TurnWork) -> ForeignWake {
    let weak = Arc::downgrade(shared);
    let instance = work.lease.instance.clone();
    Arc::new(move || {
        if let Some(shared) = weak.upgrade() {
            shared.poke(instance.clone());
        }
    })
}

/// Prepares a session whose history is known without reading it.
pub(super) fn session_of_next_generation(
    shared: &Arc<Shared>,
    work: &TurnWork,
    record: InstanceRecord,
    details: RecordDetails,
    history: Vec<HistoryEvent>,
) -> Option<Session> {
    let mut execution = new_execution(shared, work);
    execution.replay(history).ok()?;
    Some(Session { token: work.lease.token, execution, record, details })
}

/// The status of an instance that takes turns.
pub(super) fn running(record: &mut InstanceRecord, now: Timestamp) {
    record.status = OrchestrationStatus::Running;
    record.updated_at = now;
}
