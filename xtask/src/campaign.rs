//! Long runs of tests: they are told how long by variables, and answer with a line
//! `summary <kind>: <what> | <result>` each, which can be recorded.

use crate::long_runs;
use crate::shell::cargo_lines;

/// Runs a test as a campaign; whether it passed, answered, and could be recorded if wanted.
pub(crate) fn run(arguments: &[&str], variables: &[(&str, String)], record: bool) -> bool {
    let commit = long_runs::commit();
    let variables: Vec<(&str, &str)> =
        variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let mut summaries = Vec::new();
    let passed = cargo_lines(arguments, &variables, |line| {
        summaries.extend(summary(line));
    });
    if !passed || summaries.is_empty() {
        eprintln!("failed, or told nothing");
        return false;
    }
    let kept = |(kind, what, result): &(String, String, String)| {
        !record || long_runs::record(kind, &commit, what, result)
    };
    summaries.iter().all(kept)
}

/// Kind, what ran, what came out.
fn summary(line: &str) -> Option<(String, String, String)> {
    // Rust's own test runner writes the name of a test before its first line.
    let (_, line) = line.split_once("summary ")?;
    let (kind, rest) = line.split_once(": ")?;
    let (what, result) = rest.split_once(" | ")?;
    Some((kind.to_owned(), what.trim().to_owned(), result.trim().to_owned()))
}

/// Options `--name value` and the switch `--record`, as they are asked for by name.
#[derive(Debug)]
pub(crate) struct Options<'a> {
    values: Vec<(&'a str, &'a str)>,
    /// Whether the result is recorded.
    pub(crate) record: bool,
}

impl<'a> Options<'a> {
    /// `None` when something is not known or has no value.
    pub(crate) fn parse(arguments: &[&'a str], known: &[&str]) -> Option<Self> {
        let mut options = Self { values: Vec::new(), record: false };
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            match argument.strip_prefix("--")? {
                "record" => options.record = true,
                name if known.contains(&name) => options.values.push((name, rest.next()?)),
                _ => return None,
            }
        }
        Some(options)
    }

    /// The value of an option.
    pub(crate) fn text(&self, name: &str) -> Option<&'a str> {
        self.values.iter().rev().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }

    /// The value of an option as a number, or the default; `None` when it is no number.
    pub(crate) fn number(&self, name: &str, default: u64) -> Option<u64> {
        self.text(name).map_or(Some(default), |text| text.replace('_', "").parse().ok())
    }
}

#[cfg(test)]
mod tests {
    use super::{Options, summary};

    #[test]
    fn options_come_in_any_order() {
        let options = Options::parse(&["--record", "--kills", "2_000"], &["kills"]).unwrap();
        assert!(options.record);
        assert_eq!(options.number("kills", 1), Some(2_000));
        assert_eq!(options.number("other", 1), Some(1));
        assert!(Options::parse(&["--kills"], &["kills"]).is_none());
        assert!(Options::parse(&["--kill", "1"], &["kills"]).is_none());
        let options = Options::parse(&["--kills", "many"], &["kills"]).unwrap();
        assert_eq!(options.number("kills", 1), None);
    }

    #[test]
    fn a_summary_is_kind_what_and_result() {
        let (kind, what, result) = summary("test x ... summary sim: 5 seeds | all well").unwrap();
        assert_eq!((&*kind, &*what, &*result), ("sim", "5 seeds", "all well"));
        assert_eq!(summary("5 seeds"), None);
    }
}
