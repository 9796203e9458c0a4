//! The command line.

use std::path::PathBuf;

/// One workload under one setting.
#[derive(Debug, Clone)]
pub struct Case {
    /// Name of the workload.
    pub workload: String,
    /// Name of the peer.
    pub backend: &'static str,
    /// Orchestrations under way at the same time.
    pub in_flight: usize,
    /// Orchestrations (or items) in all.
    pub count: usize,
}

/// What was asked for.
#[derive(Debug)]
pub(crate) struct Args {
    workload: Option<String>,
    in_flight: Option<usize>,
    count: Option<usize>,
    pub(crate) repeat: usize,
    pub(crate) json: Option<PathBuf>,
}

/// The table: workload, in flight, count; the same as for our own backends.
const TABLE: &[(&str, usize, usize)] = &[
    ("hello5", 1, 200),
    ("hello5", 16, 3_000),
    ("hello5", 100, 10_000),
    ("hello5", 400, 20_000),
    ("fanout100", 10, 300),
    ("fanout10000", 1, 1),
    ("chain2000", 1, 1),
];

const USAGE: &str = "usage: PEER [WORKLOAD] [--in-flight N] [--count N] [--repeat R] [--json FILE]
workloads: hello5 fanout100 fanout10000 chain2000";

impl Args {
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut args = Self { workload: None, in_flight: None, count: None, repeat: 1, json: None };
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word} needs a value\n{USAGE}"));
            let number =
                |text: String| text.parse::<usize>().map_err(|e| format!("{text:?}: {e}\n{USAGE}"));
            match word.as_str() {
                "--in-flight" => args.in_flight = Some(number(value()?)?),
                "--count" => args.count = Some(number(value()?)?),
                "--repeat" => args.repeat = number(value()?)?.max(1),
                "--json" => args.json = Some(value()?.into()),
                "--help" | "-h" => return Err(USAGE.to_owned()),
                name if !name.starts_with('-') && args.workload.is_none() => {
                    args.workload = Some(word)
                }
                other => return Err(format!("unknown argument {other}\n{USAGE}")),
            }
        }
        Ok(args)
    }

    /// What to run: one case, or the whole table.
    pub(crate) fn cases(&self, backend: &'static str) -> Vec<Case> {
        let case = |workload: &str, in_flight, count| Case {
            workload: workload.to_owned(),
            backend,
            in_flight,
            count,
        };
        let Some(workload) = &self.workload else {
            return TABLE.iter().map(|(name, flight, count)| case(name, *flight, *count)).collect();
        };
        let default = TABLE.iter().find(|(name, ..)| name == workload);
        let (_, in_flight, count) = default.unwrap_or(&("", 1, 1));
        vec![case(
            workload,
            self.in_flight.unwrap_or(*in_flight).max(1),
            self.count.unwrap_or(*count),
        )]
    }
}
