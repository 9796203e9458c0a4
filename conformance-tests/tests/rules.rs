//! Every rule of the contract has a check, and every check proves a rule of the contract.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::collections::{BTreeMap, BTreeSet};

use conformance_tests::checks;

/// The numbers of the rules in the documentation of the contract.
fn rules() -> BTreeSet<String> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../durable-core/src/backend");
    let mut rules = BTreeSet::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        for line in text.lines() {
            let line = line.trim_start().trim_start_matches('/').trim_start_matches('!').trim();
            let Some(line) = line.strip_prefix("- ") else { continue };
            let rule = line.trim_start_matches("**").split([':', ' ']).next().unwrap_or("");
            let (letter, number) = rule.split_at(rule.len().min(1));
            let is_rule = letter.chars().all(|c| c.is_ascii_uppercase())
                && !number.is_empty()
                && number.chars().all(|c| c.is_ascii_digit());
            if is_rule {
                rules.insert(rule.to_owned());
            }
        }
    }
    rules
}

fn checks_by_rule() -> BTreeMap<&'static str, Vec<String>> {
    let mut by_rule: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for check in checks() {
        by_rule.entry(check.rule).or_default().push(check.full_name());
    }
    by_rule
}

#[test]
fn every_rule_of_the_contract_has_a_check() {
    let (rules, checks) = (rules(), checks_by_rule());
    assert!(rules.len() >= 40 && rules.contains("C1") && rules.contains("K2"), "{rules:?}");
    let without: Vec<_> = rules.iter().filter(|r| !checks.contains_key(r.as_str())).collect();
    assert!(without.is_empty(), "rules that nothing checks: {without:?}");
}

#[test]
fn every_check_proves_a_rule_that_there_is() {
    let rules = rules();
    for (rule, checks) in checks_by_rule() {
        // Scenarios prove promises of the whole engine.
        assert!(rule == "G" || rules.contains(rule), "{rule} of {checks:?}");
    }
}

#[test]
fn every_check_has_a_name_of_its_own() {
    let mut names = BTreeSet::new();
    for check in checks() {
        assert!(names.insert(check.full_name()), "{} is there twice", check.full_name());
    }
}
