//! Everything that one seed decides before the run: programs, workers, troubles.

use std::time::Duration;

use durable_core::worker::WorkerOptions;

use super::program::{self, Program, Step};
use super::rng::Rng;
use crate::faults::{Fault, FaultPlan};

/// The hubs of every simulation.
pub(super) const HUBS: [&str; 2] = ["east", "west"];

/// What goes wrong between one process and its hub.
#[derive(Debug, Clone, PartialEq)]
pub struct Trouble {
    /// In how many of a thousand calls.
    pub per_mille: u64,
    /// What can go wrong.
    pub kinds: Vec<Fault>,
    /// How long a stall lasts.
    pub stall_ms: u64,
}

impl Trouble {
    /// No trouble.
    pub fn none() -> Self {
        Self { per_mille: 0, kinds: Vec::new(), stall_ms: 1 }
    }

    pub(super) fn plan(&self, seed: u64) -> FaultPlan {
        FaultPlan::seeded(seed, self.per_mille, &self.kinds)
            .with_stall(Duration::from_millis(self.stall_ms))
    }
}

/// One simulated worker process.
#[derive(Debug, Clone)]
pub struct WorkerPlan {
    /// Index of its hub.
    pub hub: usize,
    /// By how many microseconds its clock is ahead.
    pub skew: i64,
    /// Its settings.
    pub options: WorkerOptions,
    /// What goes wrong on its way to the hub.
    pub trouble: Trouble,
}

/// One instance, and what its client does with it.
#[derive(Debug, Clone, PartialEq)]
pub struct InstancePlan {
    /// Index of its hub.
    pub hub: usize,
    /// Its id.
    pub id: String,
    /// What it does.
    pub program: Program,
    /// When the client begins.
    pub at_ms: u64,
    /// How much later than now it is to start.
    pub after_ms: u64,
    /// Events that are raised before the start.
    pub early: u64,
    /// Pause between events.
    pub gap_ms: u64,
    /// Whether another instance sends the events.
    pub peer: bool,
    /// The instance that must exist before this one starts.
    pub needs: Option<String>,
    /// When to terminate it, counted from its start.
    pub terminate_ms: Option<u64>,
    /// When and for how long to suspend it.
    pub suspend_ms: Option<(u64, u64)>,
    /// What to do under the same id afterwards, and whether to purge in between.
    pub again: Option<(Program, bool)>,
}

/// What happens to a worker process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blow {
    /// It dies, and comes back after so many milliseconds.
    Crash(u64),
    /// It stands still for so many milliseconds.
    Pause(u64),
    /// It is stopped in good order, and comes back after so many milliseconds.
    Shutdown(u64),
}

/// A blow, its time and its victim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chaos {
    /// When.
    pub at_ms: u64,
    /// Index of the worker.
    pub worker: usize,
    /// What.
    pub blow: Blow,
}

/// A whole simulation.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Where all randomness comes from.
    pub seed: u64,
    /// Whether adapters claim that other processes share the hub.
    pub networked: bool,
    /// The workers.
    pub workers: Vec<WorkerPlan>,
    /// The instances.
    pub instances: Vec<InstancePlan>,
    /// What happens to the workers.
    pub chaos: Vec<Chaos>,
    /// What goes wrong between clients and hubs.
    pub client_trouble: Trouble,
    /// When all troubles end.
    pub heal_ms: u64,
}

impl Plan {
    /// The simulation of a seed.
    pub fn of_seed(seed: u64) -> Self {
        let rng = &mut Rng::new(seed);
        let heal_ms = rng.pick(&[2_000, 10_000, 30_000]);
        let workers: Vec<_> = (0..rng.range(2, 5)).map(|n| worker(rng, n)).collect();
        let mut instances = Vec::new();
        for n in 0..rng.range(2, 6) {
            instances.push(instance(rng, n));
        }
        if rng.percent(30) {
            instances.extend(peers(rng));
        }
        let blows = if rng.percent(25) { 0 } else { rng.range(1, 6) };
        let chaos = (0..blows).map(|_| chaos(rng, heal_ms, workers.len() as u64)).collect();
        let client_trouble = trouble(rng);
        Self {
            seed,
            networked: rng.percent(50),
            workers,
            instances,
            chaos,
            client_trouble,
            heal_ms,
        }
    }

    /// How much there is in it, for the shrinker.
    pub fn size(&self) -> usize {
        let steps: usize = self.instances.iter().map(|i| 1 + i.program.steps()).sum();
        let troubled = self.workers.iter().filter(|w| w.trouble.per_mille > 0).count();
        steps + self.chaos.len() + troubled + self.workers.len()
    }
}

