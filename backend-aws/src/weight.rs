//! About how many bytes things have in an item. When this is wrong it costs money, nothing else.

use durable_core::backend::Envelope;

use crate::blobs::INLINE_MAX;
use crate::head::Task;
use crate::values::Message;

/// What one unit of writing pays for, in bytes of the whole item.
pub(crate) const UNIT: usize = 1_024;

/// Bytes of a task on loan, or of a message, beside its content.
const TASK_FIXED: usize = 122;
const MESSAGE_FIXED: usize = 115;

fn task(queue: &str, body: usize) -> usize {
    TASK_FIXED + queue.len() + body.min(INLINE_MAX)
}

fn message(body: usize) -> usize {
    MESSAGE_FIXED + body.min(INLINE_MAX)
}

impl Task {
    pub(crate) fn weight(&self) -> usize {
        task(self.body.queue.as_str(), self.body.body.length())
    }
}

impl Message {
    pub(crate) fn weight(&self) -> usize {
        message(self.body.length())
    }
}

/// Of a task that is not stored yet.
pub(crate) fn of_task(envelope: &Envelope) -> usize {
    task(envelope.queue.as_str(), envelope.body.len())
}

/// Of a message that is not stored yet.
pub(crate) fn of_message(envelope: &Envelope) -> usize {
    message(envelope.body.len())
}
