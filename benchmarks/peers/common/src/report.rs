//! Rows, tables and JSON.

use std::time::Duration;

use crate::args::Case;
use crate::measure::Usage;

/// One measured run.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) case: Case,
    pub(crate) repetition: usize,
    pub(crate) wall: Duration,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    pub(crate) before: Usage,
    pub(crate) after: Usage,
    /// Figures that only this workload has.
    pub(crate) extra: Vec<(&'static str, f64)>,
}

impl Row {
    fn rate(&self) -> f64 {
        self.case.count as f64 / self.wall.as_secs_f64()
    }

    fn cpu(&self) -> Duration {
        self.after.cpu.saturating_sub(self.before.cpu)
    }

    fn written_each(&self) -> f64 {
        self.after.written.saturating_sub(self.before.written) as f64 / self.case.count as f64
    }
}

/// One row for people.
pub(crate) fn line(row: &Row) -> String {
    let mut text = format!(
        "{:<12} {:<8} in-flight {:>4} count {:>7} {:>9.1}/s p50 {:>8.2?} p99 {:>8.2?} cpu {:>6.2?} written {:>7.0} B each, peak {:>5} MB",
        row.case.workload,
        row.case.backend,
        row.case.in_flight,
        row.case.count,
        row.rate(),
        row.p50,
        row.p99,
        row.cpu(),
        row.written_each(),
        row.after.peak_memory / 1_000_000,
    );
    for (name, value) in &row.extra {
        text.push_str(&format!(", {name} {value:.3}"));
    }
    text
}

/// All rows as a Markdown table.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut text = String::from(
        "| workload | backend | in flight | count | run | per s | p50 ms | p99 ms | CPU s | bytes written each | peak MB | more |\n|---|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for row in rows {
        let more: Vec<_> =
            row.extra.iter().map(|(name, value)| format!("{name} {value:.3}")).collect();
        text.push_str(&format!(
            "| {} | {} | {} | {} | {} | {:.0} | {:.2} | {:.2} | {:.2} | {:.0} | {} | {} |\n",
            row.case.workload,
            row.case.backend,
            row.case.in_flight,
            row.case.count,
            row.repetition + 1,
            row.rate(),
            row.p50.as_secs_f64() * 1e3,
            row.p99.as_secs_f64() * 1e3,
            row.cpu().as_secs_f64(),
            row.written_each(),
            row.after.peak_memory / 1_000_000,
            more.join(", "),
        ));
    }
    text
}

/// All rows as JSON.
pub(crate) fn json(rows: &[Row]) -> Result<String, serde_json::Error> {
    let rows: Vec<_> = rows
        .iter()
        .map(|row| {
            serde_json::json!({
                "workload": row.case.workload,
                "backend": row.case.backend,
                "in_flight": row.case.in_flight,
                "count": row.case.count,
                "repetition": row.repetition + 1,
                "wall_s": row.wall.as_secs_f64(),
                "per_s": row.rate(),
                "p50_ms": row.p50.as_secs_f64() * 1e3,
                "p99_ms": row.p99.as_secs_f64() * 1e3,
                "cpu_s": row.cpu().as_secs_f64(),
                "written_bytes_each": row.written_each(),
                "peak_memory_bytes": row.after.peak_memory,
                "extra": row.extra.iter().map(|(n, v)| ((*n).to_owned(), *v)).collect::<std::collections::BTreeMap<_, _>>(),
            })
        })
        .collect();
    serde_json::to_string_pretty(&rows)
}
