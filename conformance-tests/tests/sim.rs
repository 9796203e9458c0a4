//! The simulation, seed by seed.
//!
//! `SIM_SEEDS` sets how many seeds run and `SIM_FROM` the first of them; a failing seed is
//! printed with a shrunk plan and can be run again alone. `SIM_TWICE` sets how many seeds run
//! twice and are compared.

#![allow(clippy::print_stdout, reason = "a campaign tells how far it is")]

use conformance_tests::sim::{Findings, Plan, RARE, campaign, shrink, simulate};

fn number(variable: &str, default: u64) -> u64 {
    let text = std::env::var(variable).ok();
    text.map_or(default, |text| text.parse().expect("a whole number"))
}

/// Seeds between two lines that tell how far it is.
const SLICE: u64 = 10_000;

fn run(from: u64, count: u64) -> Findings {
    let mut all = Findings::default();
    for begin in (from..from + count).step_by(SLICE as usize) {
        let slice = campaign(begin, SLICE.min(from + count - begin), 3, None);
        all.seeds += slice.seeds;
        all.operations += slice.operations;
        all.reached.add(&slice.reached);
        all.violations.extend(slice.violations);
        println!("{} seeds from {from}, {} calls", all.seeds, all.operations);
        if !all.violations.is_empty() {
            break;
        }
    }
    all
}

#[test]
fn every_seed_keeps_every_promise() {
    let (from, count) = (number("SIM_FROM", 0), number("SIM_SEEDS", 2_000));
    let findings = run(from, count);
    for (path, count) in findings.reached.iter() {
        println!("{count:>9}  {path}");
    }
    for (seed, violation) in &findings.violations {
        println!("\nseed {seed} violates \"{}\": {}", violation.invariant, violation.text);
    }
    if let Some((seed, _)) = findings.violations.first() {
        let small = shrink(&Plan::of_seed(*seed), None);
        println!("\nshrunk: {small:#?}\n{:?}", simulate(&small).violation);
    }
    assert!(findings.violations.is_empty(), "see above; run again with SIM_FROM and SIM_SEEDS=1");
    let missed: Vec<_> = RARE.iter().filter(|path| findings.reached.count(path) == 0).collect();
    assert!(missed.is_empty() || count < 1_000, "no seed came by: {missed:?}");
    println!(
        "summary sim: {} seeds from {from}, {} calls of the backend, with crashes, pauses, clock \
         skew, faults | no promise broken, each of {} rare paths taken {} times or more",
        findings.seeds,
        findings.operations,
        RARE.len(),
        RARE.iter().map(|path| findings.reached.count(path)).min().unwrap_or(0),
    );
}

/// Proves G3.
#[test]
fn the_same_seed_gives_the_same_run() {
    for seed in 0..number("SIM_TWICE", 60) {
        let plan = Plan::of_seed(seed);
        let (first, second) = (simulate(&plan), simulate(&plan));
        assert_eq!(first, second, "seed {seed}");
    }
}
