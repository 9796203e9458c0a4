//! The report: the same bytes for the same orders, whatever happened on the way.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use durable::Failure;

use crate::progress::Finished;

/// Writes the report, and how long each order took beside it; answers with the number of
/// orders without an outcome.
pub(crate) fn write(path: &Path, results: &[Finished]) -> Result<usize, Failure> {
    let mut report = csv::Writer::from_writer(Vec::new());
    let columns =
        ["order", "outcome", "paid_cents", "attempts", "shipments", "service_ms", "reason"];
    report.write_record(columns)?;
    let mut timings = csv::Writer::from_writer(Vec::new());
    timings.write_record(["order", "duration_ms"])?;
    let mut unfinished = 0;
    for Finished { order, result, took } in results {
        match result {
            Ok(ended) => report.write_record([
                order.id.as_str(),
                ended.outcome.name(),
                &ended.paid_cents.to_string(),
                &ended.attempts.to_string(),
                &ended.shipments.join(" "),
                &ended.service_ms.to_string(),
                &ended.reason,
            ])?,
            Err(problem) => {
                unfinished += 1;
                report.write_record([order.id.as_str(), "none", "", "", "", "", problem])?;
            }
        }
        let ms = took.map(|took| took.as_millis().to_string()).unwrap_or_default();
        timings.write_record([order.id.as_str(), &ms])?;
    }
    replace(path, &report.into_inner().map_err(|e| Failure::new(e.to_string()))?)?;
    let mut beside = path.as_os_str().to_owned();
    beside.push(".timings.csv");
    let timings = timings.into_inner().map_err(|e| Failure::new(e.to_string()))?;
    replace(&PathBuf::from(beside), &timings)?;
    Ok(unfinished)
}

/// All of the file or nothing.
fn replace(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let mut draft = path.as_os_str().to_owned();
    draft.push(".part");
    std::fs::write(&draft, bytes)
        .and_then(|()| std::fs::rename(&draft, path))
        .map_err(|e| Failure::new(format!("{}: {e}", path.display())))
}

/// How many ended how.
pub(crate) fn print_summary(path: &Path, results: &[Finished]) {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for finished in results {
        let outcome = finished.result.as_ref().map_or("none", |ended| ended.outcome.name());
        *counts.entry(outcome).or_default() += 1;
    }
    for (outcome, count) in counts {
        println!("{count:>7} {outcome}");
    }
    println!("report: {}", path.display());
}
