//! The command line.

use std::path::PathBuf;

pub(crate) const USAGE: &str = "\
Fulfils the orders of a file and writes a report.

usage: order_fulfilment [--orders FILE] [--backend URL] [--report FILE] [--ledger FILE]
                        [--workers-only | --start-only]

  --orders FILE    orders as .csv or .jsonl (default: the sample beside this program)
  --backend URL    where state is kept (default: sled:./order_fulfilment.data)
  --report FILE    one line per order (default: order_fulfilment.report.csv); how long each
                   order took goes to FILE.timings.csv
  --ledger FILE    every charge that really happened (default: order_fulfilment.ledger.csv);
                   refunds go to FILE.refunds.csv
  --workers-only   serve a hub that other processes share, until Ctrl-C
  --start-only     start the orders and wait; other processes serve them

Kill it at any time: the same command goes on where it was. Exit code 0: every order has
an outcome; 1: some have none; 2: the input is wrong, nothing was started; 130: Ctrl-C.";

const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/order_fulfilment/orders.csv");

#[derive(Debug)]
pub(crate) struct Args {
    pub(crate) orders: PathBuf,
    pub(crate) backend: String,
    pub(crate) report: PathBuf,
    pub(crate) ledger: PathBuf,
    /// Whether this process runs a worker.
    pub(crate) works: bool,
    /// Whether this process starts orders and waits for them.
    pub(crate) starts: bool,
}

impl Args {
    /// `None` when help was asked for.
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Option<Self>, String> {
        let mut args = Self {
            orders: SAMPLE.into(),
            backend: "sled:./order_fulfilment.data".to_owned(),
            report: "order_fulfilment.report.csv".into(),
            ledger: "order_fulfilment.ledger.csv".into(),
            works: true,
            starts: true,
        };
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
            match word.as_str() {
                "--orders" => args.orders = value()?.into(),
                "--backend" => args.backend = value()?,
                "--report" => args.report = value()?.into(),
                "--ledger" => args.ledger = value()?.into(),
                "--workers-only" => args.starts = false,
                "--start-only" => args.works = false,
                "--help" | "-h" => return Ok(None),
                other => return Err(format!("unknown argument {other:?}\n\n{USAGE}")),
            }
        }
        if !args.works && !args.starts {
            return Err("--workers-only and --start-only exclude each other".to_owned());
        }
        Ok(Some(args))
    }
}
