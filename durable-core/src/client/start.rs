//! Starting instances.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::{Client, InstanceHandle};
use crate::backend::{CreateInstance, CreateOutcome, Envelope, ReusePolicy};
use crate::error::{Error, ErrorKind};
use crate::ids::{ExecutionId, InstanceId, MessageId, check_version};
use crate::limits;
use crate::model::Message;
use crate::model::event::ExecutionStarted;
use crate::model::message::ScheduledStart;
use crate::model::wire;
use crate::model::{check_tags, first_record};
use crate::payload::encode;
use crate::replay::OrchestrationRef;
use crate::telemetry;
use crate::time::Timestamp;

/// How to start an instance. Made by [`Client::start`].
#[must_use = "an instance is started by `.send().await`"]
pub struct StartInstance<R: OrchestrationRef> {
    client: Client,
    orchestration: R,
    input: R::Input,
    id: Option<String>,
    version: Option<String>,
    reuse: ReusePolicy,
    at: Option<Timestamp>,
    tags: Vec<(String, String)>,
}

impl<R: OrchestrationRef> fmt::Debug for StartInstance<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StartInstance")
            .field("id", &self.id)
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}

impl<R: OrchestrationRef> StartInstance<R> {
    pub(super) fn new(client: Client, orchestration: R, input: R::Input) -> Self {
        Self {
            client,
            orchestration,
            input,
            id: None,
            version: None,
            reuse: ReusePolicy::Reject,
            at: None,
            tags: Vec::new(),
        }
    }

    /// The instance id; without it a random one is drawn. With your own id a repeated start
    /// is safe.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// The version to start.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = Some(version.into());
        self
    }

    /// What to do when the id is taken; the default is to refuse.
    pub fn reuse(mut self, policy: ReusePolicy) -> Self {
        self.reuse = policy;
        self
    }

    /// Starts it at a later time; until then it is pending.
    pub fn at(mut self, time: Timestamp) -> Self {
        self.at = Some(time);
        self
    }

    /// Starts it after a delay.
    pub fn after(self, delay: Duration) -> Self {
        let at = self.client.env.now() + delay;
        self.at(at)
    }

    /// Adds a label, visible to the orchestration and in its status.
    pub fn tag(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.tags.push((key.into(), value.into()));
        self
    }

    /// Starts it. Once this returns, the start survives whatever the backend's durability
    /// promises.
    ///
    /// # Errors
    /// - [`AlreadyExists`](ErrorKind::AlreadyExists) when the id is taken and the policy refuses;
    /// - [`InvalidArgument`](ErrorKind::InvalidArgument) when id, input, version, start time or
    ///   labels are over a limit;
    /// - [`Backend`](ErrorKind::Backend) when the store fails. With your own id the start may simply
    ///   be repeated.
    ///
    /// Cancel safety: a dropped call may or may not have started the instance.
    pub async fn send(self) -> Result<InstanceHandle<R::Output, R::Error>, Error> {
        let env = &self.client.env;
        let instance = match &self.id {
            Some(id) => InstanceId::new(id)?,
            None => InstanceId::new(format!("{:032x}", env.random_u128()))?,
        };
        let input = encode(&self.input)?;
        if input.len() > limits::PAYLOAD_BYTES_MAX {
            let text = format!(
                "the input of `{instance}` is {} bytes; the limit is {} (DT0005): store it elsewhere and pass a reference",
                input.len(),
                limits::PAYLOAD_BYTES_MAX
            );
            return Err(Error::new(ErrorKind::InvalidArgument, text));
        }
        let invalid = |text| Error::new(ErrorKind::InvalidArgument, text);
        check_tags(&self.tags).map_err(invalid)?;
        let version =
            self.version.unwrap_or_else(|| self.orchestration.orchestration_version().to_owned());
        check_version(&version)?;
        if self.at.is_some_and(|at| at > env.now() + limits::TIMER_MAX) {
            let text = format!(
                "`{instance}` would start more than {} days from now; that is the limit",
                limits::TIMER_MAX.as_secs() / 86_400
            );
            return Err(invalid(text));
        }
        let start = ExecutionStarted {
            name: self.orchestration.orchestration_name(),
            version,
            input: Some(input),
            parent: None,
            created_at: env.now(),
            generation: 1,
            tags: self.tags,
            seen: Vec::new(),
        };
        let execution = ExecutionId(env.random_u128());
        let record = first_record(instance.clone(), execution, &start, self.at);
        let id = MessageId::random(execution.0);
        let body = wire::encode_message(&match self.at {
            Some(at) => Message::StartAt(ScheduledStart { at, start }),
            None => Message::Start(start),
        });
        let mut envelope = Envelope::new(id, instance.clone(), self.client.order_key(), body);
        envelope.execution = Some(execution);
        envelope.visible_at = self.at;
        envelope.creates = Some(Arc::new(record));
        let request = CreateInstance { start: envelope, reuse: self.reuse };
        let created = self.client.backend.create_instances(vec![request]).await.pop();
        let handle = InstanceHandle::new(self.client.clone(), instance.clone());
        match created {
            Some(Ok(CreateOutcome::Created)) => {
                tracing::debug!(%instance, "{}", telemetry::STARTED);
                Ok(handle)
            }
            Some(Ok(CreateOutcome::Exists(_))) if self.reuse == ReusePolicy::ReturnExisting => {
                Ok(handle)
            }
            Some(Ok(CreateOutcome::Exists(record))) => {
                let text = format!(
                    "instance `{instance}` (DT0006) already exists and is {:?}; choose another id or a reuse policy",
                    record.status
                );
                Err(Error::new(ErrorKind::AlreadyExists, text))
            }
            Some(Err(error)) => Err(error.into()),
            None => Err(Error::new(ErrorKind::Backend, "the backend gave no answer")),
        }
    }
}
