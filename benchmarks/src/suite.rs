//! The whole table: every case in a process of its own, several times, then one report.

use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::args::{Args, Case};
use crate::peers;
use crate::report::Measured;

/// A run of the table.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) date: String,
    pub(crate) commit: String,
    pub(crate) machine: String,
    /// Tasks that wanted a processor when the run began and when it ended.
    #[serde(default)]
    pub(crate) load: String,
    #[serde(default)]
    pub(crate) settings: String,
    pub(crate) rows: Vec<Measured>,
}

/// Runs all cases; memory and bytes of one do not show in another. A repetition is over before
/// the next begins, so that a change of the machine shows in the spread of all cases.
pub(crate) fn run(args: &Args) -> Result<Report, Box<dyn std::error::Error>> {
    let folder = tempfile::Builder::new().prefix("bench").tempdir_in(".")?;
    let file = folder.path().join("rows.json");
    let begun = load();
    let mut rows = Vec::new();
    for _ in 0..args.repeat {
        for case in args.cases() {
            rows.extend(run_one(&case, &file, &[])?);
        }
        if let Some(peers) = &args.peers {
            rows.extend(peers::run(peers, &file)?);
        }
    }
    for case in args.cases() {
        count_flushes(&case, &file, &mut rows)?;
    }
    Ok(Report {
        date: said("date", &["-u", "+%F"]),
        commit: commit(),
        machine: machine(),
        load: format!("{begun} at the beginning, {} at the end", load()),
        settings: settings(),
        rows,
    })
}

/// Counts a Redis server's flushes in one more run, whose times are not used.
fn count_flushes(
    case: &Case,
    file: &Path,
    rows: &mut [Measured],
) -> Result<(), Box<dyn std::error::Error>> {
    if !case.backend.starts_with("redis:") {
        return Ok(());
    }
    if said("strace", &["-V"]).is_empty() {
        eprintln!("skipped: strace is not installed (flushes of Redis are not counted)");
        return Ok(());
    }
    let counted = run_one(case, file, &["--trace-flushes"])?;
    let same = |row: &&mut Measured| {
        (&row.workload, &row.backend, row.in_flight)
            == (&case.workload, &case.backend, case.in_flight)
    };
    for row in rows.iter_mut().filter(same) {
        row.flushes_each = counted.first().and_then(|counted| counted.flushes_each);
    }
    Ok(())
}

fn run_one(
    case: &Case,
    file: &Path,
    more: &[&str],
) -> Result<Vec<Measured>, Box<dyn std::error::Error>> {
    let status = Command::new(std::env::current_exe()?)
        .arg(&case.workload)
        .args(["--backend", &case.backend, "--in-flight", &case.in_flight.to_string()])
        .args(["--count", &case.count.to_string(), "--json"])
        .arg(file)
        .args(more)
        .status()?;
    if !status.success() {
        return Err(format!("{} on {}: {status}", case.workload, case.backend).into());
    }
    Ok(serde_json::from_slice(&std::fs::read(file)?)?)
}

/// What the figures depend on and the table does not show.
fn settings() -> String {
    let worker = durable::worker::WorkerOptions::default();
    let sled = backend_sled::SledSettings::new("");
    format!(
        "release build, thin LTO, mimalloc; worker: one loop for turns in process and two across a network, {} instances a fetch, {} activities at a time, {} MiB for suspended code; sled: {} MiB cache, checkpoint after {} MiB, one flush a group; redis: append-only file, no snapshots, its server on the same machine and counted with us",
        worker.turns_per_fetch,
        worker.activities_max,
        worker.sticky_bytes >> 20,
        sled.cache_bytes >> 20,
        sled.checkpoint_bytes >> 20,
    )
}

fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().unwrap_or("unknown").to_owned()
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
