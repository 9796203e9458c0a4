//! Workloads that measure the library, with what they cost the machine.
//!
//! `bench WORKLOAD --backend URL --in-flight N --count N --repeat R --json FILE` runs one
//! workload; without a workload it runs the whole table. Times come from the wall clock of
//! this process, everything else from the operating system's own accounting.

#![allow(clippy::disallowed_methods, reason = "measuring time is what this program does")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program")]

mod args;
mod measure;
mod report;
mod setup;
mod workloads;

use args::Args;

/// What a service that allocates as much as this would use too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse(std::env::args().skip(1))?;
    let mut rows = Vec::new();
    for case in args.cases() {
        for repetition in 0..args.repeat {
            let row = workloads::run(&case, repetition).await?;
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
