//! Sending something to an instance: events, terminate, suspend, resume.

use std::sync::Arc;

use serde::Serialize;

use super::{Client, InstanceHandle};
use crate::backend::{Envelope, InstanceRecord, OrchestrationStatus, SendOutcome};
use crate::error::{Error, ErrorKind};
use crate::ids::{ExecutionId, InstanceId, MessageId, Name};
use crate::limits;
use crate::model::event::EventRaised;
use crate::model::message::{Control, Terminate};
use crate::model::wire;
use crate::model::{Message, RecordDetails};
use crate::payload::{Payload, encode};

/// How to raise an external event. Made by [`InstanceHandle::raise_event`].
#[derive(Debug)]
#[must_use = "an event is raised by `.send().await`"]
pub struct RaiseEvent {
    client: Client,
    instance: InstanceId,
    name: Result<Name, Error>,
    payload: Result<Payload, Error>,
    id: Option<u128>,
    buffer: bool,
}

impl<O, E> InstanceHandle<O, E> {
    /// Says what event to raise; nothing happens before [`send`](RaiseEvent::send).
    pub fn raise_event<T: Serialize + ?Sized>(
        &self,
        name: impl AsRef<str>,
        value: &T,
    ) -> RaiseEvent {
        RaiseEvent {
            client: self.client.clone(),
            instance: self.id.clone(),
            name: Name::new(name).map_err(Error::from),
            payload: encode(value).map_err(Error::from),
            id: None,
            buffer: false,
        }
    }

    /// Ends the instance at its next turn, and its children with it. Activities that run are
    /// told to stop; their results are dropped.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound), [`Ended`](ErrorKind::Ended), [`Backend`](ErrorKind::Backend), and
    /// [`InvalidArgument`](ErrorKind::InvalidArgument) when the reason is too long.
    pub async fn terminate(&self, reason: impl Into<String>) -> Result<(), Error> {
        let reason = checked_reason(reason)?;
        self.control(Message::Terminate(Terminate { reason, cascade: true })).await
    }

    /// Ends the instance at its next turn; its children go on.
    ///
    /// # Errors
    /// As [`terminate`](Self::terminate).
    pub async fn terminate_alone(&self, reason: impl Into<String>) -> Result<(), Error> {
        let reason = checked_reason(reason)?;
        self.control(Message::Terminate(Terminate { reason, cascade: false })).await
    }

    /// Takes no further turns until it is resumed. What arrives meanwhile is kept.
    ///
    /// # Errors
    /// As [`terminate`](Self::terminate).
    pub async fn suspend(&self, reason: impl Into<String>) -> Result<(), Error> {
        let reason = checked_reason(reason)?;
        self.control(Message::Suspend(Control { reason })).await
    }

    /// Takes turns again. Also tries a blocked or quarantined instance again, now.
    ///
    /// # Errors
    /// As [`terminate`](Self::terminate).
    pub async fn resume(&self, reason: impl Into<String>) -> Result<(), Error> {
        let reason = checked_reason(reason)?;
        self.control(Message::Resume(Control { reason })).await
    }

    async fn control(&self, message: Message) -> Result<(), Error> {
        let id = MessageId::random(self.client.env.random_u128());
        let body = wire::encode_message(&message);
        let mut envelope = Envelope::new(id, self.id.clone(), self.client.order_key(), body);
        envelope.control = true;
        self.client.send_one(envelope).await
    }
}

impl RaiseEvent {
    /// An identity for the event: raising it again under the same identity has no effect.
    /// Without it, a call that is repeated after an error may raise the event twice.
    pub fn dedupe_id(mut self, id: u128) -> Self {
        self.id = Some(id);
        self
    }

    /// If there is no such instance yet, keeps the event for it instead of refusing.
    pub fn buffer_before_start(mut self) -> Self {
        self.buffer = true;
        self
    }

