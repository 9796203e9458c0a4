//! Rows of several repetitions as a table for people.

use crate::report::Measured;
use crate::suite::Report;

/// Rows of one case.
#[derive(Debug)]
pub(crate) struct Group<'a> {
    pub(crate) first: &'a Measured,
    rows: Vec<&'a Measured>,
}

impl Group<'_> {
    /// Smallest, middle and largest of a figure.
    pub(crate) fn spread(&self, figure: impl Fn(&Measured) -> f64) -> (f64, f64, f64) {
        let mut values: Vec<f64> = self.rows.iter().map(|row| figure(row)).collect();
        values.sort_by(f64::total_cmp);
        let at = |n: usize| values.get(n).copied().unwrap_or_default();
        let last = values.len().saturating_sub(1);
        // Of an even number, half-way between the two in the middle.
        (at(0), f64::midpoint(at(last / 2), at(last.div_ceil(2))), at(last))
    }
}

/// Rows by case, in order of appearance.
pub(crate) fn groups(rows: &[Measured]) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for row in rows {
        let same = |g: &&mut Group<'_>| {
            (&g.first.workload, &g.first.backend, g.first.in_flight)
                == (&row.workload, &row.backend, row.in_flight)
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.rows.push(row),
            None => groups.push(Group { first: row, rows: vec![row] }),
        }
    }
    groups
}

/// Three digits that count.
fn short(value: f64) -> String {
    match value {
        0.0 => "0".to_owned(),
        v if v.abs() >= 100.0 => format!("{v:.0}"),
        v if v.abs() >= 10.0 => format!("{v:.1}"),
        v => format!("{v:.2}"),
    }
}

/// The report in Markdown; figures are the middle of all repetitions.
pub(crate) fn markdown(report: &Report) -> String {
    let mut text = format!(
        "{} at commit {}, on {}; load {}. Settings: {}.\n\n| workload | backend | in flight | count | per s | min–max | p50 ms | p99 ms | CPU ms each | bytes written each | flushes each | peak MB | more |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|\n",
        report.date, report.commit, report.machine, report.load, report.settings
    );
    for group in groups(&report.rows) {
        let first = group.first;
        let middle = |figure: fn(&Measured) -> f64| short(group.spread(figure).1);
        let (least, per_s, most) = group.spread(|row| row.per_s);
        let counted = group.rows.iter().any(|row| row.flushes_each.is_some());
        let flushes = if counted {
            middle(|row| row.flushes_each.unwrap_or_default())
        } else {
            "not counted".to_owned()
        };
        let more: Vec<_> = first
            .extra
            .keys()
            .map(|name| {
                let value = group.spread(|r| r.extra.get(name).copied().unwrap_or_default()).1;
                format!("{name} {}", short(value))
            })
            .collect();
        text.push_str(&format!(
            "| {} | {} | {} | {} | {} | {}–{} | {} | {} | {} | {} | {} | {} | {} |\n",
            first.workload,
            first.backend,
            first.in_flight,
            first.count,
            short(per_s),
            short(least),
            short(most),
            middle(|row| row.p50_ms),
            middle(|row| row.p99_ms),
            middle(|row| row.cpu_s * 1e3 / row.count as f64),
            middle(|row| row.written_bytes_each),
            flushes,
            middle(|row| row.peak_memory_bytes as f64 / 1e6),
            more.join(", "),
        ));
    }
    text
}
