//! `cargo xtask conformance --backend <name>`: the suite over one adapter, as a table.
//!
//! For AWS, `--emulator` chooses what it runs on.

use std::collections::BTreeMap;

use crate::shell::cargo_output;

/// Adapters: name, package, test.
const BACKENDS: [(&str, &str, &str); 8] = [
    ("memory", "conformance-tests", "memory"),
    ("sled", "backend-sled", "conformance"),
    // Its fixture starts a server of its own, and stops it.
    ("redis", "backend-redis", "conformance"),
    ("redis-proxy", "backend-redis", "conformance_proxy"),
    ("valkey", "backend-redis", "conformance_valkey"),
    ("redis-partitions", "backend-redis", "conformance_partitions"),
    ("redis-cluster", "backend-redis", "conformance_cluster"),
    ("aws", "backend-aws", "conformance"),
];

/// Options of the AWS adapter, and the variables by which its fixture hears of them.
const AWS_OPTIONS: [(&str, &str); 1] = [("--emulator", "AWS_EMULATOR")];

/// Results of one area.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Area {
    passed: usize,
    failed: usize,
    skipped: usize,
}

/// Runs the suite; `None` when the arguments make no sense, else whether all passed.
pub(crate) fn run(arguments: &[&str]) -> Option<bool> {
    let (name, variables) = parse(arguments)?;
    let (_, package, test) = BACKENDS.iter().find(|(known, ..)| *known == name)?;
    let arguments = ["test", "--package", package, "--test", test];
    let (passed, output) = cargo_output(&arguments, &variables)?;
    let areas = areas(&output);
    print_table(name, &areas);
    if !passed {
        // The adapter's own words about what failed.
        println!("\n{}", output.split_once("\nfailures:\n").map_or(&*output, |(_, text)| text));
    }
    Some(passed && !areas.is_empty())
}

/// The adapter, and variables for its fixture.
fn parse<'a>(arguments: &[&'a str]) -> Option<(&'a str, Vec<(&'static str, &'a str)>)> {
    let ["--backend", name, options @ ..] = arguments else { return None };
    let (pairs, rest) = options.as_chunks::<2>();
    let variables: Option<Vec<_>> = pairs
        .iter()
        .map(|[option, value]| {
            let known = AWS_OPTIONS.iter().find(|(known, _)| known == option)?;
            Some((known.1, *value))
        })
        .collect();
    let variables = variables.filter(|_| rest.is_empty())?;
    (variables.is_empty() || *name == "aws").then_some((*name, variables))
}

/// Counts the lines `test area::name ... result` by area.
fn areas(output: &str) -> BTreeMap<String, Area> {
    let mut areas: BTreeMap<String, Area> = BTreeMap::new();
    for line in output.lines() {
        let Some((name, result)) = line.strip_prefix("test ").and_then(|l| l.split_once(" ... "))
        else {
            continue;
        };
        let area = name.split("::").next().unwrap_or(name).trim();
        let counts = areas.entry(area.to_owned()).or_default();
        match result.split_whitespace().next() {
            Some("ok") => counts.passed += 1,
            Some("ignored" | "ignored,") => counts.skipped += 1,
            _ => counts.failed += 1,
        }
    }
    areas
}

fn print_table(backend: &str, areas: &BTreeMap<String, Area>) {
    println!("\n{backend:<22}{:>8}{:>8}{:>9}", "passed", "failed", "skipped");
    let mut sum = Area::default();
    for (area, counts) in areas {
        print_row(area, *counts);
        sum.passed += counts.passed;
        sum.failed += counts.failed;
        sum.skipped += counts.skipped;
    }
    print_row("all", sum);
}

fn print_row(area: &str, counts: Area) {
    println!("{area:<22}{:>8}{:>8}{:>9}", counts.passed, counts.failed, counts.skipped);
}

#[cfg(test)]
mod tests {
    use super::{Area, areas, parse};

    #[test]
    fn only_aws_has_options() {
        assert_eq!(parse(&["--backend", "sled"]), Some(("sled", vec![])));
        let options = ["--backend", "aws", "--emulator", "fast"];
        let expected = vec![("AWS_EMULATOR", "fast")];
        assert_eq!(parse(&options), Some(("aws", expected)));
        for wrong in
            [&["--backend", "sled", "--emulator", "fast"][..], &["--backend", "aws", "--emulator"]]
        {
            assert_eq!(parse(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn results_are_counted_by_area() {
        let output = "running 4 tests\n\
            test leases::a         ... ok\n\
            test leases::b ... FAILED\n\
            test handles::c ... ignored, one process per hub\n\
            test scenarios::s01::sticky ... ok\n\
            test result: FAILED. 2 passed; 1 failed; 1 ignored;";
        let areas = areas(output);
        assert_eq!(areas.get("leases"), Some(&Area { passed: 1, failed: 1, skipped: 0 }));
        assert_eq!(areas.get("handles"), Some(&Area { passed: 0, failed: 0, skipped: 1 }));
        assert_eq!(areas.get("scenarios"), Some(&Area { passed: 1, failed: 0, skipped: 0 }));
        assert_eq!(areas.len(), 3);
    }
}
