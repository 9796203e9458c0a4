//! What activity code is written against.

mod data;

use std::any::Any;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Notify;

use crate::env::{BoxFuture, SharedEnv};
use crate::ids::{ExecutionId, InstanceId, Name};
use crate::limits;
use crate::model::{Failure, FailureKind};
use crate::payload::{Payload, decode, encode};
use crate::replay::{ActivityRef, HandlerResult};
use crate::time::Timestamp;

pub(crate) use data::Data;

/// Activity code: a reference that can also be run.
pub trait Activity:
    ActivityRef<Input: DeserializeOwned + Send, Output: Serialize + Send> + Send + Sync + 'static
{
    /// Runs it once. It may be run again after a crash or a lost lease: use
    /// [`ActivityContext::idempotency_key`] for effects that must not be repeated.
    fn run(
        &self,
        ctx: ActivityContext,
        input: Self::Input,
    ) -> BoxFuture<'static, Result<Self::Output, Self::Error>>;
}

/// Activity code with encoded input and output.
pub trait ActivityHandler: Send + Sync {
    /// Runs it once.
    fn run(
        &self,
        ctx: ActivityContext,
        input: Option<Payload>,
    ) -> BoxFuture<'static, HandlerResult>;
}

const LIVE: u8 = 0;
const CANCELLED: u8 = 1;

/// Whose activity it is, and the how manieth try.
#[derive(Debug)]
pub(crate) struct ActivityCall {
    pub(crate) hub: Arc<str>,
    pub(crate) instance: InstanceId,
    pub(crate) execution: ExecutionId,
    pub(crate) name: Name,
    pub(crate) call: u64,
    pub(crate) attempt: u32,
    pub(crate) delivery: u32,
    pub(crate) earlier_progress: Option<Bytes>,
}

/// The part of a running activity that the worker shares with its code.
#[derive(Debug)]
pub(crate) struct ActivityShared {
    env: SharedEnv,
    data: Data,
    call: ActivityCall,
    state: AtomicU8,
    cancelled: Notify,
    /// Microseconds of the last heartbeat.
    last_beat: AtomicU64,
    progress: Mutex<Option<Bytes>>,
}

impl ActivityShared {
    pub(crate) fn new(env: SharedEnv, data: Data, call: ActivityCall, now: Timestamp) -> Self {
        Self {
            env,
            data,
            call,
            state: AtomicU8::new(LIVE),
            cancelled: Notify::new(),
            last_beat: AtomicU64::new(now.as_micros()),
            progress: Mutex::new(None),
        }
    }

    pub(crate) fn cancel(&self) {
        self.state.store(CANCELLED, Ordering::Release);
        self.cancelled.notify_waiters();
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.state.load(Ordering::Acquire) == CANCELLED
    }

    pub(crate) fn take_progress(&self) -> Option<Bytes> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(crate) fn last_beat(&self) -> Timestamp {
        Timestamp::from_micros(self.last_beat.load(Ordering::Acquire))
    }
}

/// What a running activity knows about itself. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ActivityContext {
    shared: Arc<ActivityShared>,
}

impl ActivityContext {
    pub(crate) fn new(shared: Arc<ActivityShared>) -> Self {
        Self { shared }
    }

    /// The instance that called it.
    pub fn instance_id(&self) -> &InstanceId {
        &self.shared.call.instance
    }

    /// The execution that called it.
    pub fn execution_id(&self) -> ExecutionId {
        self.shared.call.execution
    }

    /// Its name.
    pub fn name(&self) -> &Name {
        &self.shared.call.name
    }

    /// Which attempt of the retry policy this is; starts at 1.
    pub fn attempt(&self) -> u32 {
        self.shared.call.attempt
    }

    /// How often this very attempt was handed to a worker; above 1 after crashes and lost
    /// leases.
    pub fn delivery(&self) -> u32 {
        self.shared.call.delivery
    }

    /// A key that is the same for every delivery and every retry of one logical call, and
    /// differs between calls. Give it to whatever must act only once.
    pub fn idempotency_key(&self) -> String {
        let call = &self.shared.call;
        format!("{}/{}/{}/{}", call.hub, call.instance, call.execution, call.call)
    }

    /// What the worker was given with [`data`](crate::worker::WorkerBuilder::data): a connection
    /// pool, a client, settings.
    ///
    /// # Errors
    /// A [`Failure`] that no retry policy retries when the worker was given nothing of the type.
    pub fn data<T: Any + Send + Sync>(&self) -> Result<Arc<T>, Failure> {
        self.shared.data.get()
    }

    /// Says that the activity is alive, and how far it is. The progress is given to the next
    /// delivery if this one dies. Cheap; written to the store with the next lease renewal.
    ///
    /// # Errors
    /// A [`Failure`] of kind [`Cancelled`](FailureKind::Cancelled) when the result is no longer wanted, so
    /// that `ctx.heartbeat(&n)?` stops the work; of other kinds when the value cannot be
    /// encoded or is above [`PROGRESS_BYTES_MAX`](limits::PROGRESS_BYTES_MAX).
    pub fn heartbeat<T: Serialize + ?Sized>(&self, progress: &T) -> Result<(), Failure> {
        let payload = encode(progress)
            .map_err(|e| Failure::of_kind(FailureKind::Conversion, e.to_string()))?;
        if payload.len() > limits::PROGRESS_BYTES_MAX {
            let text = format!(
                "progress of {} bytes; the limit is {}",
                payload.len(),
                limits::PROGRESS_BYTES_MAX
            );
            return Err(Failure::of_kind(FailureKind::LimitExceeded, text));
        }
        self.shared.last_beat.store(self.shared.env.now().as_micros(), Ordering::Release);
        *self.shared.progress.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(payload.into_bytes());
        if self.is_cancelled() {
            return Err(Failure::of_kind(FailureKind::Cancelled, "the result is no longer wanted"));
        }
        Ok(())
    }

    /// The last progress that an earlier delivery recorded, if it is of this type.
    pub fn last_progress<T: DeserializeOwned>(&self) -> Option<T> {
        self.shared
            .call
            .earlier_progress
            .as_ref()
            .and_then(|bytes| decode(&Payload::new(bytes.clone())).ok())
    }

    /// Whether the result is no longer wanted: the orchestration ended or dropped the call, a
    /// time limit passed, or the lease was lost.
    pub fn is_cancelled(&self) -> bool {
        self.shared.is_cancelled()
    }

    /// Completes when the result is no longer wanted. For `select!` in activity code.
    pub async fn cancelled(&self) {
        loop {
            let notified = self.shared.cancelled.notified();
            if self.is_cancelled() {
                return;
            }
            notified.await;
        }
    }
}
