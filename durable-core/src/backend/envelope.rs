//! What adapters move: routing in the open, content opaque.

use std::sync::Arc;

use bytes::Bytes;

use super::InstanceRecord;
use crate::ids::{ExecutionId, InstanceId, MessageId, QueueName};
use crate::time::Timestamp;

/// A message, task or tracking record on its way.
#[derive(Debug, Clone)]
pub struct Envelope {
    /// Identity for de-duplication.
    pub id: MessageId,
    /// Who it is for. For a task: who scheduled it.
    pub target: InstanceId,
    /// The only generation that may get it; `None` is whichever is current.
    pub execution: Option<ExecutionId>,
    /// Rises with every message of one sender, for adapters that have to sort.
    pub order_key: u64,
    /// Not handed out before this time.
    pub visible_at: Option<Timestamp>,
    /// The activity queue a task is routed to; the default for other envelopes.
    pub queue: QueueName,
    /// Wakes even a held instance (terminate, suspend, resume).
    pub control: bool,
    /// The first record of the instance that this message creates if there is none, or only
    /// a terminal one. `execution` then is the new generation; if the target turns out to be
    /// live, the message is delivered to it all the same (rule C5 does not apply to it).
    pub creates: Option<Arc<InstanceRecord>>,
    /// The content, opaque to adapters.
    pub body: Bytes,
}

impl Envelope {
    /// A plain message that is visible at once.
    pub fn new(id: MessageId, target: InstanceId, order_key: u64, body: Bytes) -> Self {
        Self {
            id,
            target,
            execution: None,
            order_key,
            visible_at: None,
            queue: QueueName::default(),
            control: false,
            creates: None,
            body,
        }
    }
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendOutcome {
    /// It waits in the inbox (or did already).
    Accepted,
    /// There is no such instance; the message was dropped.
    NoInstance,
    /// The instance is terminal, or of another generation; the message was dropped.
    Terminal,
    /// The inbox is full; try again when the instance has read some.
    InboxFull,
}
