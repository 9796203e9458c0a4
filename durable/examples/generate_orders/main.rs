//! Writes the sample orders of `order_fulfilment`: always the same ones.
//!
//! ```text
//! cargo run -p durable --example generate_orders > durable/examples/order_fulfilment/orders.csv
//! cargo run -p durable --example generate_orders -- 50000 > many.csv
//! ```

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program")]

use std::io::Write as _;
use std::process::ExitCode;

const DEFAULT_COUNT: usize = 3_000;
const COUNTRIES: [&str; 8] = ["DE", "FR", "NL", "PL", "ES", "SE", "IT", "US"];
const NAMES: [&str; 10] =
    ["ada", "grace", "alan", "edsger", "barbara", "donald", "leslie", "tony", "radia", "ken"];

/// SplitMix64: small, and the same everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }

    fn one_of<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.below(words.len() as u64) as usize]
    }
}

/// One to four articles from up to three warehouses; now and then one that is sold out, or
/// an order that somebody typed wrongly.
fn items(random: &mut Random) -> String {
    let mut items = Vec::new();
    for _ in 0..=random.below(4) {
        let warehouse = random.one_of(&["A", "B", "C"]);
        let article = if random.below(150) == 0 { 0 } else { 1 + random.below(400) };
        let quantity = if random.below(250) == 0 { 0 } else { 1 + random.below(3) };
        let cents = 199 + random.below(90) * 100;
        items.push(format!("{warehouse}-{article:04}*{quantity}@{cents}"));
    }
    items.join(" ")
}

fn main() -> ExitCode {
    let count = match std::env::args().nth(1).map(|text| text.parse::<usize>()) {
        None => DEFAULT_COUNT,
        Some(Ok(count)) => count,
        Some(Err(error)) => {
            eprintln!("usage: generate_orders [COUNT]: {error}");
            return ExitCode::from(2);
        }
    };
    let mut random = Random(2026);
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let mut write = || -> std::io::Result<()> {
        writeln!(out, "order,email,country,card,items")?;
        for number in 1..=count {
            let name = random.one_of(&NAMES);
            let at = if random.below(100) == 0 { " at " } else { "@" };
            let country = random.one_of(&COUNTRIES);
            let card = format!("tok_{:08x}", random.below(1 << 32));
            let items = items(&mut random);
            writeln!(out, "S{number:05},{name}.{number}{at}example.com,{country},{card},{items}")?;
        }
        out.flush()
    };
    match write() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
