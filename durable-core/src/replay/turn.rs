//! Runs a turn: history and new messages in, decisions out. Pure.
//!
//! A turn takes messages one at a time. Each accepted message becomes a history event, is
//! delivered, and the orchestration is polled until it can do nothing more; the actions it
//! called are recorded right behind. Replay walks the same list: what the code calls must
//! be what is recorded next.

use std::sync::Arc;
use std::task::Waker;

use super::action::Action;
use super::context::OrchestrationContext;
use super::core::{Core, OpResult, Seen};
use super::executor::{Driven, drive};
use super::handler::{HandlerResult, Handlers};
use super::mismatch;
use super::waker::{ForeignWake, TurnWaker};
use crate::env::BoxFuture;
use crate::ids::{ExecutionId, InstanceId, MessageId};
use crate::limits;
use crate::model::event::{
    ContinuedAsNew, EventRaised, ExecutionCompleted, ExecutionFailed, ExecutionResumed,
    ExecutionStarted, ExecutionSuspended, ExecutionTerminated, Parent, TurnStarted,
};
use crate::model::message::{ScheduledStart, Terminate};
use crate::model::{BlockReport, Failure, FailureKind, HistoryEvent, Message};
use crate::payload::Payload;
use crate::time::Timestamp;

/// Whose turn it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The instance.
    pub instance: InstanceId,
    /// Its current execution.
    pub execution: ExecutionId,
}

/// Where the instance stands after a turn.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TurnEnd {
    /// It waits for messages.
    Waiting,
    /// It waits for a resume.
    Suspended {
        /// Why.
        reason: String,
    },
    /// It returned a value.
    Completed {
        /// The value.
        output: Option<Payload>,
    },
    /// It returned an error.
    Failed {
        /// The error.
        failure: Failure,
    },
    /// It was terminated.
    Terminated {
        /// Why.
        reason: String,
        /// Children that are to end too.
        children: Vec<InstanceId>,
    },
    /// It goes on as a new generation. The execution id is the caller's to draw.
    ContinueAsNew {
        /// The next generation's version.
        version: String,
        /// Its input.
        input: Option<Payload>,
        /// Unread events it inherits, in order.
        unread: Vec<EventRaised>,
        /// Ids of events already read.
        seen: Vec<MessageId>,
    },
    /// It cannot go on with this code. The turn has no other effect.
    Blocked(BlockReport),
    /// This worker does not serve the orchestration. The turn has no other effect.
    NotServed {
        /// What it is called.
        name: String,
        /// Its version.
        version: String,
    },
}

/// What a turn decided.
#[derive(Debug)]
pub struct TurnOutcome {
    /// New history events, in order.
    pub events: Vec<HistoryEvent>,
    /// New actions, in order.
    pub actions: Vec<Action>,
    /// Messages that were dealt with.
    pub consumed: Vec<MessageId>,
    /// Numbers of actions whose results are no longer wanted.
    pub cancelled: Vec<u64>,
    /// Parents whose child could not be started because this instance lives.
    pub refused: Vec<Parent>,
    /// The new custom status, if it was set.
    pub custom_status: Option<Option<Payload>>,
    /// Where the instance stands.
    pub end: TurnEnd,
}

impl TurnOutcome {
    fn of(end: TurnEnd) -> Self {
        Self {
            events: Vec::new(),
            actions: Vec::new(),
            consumed: Vec::new(),
            cancelled: Vec::new(),
            refused: Vec::new(),
            custom_status: None,
            end,
        }
    }
}

/// One execution in memory: the suspended future and what it shares with the engine.
/// Kept between turns, it never has to replay.
pub struct Execution {
    core: Core,
    handlers: Arc<dyn Handlers>,
    future: Option<BoxFuture<'static, HandlerResult>>,
    turn_waker: Arc<TurnWaker>,
    waker: Waker,
    seen: Seen,
    suspended: Option<String>,
    /// Events in history, new ones of the current turn included.
    events: u64,
    /// Set once the orchestration has ended.
    end: Option<Box<TurnEnd>>,
}

impl std::fmt::Debug for Execution {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Execution")
            .field("events", &self.events)
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}

impl Drop for Execution {
    fn drop(&mut self) {
        self.core.lock().close();
        let future = self.future.take();
        let _inside = self.turn_waker.enter();
        // A destructor of user code that panics must not take the worker down.
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || drop(future)));
    }
}

