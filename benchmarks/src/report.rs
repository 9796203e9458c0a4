//! What one run measured.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::args::Case;
use crate::measure::Usage;

/// One measured run.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) case: Case,
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

    fn flushes_each(&self) -> f64 {
        self.after.flushes.saturating_sub(self.before.flushes) as f64 / self.case.count as f64
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
        row.case.backend.split(':').next().unwrap_or_default(),
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

/// A row as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Measured {
    pub(crate) workload: String,
    /// Without what belongs to this machine.
    pub(crate) backend: String,
    pub(crate) in_flight: usize,
    pub(crate) count: usize,
    pub(crate) wall_s: f64,
    pub(crate) per_s: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) cpu_s: f64,
    pub(crate) written_bytes_each: f64,
    /// Absent where nobody counts them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) flushes_each: Option<f64>,
    pub(crate) peak_memory_bytes: u64,
    pub(crate) extra: BTreeMap<String, f64>,
}

impl From<&Row> for Measured {
    fn from(row: &Row) -> Self {
        let backend = match row.case.backend.as_str() {
            short @ ("redis:everysec" | "redis:always") => short,
            url => url.split(':').next().unwrap_or_default(),
        };
        let counted = !backend.starts_with("redis") || crate::redis_server::traces_flushes();
        Self {
            workload: row.case.workload.clone(),
            backend: backend.to_owned(),
            in_flight: row.case.in_flight,
            count: row.case.count,
            wall_s: row.wall.as_secs_f64(),
            per_s: row.rate(),
            p50_ms: row.p50.as_secs_f64() * 1e3,
            p99_ms: row.p99.as_secs_f64() * 1e3,
            cpu_s: row.cpu().as_secs_f64(),
            written_bytes_each: row.written_each(),
            flushes_each: counted.then(|| row.flushes_each()),
            peak_memory_bytes: row.after.peak_memory,
            extra: row.extra.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect(),
        }
    }
}
