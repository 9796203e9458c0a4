//! One message, and the handle of one delivery of it.

use super::error::SqsError;

/// A message of a queue.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) id: String,
    pub(crate) body: String,
    pub(crate) group: Option<String>,
    pub(crate) sent_at: u64,
    pub(crate) visible_at: u64,
    pub(crate) expires_at: u64,
    pub(crate) first_received_at: Option<u64>,
    /// Of the newest delivery.
    pub(crate) received_at: u64,
    pub(crate) receives: u32,
}

impl Message {
    pub(crate) fn in_flight(&self, now: u64) -> bool {
        self.receives > 0 && self.visible_at > now
    }
}

/// Names a delivery: which queue, which message, which time it was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Handle {
    pub(crate) queue: u64,
    pub(crate) message: u64,
    pub(crate) receive: u32,
}

impl Handle {
    pub(crate) fn encode(self) -> String {
        format!("H{:016x}{:016x}{:08x}", self.queue, self.message, self.receive)
    }

    pub(crate) fn parse(text: &str) -> Result<Self, SqsError> {
        let part = |from: usize, to: usize| {
            text.get(from..to).and_then(|digits| u64::from_str_radix(digits, 16).ok())
        };
        let parts = (part(1, 17), part(17, 33), part(33, 41));
        if let (true, 41, (Some(queue), Some(message), Some(receive))) =
            (text.starts_with('H'), text.len(), parts)
            && let Ok(receive) = u32::try_from(receive)
        {
            return Ok(Self { queue, message, receive });
        }
        let text = format!("The input receipt handle \"{text}\" is not a valid receipt handle.");
        Err(SqsError::new("ReceiptHandleIsInvalid", text))
    }
}
