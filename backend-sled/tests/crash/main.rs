//! Real crashes: a child process is killed at random moments, copies of its store are damaged,
//! its disk is made too small. What it had acknowledged must be there, or its loss reported.
//!
//! `cargo xtask torture --backend sled --kills 2000 --mutations 2000` makes it long; with
//! `--seed` it repeats a failure.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may stop at the first surprise"
)]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "parent and child talk by lines")]

mod acknowledged;
mod damage;
mod kills;
mod random;
mod verdict;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use acknowledged::{Acknowledged, spawn_child};
use backend_sled::{SledSettings, SledStore};
use durable_core::backend::{Backend, BackendResult, OrchestrationStatus, ReusePolicy};
use durable_core::client::Client;
use durable_core::env::TokioEnv;
use durable_core::error::ErrorKind;
use durable_core::model::Failure;
use durable_core::replay::{NamedActivity, NamedOrchestration, OrchestrationContext};
use durable_core::worker::Worker;
use verdict::{Verdict, examine};

const FOLDER: &str = "CRASH_FOLDER";
const EXAMINE: &str = "CRASH_EXAMINE";
const FIRST: &str = "CRASH_FIRST";
const CHECKPOINT: &str = "CRASH_CHECKPOINT";
const LONG: Duration = Duration::from_secs(60);
const STEPS: u32 = 5;

fn variable(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

fn open(folder: &Path, checkpoint_bytes: u64) -> BackendResult<Arc<dyn Backend>> {
    let mut settings = SledSettings::new(folder);
    settings.checkpoint_bytes = checkpoint_bytes;
    settings.cache_bytes = 4 * 1024 * 1024;
    let store = SledStore::open(settings)?;
    Ok(store.hub(&"crash".parse().unwrap())? as Arc<dyn Backend>)
}

fn steps() -> NamedOrchestration<u32, u32, Failure> {
    NamedOrchestration::new("steps").unwrap()
}

async fn worker(backend: Arc<dyn Backend>) -> Worker {
    Worker::builder(backend)
        .activity_fn("inc", |_ctx, n: u32| async move { Ok::<_, Failure>(n + 1) })
        .orchestration_fn("steps", |ctx: OrchestrationContext, begin: u32| async move {
            let inc = NamedActivity::<u32, u32, Failure>::new("inc")?;
            let mut n = begin;
            for _ in 0..STEPS {
                n = ctx.call(inc.clone(), n).await?;
            }
            let extra: u32 = ctx.event("extra").await?;
            Ok::<_, Failure>(n + extra)
        })
        .start()
        .await
        .unwrap()
}

/// The child: starts instances, sends each an event, waits for results; says so after each
/// acknowledgement, until it is killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by the other tests, in a process of its own"]
async fn child() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let backend = match open(Path::new(&folder), variable(CHECKPOINT, 20_000)) {
        Ok(backend) => backend,
        Err(error) => {
            println!("\nerror {:?}", error.kind());
            return;
        }
    };
    let _worker = worker(backend.clone()).await;
    let client = Client::new(backend);
    println!("\nopen");
    let first = variable(FIRST, 0);
    let tasks = (0..8).map(|lane| {
        let client = client.clone();
        let (ended, end) = tokio::sync::oneshot::channel();
        TokioEnv::shared().spawn(Box::pin(async move {
            let _ended: tokio::sync::oneshot::Sender<()> = ended;
            for n in (first + lane..).step_by(8) {
                let begun = u32::try_from(n).unwrap();
                // One that was stored and not acknowledged may be there already.
                let start = client.start(steps(), begun).id(format!("i{n}"));
                let started = start.reuse(ReusePolicy::ReturnExisting).send().await;
                let Ok(handle) = started else { return say(&format!("error {started:?}")) };
                say(&format!("started {n}"));
                if let Err(error) = handle.raise_event("extra", &1_u32).send().await
                    && error.kind() != ErrorKind::Ended
                {
                    return say(&format!("error {error:?}"));
                }
                say(&format!("sent {n}"));
                match handle.result().await {
                    Ok(value) => say(&format!("done {n} {value}")),
                    Err(error) => return say(&format!("error {error:?}")),
                }
            }
        }));
        end
    });
    for end in tasks.collect::<Vec<_>>() {
        let _ = end.await;
    }
}

