//! The orchestration and the activity that run programs, as a user would write them.

use std::time::Duration;

use durable_core::activity::ActivityContext;
use durable_core::env::SharedEnv;
use durable_core::ids::InstanceId;
use durable_core::model::{Failure, RetryPolicy};
use durable_core::registry::Registry;
use durable_core::replay::{NamedActivity, NamedOrchestration, OrchestrationContext, TaskError};
use futures_util::future::{Either, join_all, select};
use serde::{Deserialize, Serialize};

use super::model::{FAILED, LATE, fold, undone, work};
use super::program::{Program, Step};

/// What an instance is given.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Input {
    pub(super) hub: String,
    pub(super) program: Program,
    pub(super) so_far: Output,
}

/// What only the run can decide: who won a race, which event came.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Chance {
    Won,
    Late,
    Event(u64),
    Child(Vec<Chance>),
}

/// What an instance returns.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct Output {
    pub(super) value: u64,
    pub(super) chances: Vec<Chance>,
}

/// What an activity is given.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Task {
    pub(super) hub: String,
    value: u64,
    fails: u32,
    ms: u64,
}

/// Told of every activity that runs.
pub(super) type Ledger = dyn Fn(&str, &ActivityContext) + Send + Sync;

fn activity() -> Result<NamedActivity<Task, u64, Failure>, Failure> {
    Ok(NamedActivity::new("work")?)
}

pub(super) fn orchestration() -> Result<NamedOrchestration<Input, Output, Failure>, Failure> {
    Ok(NamedOrchestration::new("program")?)
}

/// The code of one worker.
pub(super) fn registry(env: SharedEnv, ledger: std::sync::Arc<Ledger>) -> Registry {
    let mut registry = Registry::default();
    registry.activity_fn("work", move |ctx: ActivityContext, task: Task| {
        let (env, ledger) = (env.clone(), ledger.clone());
        async move {
            ledger(&task.hub, &ctx);
            if task.ms > 0 {
                env.sleep(Duration::from_millis(task.ms)).await;
            }
            if ctx.attempt() <= task.fails {
                return Err(Failure::new("planned"));
            }
            Ok(work(task.value))
        }
    });
    registry.orchestration_fn("program", "", run);
    registry
}

async fn run(ctx: OrchestrationContext, mut input: Input) -> Result<Output, Failure> {
    let mut state = State { ctx, hub: input.hub.clone(), out: input.so_far.clone() };
    if !input.program.rounds.is_empty() {
        for step in input.program.rounds.remove(0) {
            state.step(step).await?;
        }
    }
    if !input.program.rounds.is_empty() {
        input.so_far = state.out;
        return state.ctx.continue_as_new(&input).await;
    }
    Ok(state.out)
}

struct State {
    ctx: OrchestrationContext,
    hub: String,
    out: Output,
}

impl State {
    fn add(&mut self, value: u64) {
        self.out.value = fold(self.out.value, value);
    }

    fn task(&self, value: u64, fails: u32, ms: u64) -> Task {
        Task { hub: self.hub.clone(), value, fails, ms }
    }

