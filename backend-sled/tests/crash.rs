//! Real crashes: a child process is killed at random moments, copies of its store are damaged,
//! its disk is made too small. What it had acknowledged must be there, or its loss reported.
//!
//! `KILLS=2000 MUTATIONS=2000 SEED=7 cargo test --release -p backend-sled --test crash` makes it
//! long, or repeats a failure.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may stop at the first surprise"
)]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "parent and child talk by lines")]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use backend_sled::{SledSettings, SledStore};
use durable_core::backend::{
    Backend, BackendErrorKind, BackendResult, OrchestrationStatus, ReusePolicy,
};
use durable_core::client::Client;
use durable_core::env::{TokioEnv, timeout};
use durable_core::error::ErrorKind;
use durable_core::model::Failure;
use durable_core::replay::{NamedActivity, NamedOrchestration, OrchestrationContext};
use durable_core::worker::Worker;

const FOLDER: &str = "CRASH_FOLDER";
const FIRST: &str = "CRASH_FIRST";
const CHECKPOINT: &str = "CRASH_CHECKPOINT";
const LONG: Duration = Duration::from_secs(60);
const STEPS: u32 = 5;

fn variable(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn seeded() -> Self {
        let seed = variable("SEED", u64::from(std::process::id()));
        eprintln!("SEED={seed}");
        Self(seed)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
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

fn spawn_child(folder: &Path, first: u64, checkpoint: u64, prefix: &str) -> Child {
    let program = std::env::current_exe().unwrap();
    let run = format!("{prefix} exec '{}' --ignored --exact child --nocapture", program.display());
    Command::new("sh")
        .args(["-c", &run])
        .env(FOLDER, folder)
        .env(FIRST, first.to_string())
        .env(CHECKPOINT, checkpoint.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// What the child was told is safe.
#[derive(Debug, Default, Clone)]
struct Acknowledged {
    /// Instance number to how far it is known to be: 1 started, 2 event sent, 3 done.
    instances: BTreeMap<u64, u8>,
    errors: Vec<String>,
    opened: bool,
}

impl Acknowledged {
    fn hear(&mut self, line: &str) {
        let words: Vec<_> = line.split_whitespace().collect();
        let number = || words[1].parse::<u64>().unwrap();
        match words.first().copied() {
            Some("open") => self.opened = true,
            Some("started") => drop(self.instances.insert(number(), 1)),
            Some("sent") => drop(self.instances.insert(number(), 2)),
            Some("done") => {
                let value: u64 = words[2].parse().unwrap();
                assert_eq!(value, number() + u64::from(STEPS) + 1, "{line}");
                self.instances.insert(number(), 3);
            }
            Some("error") => self.errors.push(line.to_owned()),
            _ => {}
        }
    }

    fn next(&self) -> u64 {
        self.instances.keys().next_back().map_or(0, |last| last + 1)
    }

    /// Listens until the child has said so many lines of its own, then kills it.
    fn listen_then_kill(&mut self, mut child: Child, lines: u64) {
        let mut reader = BufReader::new(child.stdout.take().unwrap());
        let mut heard = 0;
        let mut line = String::new();
        while heard < lines && reader.read_line(&mut line).unwrap() > 0 {
            heard += u64::from(line.starts_with("started") || line.starts_with("done"));
            self.hear(&line);
            line.clear();
        }
        child.kill().unwrap();
        // What it said before it died counts; a line without its end was not said.
        while reader.read_line(&mut line).unwrap() > 0 {
            if line.ends_with('\n') {
                self.hear(&line);
            }
            line.clear();
        }
        child.wait().unwrap();
    }
}

/// How a store answers for what was acknowledged.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// Everything is there.
    Whole,
    /// Something is not, and it says so.
    Reported,
    /// Something is not, and it says nothing.
    Silent(String),
}

/// Opens a store and compares.
async fn examine(folder: &Path, acknowledged: &Acknowledged) -> Verdict {
    let backend = match open(folder, 20_000) {
        Ok(backend) => backend,
        Err(error) => return of_error(error.kind(), &error.to_string()),
    };
    let client = Client::new(backend.clone());
    let mut verdict = Verdict::Whole;
    for (number, known) in &acknowledged.instances {
        let handle = client.instance(format!("i{number}")).unwrap();
        match handle.status().await {
            Ok(status) => {
                if *known == 3 && status.status() != OrchestrationStatus::Completed {
                    return Verdict::Silent(format!("i{number} was done: {status:?}"));
                }
                if let Err(error) = handle.history().collect().await {
                    assert_ne!(error.kind(), ErrorKind::NotFound, "{error}");
                    verdict = Verdict::Reported;
                }
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Verdict::Silent(format!("i{number} is gone"));
            }
            Err(_) => verdict = Verdict::Reported,
        }
    }
    backend.close().await.ok();
    verdict
}

fn of_error(kind: BackendErrorKind, text: &str) -> Verdict {
    match kind {
        BackendErrorKind::Corrupt | BackendErrorKind::Incompatible => Verdict::Reported,
        other => Verdict::Silent(format!("opening failed with {other:?}: {text}")),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_again_and_again_nothing_acknowledged_is_lost() {
    let mut random = Random::seeded();
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = Acknowledged::default();
    let kills = variable("KILLS", 12);
    for round in 0..kills {
        // Checkpoints rarely, often, always; dying while opening, soon, or later.
        let checkpoint = [u64::MAX, 20_000, 1][random.below(3) as usize];
        let child = spawn_child(folder.path(), acknowledged.next(), checkpoint, "");
        let lines = [0, 10, 200][random.below(3) as usize] + random.below(60);
        acknowledged.listen_then_kill(child, lines);
        assert_eq!(acknowledged.errors, Vec::<String>::new(), "round {round}");
        if round % 16 == 15 || round + 1 == kills {
            assert_eq!(examine(folder.path(), &acknowledged).await, Verdict::Whole);
        }
    }
    assert!(acknowledged.instances.len() > 20, "the children did next to nothing");
    let backend = open(folder.path(), 20_000).unwrap();
    let running = worker(backend.clone()).await;
    let client = Client::new(backend.clone());
    for (number, known) in &acknowledged.instances {
        let handle = client.instance(format!("i{number}")).unwrap().typed::<u32, Failure>();
        if *known == 1 {
            // Whether the event went through is not known; a second one does no harm.
            let sent = handle.raise_event("extra", &1_u32).send().await;
            assert!(sent.is_ok() || sent.unwrap_err().kind() == ErrorKind::Ended);
        }
        let value = handle.result_within(LONG).await.unwrap();
        assert_eq!(u64::from(value), number + u64::from(STEPS) + 1);
    }
    eprintln!("{kills} kills, {} instances", acknowledged.instances.len());
    running.shutdown().await;
    backend.close().await.unwrap();
}

fn copy(from: &Path, to: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            files.extend(copy(&entry.path(), &target));
        } else {
            std::fs::copy(entry.path(), &target).unwrap();
            files.push(target);
        }
    }
    files
}

/// Damages one file in one place and says how.
fn damage(file: &Path, random: &mut Random) -> String {
    let mut bytes = std::fs::read(file).unwrap();
    let name = file.file_name().unwrap().to_string_lossy().into_owned();
    let at = random.below(bytes.len().max(1) as u64) as usize;
    let what = match random.below(3) {
        0 => {
            bytes[at] ^= 1 << random.below(8);
            format!("a bit of byte {at} of {name}")
        }
        1 => {
            bytes.truncate(at);
            format!("{name} cut to {at}")
        }
        _ => {
            let begin = at / 512 * 512;
            let end = (begin + 512).min(bytes.len());
            bytes[begin..end].fill(0);
            format!("sector {begin}..{end} of {name} zeroed")
        }
    };
    std::fs::write(file, bytes).unwrap();
    what
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damage_is_reported_and_never_silent() {
    let mut random = Random::seeded();
    let original = tempfile::tempdir().unwrap();
    let mut acknowledged = Acknowledged::default();
    for checkpoint in [20_000, u64::MAX] {
        let child = spawn_child(original.path(), acknowledged.next(), checkpoint, "");
        acknowledged.listen_then_kill(child, 120);
    }
    let mut counts = BTreeMap::new();
    for _ in 0..variable("MUTATIONS", 40) {
        let folder = tempfile::tempdir().unwrap();
        let mut files = copy(original.path(), folder.path());
        files.retain(|file| file.metadata().unwrap().len() > 0);
        files.sort_unstable();
        let file = files[random.below(files.len() as u64) as usize].clone();
        let what = damage(&file, &mut random);
        let verdict = examine_in_child(folder.path(), &acknowledged).await;
        let name = match &verdict {
            Verdict::Whole => "whole",
            Verdict::Reported => "reported",
            Verdict::Silent(why) => panic!("{what}: {why}"),
        };
        *counts.entry(name).or_insert(0) += 1;
    }
    eprintln!("{counts:?}");
}

const EXAMINE: &str = "CRASH_EXAMINE";

/// sled may bring down threads of its own over a damaged file: that is seen from outside.
async fn examine_in_child(folder: &Path, acknowledged: &Acknowledged) -> Verdict {
    let list: Vec<_> = acknowledged.instances.iter().map(|(n, k)| format!("{n} {k}")).collect();
    let list_file = folder.join("acknowledged");
    std::fs::write(&list_file, list.join("\n")).unwrap();
    let mut command = tokio::process::Command::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", "examiner", "--nocapture"]).env(EXAMINE, folder);
    let output = timeout(&*TokioEnv::shared(), LONG, command.kill_on_drop(true).output()).await;
    let Ok(output) = output else { return Verdict::Silent("it hangs".to_owned()) };
    let output = output.unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    match text.lines().find_map(|line| line.strip_prefix("verdict ")) {
        Some("Whole") => Verdict::Whole,
        Some("Reported") => Verdict::Reported,
        Some(other) => Verdict::Silent(other.to_owned()),
        None => Verdict::Silent(format!(
            "{}: {text}{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        )),
    }
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
