//! A handle to one instance.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use serde::de::DeserializeOwned;

use super::query::InstanceStatus;
use super::{Client, HistoryStream};
use crate::backend::OrchestrationStatus;
use crate::env::timeout;
use crate::error::{Error, ErrorKind};
use crate::ids::InstanceId;
use crate::model::{Failure, FailureKind};
use crate::payload::{Payload, decode};
use crate::replay::UserError;

/// How long one request to the backend waits before it is asked again.
const WATCH_WAIT: Duration = Duration::from_secs(20);

/// One instance, with the types of its result. Cheap to clone.
pub struct InstanceHandle<O = serde_json::Value, E = Failure> {
    pub(super) client: Client,
    pub(super) id: InstanceId,
    types: PhantomData<fn() -> (O, E)>,
}

impl<O, E> Clone for InstanceHandle<O, E> {
    fn clone(&self) -> Self {
        Self::new(self.client.clone(), self.id.clone())
    }
}

impl<O, E> fmt::Debug for InstanceHandle<O, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("InstanceHandle").field(&self.id).finish()
    }
}

impl<O, E> InstanceHandle<O, E> {
    pub(super) fn new(client: Client, id: InstanceId) -> Self {
        Self { client, id, types: PhantomData }
    }

    /// The same instance with other result types.
    pub fn typed<O2, E2>(&self) -> InstanceHandle<O2, E2> {
        InstanceHandle::new(self.client.clone(), self.id.clone())
    }

    /// The instance's id.
    pub fn id(&self) -> &InstanceId {
        &self.id
    }

    /// Where it stands now: at least as new as everything acknowledged before the call.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) when there is no such instance, or
    /// [`Backend`](ErrorKind::Backend).
    pub async fn status(&self) -> Result<InstanceStatus, Error> {
        let read = self.client.backend.read_records(vec![self.id.clone()]).await.pop();
        match read {
            Some(Ok(Some(record))) => InstanceStatus::from_record(record),
            Some(Ok(None)) | None => Err(self.not_found()),
            Some(Err(error)) => Err(error.into()),
        }
    }

    pub(super) fn not_found(&self) -> Error {
        Error::new(ErrorKind::NotFound, format!("there is no instance `{}` in this hub", self.id))
    }

    /// Waits until its status satisfies a condition, by push where the backend can.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) when there is no such instance, or no longer, or
    /// [`Backend`](ErrorKind::Backend). Brief troubles of the store are waited out.
    ///
    /// Cancel safety: may be dropped at any time.
    pub async fn wait_until(
        &self,
        wanted: impl Fn(&InstanceStatus) -> bool,
    ) -> Result<InstanceStatus, Error> {
        let mut status = self.status().await?;
        loop {
            if wanted(&status) {
                return Ok(status);
            }
            match self.client.backend.watch(&self.id, status.revision(), WATCH_WAIT).await {
                Ok(Some(record)) => status = InstanceStatus::from_record(record)?,
                // It may have gone away, or begun again behind what was seen.
                Ok(None) => status = self.status_in_time(status).await?,
                Err(error) => self.wait_out(error.into()).await?,
            }
        }
    }

    /// The status now, or the last one while the store is in trouble.
    async fn status_in_time(&self, last: InstanceStatus) -> Result<InstanceStatus, Error> {
        match self.status().await {
            Err(error) if error.is_retryable() => Ok(last),
            other => other,
        }
    }

    /// Waits until it is terminal, without a look at what happens before.
    async fn ended(&self) -> Result<InstanceStatus, Error> {
        loop {
            match self.client.backend.watch_end(&self.id, WATCH_WAIT).await {
                Ok(Some(record)) if record.status.is_terminal() => {
                    return InstanceStatus::from_record(record);
                }
                Ok(Some(_)) => {}
                Ok(None) => return Err(self.not_found()),
                Err(error) => self.wait_out(error.into()).await?,
            }
        }
    }

    /// Sleeps if the error may be a brief one.
    async fn wait_out(&self, error: Error) -> Result<(), Error> {
        if !error.is_retryable() {
            return Err(error);
        }
        self.client.env.sleep(Duration::from_millis(200)).await;
        Ok(())
    }

    /// Waits until it is terminal.
    ///
    /// # Errors
    /// As [`wait_until`](Self::wait_until), and [`TimedOut`](ErrorKind::TimedOut) when `limit` passes
    /// first; the instance goes on then. The text says what the instance is doing, e.g. that
    /// it is blocked and why.
    pub async fn wait(&self, limit: Duration) -> Result<InstanceStatus, Error> {
        let terminal = self.ended();
        match timeout(&*self.client.env, limit, terminal).await {
            Ok(ended) => ended,
            Err(_) => {
                let status = self.status().await?;
                let mut text =
                    format!("instance `{}` is {:?} after {limit:?}", self.id, status.status());
                if let Some(report) = status.report() {
                    text.push_str(&format!(": {report}"));
                }
                Err(Error::new(ErrorKind::TimedOut, text))
            }
        }
    }

    /// Reads its history, oldest event first.
    pub fn history(&self) -> HistoryStream {
        HistoryStream::new(self.client.clone(), self.id.clone())
    }
}

impl<O: DeserializeOwned, E: UserError> InstanceHandle<O, E> {
    /// Waits until it is terminal and answers with its output. Waits for ever if need be; see
    /// [`result_within`](Self::result_within).
    ///
    /// # Errors
    /// [`OrchestrationFailed`](ErrorKind::OrchestrationFailed) with the failure when it failed or was
    /// terminated, [`Conversion`](ErrorKind::Conversion) when the output is of another type, and those
    /// of [`wait_until`](Self::wait_until).
    pub async fn result(&self) -> Result<O, Error> {
        let ended = self.ended().await?;
        self.output(ended)
    }

    /// As [`result`](Self::result), but not for ever.
    ///
    /// # Errors
    /// As there, and [`TimedOut`](ErrorKind::TimedOut).
    pub async fn result_within(&self, limit: Duration) -> Result<O, Error> {
        let ended = self.wait(limit).await?;
        self.output(ended)
    }

    fn output(&self, ended: InstanceStatus) -> Result<O, Error> {
        if ended.status() == OrchestrationStatus::Completed {
            let output = ended.raw_output().cloned().unwrap_or_else(|| Payload::new(&b"null"[..]));
            return Ok(decode(&output)?);
        }
        let failure = ended
            .failure()
            .cloned()
            .unwrap_or_else(|| Failure::of_kind(FailureKind::Terminated, "no reason was recorded"));
        Err(Error::failed(
            format!("orchestration `{}` ended as {:?}", self.id, ended.status()),
            failure,
        ))
    }
}
