//! `cargo xtask sim --seeds N [--from S] [--record]`: the simulation, for as long as you like.

use crate::campaign::{self, Options};

/// Seeds from which on building for speed is worth its time.
const MANY: u64 = 10_000;

/// Runs the seeds; `None` when the arguments make no sense, else whether all held.
pub(crate) fn run(arguments: &[&str]) -> Option<bool> {
    let options = Options::parse(arguments, &["seeds", "from"])?;
    options.text("seeds")?;
    let (seeds, from) = (options.number("seeds", 0)?, options.number("from", 0)?);
    let variables = [("SIM_SEEDS", seeds.to_string()), ("SIM_FROM", from.to_string())];
    let mut words = vec!["test", "--package", "conformance-tests", "--test", "sim"];
    words.extend((seeds >= MANY).then_some("--release"));
    words.extend(["--", "every_seed_keeps_every_promise", "--exact", "--nocapture"]);
    Some(campaign::run(&words, &variables, options.record))
}
