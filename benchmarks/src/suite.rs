//! The whole table: every case in a process of its own, several times, then one report.

use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::args::{Args, Case};
use crate::report::Measured;

/// A run of the table.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) date: String,
    pub(crate) commit: String,
    pub(crate) machine: String,
    pub(crate) rows: Vec<Measured>,
}

/// Runs all cases; memory and bytes of one do not show in another.
pub(crate) fn run(args: &Args) -> Result<Report, Box<dyn std::error::Error>> {
    let folder = tempfile::Builder::new().prefix("bench").tempdir_in(".")?;
    let file = folder.path().join("rows.json");
    let mut rows = Vec::new();
    for case in args.cases() {
        for _ in 0..args.repeat {
            rows.extend(run_one(&case, &file)?);
        }
    }
    Ok(Report { date: said("date", &["-u", "+%F"]), commit: commit(), machine: machine(), rows })
}

fn run_one(case: &Case, file: &Path) -> Result<Vec<Measured>, Box<dyn std::error::Error>> {
    let status = Command::new(std::env::current_exe()?)
        .arg(&case.workload)
        .args(["--backend", &case.backend, "--in-flight", &case.in_flight.to_string()])
        .args(["--count", &case.count.to_string(), "--json"])
        .arg(file)
        .status()?;
    if !status.success() {
        return Err(format!("{} on {}: {status}", case.workload, case.backend).into());
    }
    Ok(serde_json::from_slice(&std::fs::read(file)?)?)
}

/// What a program says, or nothing where it is not installed.
fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map_or_else(|_| String::new(), |o| String::from_utf8_lossy(&o.stdout).trim().to_owned())
}

fn commit() -> String {
    let changed = if said("git", &["status", "--porcelain", "--untracked-files=no"]).is_empty() {
        ""
    } else {
        ", changed"
    };
    format!("{}{changed}", said("git", &["rev-parse", "--short", "HEAD"]))
}

fn machine() -> String {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let model = read("/proc/cpuinfo");
    let model = model.lines().find_map(|l| l.strip_prefix("model name")).unwrap_or_default();
    let memory = read("/proc/meminfo");
    let kilobytes = memory.split_whitespace().nth(1).and_then(|k| k.parse::<u64>().ok());
    format!(
        "{} x {}, {} GB, Linux {}",
        std::thread::available_parallelism().map_or(0, usize::from),
        model.trim_start_matches([' ', '\t', ':']),
        kilobytes.unwrap_or_default() / 1_000_000,
        read("/proc/sys/kernel/osrelease").trim(),
    )
}
