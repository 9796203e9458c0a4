//! Makes a failing simulation smaller: fewer instances, steps, blows and troubles.

use super::plan::{InstancePlan, Plan, Trouble};
use super::program::Program;
use super::run;
use super::world::MakeBug;

/// Most simulations that one shrinking may cost.
const TRIES: usize = 400;

/// The smallest plan found that still violates the same invariant.
pub(super) fn shrink(plan: &Plan, bug: Option<MakeBug>) -> Plan {
    let Some(wanted) = run::run(plan, bug).violation.map(|v| v.invariant) else {
        return plan.clone();
    };
    let mut best = plan.clone();
    let mut tries = 0;
    loop {
        let smaller = simpler(&best).into_iter().find(|candidate| {
            tries += 1;
            tries <= TRIES
                && run::run(candidate, bug).violation.is_some_and(|v| v.invariant == wanted)
        });
        match smaller {
            Some(smaller) => best = smaller,
            None => return best,
        }
    }
}

/// Plans with one thing less, boldest first.
fn simpler(plan: &Plan) -> Vec<Plan> {
    let mut plans = Vec::new();
    let mut with = |change: &dyn Fn(&mut Plan)| {
        let mut changed = plan.clone();
        change(&mut changed);
        plans.push(changed);
    };
    for at in 0..plan.instances.len() {
        with(&|p| drop(p.instances.remove(at)));
    }
    if !plan.chaos.is_empty() {
        with(&|p| p.chaos.clear());
    }
    for at in 0..plan.chaos.len() {
        with(&|p| {
            p.chaos.remove(at);
        });
    }
    for at in 0..plan.workers.len() {
        if plan.workers[at].trouble != Trouble::none() {
            with(&|p| p.workers[at].trouble = Trouble::none());
        }
        if plan.workers[at].skew != 0 {
            with(&|p| p.workers[at].skew = 0);
        }
    }
    if plan.client_trouble != Trouble::none() {
        with(&|p| p.client_trouble = Trouble::none());
    }
    for (at, instance) in plan.instances.iter().enumerate() {
        for simpler in simpler_instances(instance) {
            with(&|p| p.instances[at] = simpler.clone());
        }
    }
    plans
}

fn simpler_instances(instance: &InstancePlan) -> Vec<InstancePlan> {
    let plain = InstancePlan {
        at_ms: 0,
        after_ms: 0,
        early: 0,
        gap_ms: 0,
        terminate_ms: None,
        suspend_ms: None,
        again: None,
        ..instance.clone()
    };
    let mut instances = Vec::new();
    if plain != *instance {
        let without = [
            InstancePlan { again: None, ..instance.clone() },
            InstancePlan { suspend_ms: None, ..instance.clone() },
            InstancePlan { terminate_ms: None, ..instance.clone() },
            InstancePlan { early: 0, ..instance.clone() },
        ];
        instances.push(plain);
        instances.extend(without.into_iter().filter(|without| without != instance));
    }
    for program in simpler_programs(&instance.program) {
        instances.push(InstancePlan { program, ..instance.clone() });
    }
    instances
}

fn simpler_programs(program: &Program) -> Vec<Program> {
    let mut programs = Vec::new();
    for round in 0..program.rounds.len() {
        let mut without = program.clone();
        without.rounds.remove(round);
        programs.push(without);
        for step in 0..program.rounds[round].len() {
            let mut without = program.clone();
            without.rounds[round].remove(step);
            programs.push(without);
        }
    }
    programs
}
