//! What clients do with their instances, however often the store fails them.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use durable_core::backend::{OrchestrationStatus, ReusePolicy};
use durable_core::client::{InstanceHandle, InstanceStatus};
use durable_core::env::Env;
use durable_core::error::{Error, ErrorKind};
use durable_core::model::Failure;

use super::code::{Input, Output, orchestration};
use super::model;
use super::plan::{HUBS, InstancePlan};
use super::program::{Program, Step};
use super::world::World;

type Handle = InstanceHandle<Output, Failure>;

/// One client at work on one instance.
struct Driver<'a> {
    world: &'a World,
    plan: &'a InstancePlan,
    handle: Handle,
}

/// Repeats a call until the store gives a real answer.
async fn insist<T, F: Future<Output = Result<T, Error>>>(
    world: &World,
    mut call: impl FnMut() -> F,
) -> Result<T, Error> {
    loop {
        match call().await {
            Err(error) if matches!(error.kind(), ErrorKind::Backend | ErrorKind::Busy) => {
                world.client_process.sleep(Duration::from_millis(70)).await;
            }
            answer => return answer,
        }
    }
}

/// Runs an instance through all that its plan says.
pub(super) async fn drive(world: Arc<World>, plan: InstancePlan) {
    let handle = match world.client(plan.hub).instance(&plan.id) {
        Ok(handle) => handle.typed(),
        Err(error) => return world.notes.violated("clients work", error.to_string()),
    };
    let driver = Driver { world: &world, plan: &plan, handle };
    if let Err(error) = driver.run().await {
        world.notes.violated("clients work", format!("`{}`: {error}", plan.id));
    }
}

