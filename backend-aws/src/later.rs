//! Doorbells that are sent and removed by and by: what comes while a batch is under way goes
//! into the next one.

use std::sync::Arc;
use std::time::Duration;

use durable_core::backend::BackendResult;
use durable_core::env::SharedEnv;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::hub::{copy, interrupted};
use crate::pace;
use crate::sqs::{AT_ONCE, Queue, Ring};

/// How long a removal may wait for others. A doorbell stays out of sight for much longer.
const GATHER: Duration = Duration::from_millis(100);

/// Somebody who waits until a message was sent.
type Sender = oneshot::Sender<BackendResult<()>>;

/// What waits for the next batch.
#[derive(Default)]
pub(crate) struct Later {
    rings: Vec<(Ring, Option<Sender>)>,
    handles: Vec<String>,
    sends: bool,
    removes: bool,
}

/// A queue whose requests are gathered.
pub(crate) struct Gathered {
    pub(crate) queue: Queue,
    env: SharedEnv,
    later: Mutex<Later>,
}

/// Says that nobody is at it any more, however that came about.
struct Ended<'a>(&'a Gathered, fn(&mut Later) -> &mut bool);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        *(self.1)(&mut self.0.later.lock()) = false;
    }
}

impl Gathered {
    pub(crate) fn new(queue: Queue, env: SharedEnv) -> Arc<Self> {
        Arc::new(Self { queue, env, later: Mutex::default() })
    }

    /// Sends messages; the first error when some could not be sent.
    pub(crate) async fn send(
        self: &Arc<Self>,
        operation: &'static str,
        rings: Vec<Ring>,
    ) -> BackendResult<()> {
        if rings.len() >= AT_ONCE {
            return self.queue.send(operation, rings).await;
        }
        let mut answers = Vec::with_capacity(rings.len());
        let rings = rings.into_iter().map(|ring| {
            let (answer, answered) = oneshot::channel();
            answers.push(answered);
            (ring, Some(answer))
        });
        let rings = rings.collect();
        self.add(rings);
        for answer in answers {
            answer.await.unwrap_or_else(|_| Err(interrupted(operation)))?;
        }
        Ok(())
    }

    /// Sends messages without anybody waiting for it.
    pub(crate) fn send_soon(self: &Arc<Self>, rings: Vec<Ring>) {
        self.add(rings.into_iter().map(|ring| (ring, None)).collect());
    }

    fn add(self: &Arc<Self>, rings: Vec<(Ring, Option<Sender>)>) {
        if rings.is_empty() {
            return;
        }
        let mut later = self.later.lock();
        later.rings.extend(rings);
        if !std::mem::replace(&mut later.sends, true) {
            let this = Arc::clone(self);
            self.env.spawn(Box::pin(async move { this.send_all().await }));
        }
    }

    async fn send_all(&self) {
        let ended = Ended(self, |later| &mut later.sends);
        loop {
            let batch: Vec<_> = {
                let mut later = self.later.lock();
                let count = later.rings.len().min(AT_ONCE);
                if count == 0 {
                    // Under the same lock, so that nobody trusts in somebody who has gone.
                    later.sends = false;
                    std::mem::forget(ended);
                    return;
                }
                later.rings.drain(..count).collect()
            };
            let (rings, waiting): (Vec<Ring>, Vec<_>) = batch.into_iter().unzip();
            let sent = self.queue.send("ring", rings).await;
            if let Err(error) = &sent {
                tracing::warn!(%error, "doorbells were not sent; the sweep will find their work");
            }
            for answer in waiting.into_iter().flatten() {
                // Whoever has gone does not want to know.
                let _ = answer.send(sent.as_ref().copied().map_err(copy));
            }
        }
    }

    /// Removes messages. One that stays behind only rings once more.
    pub(crate) fn remove_soon(self: &Arc<Self>, handles: Vec<String>) {
        if handles.is_empty() {
            return;
        }
        let mut later = self.later.lock();
        later.handles.extend(handles);
        if !std::mem::replace(&mut later.removes, true) {
            let this = Arc::clone(self);
            self.env.spawn(Box::pin(async move { this.remove_all().await }));
        }
    }

    async fn remove_all(&self) {
        let ended = Ended(self, |later| &mut later.removes);
        loop {
            if self.later.lock().handles.len() < AT_ONCE {
                pace::before_asking_again(GATHER).await;
            }
            let batch: Vec<String> = {
                let mut later = self.later.lock();
                let count = later.handles.len().min(AT_ONCE);
                if count == 0 {
                    later.removes = false;
                    std::mem::forget(ended);
                    return;
                }
                later.handles.drain(..count).collect()
            };
            self.queue.remove(batch).await;
        }
    }
}