    /// Raises the event. Once this returns it is not lost, and read exactly once by the
    /// instance, in the order of this client's sends.
    ///
    /// # Errors
    /// - [`NotFound`](ErrorKind::NotFound): no such instance (and not to be buffered);
    /// - [`Ended`](ErrorKind::Ended): it takes no more events;
    /// - [`Busy`](ErrorKind::Busy): it has [`UNREAD_EVENTS_MAX`](limits::UNREAD_EVENTS_MAX) unread messages;
    /// - [`InvalidArgument`](ErrorKind::InvalidArgument), [`Conversion`](ErrorKind::Conversion),
    ///   [`Backend`](ErrorKind::Backend).
    ///
    /// Cancel safety: a dropped call may or may not have raised the event.
    pub async fn send(self) -> Result<(), Error> {
        let (name, payload) = (self.name?, self.payload?);
        if payload.len() > limits::PAYLOAD_BYTES_MAX {
            let text = format!(
                "the value of event `{name}` is {} bytes; the limit is {} (DT0005)",
                payload.len(),
                limits::PAYLOAD_BYTES_MAX
            );
            return Err(Error::new(ErrorKind::InvalidArgument, text));
        }
        let env = &self.client.env;
        let id = MessageId::random(self.id.unwrap_or_else(|| env.random_u128()));
        let raised = EventRaised { message: id, name, payload: Some(payload) };
        let body = wire::encode_message(&Message::EventRaised(raised));
        let mut envelope = Envelope::new(id, self.instance.clone(), self.client.order_key(), body);
        if self.buffer {
            let found = self.client.backend.read_records(vec![self.instance.clone()]).await.pop();
            // Sent without knowing, it would be refused for want of an instance.
            if found.transpose()?.flatten().is_none() {
                let placeholder = placeholder(&self.client, self.instance)?;
                envelope.execution = Some(placeholder.execution);
                envelope.creates = Some(Arc::new(placeholder));
            }
        }
        self.client.send_one(envelope).await
    }
}

/// A reason is kept in the history, so it has a limit.
fn checked_reason(reason: impl Into<String>) -> Result<String, Error> {
    let reason = reason.into();
    if reason.len() <= limits::REASON_BYTES_MAX {
        return Ok(reason);
    }
    let (bytes, max) = (reason.len(), limits::REASON_BYTES_MAX);
    let text = format!("the reason is {bytes} bytes long; the limit is {max} bytes");
    Err(Error::new(ErrorKind::InvalidArgument, text))
}

/// The record of an instance that has messages but was not started.
fn placeholder(client: &Client, instance: InstanceId) -> Result<InstanceRecord, Error> {
    let now = client.env.now();
    Ok(InstanceRecord {
        instance,
        execution: ExecutionId(client.env.random_u128()),
        generation: 1,
        name: Name::new("(awaiting start)")?,
        version: String::new(),
        status: OrchestrationStatus::AwaitingStart,
        created_at: now,
        updated_at: now,
        completed_at: None,
        parent: None,
        events: 0,
        revision: 0,
        details: wire::encode_details(&RecordDetails::default()),
    })
}

impl Client {
    async fn send_one(&self, envelope: Envelope) -> Result<(), Error> {
        let instance = envelope.target.clone();
        match self.backend.send(vec![envelope]).await.pop() {
            Some(Ok(SendOutcome::Accepted)) => Ok(()),
            Some(Ok(SendOutcome::NoInstance)) => Err(Error::new(
                ErrorKind::NotFound,
                format!("there is no instance `{instance}` in this hub"),
            )),
            Some(Ok(SendOutcome::Terminal)) => Err(Error::new(
                ErrorKind::Ended,
                format!("instance `{instance}` has ended; it takes no more messages"),
            )),
            Some(Ok(SendOutcome::InboxFull)) => {
                let text = format!(
                    "instance `{instance}` has {} unread messages; send again when it has read some",
                    limits::UNREAD_EVENTS_MAX
                );
                Err(Error::new(ErrorKind::Busy, text))
            }
            Some(Err(error)) => Err(error.into()),
            None => Err(Error::new(ErrorKind::Backend, "the backend gave no answer")),
        }
    }
}