impl Driver<'_> {
    async fn pause(&self, ms: u64) {
        if ms > 0 {
            self.world.client_process.sleep(Duration::from_millis(ms)).await;
        }
    }

    async fn run(&self) -> Result<(), Error> {
        self.pause(self.plan.at_ms).await;
        if let Some(needed) = &self.plan.needs {
            let needed = self.world.client(self.plan.hub).instance(needed)?;
            while !insist(self.world, || needed.exists()).await? {
                self.pause(10).await;
            }
        }
        self.events(&self.plan.program, 0, 0..self.plan.early).await?;
        self.start(&self.plan.program, ReusePolicy::Reject).await?;
        let (events, terminate, suspend) = futures_util::future::join3(
            self.events(&self.plan.program, 0, self.plan.early..u64::MAX),
            self.terminate(),
            self.suspend(),
        )
        .await;
        events.and(terminate).and(suspend)?;
        self.check(&self.plan.program).await?;
        let Some((program, purge)) = &self.plan.again else { return Ok(()) };
        if *purge {
            let purged = insist(self.world, || self.handle.purge()).await;
            self.unless(purged, &[ErrorKind::NotFound])?;
            self.start(program, ReusePolicy::Reject).await?;
        } else {
            self.start(program, ReusePolicy::ReplaceTerminal).await?;
        }
        self.world.notes.reached("an id was used again");
        self.events(program, 1, 0..u64::MAX).await?;
        self.check(program).await
    }

    async fn start(&self, program: &Program, reuse: ReusePolicy) -> Result<(), Error> {
        let client = self.world.client(self.plan.hub);
        let started = insist(self.world, || async {
            let hub = HUBS[self.plan.hub].to_owned();
            let input = Input { hub, program: program.clone(), so_far: Output::default() };
            let code =
                orchestration().map_err(|f| Error::new(ErrorKind::InvalidArgument, f.message()))?;
            let start = client.start(code, input).id(&self.plan.id).reuse(reuse);
            let start = match self.plan.after_ms {
                0 => start,
                after => start.after(Duration::from_millis(after)),
            };
            start.send().await.map(drop)
        });
        // Nobody else uses this id: it was an earlier try that succeeded.
        self.unless(started.await, &[ErrorKind::AlreadyExists])
    }

    /// Raises the events that the program wants; each once, whatever the answers.
    async fn events(
        &self,
        program: &Program,
        life: u128,
        numbers: std::ops::Range<u64>,
    ) -> Result<(), Error> {
        let end = if self.plan.peer { 0 } else { program.events().min(numbers.end) };
        for number in numbers.start..end {
            let id = crate::manual_env::mix(self.world.plan.seed ^ number);
            let id = u128::from(id) << 64 | life << 32 | u128::from(number) << 8 | 1;
            let sent = insist(self.world, || async {
                let event = self.handle.raise_event("e", &number).dedupe_id(id);
                if self.plan.early > 0 && life == 0 && number < self.plan.early {
                    self.world.notes.reached("an event came before the start");
                    return event.buffer_before_start().send().await;
                }
                event.send().await
            });
            let mut tolerated = vec![];
            if self.plan.terminate_ms.is_some() || ends_early(program) {
                tolerated.push(ErrorKind::Ended);
            }
            // A limited wait may have given up, so not all events need a reader.
            if program.rounds.iter().flatten().any(|s| matches!(s, Step::EventWithin { .. })) {
                tolerated.push(ErrorKind::Ended);
            }
            match sent.await {
                Err(error)
                    if error.kind() == ErrorKind::Ended && tolerated.contains(&error.kind()) =>
                {
                    return Ok(());
                }
                // The event was applied and reported failed, and was the last one needed.
                Err(error) if error.kind() == ErrorKind::Ended && number + 1 == end => {}
                answer => answer?,
            }
            self.pause(self.plan.gap_ms).await;
        }
        Ok(())
    }

    async fn terminate(&self) -> Result<(), Error> {
        let Some(after) = self.plan.terminate_ms else { return Ok(()) };
        self.pause(after).await;
        let answer = insist(self.world, || self.handle.terminate("enough")).await;
        self.unless(answer, &[ErrorKind::Ended])
    }

    async fn suspend(&self) -> Result<(), Error> {
        let Some((after, time)) = self.plan.suspend_ms else { return Ok(()) };
        self.pause(after).await;
        let answer = insist(self.world, || self.handle.suspend("wait")).await;
        self.unless(answer, &[ErrorKind::Ended])?;
        self.pause(time).await;
        let answer = insist(self.world, || self.handle.resume("go on")).await;
        self.unless(answer, &[ErrorKind::Ended])
    }

    fn unless(&self, answer: Result<(), Error>, kinds: &[ErrorKind]) -> Result<(), Error> {
        match answer {
            Err(error) if kinds.contains(&error.kind()) => Ok(()),
            answer => answer,
        }
    }

    async fn ended(&self) -> Result<InstanceStatus, Error> {
        insist(self.world, || self.handle.wait_until(|s| s.status().is_terminal())).await
    }

    /// Waits for the end and compares it with the model.
    async fn check(&self, program: &Program) -> Result<(), Error> {
        let status = self.ended().await?;
        let notes = &self.world.notes;
        notes.trace(self.world.executor.now(), self.plan.id.as_str(), status.revision());
        let wrong = match status.status() {
            OrchestrationStatus::Completed => match status.output::<Output>()? {
                Some(output) => {
                    self.note_chances(&output);
                    model::check(program, &output).err()
                }
                None => Some("no output".to_owned()),
            },
            OrchestrationStatus::Failed => {
                let message = status.failure().map(Failure::message).unwrap_or_default();
                let planned = ends_early(program) && message == "planned end";
                (!planned).then(|| format!("failed: {message}"))
            }
            OrchestrationStatus::Terminated if self.plan.terminate_ms.is_some() => None,
            other => Some(format!("ended as {other:?}")),
        };
        if let Some(wrong) = wrong {
            let text = format!("`{}` in {}: {wrong}", self.plan.id, HUBS[self.plan.hub]);
            notes.violated("the result is that of the model", text);
        }
        Ok(())
    }

    fn note_chances(&self, output: &Output) {
        use super::code::Chance;
        for chance in &output.chances {
            self.world.notes.reached(match chance {
                Chance::Won => "an activity won its race",
                Chance::Late => "a timer won its race",
                Chance::Event(_) => "an event was read",
                Chance::Child(_) => "a child reported back",
            });
        }
    }
}

fn ends_early(program: &Program) -> bool {
    program.rounds.iter().flatten().any(|step| *step == Step::Fail)
}
