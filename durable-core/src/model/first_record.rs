//! The record that an instance begins with.

use bytes::Bytes;

use super::details::RecordDetails;
use super::event::ExecutionStarted;
use super::wire;
use crate::backend::{InstanceRecord, OrchestrationStatus};
use crate::ids::{ExecutionId, InstanceId};
use crate::time::Timestamp;

/// The record of an instance that was created and has not run.
pub(crate) fn first_record(
    instance: InstanceId,
    execution: ExecutionId,
    start: &ExecutionStarted,
    start_at: Option<Timestamp>,
) -> InstanceRecord {
    let (mut record, details) = first_record_in_parts(instance, execution, start, start_at);
    record.details = wire::encode_details(&details);
    record
}

/// The same with its details beside it, for whoever changes them before they are stored.
pub(crate) fn first_record_in_parts(
    instance: InstanceId,
    execution: ExecutionId,
    start: &ExecutionStarted,
    start_at: Option<Timestamp>,
) -> (InstanceRecord, RecordDetails) {
    let details = RecordDetails {
        input: start.input.clone(),
        tags: start.tags.clone(),
        parent: start.parent.clone(),
        start_at,
        ..RecordDetails::default()
    };
    let record = InstanceRecord {
        instance,
        execution,
        generation: start.generation,
        name: start.name.clone(),
        version: start.version.clone(),
        status: OrchestrationStatus::Pending,
        created_at: start.created_at,
        updated_at: start.created_at,
        completed_at: None,
        parent: start.parent.as_ref().map(|p| p.instance.clone()),
        events: 0,
        revision: 0,
        details: Bytes::new(),
    };
    (record, details)
}