fn trouble(rng: &mut Rng) -> Trouble {
    if rng.percent(25) {
        return Trouble::none();
    }
    // Swarm testing: other seeds see other kinds, and so combinations that a mix would drown.
    let mut kinds: Vec<_> = Fault::ALL.into_iter().filter(|_| rng.percent(50)).collect();
    if kinds.is_empty() {
        kinds.push(Fault::FailAfter);
    }
    let per_mille = rng.pick(&[10, 50, 150]);
    Trouble { per_mille, kinds, stall_ms: rng.pick(&[500, 4_000, 40_000]) }
}

fn worker(rng: &mut Rng, number: u64) -> WorkerPlan {
    let mut options = WorkerOptions::default();
    options.turn_loops = Some(rng.pick(&[1, 2, 4]));
    options.turns_per_fetch = rng.pick(&[1, 3, 64]);
    options.activities_max = rng.pick(&[1, 3, 1_000]);
    options.commits_in_flight = rng.pick(&[1, 64]);
    options.sticky_bytes = rng.pick(&[0, 4_000, 1 << 20, 1 << 20]);
    options.lease = Duration::from_millis(rng.pick(&[400, 2_000, 30_000]));
    options.idle_wait = Duration::from_millis(rng.pick(&[5_000, 60_000]));
    options.blocked_retry = Duration::from_secs(1);
    options.paranoid = rng.percent(25);
    options.keep_generations = rng.percent(50);
    // Troubles are many here; poison has its own tests.
    options.deliveries_max = 1_000;
    let second = 1_000_000;
    let skew = rng.pick(&[0, 0, 3 * second, -3 * second, 90 * second, -90 * second]);
    let hub = usize::from(number % 2 == 1);
    WorkerPlan { hub, skew, options, trouble: trouble(rng) }
}

fn instance(rng: &mut Rng, number: u64) -> InstancePlan {
    let program = program::draw(rng);
    let early = if rng.percent(15) { rng.range(1, 2).min(program.events()) } else { 0 };
    let terminate = rng.percent(10).then(|| rng.pick(&[0, 50, 1_000, 4_000]));
    InstancePlan {
        hub: usize::from(rng.percent(40)),
        // Both hubs use the same ids.
        id: format!("i{}", number / 2 + 10 * rng.below(2))
            + if number.is_multiple_of(2) { "a" } else { "b" },
        program,
        at_ms: rng.pick(&[0, 0, 10, 1_000]),
        after_ms: if rng.percent(15) { rng.pick(&[10, 2_000]) } else { 0 },
        early,
        gap_ms: rng.pick(&[0, 0, 5, 200, 2_000]),
        peer: false,
        needs: None,
        terminate_ms: terminate,
        suspend_ms: rng.percent(15).then(|| (rng.pick(&[0, 20, 500]), rng.pick(&[0, 100, 5_000]))),
        again: (rng.percent(25) && terminate.is_none())
            .then(|| (program::draw(rng), rng.percent(50))),
    }
}

/// Two instances that talk with each other.
fn peers(rng: &mut Rng) -> [InstancePlan; 2] {
    let count = rng.range(1, 6);
    let quiet = |id: &str, program| InstancePlan {
        hub: 0,
        id: id.to_owned(),
        program,
        at_ms: 0,
        after_ms: 0,
        early: 0,
        gap_ms: 0,
        peer: false,
        needs: None,
        terminate_ms: None,
        suspend_ms: None,
        again: None,
    };
    let call = Step::Call { fails: 0, attempts: 1, ms: 3 };
    let events = Step::Events { count };
    let hears = Program { rounds: vec![vec![call.clone(), events], vec![call.clone()]] };
    let tell = Step::Tell { to: "hearer".to_owned(), count };
    let tells = Program { rounds: vec![vec![call.clone(), tell], vec![call]] };
    let hearer = InstancePlan { peer: true, ..quiet("hearer", hears) };
    let teller = InstancePlan { needs: Some("hearer".to_owned()), ..quiet("teller", tells) };
    [hearer, teller]
}

fn chaos(rng: &mut Rng, heal_ms: u64, workers: u64) -> Chaos {
    let back = rng.pick(&[0, 10, 500, 5_000]);
    let blow = match rng.below(10) {
        0..5 => Blow::Crash(back),
        5..8 => Blow::Pause(rng.pick(&[200, 1_000, 10_000, 60_000])),
        _ => Blow::Shutdown(back),
    };
    let at_ms = if rng.percent(50) { rng.below(300) } else { rng.below(heal_ms) };
    Chaos { at_ms, worker: usize::try_from(rng.below(workers)).unwrap_or(0), blow }
}
