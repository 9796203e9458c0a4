//! `cargo xtask verify`: everything that must hold before a change is merged.
//!
//! Changes no file. Every step runs even when an earlier one failed, so that one run tells
//! all there is to mend. The tests come last: their summary is the last thing on the screen.

use crate::shell::{cargo, has_cargo};
use crate::{guarantees, tidy, workspace};

/// The facade, the one crate whose features users choose.
const FACADE: &str = "durable";

const DENY_WARNINGS: [&str; 3] = ["--", "-D", "warnings"];

/// Runs something and says whether it passed.
type Step = fn() -> bool;

/// Runs all steps; whether all passed.
pub(crate) fn run() -> bool {
    let steps: [(&str, Step); 9] = [
        ("format", format),
        ("tidy", tidy::run),
        ("lints", lints),
        ("documentation", documentation),
        ("dependencies", dependencies),
        ("documentation tests", doc_tests),
        ("guarantees", guarantees::check),
        ("words of the compiler", compiler_words),
        ("tests", tests),
    ];
    let failed: Vec<&str> =
        steps.iter().filter(|(_, step)| !step()).map(|(name, _)| *name).collect();
    if !failed.is_empty() {
        eprintln!("\nverify: failed: {}", failed.join(", "));
    }
    failed.is_empty()
}

fn format() -> bool {
    cargo(&["fmt", "--all", "--check"], &[])
}

/// The whole workspace with every feature, then the facade once per feature set.
fn lints() -> bool {
    let whole = ["clippy", "--workspace", "--all-targets", "--all-features"];
    let mut passed = cargo(&[whole.as_slice(), &DENY_WARNINGS].concat(), &[]);
    for set in facade_feature_sets() {
        let mut arguments = vec!["clippy", "--package", FACADE, "--lib"];
        arguments.extend(set.iter().map(String::as_str));
        arguments.extend(DENY_WARNINGS);
        passed &= cargo(&arguments, &[]);
    }
    passed
}

/// Default features, none, and each one alone.
fn facade_feature_sets() -> Vec<Vec<String>> {
    let alone =
        |feature: String| vec!["--no-default-features".into(), "--features".into(), feature];
    let mut sets = vec![vec![], vec!["--no-default-features".to_owned()]];
    let features = workspace::features(FACADE);
    sets.extend(features.into_iter().filter(|feature| feature != "default").map(alone));
    sets
}

fn documentation() -> bool {
    let arguments = ["doc", "--workspace", "--all-features", "--no-deps", "--quiet"];
    cargo(&arguments, &[("RUSTDOCFLAGS", "-D warnings")])
}

fn dependencies() -> bool {
    if has_cargo("deny") {
        return cargo(&["deny", "--all-features", "check"], &[]);
    }
    println!("\nskipped: cargo-deny not installed (advisories, licences, bans, sources unchecked)");
    true
}

fn doc_tests() -> bool {
    cargo(&["test", "--workspace", "--all-features", "--doc"], &[])
}

/// Mistakes in user code that the compiler must explain. With the fewest features, because the
/// test builds everything below the facade once more.
fn compiler_words() -> bool {
    let features = ["--no-default-features", "--features", "macros", "--test", "ui"];
    cargo(&[["test", "--package", FACADE].as_slice(), &features].concat(), &[])
}

/// With nextest where it is installed, else with cargo's own runner.
fn tests() -> bool {
    let what = ["--workspace", "--all-features"];
    if !has_cargo("nextest") {
        let targets = ["--lib", "--bins", "--tests", "--examples", "--no-fail-fast"];
        return cargo(&[["test"].as_slice(), &what, &targets].concat(), &[]);
    }
    let profile = if std::env::var_os("CI").is_some() { "ci" } else { "default" };
    let passed = cargo(&[["nextest", "run", "--profile", profile].as_slice(), &what].concat(), &[]);
    // Its tests share one cluster, which a process per test would start for each. The scenarios
    // take minutes more: `cargo xtask conformance --backend redis-cluster` has them too. The same
    // packages and features as above, so that nothing is built again.
    let cluster = ["--test", "conformance_cluster", "--", "--skip", "scenarios::"];
    cargo(&[["test"].as_slice(), &what, &cluster].concat(), &[]) && passed
}

#[cfg(test)]
mod tests {
    use super::facade_feature_sets;

    #[test]
    fn every_feature_of_the_facade_is_linted_alone() {
        let sets = facade_feature_sets();
        assert!(sets.contains(&vec![]), "the default set is missing: {sets:?}");
        assert!(sets.iter().any(|set| set.last().is_some_and(|last| last == "sled")), "{sets:?}");
        assert!(!sets.iter().flatten().any(|word| word == "default"), "{sets:?}");
    }
}
