//! What orchestration code is written against.

use std::future::Future;
use std::time::Duration;

use serde::Serialize;

use super::action::Action;
use super::core::{ContinueWish, Core};
use super::machines::{
    ActivityBuilder, ActivityCall, ChildBuilder, ChildCall, EventWait, Saga, TimedOut, Timeout,
    Timer,
};
use super::refs::{ActivityRef, OrchestrationRef};
use crate::ids::{ExecutionId, InstanceId, Name, check_change, check_version};
use crate::limits;
use crate::model::event::{EventSent, Parent, VersionMarked};
use crate::model::{Failure, FailureKind};
use crate::payload::{Payload, encode};
use crate::time::Timestamp;

/// The one door between orchestration code and the world.
///
/// Everything that a decision may depend on comes from here, so that replaying the code over
/// its history takes the same decisions. Operations are *called* when the method is called,
/// not when the future is first polled; so `join!`, `select!` and `FuturesUnordered` replay
/// alike. Dropping the future of an operation cancels it.
///
/// Cheap to clone.
#[derive(Debug, Clone)]
pub struct OrchestrationContext {
    core: Core,
}

impl OrchestrationContext {
    pub(super) fn new(core: Core) -> Self {
        Self { core }
    }

    /// Calls an activity. The short form of [`activity`](Self::activity)`(a).call(input)`.
    ///
    /// # Errors
    /// [`TaskError::Application`](super::TaskError::Application) with the activity's own error,
    /// [`TaskError::Engine`](super::TaskError::Engine) for everything else.
    pub fn call<A: ActivityRef>(
        &self,
        activity: A,
        input: A::Input,
    ) -> ActivityCall<A::Output, A::Error> {
        self.activity(activity).call(input)
    }

    /// Says how to call an activity: retries, time limits, queue.
    pub fn activity<A: ActivityRef>(&self, activity: A) -> ActivityBuilder<A> {
        ActivityBuilder::new(self.core.clone(), activity)
    }

    /// Runs a child orchestration under a derived id and answers with its result.
    pub fn call_child<R: OrchestrationRef>(
        &self,
        child: R,
        input: R::Input,
    ) -> ChildCall<R::Output, R::Error> {
        self.child(child).call(input)
    }

    /// Says how to start a child orchestration: id, version, retries.
    pub fn child<R: OrchestrationRef>(&self, child: R) -> ChildBuilder<R> {
        ChildBuilder::new(self.core.clone(), child)
    }

    /// A durable timer: milliseconds to a hundred years
    /// ([`TIMER_MAX`](limits::TIMER_MAX); longer ones are cut to it).
    pub fn sleep(&self, duration: Duration) -> Timer {
        let until = self.now() + duration.min(limits::TIMER_MAX);
        self.sleep_until(until)
    }

    /// A durable timer to a point in time. One in the past fires with the next turn.
    pub fn sleep_until(&self, time: Timestamp) -> Timer {
        let latest = self.now() + limits::TIMER_MAX;
        Timer::create(&self.core, time.min(latest))
    }

    /// Puts a durable time limit around any future of this orchestration.
    ///
    /// # Errors
    /// [`TimedOut`] when the limit passes first; the future is dropped then.
    pub fn timeout<F: Future>(&self, limit: Duration, future: F) -> Timeout<F> {
        Timeout::new(self.sleep(limit), future)
    }

    /// Waits for the next unread external event of a name.
    ///
    /// # Panics
    /// When `name` is no valid [`Name`]; the panic fails the orchestration.
    pub fn event<T>(&self, name: impl AsRef<str>) -> EventWait<T> {
        EventWait::create(&self.core, valid_name(name.as_ref()))
    }

    /// Waits for the next unread external event of a name, but not for ever.
    ///
    /// # Errors
    /// The outer error when the limit passes first; the inner one when the event's value is of
    /// another type.
    pub async fn event_within<T: serde::de::DeserializeOwned>(
        &self,
        name: impl AsRef<str>,
        limit: Duration,
    ) -> Result<Result<T, Failure>, TimedOut> {
        let event = self.event(name);
        self.timeout(limit, event).await
    }

    /// Sends an event to another instance of the hub: at least once, delivered once, in order.
    /// It is dropped when there is no such instance.
    ///
    /// # Errors
    /// A [`Failure`] when the value cannot be encoded, is too large, or the name is invalid.
    pub fn send_event<T: Serialize + ?Sized>(
        &self,
        instance: InstanceId,
        name: impl AsRef<str>,
        value: &T,
    ) -> Result<(), Failure> {
        let name = Name::new(name.as_ref())?;
        let payload = Some(checked(value, "event")?);
        let mut state = self.core.lock();
        let id = state.take_id();
        state.issued.push_back(Action::Send(EventSent { id, instance, name, payload }));
        Ok(())
    }

    /// Ends this generation and begins a new one of the same instance with a fresh history.
    /// Unread events go with it. Never returns: `return ctx.continue_as_new(&next).await;`
    ///
    /// # Panics
    /// When the input cannot be encoded or is too large, or the version is too long; the panic
    /// fails the orchestration.
    pub async fn continue_as_new<I: Serialize + ?Sized, R>(&self, input: &I) -> R {
        self.continue_as(None, input).await
    }

    /// As [`continue_as_new`](Self::continue_as_new), in another version of the code.
    ///
    /// # Panics
    /// As there.
    pub async fn continue_as_new_version<I: Serialize + ?Sized, R>(
        &self,
        version: &str,
        input: &I,
    ) -> R {
        self.continue_as(Some(version.to_owned()), input).await
    }

