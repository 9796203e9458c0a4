//! Order fulfilment: a file of orders in, a report out, and no order charged twice, however
//! often the process is killed on the way.
//!
//! ```text
//! cargo run --release -p durable --example order_fulfilment
//! ```
//!
//! Start at `process.rs`: it is the business process. `services.rs` holds its activities,
//! `ledger.rs` is the payment provider's book, `warehouse.rs` the warehouse that answers by an event.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program")]
#![allow(clippy::disallowed_methods, reason = "user code, outside the library's rules")]

mod args;
mod input;
mod ledger;
mod order;
mod process;
mod progress;
mod report;
mod services;
mod warehouse;

use std::process::ExitCode;
use std::sync::Arc;

use durable::backend::Backend;
use durable::prelude::*;

use args::Args;
use ledger::Ledger;
use order::Order;
use warehouse::Warehouse;

/// Every order has an outcome and the report is written.
const DONE: u8 = 0;
/// Some order has no outcome, or the store failed.
const UNFINISHED: u8 = 1;
/// The arguments or the orders are wrong; nothing was started.
const BAD_INPUT: u8 = 2;
/// Stopped by Ctrl-C; the same command goes on.
const INTERRUPTED: u8 = 130;

#[tokio::main]
async fn main() -> ExitCode {
    let args = match Args::parse(std::env::args().skip(1)) {
        Ok(Some(args)) => args,
        Ok(None) => {
            println!("{}", args::USAGE);
            return ExitCode::from(DONE);
        }
        Err(problem) => return bad_input(&problem),
    };
    let orders = match input::read(&args.orders) {
        Ok(orders) => orders,
        Err(problem) => return bad_input(&problem),
    };
    tokio::select! {
        ended = run(&args, orders) => match ended {
            Ok(0) => ExitCode::from(DONE),
            Ok(unfinished) => {
                eprintln!("{unfinished} orders have no outcome; see the report");
                ExitCode::from(UNFINISHED)
            }
            Err(failure) => {
                eprintln!("error: {failure}");
                ExitCode::from(UNFINISHED)
            }
        },
        _ = tokio::signal::ctrl_c() => {
            eprintln!("stopped; run the same command again to go on");
            ExitCode::from(INTERRUPTED)
        }
    }
}

fn bad_input(problem: &str) -> ExitCode {
    eprintln!("error: {problem}");
    ExitCode::from(BAD_INPUT)
}

/// Answers with the number of orders that have no outcome.
async fn run(args: &Args, orders: Vec<Order>) -> Result<usize, Failure> {
    let backend = durable::connect(&args.backend).await?;
    let worker = if args.works { Some(start_worker(args, backend.clone()).await?) } else { None };
    if !args.starts {
        eprintln!("serving {}; Ctrl-C ends it", args.backend);
        std::future::pending::<()>().await;
    }
    if worker.is_none() && !backend.capabilities().multi_process {
        let text = format!(
            "{} is for one process: leave out --start-only and --workers-only",
            args.backend
        );
        return Err(Failure::new(text));
    }
    let client = Client::new(backend.clone());
    let results = progress::start_and_wait(&client, orders).await?;
    let unfinished = report::write(&args.report, &results)?;
    report::print_summary(&args.report, &results);
    if let Some(worker) = worker {
        worker.shutdown().await;
    }
    backend.close().await?;
    Ok(unfinished)
}

async fn start_worker(args: &Args, backend: Arc<dyn Backend>) -> Result<Worker, Failure> {
    let worker = Worker::builder(backend.clone())
        .data(Ledger::open(&args.ledger)?)
        .data(Warehouse::new(Client::new(backend)))
        .orchestration(process::fulfil)
        .orchestration(process::ship)
        .activity(services::validate)
        .activity(services::reserve_stock)
        .activity(services::release_stock)
        .activity(services::charge)
        .activity(services::refund)
        .activity(services::ask_warehouse)
        .activity(services::book_carrier)
        .activity(services::hand_over)
        .activity(services::notify)
        .start()
        .await?;
    Ok(worker)
}
