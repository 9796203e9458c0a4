//! Workloads that measure the library, with what they cost the machine.
//!
//! `benchmarks WORKLOAD --backend URL --in-flight N --count N --repeat R --json FILE` runs one
//! workload; without a workload it runs the whole table, each case in a process of its own.
//! Times come from the wall clock of this process, everything else from the operating
//! system's own accounting.

#![allow(clippy::disallowed_methods, reason = "measuring time is what this program does")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program")]

mod args;
mod instructions;
mod measure;
mod peers;
mod plot;
mod redis_server;
mod report;
mod setup;
mod suite;
mod table;
mod workloads;

use std::path::Path;

use args::{Args, Case};
use report::Measured;
use suite::Report;

/// What a service that allocates as much as this would use too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> Result<()> {
    let args = Args::parse(std::env::args().skip(1))?;
    if args.help {
        println!("{}", args::USAGE);
        return Ok(());
    }
    if args.instructions {
        return instructions::run();
    }
    if args.is_table() { whole_table(&args) } else { one_workload(&args) }
}

fn one_workload(args: &Args) -> Result<()> {
    let mut rows = Vec::new();
    for case in args.cases() {
        let runtime = runtime(&case)?;
        redis_server::trace_flushes(args.trace_flushes);
        for _ in 0..args.repeat {
            let row = runtime.block_on(workloads::run(&case))?;
            eprintln!("{}", report::line(&row));
            rows.push(Measured::from(&row));
        }
    }
    if let Some(path) = &args.json {
        std::fs::write(path, serde_json::to_string_pretty(&rows)?)?;
    }
    Ok(())
}

/// All cores, but for what is to run alike every time.
fn runtime(case: &Case) -> std::io::Result<tokio::runtime::Runtime> {
    let mut builder = if case.workload == workloads::COUNTED {
        tokio::runtime::Builder::new_current_thread()
    } else {
        tokio::runtime::Builder::new_multi_thread()
    };
    builder.enable_all().build()
}

fn whole_table(args: &Args) -> Result<()> {
    if let Some(path) = &args.show {
        let report: Report = serde_json::from_slice(&std::fs::read(path)?)?;
        return show(&report, path);
    }
    let report = suite::run(args)?;
    println!("{}", table::markdown(&report));
    let Some(path) = &args.json else { return Ok(()) };
    std::fs::write(path, serde_json::to_string_pretty(&report)?)?;
    show(&report, path)
}

/// Writes the table and the plots beside the report.
fn show(report: &Report, path: &Path) -> Result<()> {
    for workload in ["hello5", "fanout100"] {
        let file = path.with_file_name(format!("{workload}.svg"));
        std::fs::write(file, plot::throughput(report, workload))?;
    }
    Ok(std::fs::write(path.with_extension("txt"), table::markdown(report))?)
}
