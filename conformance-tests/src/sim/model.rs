//! What a program must compute, told plainly: no history, no replay, no faults.

use super::code::{Chance, Output};
use super::program::{Program, Step};
use crate::manual_env::mix;

pub(super) const FAILED: u64 = 0xFA11;
pub(super) const LATE: u64 = 0x1A7E;

/// How a result enters the running value; the order matters.
pub(super) fn fold(value: u64, result: u64) -> u64 {
    value.wrapping_mul(1_000_003).wrapping_add(result)
}

/// What the activity computes.
pub(super) fn work(value: u64) -> u64 {
    mix(value ^ 0x00AC_7117)
}

/// The input of a compensation.
pub(super) fn undone(value: u64, step: u64) -> u64 {
    fold(value, step) ^ 1
}

/// How a program must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Value(u64),
    /// With the planned error.
    Failed,
}

struct Model<'a> {
    value: u64,
    chances: std::slice::Iter<'a, Chance>,
    events: u64,
}

/// The end of a program that began with `value`, given what chance has decided.
pub(super) fn end_of(program: &Program, value: u64, chances: &[Chance]) -> Result<End, String> {
    let mut model = Model { value, chances: chances.iter(), events: 0 };
    for step in program.rounds.iter().flatten() {
        if *step == Step::Fail {
            return Ok(End::Failed);
        }
        model.step(step)?;
    }
    match model.chances.next() {
        Some(more) => Err(format!("{more:?} was left over")),
        None => Ok(End::Value(model.value)),
    }
}

/// Whether an output is right for a program.
pub(super) fn check(program: &Program, output: &Output) -> Result<(), String> {
    match end_of(program, 0, &output.chances)? {
        End::Value(value) if value == output.value => Ok(()),
        end => Err(format!("found {output:?}, expected {end:?}")),
    }
}

impl Model<'_> {
    fn add(&mut self, result: u64) {
        self.value = fold(self.value, result);
    }

    fn chance(&mut self) -> Result<Chance, String> {
        self.chances.next().cloned().ok_or_else(|| "a chance is missing".to_owned())
    }

    fn event(&mut self, event: u64) -> Result<(), String> {
        if event != self.events {
            return Err(format!("event {event} was read where {} was due", self.events));
        }
        self.events += 1;
        self.add(event);
        Ok(())
    }

    fn race(&mut self) -> Result<(), String> {
        match self.chance()? {
            Chance::Won => self.add(work(self.value)),
            Chance::Late => self.add(LATE),
            other => return Err(format!("{other:?} where a race was due")),
        }
        Ok(())
    }

    fn step(&mut self, step: &Step) -> Result<(), String> {
        let value = self.value;
        match step {
            Step::Call { fails, attempts, .. } => {
                self.add(if fails < attempts { work(value) } else { FAILED });
            }
            Step::Race { .. } | Step::Select { .. } => self.race()?,
            Step::FanOut { width } => (0..*width).for_each(|n| self.add(work(fold(value, n)))),
            Step::Children { programs } => {
                for program in programs {
                    self.child(program, value)?;
                }
            }
            Step::Events { count } => {
                for _ in 0..*count {
                    match self.chance()? {
                        Chance::Event(event) => self.event(event)?,
                        other => return Err(format!("{other:?} where an event was due")),
                    }
                }
            }
            Step::EventWithin { .. } => match self.chance()? {
                Chance::Event(event) => self.event(event)?,
                Chance::Late => self.add(LATE),
                other => return Err(format!("{other:?} where an event was due")),
            },
            Step::Saga { steps, fails } => {
                for n in 0..*steps {
                    let fails = *fails && n + 1 == *steps;
                    self.add(if fails { FAILED } else { work(fold(value, n)) });
                    if fails {
                        self.add(FAILED);
                    }
                }
            }
            Step::Sleep { .. }
            | Step::Tell { .. }
            | Step::Detached { .. }
            | Step::Note
            | Step::Fail => {}
        }
        Ok(())
    }

    fn child(&mut self, program: &Program, value: u64) -> Result<(), String> {
        if program.rounds.iter().flatten().any(|step| *step == Step::Fail) {
            self.add(FAILED);
            return Ok(());
        }
        match self.chance()? {
            Chance::Child(chances) => match end_of(program, value, &chances)? {
                End::Value(value) => {
                    self.add(value);
                    Ok(())
                }
                End::Failed => Err("a child that cannot fail has failed".to_owned()),
            },
            other => Err(format!("{other:?} where a child's result was due")),
        }
    }
}
