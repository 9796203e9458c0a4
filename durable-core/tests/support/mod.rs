//! Drives one orchestration without a backend: every turn is run by the suspended execution
//! and again from nothing, and both must decide alike.

#![allow(dead_code, unreachable_pub, reason = "each test file uses a part")]

use std::sync::Arc;
use std::time::Duration;

use durable_core::ids::{ExecutionId, InstanceId, MessageId, Name};
use durable_core::model::event::{
    ActivityCompleted, ActivityFailed, ChildCompleted, ChildFailed, EventRaised, ExecutionStarted,
    TimerFired,
};
use durable_core::model::message::{Control, Terminate};
use durable_core::model::{Failure, HistoryEvent, Message};
use durable_core::payload::{Payload, encode};
use durable_core::registry::Registry;
use durable_core::replay::action::Action;
use durable_core::replay::{
    Execution, Identity, OrchestrationContext, TurnEnd, TurnOutcome, run_turn,
};
use durable_core::time::Timestamp;

pub struct Driver {
    registry: Arc<Registry>,
    identity: Identity,
    pub execution: Execution,
    pub history: Vec<HistoryEvent>,
    pub now: Timestamp,
    messages: u128,
}

pub fn registry<F, Fut, O>(run: F) -> Arc<Registry>
where
    F: Fn(OrchestrationContext) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<O, Failure>> + Send + 'static,
    O: serde::Serialize + Send + 'static,
{
    let mut registry = Registry::default();
    registry.orchestration_fn("main", "", move |ctx, (): ()| run(ctx));
    Arc::new(registry)
}

pub fn json<T: serde::Serialize>(value: T) -> Option<Payload> {
    Some(encode(&value).unwrap())
}

impl Driver {
    pub fn new<F, Fut, O>(run: F) -> Self
    where
        F: Fn(OrchestrationContext) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<O, Failure>> + Send + 'static,
        O: serde::Serialize + Send + 'static,
    {
        Self::with(registry(run), Vec::new())
    }

    /// Another code version over the same history.
    pub fn with(registry: Arc<Registry>, history: Vec<HistoryEvent>) -> Self {
        let identity = Identity {
            instance: InstanceId::new("i").unwrap(),
            execution: ExecutionId(0x1234_5678_9abc_def0),
        };
        let execution = Execution::new(identity.clone(), registry.clone(), None);
        Self {
            registry,
            identity,
            execution,
            history,
            now: Timestamp::from_millis(1_000),
            messages: 0,
        }
    }

    pub fn start(&mut self) -> TurnOutcome {
        let start = ExecutionStarted {
            name: Name::new("main").unwrap(),
            version: String::new(),
            input: json(()),
            parent: None,
            created_at: self.now,
            generation: 1,
            tags: Vec::new(),
            seen: Vec::new(),
        };
        self.turn(vec![Message::Start(start)])
    }

    pub fn turn(&mut self, messages: Vec<Message>) -> TurnOutcome {
        let messages = messages
            .into_iter()
            .map(|m| {
                self.messages += 1;
                (MessageId::random(self.messages), m)
            })
            .collect();
        self.turn_with(messages)
    }

    pub fn turn_with(&mut self, messages: Vec<(MessageId, Message)>) -> TurnOutcome {
        self.now = self.now + Duration::from_secs(1);
        let cold = run_turn(
            self.identity.clone(),
            self.history.clone(),
            messages.clone(),
            self.registry.clone(),
            self.now,
        );
        let warm = self.execution.turn(messages, self.now);
        assert_eq!(warm.events, cold.events, "sticky and replayed turns record different events");
        assert_eq!(warm.actions, cold.actions, "sticky and replayed turns call different actions");
        assert_eq!(
            warm.cancelled, cold.cancelled,
            "sticky and replayed turns cancel different actions"
        );
        assert_eq!(
            warm.consumed, cold.consumed,
            "sticky and replayed turns consume different messages"
        );
        assert_eq!(warm.end, cold.end, "sticky and replayed turns end differently");
        self.history.extend(warm.events.iter().cloned());
        warm
    }

    /// Replays what is recorded so far with other code.
    pub fn replay_with(&self, registry: Arc<Registry>) -> Result<(), Box<TurnEnd>> {
        let mut execution = Execution::new(self.identity.clone(), registry, None);
        execution.replay(self.history.clone())
    }
}

pub fn done<T: serde::Serialize>(id: u64, value: T) -> Message {
    Message::ActivityCompleted(ActivityCompleted { id, output: json(value) })
}

pub fn failed(id: u64, text: &str) -> Message {
    Message::ActivityFailed(ActivityFailed { id, failure: Failure::new(text) })
}

pub fn fired(id: u64) -> Message {
    Message::TimerFired(TimerFired { id })
}

pub fn child_done<T: serde::Serialize>(id: u64, value: T) -> Message {
    Message::ChildCompleted(ChildCompleted { id, output: json(value) })
}

pub fn child_failed(id: u64, failure: Failure) -> Message {
    Message::ChildFailed(ChildFailed { id, failure })
}

pub fn raised<T: serde::Serialize>(name: &str, value: T) -> Message {
    let message = MessageId::random(0);
    Message::EventRaised(EventRaised {
        message,
        name: Name::new(name).unwrap(),
        payload: json(value),
    })
}

pub fn terminate() -> Message {
    Message::Terminate(Terminate { reason: "enough".into(), cascade: true })
}

pub fn suspend() -> Message {
    Message::Suspend(Control { reason: "pause".into() })
}

pub fn resume() -> Message {
    Message::Resume(Control { reason: "go".into() })
}

/// The activities a turn called, as `id:name`.
pub fn called(outcome: &TurnOutcome) -> Vec<String> {
    outcome
        .actions
        .iter()
        .map(|a| match a {
            Action::Activity { event, .. } => format!("{}:{}", event.id, event.name),
            Action::Timer(t) => format!("{}:timer", t.id),
            Action::Child { event, .. } => format!("{}:child {}", event.id, event.name),
            Action::Send(s) => format!("{}:send {}", s.id, s.name),
            Action::Mark(m) => format!("{}:mark {} {}", m.id, m.change, m.version),
            other => format!("{other:?}"),
        })
        .collect()
}

pub fn output<T: serde::de::DeserializeOwned>(outcome: &TurnOutcome) -> T {
    match &outcome.end {
        TurnEnd::Completed { output: Some(output) } => {
            durable_core::payload::decode(output).unwrap()
        }
        other => panic!("not completed: {other:?}"),
    }
}

pub fn blocked(end: &TurnEnd) -> &durable_core::model::BlockReport {
    match end {
        TurnEnd::Blocked(report) => report,
        other => panic!("not blocked: {other:?}"),
    }
}
