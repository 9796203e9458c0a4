//! The command line.

use std::path::PathBuf;

/// One workload under one setting.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    /// Name of the workload.
    pub(crate) workload: String,
    /// Backend URL; `sled:` without a path uses a temporary folder.
    pub(crate) backend: String,
    /// Orchestrations under way at the same time.
    pub(crate) in_flight: usize,
    /// Orchestrations (or items) in all.
    pub(crate) count: usize,
}

/// What was asked for.
#[derive(Debug)]
pub(crate) struct Args {
    workload: Option<String>,
    backend: Option<String>,
    in_flight: Option<usize>,
    count: Option<usize>,
    pub(crate) repeat: usize,
    pub(crate) json: Option<PathBuf>,
    /// A report to be shown again instead of measuring.
    pub(crate) show: Option<PathBuf>,
}

/// The table: workload, in flight, count.
const TABLE: &[(&str, usize, usize)] = &[
    ("hello5", 1, 200),
    ("hello5", 16, 3_000),
    ("hello5", 100, 10_000),
    ("hello5", 400, 20_000),
    ("fanout100", 10, 300),
    ("fanout10000", 1, 1),
    ("chain2000", 1, 1),
    ("children", 10, 200),
    ("events", 16, 2_000),
    ("replay", 1, 10_000),
    ("parked", 1_000, 1_000_000),
    ("recovery", 1, 100_000),
    ("overload", 1_000, 20_000),
];

/// Stores of the whole table.
const BACKENDS: [&str; 4] = ["memory:", "sled:", "redis:everysec", "redis:always"];

/// What a server in another process, or a single core, would take too long for, or what says
/// nothing about a store.
const LEFT_OUT: &[(&str, &str)] = &[
    ("replay", "sled:"),
    ("recovery", "memory:"),
    ("replay", "redis:everysec"),
    ("replay", "redis:always"),
    ("parked", "redis:everysec"),
    ("parked", "redis:always"),
    ("recovery", "redis:everysec"),
    ("recovery", "redis:always"),
    ("overload", "redis:everysec"),
    ("overload", "redis:always"),
];

const USAGE: &str =
    "usage: cargo xtask bench [WORKLOAD] [--backend URL] [--in-flight N] [--count N] [--repeat R] [--json FILE]
workloads: hello5 fanout100 fanout10000 chain2000 children events replay parked recovery overload
backends: memory: sled: sled:PATH redis:everysec redis:always redis://HOST:PORT
Without a workload: the whole table, on --backend or on all; with --json also tables and plots beside FILE.
--show FILE: no measuring; tables and plots of a report again.";

impl Args {
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut args = Self {
            workload: None,
            backend: None,
            in_flight: None,
            count: None,
            repeat: 1,
            json: None,
            show: None,
        };
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word} needs a value\n{USAGE}"));
            let number =
                |text: String| text.parse::<usize>().map_err(|e| format!("{text:?}: {e}\n{USAGE}"));
            match word.as_str() {
                "--backend" => args.backend = Some(value()?),
                "--in-flight" => args.in_flight = Some(number(value()?)?),
                "--count" => args.count = Some(number(value()?)?),
                "--repeat" => args.repeat = number(value()?)?.max(1),
                "--json" => args.json = Some(value()?.into()),
                "--show" => args.show = Some(value()?.into()),
                "--help" | "-h" => return Err(USAGE.to_owned()),
                name if !name.starts_with('-') && args.workload.is_none() => {
                    args.workload = Some(word)
                }
                other => return Err(format!("unknown argument {other}\n{USAGE}")),
            }
        }
        Ok(args)
    }

    /// Whether everything is to be run.
    pub(crate) fn is_table(&self) -> bool {
        self.workload.is_none()
    }

    /// What to run.
    pub(crate) fn cases(&self) -> Vec<Case> {
        let backends = match &self.backend {
            Some(url) => vec![url.clone()],
            None if self.workload.is_none() => BACKENDS.map(str::to_owned).to_vec(),
            None => vec!["memory:".to_owned(), "sled:".to_owned()],
        };
        let mut cases = Vec::new();
        for backend in backends {
            match &self.workload {
                Some(workload) => {
                    let default = TABLE.iter().find(|(name, ..)| name == workload);
                    let (_, in_flight, count) = default.unwrap_or(&("", 100, 100_000));
                    cases.push(Case {
                        workload: workload.clone(),
                        backend,
                        in_flight: self.in_flight.unwrap_or(*in_flight),
                        count: self.count.unwrap_or(*count),
                    });
                }
                None => {
                    let wanted = |row: &&(&str, usize, usize)| {
                        !LEFT_OUT.contains(&(row.0, backend.as_str()))
                    };
                    cases.extend(TABLE.iter().filter(wanted).map(|(name, in_flight, count)| {
                        Case {
                            workload: (*name).to_owned(),
                            backend: backend.clone(),
                            in_flight: *in_flight,
                            count: *count,
                        }
                    }));
                }
            }
        }
        cases
    }
}
