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

/// A method of the contract: its rules, and what its documentation says it is checked by.
#[derive(Debug, Default)]
struct Documented {
    rules: BTreeSet<String>,
    checked_by: BTreeSet<String>,
}

/// Methods of the traits by name, and the rules that hold everywhere under an empty one.
fn documented() -> BTreeMap<String, Documented> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../durable-core/src/backend");
    let traits =
        ["orchestration_queue", "activity_queue", "tracking_queue", "history_store", "mod"];
    let mut methods = BTreeMap::new();
    for file in traits {
        let text = std::fs::read_to_string(format!("{folder}/{file}.rs")).unwrap();
        let (mut found, mut listing, mut in_trait) = (Documented::default(), false, file == "mod");
        for line in text.lines() {
            in_trait |= line.starts_with("pub trait ");
            let bare = line.trim_start();
            if bare.is_empty() {
                continue;
            }
            let doc = bare.strip_prefix("///").or_else(|| bare.strip_prefix("//!"));
            if let Some(doc) = doc.map(str::trim) {
                if doc.starts_with('#') {
                    listing = doc == "# Checked by";
                } else if listing {
                    let names = doc.split('`').skip(1).step_by(2).map(str::to_owned);
                    found.checked_by.extend(names);
                }
                if let Some(rule) = doc.strip_prefix("- ") {
                    let rule = rule.trim_start_matches("**").split([':', ' ']).next().unwrap();
                    found.rules.insert(rule.to_owned());
                }
                continue;
            }
            let function = bare.strip_prefix("async fn ").or_else(|| bare.strip_prefix("fn "));
            let name = function.and_then(|f| f.split('(').next()).unwrap_or_default();
            let everywhere = file == "mod" && bare.starts_with("mod ");
            if in_trait && (!name.is_empty() || (everywhere && !methods.contains_key(""))) {
                methods.insert(name.to_owned(), std::mem::take(&mut found));
            }
            (found, listing) = (Documented::default(), false);
        }
    }
    methods
}

/// The areas of checks that drive an adapter by hand: what an engine does over it proves the rest.
const BY_ENGINE: [&str; 3] = ["scenarios", "faults", "model"];

/// A method's documentation names every area with a check of one of its rules, and no other. Only
/// where a method has no rule of its own may it name what it likes, as long as that is there.
#[test]
fn every_method_of_the_contract_says_what_checks_it() {
    let methods = documented();
    assert_eq!(methods.len(), 24, "methods and what holds everywhere: {:?}", methods.keys());
    let checks = checks();
    let areas: BTreeSet<_> = checks.iter().map(|check| check.area.to_owned()).collect();
    let names: BTreeSet<_> = checks.iter().map(conformance_tests::Check::full_name).collect();
    let mut used = BTreeSet::new();
    for (method, said) in &methods {
        assert!(!said.checked_by.is_empty(), "{method} says nothing");
        for name in &said.checked_by {
            assert!(
                areas.contains(name) || names.contains(name),
                "{method}: no area or check {name}"
            );
        }
        used.extend(said.checked_by.iter().map(|name| name.split("::").next().unwrap().to_owned()));
        let proving = checks.iter().filter(|check| said.rules.contains(check.rule));
        let proving: BTreeSet<_> = proving.map(|check| check.area.to_owned()).collect();
        let proving: BTreeSet<_> =
            proving.into_iter().filter(|area| !BY_ENGINE.contains(&area.as_str())).collect();
        if !said.rules.is_empty() {
            assert_eq!(said.checked_by, proving, "{method}, whose rules are {:?}", said.rules);
        }
    }
    let left: BTreeSet<_> = areas.difference(&used).map(String::as_str).collect();
    assert_eq!(left, BTreeSet::from(BY_ENGINE), "areas that no method names");
}
