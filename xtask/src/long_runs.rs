//! The record of long runs: one line each in a small file that commands append to, and the
//! tables in documents that follow from it.

use std::fs;
use std::process::Command;

use crate::generated;
use crate::workspace;

/// The record: date, commit, kind, what, result, separated by tabs.
const FILE: &str = "docs/long-runs.tsv";

/// Documents with tables of it.
const DOCUMENTS: [&str; 2] = ["docs/src/long-runs.md", "README.md"];

/// What recording changes.
const WRITTEN: [&str; 3] = [FILE, DOCUMENTS[0], DOCUMENTS[1]];

/// A kind of long run: its name in the record, its title, and the guarantees that it proves.
pub(crate) struct Kind {
    /// Its name in the record.
    pub(crate) name: &'static str,
    /// How documents call it.
    pub(crate) title: &'static str,
    /// What it proves.
    pub(crate) proves: &'static [&'static str],
}

/// Every kind. An adapter whose campaigns are recorded adds a row here.
pub(crate) const KINDS: [Kind; 10] = [
    Kind {
        name: "sim",
        title: "simulation",
        proves: &[
            "G1", "G3", "G4", "G5", "G6", "G7", "G8", "G9", "G10", "G11", "G16", "G17", "L1", "L2",
        ],
    },
    Kind { name: "sled-kills", title: "sled, killed", proves: &["G1", "G3", "G5", "G7", "L2"] },
    Kind { name: "sled-damage", title: "sled, damaged", proves: &["G16"] },
    Kind { name: "redis-kills", title: "redis, killed", proves: &["G1", "G3", "G5", "G7", "L2"] },
    Kind { name: "job-kills", title: "a whole job, killed", proves: &["G1", "G5", "L1", "L2"] },
    Kind { name: "fuzz-core", title: "hostile records", proves: &["G16", "G18"] },
    Kind { name: "fuzz-sled", title: "hostile bytes in sled", proves: &["G16", "G18"] },
    Kind { name: "fuzz-redis", title: "hostile bytes in Redis", proves: &["G16", "G18"] },
    Kind {
        name: "aws-suite",
        title: "DynamoDB and SQS, the whole suite",
        proves: &["G1", "G3", "G4", "G5", "G6", "G7", "G9", "G11", "G16", "L1", "L2"],
    },
    Kind {
        name: "aws-kills",
        title: "DynamoDB and SQS, workers killed",
        proves: &["G1", "G3", "G5", "G6", "G7", "L1", "L2"],
    },
];

/// One recorded run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Run {
    /// The day, as year-month-day.
    pub(crate) date: String,
    /// The commit that ran, shortened.
    pub(crate) commit: String,
    /// One of [`KINDS`].
    pub(crate) kind: String,
    /// What ran, with counts.
    pub(crate) what: String,
    /// What came out.
    pub(crate) result: String,
}

/// All recorded runs, oldest first.
pub(crate) fn read() -> Result<Vec<Run>, String> {
    let text = fs::read_to_string(workspace::root().join(FILE)).map_err(|e| e.to_string())?;
    text.lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .map(|line| parse(line).ok_or_else(|| format!("{FILE}: not a run: {line}")))
        .collect()
}

fn parse(line: &str) -> Option<Run> {
    let fields: Vec<&str> = line.split('\t').collect();
    let [date, commit, kind, what, result] = fields.as_slice() else { return None };
    KINDS.iter().any(|known| known.name == *kind).then(|| Run {
        date: (*date).to_owned(),
        commit: (*commit).to_owned(),
        kind: (*kind).to_owned(),
        what: (*what).to_owned(),
        result: (*result).to_owned(),
    })
}

/// Appends a run of the commit that is checked out, and renews the tables; whether it worked.
pub(crate) fn record(kind: &str, commit: &str, what: &str, result: &str) -> bool {
    let path = workspace::root().join(FILE);
    let Some(date) = output("date", &["-u", "+%F"]) else { return false };
    let line = format!("{date}\t{commit}\t{kind}\t{what}\t{result}");
    if parse(&line).is_none() {
        eprintln!("not a run: {line}");
        return false;
    }
    let text = fs::read_to_string(&path).unwrap_or_default();
    println!("recorded: {line}");
    fs::write(&path, format!("{}\n{line}\n", text.trim_end())).is_ok() && write_tables()
}

/// The commit that is checked out, with a plus when files differ from it. What an earlier run of
/// the same commit recorded is no difference.
pub(crate) fn commit() -> String {
    let commit = output("git", &["rev-parse", "--short", "HEAD"]);
    let but = WRITTEN.map(|path| format!(":!{path}"));
    let mut status = vec!["status", "--porcelain", "--untracked-files=no", "--", "."];
    status.extend(but.iter().map(String::as_str));
    let changed = output("git", &status);
    let plus = if changed.is_none_or(|text| text.is_empty()) { "" } else { "+" };
    format!("{}{plus}", commit.unwrap_or_else(|| "unknown".to_owned()))
}

fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output =
        Command::new(program).args(arguments).current_dir(workspace::root()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

/// The newest run of each kind, in the order of [`KINDS`].
pub(crate) fn newest(runs: &[Run]) -> Vec<(&'static Kind, &Run)> {
    KINDS
        .iter()
        .filter_map(|kind| Some((kind, runs.iter().rev().find(|run| run.kind == kind.name)?)))
        .collect()
}

/// Writes the tables into the documents; whether that worked.
pub(crate) fn write_tables() -> bool {
    tables().is_some_and(|tables| tables.iter().all(generated::write))
}

/// Whether the tables in the documents are those of the record.
pub(crate) fn check_tables() -> bool {
    tables().is_some_and(|tables| tables.iter().all(generated::check))
}

fn tables() -> Option<[generated::Part; 2]> {
    let runs = read().map_err(|error| eprintln!("{error}")).ok()?;
    Some([
        generated::Part { path: DOCUMENTS[0], name: "long runs", text: all(&runs) },
        generated::Part { path: DOCUMENTS[1], name: "long runs", text: short(&runs) },
    ])
}

fn all(runs: &[Run]) -> String {
    let head = "| date | commit | what | result |\n|---|---|---|---|\n";
    let row = |run: &Run| {
        format!("| {} | `{}` | {} | {} |\n", run.date, run.commit, run.what, run.result)
    };
    runs.iter().rev().map(row).fold(head.to_owned(), |text, row| text + &row)
}

fn short(runs: &[Run]) -> String {
    let head = "| newest long run | commit | what | result |\n|---|---|---|---|\n";
    let row = |(kind, run): (&Kind, &Run)| {
        format!("| {} | `{}` | {} | {} |\n", kind.title, run.commit, run.what, run.result)
    };
    newest(runs).into_iter().map(row).fold(head.to_owned(), |text, row| text + &row)
}

#[cfg(test)]
mod tests {
    use super::{newest, parse, read};

    #[test]
    fn a_line_is_five_fields_and_a_known_kind() {
        let run = parse("2026-01-02\tabc\tsim\t5 seeds\tnothing").unwrap();
        assert_eq!((run.kind.as_str(), run.result.as_str()), ("sim", "nothing"));
        assert_eq!(parse("2026-01-02\tabc\tother\t5 seeds\tnothing"), None);
        assert_eq!(parse("2026-01-02 abc sim"), None);
    }

    #[test]
    fn the_record_can_be_read_and_the_newest_of_a_kind_counts() {
        let runs = read().unwrap();
        for (kind, run) in newest(&runs) {
            let last = runs.iter().rfind(|other| other.kind == kind.name);
            assert_eq!(last, Some(run));
        }
    }
}
