//! The main job: orders in, report out, with kills at any moment, bad input and all flags.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
#![allow(clippy::print_stderr, reason = "seeds are printed")]

#[cfg(feature = "redis")]
mod over_redis;
mod support;

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use durable::env::{TokioEnv, timeout};

const SAMPLE: &str = include_str!("../examples/order_fulfilment/orders.csv");

/// The first orders of the sample; all of them take a release build to be quick.
fn orders(folder: &Path, count: usize) {
    let lines: Vec<_> = SAMPLE.lines().take(count + 1).collect();
    fs::write(folder.join("orders.csv"), lines.join("\n")).unwrap();
}

fn program(folder: &Path) -> Command {
    let mut command = Command::new(support::example("order_fulfilment"));
    command.current_dir(folder).args(["--orders", "orders.csv", "--report", "report.csv"]);
    command.args(["--ledger", "ledger.csv", "--backend", "sled:./data"]);
    command
}

fn finish(folder: &Path) -> Output {
    let output = program(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

fn report(folder: &Path) -> String {
    fs::read_to_string(folder.join("report.csv")).unwrap()
}

/// The orders of a ledger file; each must be there once.
fn booked(folder: &Path, name: &str) -> HashSet<String> {
    let text = fs::read_to_string(folder.join(name)).unwrap();
    let mut orders = HashSet::new();
    for line in text.lines() {
        let order = line.split(',').next().unwrap().to_owned();
        assert!(orders.insert(order), "{name}: twice: {line}");
    }
    orders
}

/// Lets the process live for a time, or until it ends; answers whether it was killed.
async fn kill_after(mut command: Command, life: Duration) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = tokio::process::Command::from(command).spawn().unwrap();
    match timeout(&*TokioEnv::shared(), life, child.wait()).await {
        Ok(status) => {
            assert!(status.as_ref().unwrap().success(), "{status:?}");
            false
        }
        Err(_) => {
            // It may have ended in between; then there is one run more.
            child.kill().await.unwrap();
            true
        }
    }
}

fn variable(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// `KILLS=50 ORDERS=3000 SEED=7` in the environment make it longer, or repeat a failure.
#[tokio::test]
async fn killed_at_random_moments_it_ends_with_the_same_report() {
    let kills = variable("KILLS", 8);
    let count = usize::try_from(variable("ORDERS", 250)).unwrap();
    let mut seed = variable("SEED", u64::from(std::process::id()));
    eprintln!("SEED={seed}");
    let straight = tempfile::tempdir().unwrap();
    orders(straight.path(), count);
    finish(straight.path());
    let expected = report(straight.path());
    assert_eq!(expected.lines().count(), count + 1);

    let mut killed = 0;
    while killed < kills {
        let folder = tempfile::tempdir().unwrap();
        orders(folder.path(), count);
        // One run of the job may take several kills; a run that ends is checked.
        loop {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let life = Duration::from_millis(20 + (seed >> 33) % 900);
            if !kill_after(program(folder.path()), life).await {
                break;
            }
            killed += 1;
        }
        assert_eq!(report(folder.path()), expected);
        let charged = booked(folder.path(), "ledger.csv");
        let refunded = booked(folder.path(), "ledger.csv.refunds.csv");
        assert!(refunded.is_subset(&charged));
        assert_eq!(charged, booked(straight.path(), "ledger.csv"));
    }
}

#[test]
fn a_second_run_reports_the_same_and_charges_nothing() {
    let folder = tempfile::tempdir().unwrap();
    orders(folder.path(), 60);
    finish(folder.path());
    let (first, ledger) = (report(folder.path()), booked(folder.path(), "ledger.csv"));
    assert!(first.contains(",shipped,"));
    finish(folder.path());
    assert_eq!(report(folder.path()), first);
    assert_eq!(booked(folder.path(), "ledger.csv"), ledger);
}

#[test]
fn json_lines_are_read_too() {
    let folder = tempfile::tempdir().unwrap();
    let order =
        r#"{"order":"J3","email":"a@b.c","country":"DE","card":"t","items":"A-0001*1@500"}"#;
    fs::write(folder.path().join("orders.jsonl"), format!("{order}\n\n")).unwrap();
    let mut command = program(folder.path());
    let output = command.args(["--orders", "orders.jsonl"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(report(folder.path()).contains("J3,shipped,500,"), "{}", report(folder.path()));
}

#[test]
fn wrong_input_is_refused_before_anything_starts() {
    let header = "order,email,country,card,items\n";
    let cases = [
        ("no such file", None, "orders.csv:"),
        ("no orders", Some(header.to_owned()), "no orders"),
        ("twice", Some(format!("{header}1,a@b.c,DE,t,A*1@1\n1,a@b.c,DE,t,A*1@1\n")), "there twice"),
        (
            "bad item",
            Some(format!("{header}1,a@b.c,DE,t,A-1\n")),
            "orders.csv:2: \"A-1\" is no item",
        ),
        ("bad number", Some(format!("{header}a/b,a@b.c,DE,t,A*1@1\n")), "no order number"),
        ("few columns", Some(format!("{header}1,a@b.c\n")), "orders.csv:2"),
        ("other columns", Some("order,mail\n1,2\n".to_owned()), "orders.csv:2"),
    ];
    for (what, text, said) in cases {
        let folder = tempfile::tempdir().unwrap();
        if let Some(text) = text {
            fs::write(folder.path().join("orders.csv"), text).unwrap();
        }
        let output = program(folder.path()).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{what}: {errors}");
        assert!(errors.contains(said), "{what}: {errors}");
        assert!(!folder.path().join("data").exists(), "{what}");
    }
}

#[test]
fn several_processes_need_a_backend_for_several() {
    let folder = tempfile::tempdir().unwrap();
    orders(folder.path(), 1);
    let output = program(folder.path()).arg("--start-only").output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains("for one process"), "{errors}");
}
