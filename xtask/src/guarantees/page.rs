//! The evidence as Markdown: counts, and links to where the details are.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::Proof;
use crate::long_runs::{Run, newest};
use crate::workspace::text_files;

const REPOSITORY: &str = "https://github.com/durable-rs/durable/blob/main";

/// Columns of the table: kind of proof and heading.
const COLUMNS: [(&str, &str); 6] = [
    ("check", "checks"),
    ("scenario", "scenarios"),
    ("invariant", "invariants"),
    ("mutant", "mutants"),
    ("engine bug", "engine bugs"),
    ("test", "other tests"),
];

/// The whole part.
pub(super) fn text(proofs: &[Proof], runs: &[Run]) -> String {
    let guarantees = guarantees(proofs);
    let mut out = String::new();
    table(&mut out, &guarantees, proofs, runs);
    out.push_str("\n### What is behind the numbers\n\n");
    let mut links = BTreeMap::new();
    for guarantee in &guarantees {
        details(&mut out, guarantee, proofs, runs, &mut links);
    }
    out.push_str(
        "### The newest long runs\n\n| | date | commit | what | result |\n|---|---|---|---|---|\n",
    );
    for (kind, run) in newest(runs) {
        let Run { date, commit, what, result, .. } = run;
        let _ = writeln!(out, "| {} | {date} | `{commit}` | {what} | {result} |", kind.title);
    }
    out.push('\n');
    for (name, path) in links {
        let _ = writeln!(out, "[{name}]: {REPOSITORY}/{path}");
    }
    out
}

/// All guarantees that anything proves: G1 to G18, then L1 to L3.
fn guarantees(proofs: &[Proof]) -> Vec<String> {
    let all: BTreeSet<(char, u32)> = proofs
        .iter()
        .flat_map(|proof| &proof.guarantees)
        .filter_map(|g| Some((g.chars().next()?, g.get(1..)?.parse().ok()?)))
        .collect();
    all.into_iter().map(|(letter, number)| format!("{letter}{number}")).collect()
}

fn of<'a>(proofs: &'a [Proof], guarantee: &str, kind: &str) -> Vec<&'a Proof> {
    let fits = |p: &&Proof| p.kind == kind && p.guarantees.iter().any(|g| g == guarantee);
    proofs.iter().filter(fits).collect()
}

fn table(out: &mut String, guarantees: &[String], proofs: &[Proof], runs: &[Run]) {
    let headings: Vec<&str> = COLUMNS.iter().map(|(_, heading)| *heading).collect();
    let _ = writeln!(out, "| | {} | long runs |", headings.join(" | "));
    let _ = writeln!(out, "|---|{}---|", "---|".repeat(COLUMNS.len()));
    for guarantee in guarantees {
        let counts = COLUMNS.map(|(kind, _)| of(proofs, guarantee, kind).len().to_string());
        let long = newest(runs).iter().filter(|(k, _)| k.proves.contains(&&**guarantee)).count();
        let _ = writeln!(out, "| {guarantee} | {} | {long} |", counts.join(" | "));
    }
    let all = COLUMNS.map(|(kind, _)| proofs.iter().filter(|p| p.kind == kind).count().to_string());
    let long = newest(runs).len();
    let _ = writeln!(out, "| all | {} | {long} |", all.join(" | "));
}

fn details(
    out: &mut String,
    guarantee: &str,
    proofs: &[Proof],
    runs: &[Run],
    links: &mut BTreeMap<String, String>,
) {
    let _ = write!(out, "**{guarantee}**");
    let mut areas: BTreeMap<&str, usize> = BTreeMap::new();
    for check in of(proofs, guarantee, "check") {
        *areas.entry(&check.area).or_default() += 1;
    }
    let areas: Vec<String> = areas
        .into_iter()
        .map(|(area, count)| {
            links.entry(area.to_owned()).or_insert_with(|| file_of_area(area));
            format!("[{area}] {count}")
        })
        .collect();
    part(out, "checks", &areas);
    let names = |kind| of(proofs, guarantee, kind).iter().map(|p| p.name.clone()).collect();
    let scenarios: BTreeSet<String> = of(proofs, guarantee, "scenario")
        .iter()
        .filter_map(|p| p.name.split(['_', ':']).next().map(str::to_owned))
        .collect();
    part(out, "scenarios", &scenarios.into_iter().collect::<Vec<_>>());
    let invariants: Vec<String> = names("invariant");
    part(out, "invariants of the simulation", &invariants);
    let faults: Vec<String> = names("fault");
    part(out, "under injected faults", &faults);
    let tests: Vec<String> = of(proofs, guarantee, "test")
        .iter()
        .map(|test| {
            links.entry(test.name.clone()).or_insert_with(|| test.area.clone());
            format!("[{}]", test.name)
        })
        .collect();
    part(out, "tests", &tests);
    let long: Vec<String> = newest(runs)
        .into_iter()
        .filter(|(kind, _)| kind.proves.contains(&guarantee))
        .map(|(kind, run)| format!("{} (`{}`)", kind.title, run.commit))
        .collect();
    part(out, "long runs", &long);
    out.push_str("\n\n");
}

fn part(out: &mut String, title: &str, items: &[String]) {
    if !items.is_empty() {
        let _ = write!(out, "\n- {title}: {}", items.join(", "));
    }
}

/// Where the checks of an area are.
fn file_of_area(area: &str) -> String {
    const FOLDER: &str = "conformance-tests/src/checks/";
    let named = format!("\"{area}\"");
    let files = text_files();
    let found =
        files.iter().find(|file| file.path.starts_with(FOLDER) && file.text.contains(&named));
    found.map_or_else(|| FOLDER.to_owned(), |file| file.path.clone())
}

#[cfg(test)]
mod tests {
    use super::{Proof, text};

    #[test]
    fn counts_and_links_are_there() {
        let proof = |kind: &str, area: &str, name: &str| Proof {
            kind: kind.to_owned(),
            area: area.to_owned(),
            name: name.to_owned(),
            guarantees: vec!["G10".to_owned(), "G2".to_owned()],
        };
        let proofs = [
            proof("check", "leases", "a"),
            proof("check", "leases", "b"),
            proof("test", "x/tests/y.rs", "kills"),
        ];
        let text = text(&proofs, &[]);
        assert!(text.contains("| G2 | 2 | 0 | 0 | 0 | 0 | 1 | 0 |\n| G10 | 2"), "{text}");
        assert!(text.contains("[leases] 2") && text.contains("/x/tests/y.rs"), "{text}");
    }
}
