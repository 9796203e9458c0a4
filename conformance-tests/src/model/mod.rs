//! Seeded random sequences of the contract's verbs, against the adapter under test and against
//! the in-memory reference; all that can be observed must be alike.
//!
//! A failing sequence is told with its seed, as short as it could be made. `MODEL_SEEDS` sets how
//! many seeds each check runs, `MODEL_FROM` the first of them.

mod activities;
mod compare;
mod op;
mod pair;
mod store;
mod turns;

use durable_core::backend::Durability;

use crate::check::{Check, Checked, Failure, Need};
use crate::driver::Hub;
use op::{Kind, Op, Profile};
use pair::Pair;

/// Steps of one sequence.
const STEPS: usize = 60;

/// Runs that making a sequence shorter may take.
const SHRINKING_MAX: usize = 120;

/// One check per profile: what its sequences consist of.
const PROFILES: &[(&str, &str, Need, Profile)] = &[
    ("sequences_of_turns_behave_alike", "T1", Need::Nothing, op::TURNS),
    ("sequences_of_activities_behave_alike", "Q1", Need::Nothing, op::ACTIVITIES),
    ("sequences_of_generations_behave_alike", "T6", Need::Nothing, op::GENERATIONS),
    ("sequences_of_holds_behave_alike", "O10", Need::Nothing, op::HOLDS),
    ("sequences_of_reads_and_purges_behave_alike", "H5", Need::Nothing, op::READS),
    ("sequences_with_time_behave_alike", "C7", Need::InjectedClock, op::TIME),
    ("sequences_with_lives_behave_alike", "C12", Need::Reopen, op::LIVES),
    ("sequences_with_time_and_lives_behave_alike", "C12", Need::Reopen, op::TIME_AND_LIVES),
];

pub(crate) fn list() -> Vec<Check> {
    let check = |(name, rule, need, profile): &(&'static str, &'static str, Need, Profile)| {
        let profile = *profile;
        Check::new("model", *name, rule, *need, move |hub| behave_alike(hub, profile))
    };
    PROFILES.iter().map(check).collect()
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// A few where the clock moves by itself: there each step costs real time.
fn seeds(hub: &Hub) -> u64 {
    let few = match (hub.capabilities().injected_clock, hub.capabilities().durability) {
        (true, Durability::Process) => 40,
        (true, _) => 10,
        (false, _) => 2,
    };
    number("MODEL_SEEDS", few)
}

async fn behave_alike(hub: Hub, profile: Profile) -> Checked {
    let from = number("MODEL_FROM", 0);
    for seed in from..from + seeds(&hub) {
        let ops = op::sequence(seed, STEPS, profile, hub.capabilities());
        let Err(failure) = play(&hub, seed, 0, &ops).await else { continue };
        let (short, failure) = shrink(&hub, seed, ops, failure).await;
        let text = format!("seed {seed}: {failure}\nthe shortest sequence found: {short:#?}");
        return Err(Failure::new(text));
    }
    Ok(())
}

/// Runs a sequence on two empty hubs.
async fn play(hub: &Hub, seed: u64, round: usize, ops: &[Op]) -> Checked {
    let subject = hub.neighbour(&format!("model {seed} {round}")).await?;
    let mut pair = Pair::new(subject).await?;
    for (step, op) in ops.iter().enumerate() {
        let done = pair.step(*op).await;
        done.map_err(|failure| Failure::new(format!("step {step}, {op:?}: {failure}")))?;
    }
    pair.step(Op { kind: Kind::Audit, seed: 0 }).await
}

/// Leaves out whatever is not needed for the failure, larger parts first.
async fn shrink(hub: &Hub, seed: u64, ops: Vec<Op>, failure: Failure) -> (Vec<Op>, Failure) {
    let (mut ops, mut failure, mut runs) = (ops, failure, 0);
    let mut part = ops.len() / 2;
    while part > 0 && runs < SHRINKING_MAX {
        let mut at = 0;
        while at < ops.len() && runs < SHRINKING_MAX {
            let mut fewer = ops.clone();
            fewer.drain(at..(at + part).min(ops.len()));
            runs += 1;
            match play(hub, seed, runs, &fewer).await {
                Err(found) => (ops, failure) = (fewer, found),
                Ok(()) => at += part,
            }
        }
        part /= 2;
    }
    (ops, failure)
}
