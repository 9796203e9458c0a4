//! Every small example runs and says what it is meant to say.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod support;

use std::process::Command;

fn says(name: &str, expected: &[&str]) {
    let output = Command::new(support::example(name)).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}: {}\n{errors}", output.status);
    assert_eq!(text.lines().collect::<Vec<_>>(), expected, "{name}\n{errors}");
}

#[test]
fn greeting() {
    says("greeting", &["Hello, Ada!"]);
}

#[test]
fn timeout_race() {
    says("timeout_race", &["quick: 42 EUR", "slow: no answer in time"]);
}

#[test]
fn cron() {
    let rounds = ["round 1", "round 2", "round 3", "round 4", "round 5"];
    says("cron", &[rounds.as_slice(), &["5 rounds", "generation 5"]].concat());
}

#[test]
fn average() {
    says("average", &["average: 4999.5"]);
}

#[test]
fn error_handling() {
    let expected = [
        "booked the car at attempt 1",
        "booked the flight at attempt 2",
        "cancelled the flight",
        "cancelled the car",
        "no trip: hotel: sold out",
    ];
    says("error_handling", &expected);
}

#[test]
fn sum_of_squares() {
    says("sum_of_squares", &["2870"]);
}

#[test]
fn signal() {
    says("signal", &["new chairs: approved"]);
}

#[test]
fn no_macros() {
    says("no_macros", &["Hello, Tokyo! Hello, Seattle! Hello, London!"]);
}
