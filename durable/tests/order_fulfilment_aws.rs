//! The main job over DynamoDB and SQS, as emulators have them, unchanged but for the URL.

#![cfg(all(feature = "aws", feature = "sled"))]
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod support;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

const SAMPLE: &str = include_str!("../examples/order_fulfilment/orders.csv");
const ORDERS: usize = 40;

/// An emulator in a process of its own, which ends with its input.
struct Emulator {
    child: Child,
    url: String,
}

impl Emulator {
    fn start() -> Self {
        let mut child = Command::new(support::example("aws_emulator"))
            .env("AWS_EMULATOR", "fast")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
        Self { child, url: url.trim().to_owned() }
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// Fulfils the orders and answers with the report.
fn fulfil(folder: &Path, backend: &str) -> String {
    let lines: Vec<_> = SAMPLE.lines().take(ORDERS + 1).collect();
    fs::write(folder.join("orders.csv"), lines.join("\n")).unwrap();
    let output = Command::new(support::example("order_fulfilment"))
        .current_dir(folder)
        .args(["--orders", "orders.csv", "--report", "report.csv", "--ledger", "ledger.csv"])
        .args(["--backend", backend])
        // What the standard chain of credentials finds first.
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    fs::read_to_string(folder.join("report.csv")).unwrap()
}

#[test]
fn the_report_over_aws_is_that_over_sled() {
    let emulator = Emulator::start();
    let [here, there] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let expected = fulfil(here.path(), "sled:./data");
    assert_eq!(expected.lines().count(), ORDERS + 1);
    assert_eq!(fulfil(there.path(), &emulator.url), expected);
    // A second run reports the same.
    assert_eq!(fulfil(there.path(), &emulator.url), expected);
}
