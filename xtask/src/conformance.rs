//! `cargo xtask conformance --backend <name>`: the suite over one adapter, as a table.
//!
//! For AWS, `--emulator` chooses what it runs on, `--faults` lets requests go wrong now and then, by
//! a `--seed`, and `--record` writes down a run that has passed.

use std::collections::BTreeMap;

use crate::long_runs;
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

/// What the fixture of the AWS adapter goes by: the emulator, and a seed for faults.
const EMULATOR: &str = "AWS_EMULATOR";
const FAULTS: &str = "AWS_FAULTS";

/// Checks that run at a time over AWS, where most of them wait most of the time.
const AWS_AT_ONCE: &str = "4";

/// What the fixture says about faults begins with this.
const SUMMARY: &str = "faults: ";

/// What is asked for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Request<'a> {
    backend: &'a str,
    emulator: Option<&'a str>,
    /// A seed.
    faults: Option<&'a str>,
    /// Whether a run that passes goes into the record.
    record: bool,
}

/// Results of one area.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Area {
    passed: usize,
    failed: usize,
    skipped: usize,
}

/// Runs the suite; `None` when the arguments make no sense, else whether all passed.
pub(crate) fn run(arguments: &[&str]) -> Option<bool> {
    let request = parse(arguments)?;
    let name = request.backend;
    let (_, package, test) = BACKENDS.iter().find(|(known, ..)| *known == name)?;
    let mut arguments = vec!["test", "--package", package, "--test", test];
    if name == "aws" {
        arguments.extend(["--", "--test-threads", AWS_AT_ONCE]);
    }
    let variables = [(EMULATOR, request.emulator), (FAULTS, request.faults)];
    let variables: Vec<_> =
        variables.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    let commit = long_runs::commit();
    let (passed, output) = cargo_output(&arguments, &variables)?;
    let areas = areas(&output);
    let sum = print_table(name, &areas);
    let faults = output.lines().find_map(|line| line.strip_prefix(SUMMARY));
    if let Some(faults) = faults {
        println!("\n{SUMMARY}{faults}");
    }
    if !passed {
        // The adapter's own words about what failed.
        println!("\n{}", output.split_once("\nfailures:\n").map_or(&*output, |(_, text)| text));
    }
    let passed = passed && !areas.is_empty() && request.faults.is_some() == faults.is_some();
    Some(passed && (!request.record || record(&request, &commit, sum, faults)))
}

/// Writes a run that has passed into the record.
fn record(request: &Request, commit: &str, sum: Area, faults: Option<&str>) -> bool {
    let emulator = match request.emulator {
        Some("ministack") => "MiniStack",
        Some("dynamodb-local") => "DynamoDB Local",
        _ => "the emulator of the tests",
    };
    let faults = faults.map(|text| format!("; {text}")).unwrap_or_default();
    let what = format!("the whole suite over AWS on {emulator}{faults}");
    let skipped = sum.skipped;
    let result = format!("{} passed, {skipped} that the adapter does not claim", sum.passed);
    long_runs::record("aws-suite", commit, &what, &result)
}

/// What the arguments ask for, if they make sense.
fn parse<'a>(arguments: &[&'a str]) -> Option<Request<'a>> {
    let ["--backend", backend, options @ ..] = arguments else { return None };
    let mut request = Request { backend, ..Request::default() };
    let mut left = options;
    loop {
        left = match left {
            ["--emulator", name, rest @ ..] => {
                request.emulator = Some(name);
                rest
            }
            ["--faults", "--seed", seed, rest @ ..] => {
                seed.parse::<u64>().ok()?;
                request.faults = Some(seed);
                rest
            }
            ["--faults", rest @ ..] => {
                request.faults = Some("1");
                rest
            }
            ["--record", rest @ ..] => {
                request.record = true;
                rest
            }
            [] => break,
            _ => return None,
        };
    }
    (*backend == "aws" || options.is_empty()).then_some(request)
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

fn print_table(backend: &str, areas: &BTreeMap<String, Area>) -> Area {
    println!("\n{backend:<22}{:>8}{:>8}{:>9}", "passed", "failed", "skipped");
    let mut sum = Area::default();
    for (area, counts) in areas {
        print_row(area, *counts);
        sum.passed += counts.passed;
        sum.failed += counts.failed;
        sum.skipped += counts.skipped;
    }
    print_row("all", sum);
    sum
}

fn print_row(area: &str, counts: Area) {
    println!("{area:<22}{:>8}{:>8}{:>9}", counts.passed, counts.failed, counts.skipped);
}

#[cfg(test)]
mod tests {
    use super::{Area, Request, areas, parse};

    #[test]
    fn only_aws_has_options() {
        let plain = |backend| Request { backend, ..Request::default() };
        assert_eq!(parse(&["--backend", "sled"]), Some(plain("sled")));
        let all = ["--backend", "aws", "--faults", "--seed", "7", "--emulator", "fast", "--record"];
        let expected =
            Request { emulator: Some("fast"), faults: Some("7"), record: true, ..plain("aws") };
        assert_eq!(parse(&all), Some(expected));
        let default = Request { faults: Some("1"), ..plain("aws") };
        assert_eq!(parse(&["--backend", "aws", "--faults"]), Some(default));
        for wrong in [
            &["--backend", "sled", "--emulator", "fast"][..],
            &["--backend", "aws", "--emulator"],
            &["--backend", "aws", "--faults", "--seed", "x"],
            &["--backend", "aws", "--seed", "7"],
            &["--backend", "redis", "--record"],
        ] {
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
