//! `cargo xtask guarantees`: what proves each guarantee, gathered from the code and from the
//! record of long runs, as a part of the page that makes the promises.

mod gather;
mod page;

use crate::{generated, long_runs};

const PAGE: &str = "docs/src/guarantees.md";

/// Something that proves guarantees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Proof {
    /// `check`, `scenario`, `invariant`, `mutant`, `engine bug`, `fault` or `test`.
    kind: String,
    /// The area of a check, the file of a test.
    area: String,
    name: String,
    guarantees: Vec<String>,
}

/// Writes the part of the page, or checks it; `None` when the arguments make no sense.
pub(crate) fn run(arguments: &[&str]) -> Option<bool> {
    match arguments {
        [] => Some(write()),
        ["--check"] => Some(check()),
        _ => None,
    }
}

fn write() -> bool {
    part().is_some_and(|part| generated::write(&part)) && long_runs::write_tables()
}

/// Whether the page and the tables of long runs are up to date.
pub(crate) fn check() -> bool {
    let current = part().is_some_and(|part| generated::check(&part)) & long_runs::check_tables();
    if !current {
        eprintln!("run `cargo xtask guarantees` and commit what it changes");
    }
    current
}

fn part() -> Option<generated::Part> {
    let proofs = gather::proofs()?;
    let runs = long_runs::read().map_err(|error| eprintln!("{error}")).ok()?;
    Some(generated::Part { path: PAGE, name: "evidence", text: page::text(&proofs, &runs) })
}