type Step = Result<(), Box<TurnEnd>>;

impl Execution {
    /// An execution without history. `on_foreign_wake` is called when its code is woken from
    /// outside the engine.
    pub fn new(
        identity: Identity,
        handlers: Arc<dyn Handlers>,
        on_foreign_wake: Option<ForeignWake>,
    ) -> Self {
        let turn_waker = TurnWaker::new(on_foreign_wake);
        Self {
            core: Core::new(identity.instance, identity.execution),
            handlers,
            future: None,
            waker: Waker::from(Arc::clone(&turn_waker)),
            turn_waker,
            seen: Seen::default(),
            suspended: None,
            events: 0,
            end: None,
        }
    }

    /// Events in history so far.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Roughly how much memory the suspended code takes, in bytes.
    pub fn weight(&self) -> usize {
        let future = self.future.as_ref().map_or(0, |future| std::mem::size_of_val(&**future));
        future + self.core.lock().weight()
    }

    /// The start event, once there is one.
    pub fn started(&self) -> Option<Arc<ExecutionStarted>> {
        self.core.lock().started.clone()
    }

    /// Whether the orchestration has ended.
    pub fn ended(&self) -> Option<&TurnEnd> {
        self.end.as_deref()
    }

    /// Why it is suspended, if it is.
    pub fn suspended(&self) -> Option<&str> {
        self.suspended.as_deref()
    }

    /// Brings the code to where recorded history ends.
    ///
    /// # Errors
    /// [`TurnEnd::Blocked`] or [`TurnEnd::NotServed`]; the execution must be dropped then.
    pub fn replay(&mut self, history: Vec<HistoryEvent>) -> Step {
        {
            let mut state = self.core.lock();
            state.replaying = true;
            for event in &history {
                if let HistoryEvent::VersionMarked(mark) = event {
                    state.recorded_markers.insert(mark.change.clone(), mark.version);
                }
            }
        }
        for recorded in history {
            self.events += 1;
            self.replay_event(recorded)?;
        }
        let mut state = self.core.lock();
        state.cancelled.clear();
        state.custom_status = None;
        match state.issued.front() {
            Some(action) => Err(blocked(mismatch::extra_action(self.events, action))),
            None => Ok(()),
        }
    }

    fn replay_event(&mut self, recorded: HistoryEvent) -> Step {
        use HistoryEvent as E;
        let is_action = matches!(
            recorded,
            E::ActivityScheduled(_)
                | E::TimerCreated(_)
                | E::ChildScheduled(_)
                | E::EventSent(_)
                | E::VersionMarked(_)
        );
        let next = self.core.lock().issued.pop_front();
        if is_action {
            return match next {
                Some(action) if action.matches(&recorded) => Ok(()),
                Some(action) => {
                    Err(blocked(mismatch::unexpected_event(self.events, &recorded, Some(&action))))
                }
                None if self.end.is_some() => {
                    Err(blocked(mismatch::ended_early(self.events, &recorded)))
                }
                None => Err(blocked(mismatch::unexpected_event(self.events, &recorded, None))),
            };
        }
        if let Some(action) = next {
            return Err(blocked(mismatch::extra_action(self.events, &action)));
        }
        match recorded {
            E::ExecutionCompleted(_) | E::ExecutionFailed(_) | E::ContinuedAsNew(_)
                if self.end.is_none() =>
            {
                Err(blocked(mismatch::no_end(self.events, &recorded)))
            }
            E::ExecutionCompleted(_) | E::ExecutionFailed(_) | E::ContinuedAsNew(_) => Ok(()),
            E::ExecutionTerminated(e) => {
                self.finish(TurnEnd::Terminated { reason: e.reason, children: Vec::new() });
                Ok(())
            }
            E::ExecutionStarted(started) => {
                self.remember_start(started);
                Ok(())
            }
            E::TurnStarted(turn) => self.begin_turn(turn.at),
            other if self.core.lock().started.is_none() => Err(blocked(mismatch::malformed(
                self.events,
                &format!("{} before the start", other.kind()),
            ))),
            other => self.deliver(other).map(drop),
        }
    }

    fn remember_start(&mut self, started: ExecutionStarted) {
        for id in &started.seen {
            self.seen.insert(*id);
        }
        self.core.lock().started = Some(Arc::new(started));
    }

