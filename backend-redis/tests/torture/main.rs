//! Campaigns over real processes: workers are killed, paused past their leases, added and taken
//! away under load; the server is killed and started again, or loses the end of its file as it
//! would with its power. Every instance ends once, with the right result.
//!
//! `KILLS=200 PAUSES=80 SERVER_KILLS=80 SEED=7 cargo test --release -p backend-redis --test
//! torture -- --nocapture --test-threads=1` makes it long, or repeats a failure.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "seeds and summaries are printed")]
#![allow(clippy::disallowed_methods, reason = "parent and child watch each other on threads")]

#[path = "../engine/mod.rs"]
mod engine;
mod file;
mod fleet;
mod load;
mod plan;
#[path = "../server/mod.rs"]
mod server;

use durable_core::env::TokioEnv;

use file::File;
use fleet::Fleet;
use load::Load;
use plan::{Action, Plan};
use server::Server;

/// Workers at the beginning, and at most and at least later.
const WORKERS: (usize, usize, usize) = (3, 6, 2);

/// Not a test: the worker processes of the campaigns.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "started by the campaigns as a process of its own"]
async fn worker_process() {
    fleet::work().await;
}

/// What becomes of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Crash {
    /// Its process dies; the operating system still writes what it was given, which with
    /// `everysec` is not all that was answered.
    Process,
    /// What was not flushed to the disk is gone as well.
    Power,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_with_always_however_often_all_are_killed() {
    let kept = Setup { fsync: "always", truncated: "no", partitions: 4, crash: Crash::Process };
    campaign("always, 4 partitions", kept).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_everysec_a_killed_server_loses_two_seconds_at_most_and_all_ends() {
    let held_back =
        Setup { fsync: "everysec", truncated: "no", partitions: 1, crash: Crash::Process };
    campaign("everysec", held_back).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_the_power_everysec_loses_what_is_documented_and_all_that_is_killed_ends() {
    let torn = Setup { fsync: "everysec", truncated: "yes", partitions: 1, crash: Crash::Power };
    campaign("everysec, power", torn).await;
}

/// How the server is set, and what becomes of it.
#[derive(Debug, Clone, Copy)]
struct Setup {
    fsync: &'static str,
    /// Whether the server loads a torn file as it is; otherwise it is mended first.
    truncated: &'static str,
    partitions: u16,
    crash: Crash,
}

async fn campaign(name: &str, setup: Setup) {
    if !server::available() {
        return;
    }
    let Setup { fsync, truncated, partitions, crash } = setup;
    let mut plan = Plan::from_environment();
    let mut server = Server::start(&["--appendfsync", fsync, "--aof-load-truncated", truncated]);
    let file = File::watch(server.append_dir());
    let mut fleet = Fleet::new(server.port());
    let mut settings = server.settings("p");
    settings.partitions = Some(partitions);
    let backend = engine::connect(settings).await.unwrap();
    fleet.grow(WORKERS.0);
    let loses = fsync != "always";
    let load = Load::begin(backend, loses);
    while let Some((action, after)) = plan.next() {
        TokioEnv::shared().sleep(after).await;
        fleet.resume_those_due();
        match action {
            Action::KillWorker => fleet.kill(plan.choice()),
            Action::PauseWorker => fleet.pause(plan.choice(), plan.pause()),
            Action::AddWorker if fleet.len() < WORKERS.1 => fleet.grow(1),
            Action::RemoveWorker if fleet.len() > WORKERS.2 => fleet.remove(plan.choice()),
            Action::AddWorker | Action::RemoveWorker => {}
            Action::KillServer => {
                let kept = file::kept_by_a_killed_server();
                server.kill();
                match crash {
                    Crash::Power => load.lost_after(file.cut(plan.choice())),
                    Crash::Process if loses => load.lost_after(kept),
                    Crash::Process => {}
                }
                if truncated == "no" {
                    file.mend();
                }
                TokioEnv::shared().sleep(plan.outage()).await;
                server.restart();
            }
        }
    }
    fleet.resume_all();
    let done = load.end().await;
    println!("summary redis-kills: redis, {name}: {} | {done}", plan.summary());
}
