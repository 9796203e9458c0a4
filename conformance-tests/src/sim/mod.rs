//! Deterministic simulation: the real engine, many troubles, one seed.
//!
//! A seed decides the programs of a few instances, the settings and clocks of a few workers on
//! two hubs, and what goes wrong: calls that fail, stall, happen twice or happen unnoticed,
//! processes that crash or stand still. After a healing phase every instance must have ended
//! with what a plain model computes, and an audit at the store must have seen nothing wrong
//! on the way. The same seed gives the same run to the last step.

mod audit;
mod bugs;
mod campaign;
mod code;
mod drive;
mod executor;
mod model;
mod plan;
mod process;
mod program;
mod reached;
mod rng;
mod run;
mod server;
mod shrink;
mod world;

pub use bugs::{EngineBug, engine_bugs};
pub use campaign::{Findings, campaign};
pub use plan::{Blow, Chaos, InstancePlan, Plan, Trouble, WorkerPlan};
pub use program::{Program, Step};
pub use reached::{INVARIANTS, RARE, Reached, Violation};
pub use run::Outcome;

/// Runs the simulation of a plan.
pub fn simulate(plan: &Plan) -> Outcome {
    run::run(plan, None)
}

/// The smallest plan found that violates what this one violates.
pub fn shrink(plan: &Plan, bug: Option<EngineBug>) -> Plan {
    shrink::shrink(plan, bug.map(|bug| bug.make))
}