    /// Sets the time, and begins the orchestration at its first turn.
    fn begin_turn(&mut self, at: Timestamp) -> Step {
        let started = {
            let mut state = self.core.lock();
            state.now = state.now.max(at);
            match &state.started {
                Some(started) => Arc::clone(started),
                None => {
                    return Err(blocked(mismatch::malformed(
                        self.events,
                        "a turn before the start",
                    )));
                }
            }
        };
        if self.future.is_some() || self.end.is_some() {
            return Ok(());
        }
        let Some(handler) = self.handlers.orchestration(&started.name, &started.version) else {
            return Err(Box::new(TurnEnd::NotServed {
                name: started.name.to_string(),
                version: started.version.clone(),
            }));
        };
        let ctx = OrchestrationContext::new(self.core.clone());
        let input = started.input.clone();
        let run = std::panic::AssertUnwindSafe(|| handler.run(ctx, input));
        self.future = Some(match std::panic::catch_unwind(run) {
            Ok(future) => future,
            Err(panic) => {
                let failure = super::executor::panic_failure("orchestration", &*panic);
                Box::pin(std::future::ready(Err(failure)))
            }
        });
        self.poll()
    }

    /// Delivers a received event and polls. `Ok(false)`: nobody waits for it.
    fn deliver(&mut self, event: HistoryEvent) -> Result<bool, Box<TurnEnd>> {
        use HistoryEvent as E;
        let wanted = match event {
            E::ActivityCompleted(e) => self.complete(e.id, Ok(e.output)),
            E::ActivityFailed(e) => self.complete(e.id, Err(e.failure)),
            E::TimerFired(e) => self.complete(e.id, Ok(None)),
            E::ChildCompleted(e) => self.complete(e.id, Ok(e.output)),
            E::ChildFailed(e) => self.complete(e.id, Err(e.failure)),
            E::EventRaised(e) => {
                self.seen.insert(e.message);
                let _inside = self.turn_waker.enter();
                self.core.lock().raise(e);
                true
            }
            E::ExecutionSuspended(e) => {
                self.suspended = Some(e.reason);
                return Ok(true);
            }
            E::ExecutionResumed(_) => {
                self.suspended = None;
                return Ok(true);
            }
            _ => false,
        };
        if wanted && self.future.is_some() {
            self.poll()?;
        }
        Ok(wanted)
    }

    fn complete(&mut self, id: u64, result: OpResult) -> bool {
        let _inside = self.turn_waker.enter();
        self.core.lock().complete(id, result)
    }

    fn poll(&mut self) -> Step {
        let Some(future) = self.future.as_mut() else {
            return Ok(());
        };
        let driven = drive(future, &self.core, &self.turn_waker, &self.waker);
        let end = match driven {
            Driven::Pending if self.turn_waker.was_foreign() => {
                return Err(blocked(mismatch::foreign_await(
                    "it was woken by something outside the engine",
                )));
            }
            Driven::Pending => return Ok(()),
            Driven::Busy => {
                return Err(blocked(mismatch::foreign_await(
                    "it keeps waking itself without getting anywhere",
                )));
            }
            Driven::Done(Ok(output)) => TurnEnd::Completed { output },
            Driven::Done(Err(failure)) => TurnEnd::Failed { failure },
            Driven::ContinueAsNew => self.continue_end(),
        };
        self.finish(end);
        Ok(())
    }

    fn continue_end(&mut self) -> TurnEnd {
        let mut state = self.core.lock();
        let wish = state.continue_wish.take();
        let version = state.started.as_ref().map(|s| s.version.clone()).unwrap_or_default();
        let (version, input) = match wish {
            Some(wish) => (wish.version.unwrap_or(version), wish.input),
            None => (version, None),
        };
        let unread = state.take_unread();
        let seen = self.seen.newest(limits::EVENT_IDS_REMEMBERED_MAX);
        TurnEnd::ContinueAsNew { version, input, unread, seen }
    }

