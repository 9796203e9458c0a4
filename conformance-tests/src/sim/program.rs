//! Random programs: what the simulated orchestrations do.

use serde::{Deserialize, Serialize};

use super::rng::Rng;

/// One thing that an orchestration does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Step {
    /// Calls an activity that fails so often first.
    Call {
        /// Attempts that fail.
        fails: u32,
        /// Attempts that the retry policy allows.
        attempts: u32,
        /// How long it works.
        ms: u64,
    },
    /// A timer.
    Sleep {
        /// How long.
        ms: u64,
    },
    /// An activity against a time limit.
    Race {
        /// How long the activity works.
        ms: u64,
        /// The limit.
        limit: u64,
    },
    /// An activity against a timer, by `select`; the loser is dropped.
    Select {
        /// How long the activity works.
        ms: u64,
        /// How long the timer runs.
        timer: u64,
    },
    /// Many activities at once.
    FanOut {
        /// How many.
        width: u64,
    },
    /// Child orchestrations at once, awaited in order.
    Children {
        /// What they do.
        programs: Vec<Program>,
    },
    /// A child whose end nobody waits for.
    Detached {
        /// What it does.
        program: Program,
    },
    /// Waits for so many external events.
    Events {
        /// How many.
        count: u64,
    },
    /// Waits for an external event, but not for ever.
    EventWithin {
        /// The limit.
        limit: u64,
    },
    /// Steps with compensations, of which the last may fail.
    Saga {
        /// How many steps.
        steps: u64,
        /// Whether the last one fails.
        fails: bool,
    },
    /// Sends events to another instance.
    Tell {
        /// To whom.
        to: String,
        /// How many.
        count: u64,
    },
    /// Sets the custom status and draws replay-safe values.
    Note,
    /// Ends with an error.
    Fail,
}

/// What an orchestration does: rounds of steps, with continue-as-new in between.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct Program {
    /// The rounds.
    pub rounds: Vec<Vec<Step>>,
}

impl Program {
    /// Most external events that it may want to read.
    pub fn events(&self) -> u64 {
        let wanted = |step: &Step| match step {
            Step::Events { count } => *count,
            Step::EventWithin { .. } => 1,
            _ => 0,
        };
        self.rounds.iter().flatten().map(wanted).sum()
    }

    /// How many steps it has, those of children included.
    pub fn steps(&self) -> usize {
        let size = |step: &Step| match step {
            Step::Children { programs } => 1 + programs.iter().map(Self::steps).sum::<usize>(),
            Step::Detached { program } => 1 + program.steps(),
            _ => 1,
        };
        self.rounds.iter().flatten().map(size).sum()
    }
}

/// A program of a top-level instance.
pub(super) fn draw(rng: &mut Rng) -> Program {
    let rounds = if rng.percent(30) { rng.range(2, 3) } else { 1 };
    let mut program = Program {
        rounds: (0..rounds)
            .map(|_| (0..rng.range(1, 4)).map(|_| draw_step(rng, 2)).collect())
            .collect(),
    };
    if rng.percent(6)
        && let Some(last) = program.rounds.last_mut()
    {
        last.push(Step::Fail);
    }
    program
}

fn draw_child(rng: &mut Rng, depth: u32) -> Program {
    if rng.percent(15) {
        return Program {
            rounds: vec![vec![Step::Call { fails: 0, attempts: 1, ms: 5 }, Step::Fail]],
        };
    }
    let rounds = if rng.percent(15) { 2 } else { 1 };
    let steps = |rng: &mut Rng| (0..rng.range(1, 2)).map(|_| draw_quiet(rng, depth - 1)).collect();
    Program { rounds: (0..rounds).map(|_| steps(rng)).collect() }
}

fn draw_step(rng: &mut Rng, depth: u32) -> Step {
    match rng.below(100) {
        0..18 => Step::Events { count: rng.range(1, 3) },
        18..26 => Step::EventWithin { limit: rng.pick(&[0, 5, 50, 500, 3_000]) },
        _ => draw_quiet(rng, depth),
    }
}

/// A step that needs nobody outside.
fn draw_quiet(rng: &mut Rng, depth: u32) -> Step {
    let work = |rng: &mut Rng| rng.pick(&[0, 0, 1, 10, 100, 1_000, 4_000]);
    match rng.below(100) {
        0..28 => Step::Call { fails: 0, attempts: 1, ms: work(rng) },
        28..38 => {
            let attempts = rng.range(2, 4);
            let fails = u32::try_from(rng.range(1, attempts)).unwrap_or(1);
            Step::Call { fails, attempts: u32::try_from(attempts).unwrap_or(2), ms: work(rng) }
        }
        38..50 => Step::Sleep { ms: rng.pick(&[0, 1, 20, 300, 3_000, 20_000]) },
        50..58 => Step::Race { ms: work(rng), limit: rng.pick(&[0, 5, 50, 150, 1_500]) },
        58..64 => Step::Select { ms: work(rng), timer: rng.pick(&[0, 5, 50, 150, 1_500]) },
        64..74 => Step::FanOut { width: rng.range(2, 8) },
        74..86 if depth > 0 => Step::Children {
            programs: (0..rng.range(1, 3)).map(|_| draw_child(rng, depth)).collect(),
        },
        86..90 if depth > 0 => Step::Detached { program: draw_child(rng, depth) },
        90..96 => Step::Saga { steps: rng.range(1, 3), fails: rng.percent(50) },
        _ => Step::Note,
    }
}
