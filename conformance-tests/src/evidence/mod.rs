//! Which parts of this crate prove which guarantee.
//!
//! A check proves what its contract rule serves, a scenario what its table says, an invariant of
//! the simulation likewise; mutants and engine bugs prove that those which catch them can fail.
//! `cargo xtask guarantees` makes the page of guarantees from it.

mod rules;
mod scenarios;

use crate::faults::Fault;
use crate::mutants::mutants;
use crate::sim::{INVARIANTS, engine_bugs};

pub use rules::guarantees_of_rule;

/// Every guarantee by its number in the book.
pub const GUARANTEES: [&str; 21] = [
    "G1", "G2", "G3", "G4", "G5", "G6", "G7", "G8", "G9", "G10", "G11", "G12", "G13", "G14", "G15",
    "G16", "G17", "G18", "L1", "L2", "L3",
];

/// One thing that proves guarantees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// What it is: `check`, `scenario`, `invariant`, `mutant`, `engine bug` or `fault`.
    pub kind: &'static str,
    /// Where it belongs: the area of a check; else empty.
    pub area: String,
    /// Its name.
    pub name: String,
    /// The guarantees.
    pub guarantees: Vec<&'static str>,
}

/// Everything in this crate that proves something.
pub fn proofs() -> Vec<Proof> {
    [of_checks(), of_invariants(), of_mutants(), of_engine_bugs(), of_faults()].concat()
}

/// What a check of the suite proves, by its area, name and rule.
fn of_check(area: &str, name: &str, rule: &str) -> Vec<&'static str> {
    if area == SCENARIOS {
        return scenarios::guarantees(name).to_vec();
    }
    let by_area: &[&str] = match area {
        "limits" => &["G15"],
        "errors" => &["G16"],
        _ if area.starts_with("hostile") => &["G16"],
        _ => &[],
    };
    union([guarantees_of_rule(rule), by_area])
}

const SCENARIOS: &str = "scenarios";

fn of_checks() -> Vec<Proof> {
    let proof = |check: crate::Check| {
        let scenario = check.area == SCENARIOS;
        Proof {
            kind: if scenario { "scenario" } else { "check" },
            area: check.area.to_owned(),
            guarantees: of_check(check.area, &check.name, check.rule),
            name: check.name.into_owned(),
        }
    };
    crate::checks().into_iter().map(proof).collect()
}

fn of_invariants() -> Vec<Proof> {
    INVARIANTS.iter().map(|(name, proves)| plain("invariant", name, proves.to_vec())).collect()
}

/// A mutant proves that the checks which catch it can fail.
fn of_mutants() -> Vec<Proof> {
    let checks = crate::checks();
    let guarantees = |caught_by: &[&str]| {
        let found = checks.iter().filter(|check| caught_by.contains(&check.full_name().as_str()));
        let lists: Vec<_> =
            found.map(|check| of_check(check.area, &check.name, check.rule)).collect();
        union(lists.iter().map(Vec::as_slice))
    };
    mutants().into_iter().map(|m| plain("mutant", m.name, guarantees(m.caught_by))).collect()
}

fn of_engine_bugs() -> Vec<Proof> {
    let of = |name: &str| INVARIANTS.iter().find(|(known, _)| *known == name).map(|(_, g)| *g);
    let guarantees = |caught_by: &[&str]| union(caught_by.iter().filter_map(|name| of(name)));
    let bugs = engine_bugs().into_iter();
    bugs.map(|bug| plain("engine bug", bug.name, guarantees(bug.caught_by))).collect()
}

/// Faults strike in scenarios, in the simulation and in the matrix of single faults: what must
/// hold under all of them.
fn of_faults() -> Vec<Proof> {
    let all = Fault::ALL.iter();
    all.map(|f| plain("fault", &format!("{f:?}"), vec!["G3", "G4", "G5", "G7", "L1"])).collect()
}

fn plain(kind: &'static str, name: &str, guarantees: Vec<&'static str>) -> Proof {
    Proof { kind, area: String::new(), name: name.to_owned(), guarantees }
}

/// All that any of the lists names, once, in the order of [`GUARANTEES`].
fn union<'a>(lists: impl IntoIterator<Item = &'a [&'static str]>) -> Vec<&'static str> {
    let named: Vec<&str> = lists.into_iter().flatten().copied().collect();
    GUARANTEES.iter().copied().filter(|g| named.contains(g)).collect()
}

#[cfg(test)]
mod tests {
    use super::{GUARANTEES, engine_bugs, proofs};
    use crate::sim::INVARIANTS;

    #[test]
    fn everything_proves_something_that_is_promised() {
        for proof in proofs() {
            let what = format!("{} {}::{}", proof.kind, proof.area, proof.name);
            assert!(!proof.guarantees.is_empty(), "{what}: say in `evidence` what it proves");
            let unknown = proof.guarantees.iter().find(|g| !GUARANTEES.contains(g));
            assert_eq!(unknown, None, "{what}");
        }
    }

    #[test]
    fn bugs_are_caught_by_invariants_that_exist() {
        for bug in engine_bugs() {
            for name in bug.caught_by {
                assert!(INVARIANTS.iter().any(|(known, _)| known == name), "{}: {name}", bug.name);
            }
        }
    }
}
