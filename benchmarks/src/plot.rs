//! Bars as SVG, without any library.

use crate::suite::Report;
use crate::table::{Group, groups};

const WIDTH: f64 = 720.0;
const LEFT: f64 = 260.0;
const BAR: f64 = 18.0;
const STEP: f64 = 26.0;

/// Throughput of one workload by backend and concurrency, with the spread of the repetitions.
pub(crate) fn throughput(report: &Report, workload: &str) -> String {
    let groups: Vec<_> =
        groups(&report.rows).into_iter().filter(|g| g.first.workload == workload).collect();
    let most = groups.iter().map(|g| g.spread(|r| r.per_s).2).fold(1.0, f64::max);
    let scale = (WIDTH - LEFT - 90.0) / most;
    let height = 86.0 + STEP * groups.len() as f64;
    let mut svg = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" font-family="sans-serif" font-size="13"><text x="10" y="22" font-size="15">{workload}: per second ({}, {})</text>"#,
        report.date, report.commit
    );
    for (n, group) in groups.iter().enumerate() {
        let y = 40.0 + STEP * n as f64;
        let (least, middle, greatest) = group.spread(|r| r.per_s);
        let name = format!("{}, {} in flight", group.first.backend, group.first.in_flight);
        let (bar, from, to) = (middle * scale, LEFT + least * scale, LEFT + greatest * scale);
        let (text_y, line_y) = (y + 14.0, y + BAR / 2.0);
        svg.push_str(&format!(
            r##"<text x="10" y="{text_y}">{name}</text><rect x="{LEFT}" y="{y}" width="{bar:.1}" height="{BAR}" fill="#4878a8"/><line x1="{from:.1}" x2="{to:.1}" y1="{line_y}" y2="{line_y}" stroke="#222" stroke-width="2"/><text x="{:.1}" y="{text_y}">{middle:.0}</text>"##,
            to + 8.0
        ));
    }
    let (machine_y, settings_y) = (height - 26.0, height - 10.0);
    svg.push_str(&format!(
        r#"<text x="10" y="{machine_y}" font-size="10">{}; load {}</text><text x="10" y="{settings_y}" font-size="10">{}</text></svg>"#,
        report.machine,
        report.load,
        durabilities(&groups),
    ));
    svg.push('\n');
    svg
}

/// What an acknowledgement survives on each of our own backends shown.
fn durabilities(groups: &[Group<'_>]) -> String {
    const KNOWN: [(&str, &str); 4] = [
        ("memory", "nothing"),
        ("sled", "power loss"),
        ("redis:everysec", "power loss but for about 2 s"),
        ("redis:always", "power loss"),
    ];
    let shown = |name: &str| groups.iter().any(|group| group.first.backend == name);
    let known = KNOWN.iter().filter(|(name, _)| shown(name));
    let parts: Vec<_> = known.map(|(name, survives)| format!("{name}: {survives}")).collect();
    format!("an acknowledged step survives: {}", parts.join(", "))
}