    async fn continue_as<I: Serialize + ?Sized, R>(&self, version: Option<String>, input: &I) -> R {
        if let Some(Err(error)) = version.as_deref().map(check_version) {
            std::panic::panic_any(format!("continue-as-new: {error}"));
        }
        match checked(input, "continue-as-new input") {
            Ok(input) => {
                self.core.lock().continue_wish = Some(ContinueWish { version, input: Some(input) })
            }
            Err(failure) => std::panic::panic_any(failure.to_string()),
        }
        std::future::pending().await
    }

    /// Which version of a changed piece of code this execution runs: 0 for executions that
    /// passed here before the change was deployed, `newest` for those that come here first
    /// with the new code. Recorded at the first call, the same ever after.
    ///
    /// # Panics
    /// When the name of the change is empty, holds control characters, or is longer than
    /// [`VERSION_BYTES_MAX`](limits::VERSION_BYTES_MAX); the panic fails the orchestration.
    pub fn version_of(&self, change: &str, newest: u32) -> u32 {
        if let Err(error) = check_change(change) {
            std::panic::panic_any(error.to_string());
        }
        let mut state = self.core.lock();
        if let Some(version) = state.markers.get(change) {
            return *version;
        }
        let version = match state.recorded_markers.get(change) {
            Some(version) => *version,
            None if state.replaying => 0,
            None => newest,
        };
        if !state.replaying || state.recorded_markers.contains_key(change) {
            let id = state.take_id();
            state.issued.push_back(Action::Mark(VersionMarked {
                id,
                change: change.to_owned(),
                version,
            }));
        }
        state.markers.insert(change.to_owned(), version);
        version
    }

    /// A list of compensations to run when the process cannot finish.
    pub fn saga(&self) -> Saga {
        Saga::new(self.clone())
    }

    /// Says something about itself to whoever asks for the instance's status. The last call
    /// of a turn counts.
    ///
    /// # Errors
    /// A [`Failure`] when the value cannot be encoded or is too large.
    pub fn set_custom_status<T: Serialize + ?Sized>(&self, status: &T) -> Result<(), Failure> {
        let payload = checked(status, "custom status")?;
        self.core.lock().custom_status = Some(Some(payload));
        Ok(())
    }

    /// Removes the custom status.
    pub fn clear_custom_status(&self) {
        self.core.lock().custom_status = Some(None);
    }

    /// The time of the current turn; the same at every replay. Never goes back.
    pub fn now(&self) -> Timestamp {
        self.core.lock().now
    }

    /// A version 4 UUID in its usual form; the same at every replay.
    pub fn new_uuid(&self) -> String {
        let bits = self.core.lock().draw_u128();
        let bits = (bits & !(0xf000 << 64) & !(0xc000 << 48)) | (0x4000 << 64) | (0x8000 << 48);
        let (a, b, c) = ((bits >> 96) as u32, (bits >> 80) as u16, (bits >> 64) as u16);
        let (d, e) = ((bits >> 48) as u16, bits as u64 & 0xffff_ffff_ffff);
        format!("{a:08x}-{b:04x}-{c:04x}-{d:04x}-{e:012x}")
    }

    /// 64 evenly distributed bits; the same at every replay. Not for secrets.
    pub fn random(&self) -> u64 {
        self.core.lock().draw()
    }

    /// Whether the code is being brought back to where it was. Decisions must not depend on
    /// it; `tracing` calls need not, they are silent during replay.
    pub fn is_replaying(&self) -> bool {
        self.core.lock().replaying
    }

    /// The instance's id.
    pub fn instance_id(&self) -> InstanceId {
        self.core.lock().instance.clone()
    }

    /// The current generation's execution id.
    pub fn execution_id(&self) -> ExecutionId {
        self.core.lock().execution
    }

    /// How many generations there have been, this one included.
    pub fn generation(&self) -> u32 {
        self.core.lock().started.as_ref().map_or(1, |s| s.generation)
    }

    /// The version this instance runs; empty when unversioned.
    pub fn version(&self) -> String {
        self.core.lock().started.as_ref().map(|s| s.version.clone()).unwrap_or_default()
    }

    /// Who started this instance as a child, if somebody did.
    pub fn parent(&self) -> Option<Parent> {
        self.core.lock().started.as_ref().and_then(|s| s.parent.clone())
    }

    /// The labels given at the start.
    pub fn tags(&self) -> Vec<(String, String)> {
        self.core.lock().started.as_ref().map(|s| s.tags.clone()).unwrap_or_default()
    }
}

fn checked<T: Serialize + ?Sized>(value: &T, what: &str) -> Result<Payload, Failure> {
    let payload = encode(value)
        .map_err(|error| Failure::of_kind(FailureKind::Conversion, format!("{what}: {error}")))?;
    if payload.len() > limits::PAYLOAD_BYTES_MAX {
        let text = format!(
            "{what} is {} bytes; the limit is {} (DT0005): store it elsewhere and pass a reference",
            payload.len(),
            limits::PAYLOAD_BYTES_MAX
        );
        return Err(Failure::of_kind(FailureKind::LimitExceeded, text));
    }
    Ok(payload)
}

fn valid_name(name: &str) -> Name {
    match Name::new(name) {
        Ok(name) => name,
        Err(error) => std::panic::panic_any(error.to_string()),
    }
}
