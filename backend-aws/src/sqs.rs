//! The three queues: sending, receiving and removing doorbells, in batches.

use std::time::Duration;

use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry,
    MessageSystemAttributeName, SendMessageBatchRequestEntry,
};
use durable_core::backend::{BackendError, BackendErrorKind, BackendResult};
use futures_util::{StreamExt as _, stream};
use tokio::sync::OnceCell;

use crate::error::{Effect, from_sdk};

/// Messages in one batch, by quota.
pub(crate) const AT_ONCE: usize = 10;

/// Batches in flight at a time.
const BATCHES: usize = 8;

/// How often entries that a batch refused are tried again.
const TRIES: u32 = 4;

/// The longest delay of a message, by quota.
pub(crate) const DELAY_MAX: Duration = Duration::from_secs(900);

/// One queue.
#[derive(Debug)]
pub(crate) struct Queue {
    client: aws_sdk_sqs::Client,
    name: String,
    url: OnceCell<String>,
}

/// A message to send: its text, and after how many seconds it may be received.
pub(crate) type Ring = (String, Duration);

/// A message received.
#[derive(Debug)]
pub(crate) struct Rung {
    pub(crate) body: String,
    pub(crate) handle: String,
    /// When it was sent, in milliseconds since 1970, by the clock of the service.
    pub(crate) sent: u64,
}

/// Whole seconds, rounded up: a doorbell must not ring before its time.
fn seconds(time: Duration) -> i32 {
    let whole = time.as_secs().saturating_add(u64::from(time.subsec_nanos() > 0));
    i32::try_from(whole).unwrap_or(i32::MAX)
}

fn incomplete(operation: &'static str) -> BackendError {
    BackendError::new(BackendErrorKind::Internal, operation, "a request is incomplete")
}

impl Queue {
    pub(crate) fn new(client: aws_sdk_sqs::Client, name: String) -> Self {
        Self { client, name, url: OnceCell::new() }
    }

    async fn url(&self, operation: &'static str) -> BackendResult<&str> {
        let find = || async {
            let answer = self.client.get_queue_url().queue_name(&self.name).send().await;
            let answer = answer.map_err(|e| from_sdk(operation, Effect::Reads, e))?;
            answer.queue_url.ok_or_else(|| incomplete(operation))
        };
        self.url.get_or_try_init(find).await.map(String::as_str)
    }

    /// Sends messages; the first error when some could not be sent.
    pub(crate) async fn send(
        &self,
        operation: &'static str,
        rings: Vec<Ring>,
    ) -> BackendResult<()> {
        let url = self.url(operation).await?;
        let batches = rings.chunks(AT_ONCE).map(|batch| self.send_batch(operation, url, batch));
        let answers: Vec<_> =
            stream::iter(batches.collect::<Vec<_>>()).buffer_unordered(BATCHES).collect().await;
        answers.into_iter().collect()
    }

    async fn send_batch(
        &self,
        operation: &'static str,
        url: &str,
        batch: &[Ring],
    ) -> BackendResult<()> {
        let mut left: Vec<usize> = (0..batch.len()).collect();
        for _ in 0..TRIES {
            let mut request = self.client.send_message_batch().queue_url(url);
            for &n in &left {
                let (body, delay) = &batch[n];
                let mut entry =
                    SendMessageBatchRequestEntry::builder().id(n.to_string()).message_body(body);
                if *delay > Duration::ZERO {
                    entry = entry.delay_seconds(seconds((*delay).min(DELAY_MAX)));
                }
                request =
                    request.entries(entry.build().map_err(|e| incomplete(operation).source(e))?);
            }
            let answer =
                request.send().await.map_err(|e| from_sdk(operation, Effect::Writes, e))?;
            left = answer.failed.iter().filter_map(|f| f.id.parse().ok()).collect();
            left.retain(|n| *n < batch.len());
            if left.is_empty() {
                return Ok(());
            }
        }
        let text = "the queue refuses messages";
        Err(BackendError::new(BackendErrorKind::Throttled, operation, text).unknown())
    }

    /// Waits for messages, up to ten, and takes them out of sight for a while.
    pub(crate) async fn receive(
        &self,
        operation: &'static str,
        wait: Duration,
        hide: Duration,
    ) -> BackendResult<Vec<Rung>> {
        let url = self.url(operation).await?;
        let answer = self
            .client
            .receive_message()
            .queue_url(url)
            .max_number_of_messages(10)
            .wait_time_seconds(seconds(wait).min(20))
            .visibility_timeout(seconds(hide))
            .message_system_attribute_names(MessageSystemAttributeName::SentTimestamp)
            .send()
            .await
            .map_err(|e| from_sdk(operation, Effect::Reads, e))?;
        let rung = answer.messages.unwrap_or_default().into_iter().filter_map(|message| {
            let sent = message.attributes.as_ref().and_then(|attributes| {
                attributes.get(&MessageSystemAttributeName::SentTimestamp)?.parse().ok()
            });
            Some(Rung {
                body: message.body?,
                handle: message.receipt_handle?,
                sent: sent.unwrap_or(u64::MAX),
            })
        });
        Ok(rung.collect())
    }

    /// Removes messages. One that stays behind only rings once more.
    pub(crate) async fn remove(&self, handles: Vec<String>) {
        for batch in handles.chunks(AT_ONCE) {
            if let Err(error) = self.remove_batch(batch).await {
                tracing::debug!(%error, "a doorbell was not removed and will ring again");
            }
        }
    }

    async fn remove_batch(&self, batch: &[String]) -> BackendResult<()> {
        let operation = "remove_doorbells";
        let mut request = self.client.delete_message_batch().queue_url(self.url(operation).await?);
        for (n, handle) in batch.iter().enumerate() {
            let entry = DeleteMessageBatchRequestEntry::builder()
                .id(n.to_string())
                .receipt_handle(handle)
                .build();
            request = request.entries(entry.map_err(|e| incomplete(operation).source(e))?);
        }
        request.send().await.map(drop).map_err(|e| from_sdk(operation, Effect::Writes, e))
    }

    /// Lets messages be received again after a while, by whoever asks first.
    pub(crate) async fn hide(&self, handles: Vec<String>, hide: Duration) {
        for batch in handles.chunks(AT_ONCE) {
            if let Err(error) = self.hide_batch(batch, hide).await {
                tracing::debug!(%error, "a doorbell was not handed back and will ring later");
            }
        }
    }

    async fn hide_batch(&self, batch: &[String], hide: Duration) -> BackendResult<()> {
        let operation = "hide_doorbells";
        let url = self.url(operation).await?;
        let mut request = self.client.change_message_visibility_batch().queue_url(url);
        for (n, handle) in batch.iter().enumerate() {
            let entry = ChangeMessageVisibilityBatchRequestEntry::builder()
                .id(n.to_string())
                .receipt_handle(handle)
                .visibility_timeout(seconds(hide))
                .build();
            request = request.entries(entry.map_err(|e| incomplete(operation).source(e))?);
        }
        request.send().await.map(drop).map_err(|e| from_sdk(operation, Effect::Writes, e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delay_is_never_shorter_than_asked_for() {
        assert_eq!(seconds(Duration::from_millis(1)), 1);
        assert_eq!(seconds(Duration::from_secs(2)), 2);
        assert_eq!(seconds(Duration::MAX), i32::MAX);
    }
}