    fn finish(&mut self, end: TurnEnd) {
        self.end = Some(Box::new(end));
        self.core.lock().close();
        let future = self.future.take();
        let _inside = self.turn_waker.enter();
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || drop(future)));
    }

    /// Takes in messages and decides. After [`TurnEnd::Blocked`] or [`TurnEnd::NotServed`] the
    /// execution must be dropped.
    pub fn turn(&mut self, messages: Vec<(MessageId, Message)>, now: Timestamp) -> TurnOutcome {
        self.core.lock().replaying = false;
        let mut turn = Turn { out: TurnOutcome::of(TurnEnd::Waiting), begun: false, now };
        match self.take_in(&mut turn, messages) {
            Ok(()) => self.conclude(turn.out),
            Err(end) => TurnOutcome::of(*end),
        }
    }

    fn take_in(&mut self, turn: &mut Turn, messages: Vec<(MessageId, Message)>) -> Step {
        if self.turn_waker.was_foreign() {
            return Err(blocked(mismatch::foreign_await(
                "it was woken by something outside the engine",
            )));
        }
        let carried =
            self.future.is_none() && self.end.is_none() && self.core.lock().started.is_some();
        if carried {
            // A generation that continues an older one: its start is already history.
            self.ensure_begun(turn)?;
        }
        let mut kept_back = false;
        for (id, message) in messages {
            // What waits out a suspension is not overtaken by what came after its end.
            if (kept_back || self.suspended.is_some()) && !is_control(&message) {
                kept_back = true;
                continue;
            }
            if matches!(self.end.as_deref(), Some(TurnEnd::ContinueAsNew { .. })) {
                // What comes after the decision is for the next generation.
                break;
            }
            turn.out.consumed.push(id);
            if self.end.is_none() {
                self.take_message(turn, id, message)?;
            }
        }
        if self.future.is_some()
            && self.suspended.is_none()
            && !self.core.lock().waits_for_something()
        {
            return Err(blocked(mismatch::foreign_await(
                "it waits although nothing durable is outstanding",
            )));
        }
        Ok(())
    }

    fn take_message(&mut self, turn: &mut Turn, id: MessageId, message: Message) -> Step {
        match message {
            Message::Start(start) | Message::StartAt(ScheduledStart { start, .. }) => {
                self.take_start(turn, start)
            }
            Message::ActivityCompleted(e) => {
                self.accept(turn, e.id, HistoryEvent::ActivityCompleted(e))
            }
            Message::ActivityFailed(e) => self.accept(turn, e.id, HistoryEvent::ActivityFailed(e)),
            Message::TimerFired(e) => self.accept(turn, e.id, HistoryEvent::TimerFired(e)),
            Message::ChildCompleted(e) => self.accept(turn, e.id, HistoryEvent::ChildCompleted(e)),
            Message::ChildFailed(e) => self.accept(turn, e.id, HistoryEvent::ChildFailed(e)),
            Message::EventRaised(mut e) => {
                e.message = id;
                if self.seen.insert(id) {
                    self.ensure_begun(turn)?;
                    return self.record_and_deliver(turn, HistoryEvent::EventRaised(e));
                }
                Ok(())
            }
            Message::Terminate(e) => self.terminate(turn, e),
            Message::Suspend(e) if self.suspended.is_none() => {
                self.ensure_begun(turn)?;
                let event = ExecutionSuspended { reason: e.reason };
                self.record_and_deliver(turn, HistoryEvent::ExecutionSuspended(event))
            }
            Message::Resume(e) if self.suspended.is_some() => {
                self.ensure_begun(turn)?;
                let event = ExecutionResumed { reason: e.reason };
                self.record_and_deliver(turn, HistoryEvent::ExecutionResumed(event))
            }
            Message::Suspend(_) | Message::Resume(_) | Message::Poke => Ok(()),
        }
    }

    fn take_start(&mut self, turn: &mut Turn, start: ExecutionStarted) -> Step {
        let current = self.core.lock().started.clone();
        match current {
            None => {
                self.remember_start(start.clone());
                self.record(turn, HistoryEvent::ExecutionStarted(start));
                self.ensure_begun(turn)
            }
            Some(current) => {
                if start.parent != current.parent {
                    turn.out.refused.extend(start.parent);
                }
                Ok(())
            }
        }
    }

    fn terminate(&mut self, turn: &mut Turn, message: Terminate) -> Step {
        if self.core.lock().started.is_some() {
            self.ensure_begun(turn)?;
        }
        if self.end.is_some() {
            return Ok(());
        }
        let children = if message.cascade { self.core.lock().open_children() } else { Vec::new() };
        self.suspended = None;
        self.finish(TurnEnd::Terminated { reason: message.reason, children });
        Ok(())
    }

    /// Takes in a completion if somebody waits for it; drops it otherwise.
    fn accept(&mut self, turn: &mut Turn, id: u64, event: HistoryEvent) -> Step {
        if !self.core.lock().is_open(id) {
            return Ok(());
        }
        self.ensure_begun(turn)?;
        self.record_and_deliver(turn, event)
    }

    fn ensure_begun(&mut self, turn: &mut Turn) -> Step {
        if turn.begun {
            return Ok(());
        }
        turn.begun = true;
        self.record(turn, HistoryEvent::TurnStarted(TurnStarted { at: turn.now }));
        self.begin_turn(turn.now)?;
        self.collect(turn)
    }

    fn record_and_deliver(&mut self, turn: &mut Turn, event: HistoryEvent) -> Step {
        self.record(turn, event.clone());
        self.deliver(event)?;
        self.collect(turn)
    }

    fn record(&mut self, turn: &mut Turn, event: HistoryEvent) {
        self.events += 1;
        turn.out.events.push(event);
    }

    /// Moves what the code called into history and effects.
    fn collect(&mut self, turn: &mut Turn) -> Step {
        let mut state = self.core.lock();
        let issued = std::mem::take(&mut state.issued);
        let cancelled = std::mem::take(&mut state.cancelled);
        drop(state);
        for action in issued {
            self.events += 1;
            turn.out.events.push(action.to_event());
            turn.out.actions.push(action);
        }
        turn.out.cancelled.extend(cancelled);
        let over = if turn.out.actions.len() > limits::ACTIONS_PER_TURN_MAX {
            Some(format!(
                "one turn called more than {} actions (DT0011); spread the work over child orchestrations",
                limits::ACTIONS_PER_TURN_MAX
            ))
        } else if self.events > limits::HISTORY_EVENTS_MAX {
            Some(format!(
                "the history has more than {} events (DT0011); use ctx.continue_as_new before it grows so long",
                limits::HISTORY_EVENTS_MAX
            ))
        } else {
            None
        };
        if let Some(text) = over
            && self.end.is_none()
        {
            self.finish(TurnEnd::Failed {
                failure: Failure::of_kind(FailureKind::LimitExceeded, text),
            });
        }
        Ok(())
    }

    fn conclude(&mut self, mut out: TurnOutcome) -> TurnOutcome {
        out.custom_status = self.core.lock().custom_status.take();
        if let Some(end) = self.end.as_deref().cloned() {
            let event = match &end {
                TurnEnd::Completed { output } => {
                    Some(HistoryEvent::ExecutionCompleted(ExecutionCompleted {
                        output: output.clone(),
                    }))
                }
                TurnEnd::Failed { failure } => {
                    Some(HistoryEvent::ExecutionFailed(ExecutionFailed {
                        failure: failure.clone(),
                    }))
                }
                TurnEnd::Terminated { reason, .. } => {
                    Some(HistoryEvent::ExecutionTerminated(ExecutionTerminated {
                        reason: reason.clone(),
                    }))
                }
                _ => None,
            };
            if let Some(event) = event {
                self.events += 1;
                out.events.push(event);
            }
            out.end = end;
        } else if let Some(reason) = &self.suspended {
            out.end = TurnEnd::Suspended { reason: reason.clone() };
        }
        out
    }
}