/// One write, so that a kill cannot cut a line in two unnoticed.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(format!("{line}\n").as_bytes()).and_then(|()| out.flush());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by the other tests, in a process of its own"]
async fn examiner() {
    let Some(folder) = std::env::var_os(EXAMINE) else { return };
    let folder = PathBuf::from(folder);
    let mut acknowledged = Acknowledged::default();
    for line in std::fs::read_to_string(folder.join("acknowledged")).unwrap().lines() {
        let (number, known) = line.split_once(' ').unwrap();
        acknowledged.instances.insert(number.parse().unwrap(), known.parse().unwrap());
    }
    say(&format!("\nverdict {:?}", examine(&folder, &acknowledged).await));
}

/// Proves G16.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_process_is_told_that_the_store_is_in_use() {
    let folder = tempfile::tempdir().unwrap();
    let backend = open(folder.path(), 20_000).unwrap();
    let mut acknowledged = Acknowledged::default();
    acknowledged.listen_then_kill(spawn_child(folder.path(), 0, 20_000, ""), u64::MAX);
    assert_eq!(acknowledged.errors, ["error InUse\n"]);
    backend.close().await.unwrap();
}

/// `ulimit -f` counts blocks of 512 bytes in sh, and makes every file too small soon.
///
/// Proves G1, G16.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_reported_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = Acknowledged::default();
    let prefix = "trap '' XFSZ; ulimit -f 4000;";
    acknowledged.listen_then_kill(spawn_child(folder.path(), 0, 20_000, prefix), 1_000_000);
    assert!(acknowledged.opened && acknowledged.instances.len() > 20, "{acknowledged:?}");
    assert!(!acknowledged.errors.is_empty());
    for error in &acknowledged.errors {
        assert!(error.contains("DT0009"), "{error}");
    }
    assert_eq!(examine(folder.path(), &acknowledged).await, Verdict::Whole);
}

const POISON: &str = "CRASH_POISON";

/// Dies at once, again and again, whenever it runs the activity (or the turn) that kills.
#[tokio::test]
#[ignore = "run by the other tests, in a process of its own"]
async fn poisoned_child() {
    let (Some(folder), Ok(what)) = (std::env::var_os(FOLDER), std::env::var(POISON)) else {
        return;
    };
    let backend = open(Path::new(&folder), 20_000).unwrap();
    // Acknowledged before anybody runs it: only then there is something to count.
    let client = Client::new(backend.clone());
    let orchestration = NamedOrchestration::<(), (), Failure>::new("poisoned").unwrap();
    let start = client.start(orchestration, ()).id("p").reuse(ReusePolicy::ReturnExisting);
    let handle = start.send().await.unwrap();
    let in_turn = what == "turn";
    let running = Worker::builder(backend)
        .activity_fn("kills", |_ctx, ()| async move {
            if std::env::var_os(POISON).is_some() {
                std::process::abort();
            }
            Ok::<_, Failure>(())
        })
        .orchestration_fn("poisoned", move |ctx: OrchestrationContext, ()| async move {
            if in_turn {
                std::process::abort();
            }
            Ok::<_, Failure>(ctx.call(NamedActivity::<(), (), Failure>::new("kills")?, ()).await?)
        })
        .start()
        .await
        .unwrap();
    let ended = handle
        .wait_until(|s| s.status().is_terminal() || s.status() == OrchestrationStatus::Quarantined);
    let status = ended.await.unwrap();
    say(&format!("\nended {:?} {:?} {:?}", status.status(), status.failure(), status.report()));
    running.shutdown().await;
}

/// Proves G12.
#[tokio::test]
async fn what_kills_its_process_at_once_is_set_aside_and_not_tried_for_ever() {
    for (what, expected) in [("activity", "Failed"), ("turn", "Quarantined")] {
        let folder = tempfile::tempdir().unwrap();
        let mut deaths = 0;
        let text = loop {
            let mut command = tokio::process::Command::new(std::env::current_exe().unwrap());
            command.args(["--ignored", "--exact", "poisoned_child", "--nocapture"]);
            let output =
                command.env(FOLDER, folder.path()).env(POISON, what).output().await.unwrap();
            if output.status.success() {
                break String::from_utf8(output.stdout).unwrap();
            }
            deaths += 1;
            assert!(deaths < 20, "{what}: still tried after {deaths} deaths");
        };
        assert!(deaths >= 10, "{what}: given up after {deaths} deaths");
        assert!(text.contains(&format!("ended {expected}")) && text.contains("DT0013"), "{text}");
    }
}