    async fn step(&mut self, step: Step) -> Result<(), Failure> {
        let value = self.out.value;
        match step {
            Step::Call { fails, attempts, ms } => {
                let policy = RetryPolicy::new(attempts).first_interval(Duration::from_millis(20));
                let call = self.ctx.activity(activity()?).retry(policy);
                let result = call.call(self.task(value, fails, ms)).await;
                self.result(result)?;
            }
            Step::Sleep { ms } => self.ctx.sleep(Duration::from_millis(ms)).await,
            Step::Race { ms, limit } => {
                let call = self.ctx.call(activity()?, self.task(value, 0, ms));
                let raced = self.ctx.timeout(Duration::from_millis(limit), call).await;
                self.chance(raced.ok())?;
            }
            Step::Select { ms, timer } => {
                let call = self.ctx.call(activity()?, self.task(value, 0, ms));
                let timer = self.ctx.sleep(Duration::from_millis(timer));
                let won = match select(call, timer).await {
                    Either::Left((result, _)) => Some(result),
                    Either::Right(_) => None,
                };
                self.chance(won)?;
            }
            Step::FanOut { width } => {
                let ctx = &self.ctx;
                let call = |n| Ok(ctx.call(activity()?, self.task(fold(value, n), 0, n % 3)));
                let calls = (0..width).map(call).collect::<Result<Vec<_>, Failure>>()?;
                for result in join_all(calls).await {
                    self.result(result)?;
                }
            }
            Step::Children { programs } => self.children(programs).await?,
            Step::Detached { program } => {
                let input = self.child_input(program);
                self.ctx.child(orchestration()?).start_detached(input)?;
            }
            Step::Events { count } => {
                for _ in 0..count {
                    let event = self.ctx.event::<u64>("e").await?;
                    self.event(event);
                }
            }
            Step::EventWithin { limit } => {
                match self.ctx.event_within::<u64>("e", Duration::from_millis(limit)).await {
                    Ok(event) => self.event(event?),
                    Err(_) => self.late(),
                }
            }
            Step::Saga { steps, fails } => self.saga(steps, fails).await?,
            Step::Tell { to, count } => {
                for n in 0..count {
                    self.ctx.send_event(InstanceId::new(&to)?, "e", &n)?;
                    self.ctx.sleep(Duration::from_millis(n)).await;
                }
            }
            Step::Note => {
                let now = self.ctx.now();
                self.ctx.set_custom_status(&(self.ctx.new_uuid(), now.as_micros()))?;
            }
            Step::Fail => return Err(Failure::non_retryable("planned end")),
        }
        Ok(())
    }

    fn result(&mut self, result: Result<u64, TaskError<Failure>>) -> Result<(), Failure> {
        match result {
            Ok(value) => self.add(value),
            Err(TaskError::Application(failure)) if failure.message() == "planned" => {
                self.add(FAILED);
            }
            Err(other) => return Err(other.into()),
        }
        Ok(())
    }

    fn late(&mut self) {
        self.out.chances.push(Chance::Late);
        self.add(LATE);
    }

    fn event(&mut self, event: u64) {
        self.out.chances.push(Chance::Event(event));
        self.add(event);
    }

    fn chance(&mut self, won: Option<Result<u64, TaskError<Failure>>>) -> Result<(), Failure> {
        match won {
            Some(result) => {
                self.out.chances.push(Chance::Won);
                self.result(result)
            }
            None => {
                self.late();
                Ok(())
            }
        }
    }

    fn child_input(&self, program: Program) -> Input {
        let so_far = Output { value: self.out.value, chances: Vec::new() };
        Input { hub: self.hub.clone(), program, so_far }
    }

    async fn children(&mut self, programs: Vec<Program>) -> Result<(), Failure> {
        let mut calls = Vec::new();
        for program in programs {
            let input = self.child_input(program);
            calls.push(self.ctx.call_child(orchestration()?, input));
        }
        for call in calls {
            match call.await {
                Ok(output) => {
                    self.out.chances.push(Chance::Child(output.chances));
                    self.add(output.value);
                }
                Err(TaskError::Application(failure)) if failure.message() == "planned end" => {
                    self.add(FAILED);
                }
                Err(other) => return Err(other.into()),
            }
        }
        Ok(())
    }

    async fn saga(&mut self, steps: u64, fails: bool) -> Result<(), Failure> {
        let mut saga = self.ctx.saga();
        let value = self.out.value;
        for n in 0..steps {
            saga.compensate(activity()?, self.task(undone(value, n), 0, 0));
            let last = n + 1 == steps;
            let fails = u32::from(fails && last);
            let result = self.ctx.call(activity()?, self.task(fold(value, n), fails, 1)).await;
            let failed = result.is_err();
            self.result(result)?;
            if failed {
                let undone = saga.roll_back().await.map_err(|_| Failure::new("not undone"));
                self.add(FAILED);
                return undone;
            }
        }
        saga.commit();
        Ok(())
    }
}