/// The event that ends a generation which continues as new.
pub fn continued_event(
    execution: ExecutionId,
    version: &str,
    input: Option<&Payload>,
) -> HistoryEvent {
    HistoryEvent::ContinuedAsNew(ContinuedAsNew {
        execution,
        version: version.to_owned(),
        input: input.cloned(),
    })
}

struct Turn {
    out: TurnOutcome,
    begun: bool,
    now: Timestamp,
}

fn blocked(report: BlockReport) -> Box<TurnEnd> {
    Box::new(TurnEnd::Blocked(report))
}

/// Messages that may come on a held instance's control channel, and so must be read there.
fn is_control(message: &Message) -> bool {
    use Message as M;
    matches!(message, M::Terminate(_) | M::Suspend(_) | M::Resume(_) | M::Poke)
}

/// Replays a history and takes one turn with new messages, from nothing to the decision.
/// The building block of tests, debuggers and the paranoid mode; workers keep an
/// [`Execution`] instead.
pub fn run_turn(
    identity: Identity,
    history: Vec<HistoryEvent>,
    messages: Vec<(MessageId, Message)>,
    handlers: Arc<dyn Handlers>,
    now: Timestamp,
) -> TurnOutcome {
    let mut execution = Execution::new(identity, handlers, None);
    match execution.replay(history) {
        Ok(()) => execution.turn(messages, now),
        Err(end) => TurnOutcome::of(*end),
    }
}
