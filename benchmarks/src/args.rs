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
    /// Count machine instructions instead of measuring.
    pub(crate) instructions: bool,
    /// The folder of the peers, if they are to run too.
    pub(crate) peers: Option<PathBuf>,
    /// Count the flushes of a server that is started here.
    pub(crate) trace_flushes: bool,
    pub(crate) help: bool,
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

/// What says nothing about a store, or what only a store that outlives the process can do.
const LEFT_OUT: &[(&str, &str)] = &[
    ("replay", "sled:"),
    ("recovery", "memory:"),
    ("replay", "redis:everysec"),
    ("replay", "redis:always"),
];

/// Counts where a server in another process would take minutes for the usual ones.
const SMALLER: &[(&str, usize)] = &[("parked", 100_000), ("recovery", 10_000), ("overload", 2_000)];

pub(crate) const USAGE: &str = "\
usage: cargo xtask bench [WORKLOAD] [OPTIONS]

Measures one workload, or without one the whole table, each case in a process of its own.

workloads
  hello5       one orchestration of five sequential trivial activities
  fanout100    a hundred activities at once, and join
  fanout10000  ten thousand activities at once, and join
  chain2000    two thousand sequential activities: cost of a step at the end and at the beginning
  children     ten child orchestrations with an activity each
  events       two orchestrations that send each other ten events each
  replay       bringing an orchestration back over a long history (--count: events), without a store
  parked       instances that wait on a timer: memory for each
  recovery     instances are started, the process is killed, the store opened again
  overload     many starts at once against a worker that runs four activities at a time

options
  --backend URL     memory: | sled: (a fresh folder) | sled:PATH | redis:everysec | redis:always (a
                    server of its own) | redis://HOST:PORT; default: all for the table, memory: and
                    sled: for one workload
  --in-flight N     orchestrations under way at the same time; default: as in the table
  --count N         orchestrations (or instances, or events) in all; default: as in the table
  --repeat R        runs of each case; the table shows the middle, smallest and largest; default 1
  --json FILE       rows as JSON; for the whole table also FILE with .txt for the table, and plots
                    (hello5.svg, fanout100.svg) beside it
  --peers           after our own cases of each repetition also the programs in benchmarks/peers,
                    which are built first; see the README there
  --trace-flushes   count the flushes of a Redis server with strace, which slows it down; the table
                    does so in a run of its own whose times are not used
  --show FILE       no measuring; table and plots of a report again
  --instructions    no measuring of time: counts with valgrind how many machine instructions a
                    hello5 in memory takes
  --help            this text";

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
            instructions: false,
            peers: None,
            trace_flushes: false,
            help: false,
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
                "--peers" => args.peers = Some("benchmarks/peers".into()),
                "--trace-flushes" => args.trace_flushes = true,
                "--instructions" => args.instructions = true,
                "--help" | "-h" => args.help = true,
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
                        in_flight: self.in_flight.unwrap_or(*in_flight),
                        count: self.count.unwrap_or_else(|| usual(workload, &backend, *count)),
                        backend,
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
                            count: usual(name, &backend, *count),
                        }
                    }));
                }
            }
        }
        cases
    }
}

/// The count of a case unless another is asked for.
fn usual(workload: &str, backend: &str, count: usize) -> usize {
    let smaller = SMALLER.iter().filter(|_| backend.starts_with("redis:"));
    smaller.copied().find(|(name, _)| *name == workload).map_or(count, |(_, smaller)| smaller)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Args {
        Args::parse(line.split_whitespace().map(str::to_owned)).unwrap()
    }

    #[test]
    fn without_arguments_it_is_the_whole_table_on_all_backends() {
        let cases = parse("").cases();
        assert_eq!(cases.len(), TABLE.len() * BACKENDS.len() - LEFT_OUT.len());
    }

    #[test]
    fn what_is_asked_for_goes_before_the_table() {
        let cases = parse("parked --backend redis:always --in-flight 7").cases();
        assert_eq!(cases.len(), 1);
        assert_eq!((cases[0].in_flight, cases[0].count), (7, 100_000));
        assert_eq!(parse("hello5 --backend memory: --count 3").cases()[0].count, 3);
    }

    #[test]
    fn every_option_is_explained() {
        let source = include_str!("args.rs");
        let matched = source.lines().filter_map(|line| line.trim().strip_prefix("\"--"));
        let options: Vec<_> = matched.filter_map(|rest| rest.split('"').next()).collect();
        assert!(options.len() >= 10, "{options:?}");
        for option in options {
            assert!(USAGE.contains(&format!("\n  --{option} ")), "--{option}");
        }
    }
}
