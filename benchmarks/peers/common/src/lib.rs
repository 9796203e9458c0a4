//! What every peer's binary shares: the command line, the closed loop, the figures of the
//! operating system and the rows, all as in our own `benchmarks`.
//!
//! A peer implements [`Peer`] and its `main` calls [`main`].

#![allow(clippy::disallowed_methods, reason = "measuring time is what this program does")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "for command-line programs")]

mod args;
mod measure;
mod report;
mod steps;
mod workloads;

use std::path::Path;

use args::Args;
pub use args::Case;
pub use steps::mark;

/// The same allocator as our own `benchmarks`, so that no side has a better one.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Whatever a peer reports.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// Result of a peer's operation.
pub type Result<T> = std::result::Result<T, Error>;

/// A system that runs the workloads. Every operation starts one new orchestration, waits until
/// its result is known and returns that; the caller checks it.
pub trait Peer: Clone + Send + Sync + 'static {
    /// Name in the rows.
    const NAME: &'static str;

    /// Opens a fresh store in this folder and starts whatever works on it.
    fn open(folder: &Path, case: &Case) -> impl Future<Output = Result<Self>>;

    /// Five increments of `n`, one after the other: `n + 5`. `n` is new in each call.
    fn hello5(&self, n: usize) -> impl Future<Output = Result<u64>> + Send;

    /// Increments `0..width` at once and adds up: `width * (width + 1) / 2`.
    fn fanout(&self, n: usize, width: u64) -> impl Future<Output = Result<u64>> + Send;

    /// Increments zero `length` times, one after the other: `length`. Each step calls [`mark`].
    fn chain(&self, n: usize, length: u64) -> impl Future<Output = Result<u64>> + Send;

    /// Other processes whose work counts too.
    fn processes(&self) -> Vec<u32> {
        Vec::new()
    }

    /// Stops everything.
    fn close(self) -> impl Future<Output = ()>;
}

/// Runs what the command line asks for, prints the table and writes the JSON.
pub async fn main<P: Peer>() -> Result<()> {
    let args = Args::parse(std::env::args().skip(1))?;
    let mut rows = Vec::new();
    for case in args.cases(P::NAME) {
        for repetition in 0..args.repeat {
            let row = workloads::run::<P>(&case, repetition).await?;
            eprintln!("{}", report::line(&row));
            rows.push(row);
        }
    }
    println!("{}", report::table(&rows));
    if let Some(path) = &args.json {
        std::fs::write(path, report::json(&rows)?)?;
    }
    Ok(())
}
