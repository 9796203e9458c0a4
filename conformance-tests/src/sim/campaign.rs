//! Many seeds, on all cores.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::bugs::EngineBug;
use super::plan::Plan;
use super::reached::{Reached, Violation};
use super::run;

/// What a campaign found.
#[derive(Debug, Default)]
pub struct Findings {
    /// How many seeds ran.
    pub seeds: u64,
    /// Calls of the backends, over all seeds.
    pub operations: u64,
    /// Rare paths taken, over all seeds.
    pub reached: Reached,
    /// The seeds that violate something, lowest first.
    pub violations: Vec<(u64, Violation)>,
}

/// Runs `count` seeds from `from`, at most until `enough` of them violate something.
pub fn campaign(from: u64, count: u64, enough: usize, bug: Option<EngineBug>) -> Findings {
    let next = AtomicU64::new(from);
    let stop = AtomicBool::new(false);
    let findings = Mutex::new(Findings::default());
    let work = || {
        let mut own = Reached::default();
        while !stop.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= from + count {
                break;
            }
            let outcome = run::run(&Plan::of_seed(seed), bug.map(|bug| bug.make));
            own.add(&outcome.reached);
            let mut findings = findings.lock().unwrap_or_else(PoisonError::into_inner);
            findings.seeds += 1;
            findings.operations += outcome.operations;
            if let Some(violation) = outcome.violation {
                findings.violations.push((seed, violation));
                stop.store(findings.violations.len() >= enough, Ordering::Relaxed);
            }
        }
        findings.lock().unwrap_or_else(PoisonError::into_inner).reached.add(&own);
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    let mut findings = findings.into_inner().unwrap_or_else(PoisonError::into_inner);
    findings.violations.sort_by_key(|(seed, _)| *seed);
    findings
}
