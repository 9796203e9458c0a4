//! One standard queue as a state machine: it is told the time, in milliseconds.

use std::collections::{BTreeMap, BTreeSet};

use super::error::SqsError;
use super::message::{Handle, Message};
use super::rules::{IN_FLIGHT_MAX, NUMBERS, VISIBILITY_SECONDS_MAX};

/// What a message is sent with.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) body: String,
    pub(crate) delay_seconds: Option<u64>,
    pub(crate) group: Option<String>,
}

/// A queue and its messages.
#[derive(Debug)]
pub(crate) struct Queue {
    /// Tells this queue from others that had its name.
    pub(crate) nonce: u64,
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) created_at: u64,
    pub(crate) purged_at: Option<u64>,
    messages: BTreeMap<u64, Message>,
    /// When which message becomes visible.
    by_time: BTreeSet<(u64, u64)>,
    next: u64,
}

impl Queue {
    pub(crate) fn new(nonce: u64, attributes: BTreeMap<String, String>, now: u64) -> Self {
        Self {
            nonce,
            attributes,
            tags: BTreeMap::new(),
            created_at: now,
            purged_at: None,
            messages: BTreeMap::new(),
            by_time: BTreeSet::new(),
            next: 0,
        }
    }

    /// A numeric attribute, or its default.
    pub(crate) fn number(&self, name: &str) -> u64 {
        let default = NUMBERS.iter().find(|(known, ..)| *known == name).map_or(0, |n| n.3);
        self.attributes.get(name).and_then(|text| text.parse().ok()).unwrap_or(default)
    }

    /// Visible, in flight, delayed.
    pub(crate) fn counts(&self, now: u64) -> (usize, usize, usize) {
        let count = |wanted: &dyn Fn(&Message) -> bool| {
            self.messages.values().filter(|message| wanted(message)).count()
        };
        let visible = count(&|message| message.visible_at <= now);
        let in_flight = count(&|message| message.in_flight(now));
        (visible, in_flight, self.messages.len() - visible - in_flight)
    }

    /// Puts a message in; answers with its id.
    pub(crate) fn send(&mut self, sent: Sent, now: u64) -> String {
        let key = self.next;
        self.next += 1;
        let delay = sent.delay_seconds.unwrap_or_else(|| self.number("DelaySeconds"));
        let id = format!("{:08x}-0000-4000-8000-{key:012x}", self.nonce & 0xffff_ffff);
        let message = Message {
            id: id.clone(),
            body: sent.body,
            group: sent.group,
            sent_at: now,
            visible_at: now + delay * 1000,
            expires_at: now + self.number("MessageRetentionPeriod") * 1000,
            first_received_at: None,
            received_at: 0,
            receives: 0,
        };
        self.by_time.insert((message.visible_at, key));
        self.messages.insert(key, message);
        id
    }

    /// Hands out visible messages, which are then invisible for a while.
    pub(crate) fn receive(
        &mut self,
        count: usize,
        visibility_seconds: Option<u64>,
        now: u64,
    ) -> Result<Vec<(Handle, &Message)>, SqsError> {
        if self.messages.len() >= IN_FLIGHT_MAX && self.counts(now).1 >= IN_FLIGHT_MAX {
            return Err(SqsError::new("OverLimit", "Too many messages in flight."));
        }
        let hidden = visibility_seconds.unwrap_or_else(|| self.number("VisibilityTimeout"));
        let mut taken = Vec::new();
        while taken.len() < count {
            let Some(&(at, key)) = self.by_time.first().filter(|(at, _)| *at <= now) else { break };
            self.by_time.remove(&(at, key));
            let Some(message) = self.messages.get_mut(&key) else { continue };
            if message.expires_at <= now {
                self.messages.remove(&key);
                continue;
            }
            message.receives += 1;
            message.received_at = now;
            message.first_received_at.get_or_insert(now);
            message.visible_at = now + hidden * 1000;
            taken.push(key);
        }
        // Only now: a time-out of zero must not hand one message out twice in one answer.
        for key in &taken {
            if let Some(message) = self.messages.get(key) {
                self.by_time.insert((message.visible_at, *key));
            }
        }
        let handle = |key: u64, message: &Message| Handle {
            queue: self.nonce,
            message: key,
            receive: message.receives,
        };
        let found = taken.iter().filter_map(|key| self.messages.get(key).map(|m| (*key, m)));
        Ok(found.map(|(key, message)| (handle(key, message), message)).collect())
    }

    /// When the next message becomes visible.
    pub(crate) fn next_visible(&self) -> Option<u64> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// An older handle of a message that was received again succeeds and deletes nothing.
    pub(crate) fn delete(&mut self, handle: Handle) -> Result<(), SqsError> {
        self.own(handle)?;
        if let Some(message) = self.messages.get(&handle.message)
            && message.receives == handle.receive
        {
            self.by_time.remove(&(message.visible_at, handle.message));
            self.messages.remove(&handle.message);
        }
        Ok(())
    }

    pub(crate) fn change_visibility(
        &mut self,
        handle: Handle,
        seconds: u64,
        now: u64,
    ) -> Result<(), SqsError> {
        self.own(handle)?;
        let current = self.messages.get_mut(&handle.message);
        let Some(message) = current.filter(|message| message.receives == handle.receive) else {
            let reason = "Message does not exist or is not available for visibility timeout \
                          change.";
            return Err(SqsError::value("ReceiptHandle", handle.encode(), reason));
        };
        if !message.in_flight(now) {
            return Err(SqsError::new("MessageNotInflight", "The message is not in flight."));
        }
        if now + seconds * 1000 > message.received_at + VISIBILITY_SECONDS_MAX * 1000 {
            let reason = "Total VisibilityTimeout for the message is beyond the limit \
                          [43200 seconds]";
            return Err(SqsError::value("VisibilityTimeout", seconds, reason));
        }
        self.by_time.remove(&(message.visible_at, handle.message));
        message.visible_at = now + seconds * 1000;
        self.by_time.insert((message.visible_at, handle.message));
        Ok(())
    }

    pub(crate) fn purge(&mut self) {
        self.messages.clear();
        self.by_time.clear();
    }

    fn own(&self, handle: Handle) -> Result<(), SqsError> {
        if handle.queue == self.nonce {
            return Ok(());
        }
        let text = "The receipt handle is of another queue.";
        Err(SqsError::new("ReceiptHandleIsInvalid", text))
    }
}
