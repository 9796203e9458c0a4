//! Worker processes are killed and paused under load.
//!
//! `KILLS=300 PAUSES=200 SEED=7` in the environment make it longer, or repeat it.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
#![allow(clippy::print_stdout, reason = "seeds and summaries are printed")]

mod emulator;
mod engine;

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use backend_aws::{AwsCredentials, AwsSettings};
use durable_core::backend::Backend;
use durable_core::client::Client;
use durable_core::env::TokioEnv;
use emulator::{Emulator, Kind};

const WORKERS: usize = 3;
/// Instances that are under way at a time.
const OPEN: usize = 24;
const URL: &str = "DURABLE_TEST_URL";
/// A lease ends before a pause does.
const LEASE: Duration = Duration::from_secs(2);

fn settings(url: &str) -> AwsSettings {
    let mut settings = AwsSettings::parse(url).unwrap();
    settings.credentials = AwsCredentials::fixed("test", "test");
    engine::hurried(settings)
}

/// Not a test: the process that the next test kills.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "started by another test as a process of its own"]
async fn worker_process() {
    let Ok(url) = std::env::var(URL) else { return };
    let _worker = engine::worker(engine::open(settings(&url)).await, Some(LEASE)).await;
    // Its parent is gone when its input ends, however that happened.
    let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
}

/// A worker process.
struct Process {
    child: Child,
    /// Rounds until it goes on, while it is paused.
    paused: Option<u64>,
}

impl Process {
    fn start(url: &str) -> Self {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "worker_process"])
            .env(URL, url)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, paused: None }
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    fn resume(&mut self) {
        self.signal("-CONT");
        self.paused = None;
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Instances under way, and how many came to their end.
struct Load {
    client: Client,
    backend: Arc<dyn Backend>,
    open: BTreeMap<String, u32>,
    started: u32,
    ended: u32,
}

impl Load {
    async fn top_up(&mut self) {
        while self.open.len() < OPEN {
            let n = self.started;
            self.started += 1;
            let (id, count) = (format!("i-{n}"), 3 + n % 13);
            let code = if n.is_multiple_of(3) { engine::fan() } else { engine::steps() };
            let input = (count, "x".repeat(100));
            self.client.start(code, input).id(&id).send().await.unwrap();
            self.open.insert(id, count);
        }
    }

    /// Checks and forgets what has ended.
    async fn reap(&mut self) {
        let ids: Vec<_> = self.open.keys().map(|id| id.parse().unwrap()).collect();
        for record in self.backend.read_records(ids).await {
            let record = record.unwrap().unwrap();
            if record.status.is_terminal() {
                let id = record.instance.as_str();
                let count = self.open.remove(id).unwrap();
                engine::ended_once(&self.client, id, count).await;
                self.ended += 1;
            }
        }
    }

    async fn finish(&mut self) {
        for (id, count) in std::mem::take(&mut self.open) {
            engine::ended_once(&self.client, &id, count).await;
            self.ended += 1;
        }
    }
}

fn variable(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// Proves G1, G3, G5, G6, G7, L1, L2.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes on a busy machine; run by `cargo xtask torture --backend aws`"]
async fn killed_and_paused_workers_lose_nothing() {
    let (kills, pauses) = (variable("KILLS", 8), variable("PAUSES", 4));
    let mut seed = variable("SEED", u64::from(std::process::id()));
    if !emulator::available(Kind::from_env()) {
        return;
    }
    println!("SEED={seed}");
    let mut draw = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 33) % below
    };
    let emulator = Emulator::start(Kind::from_env());
    let url = emulator.url("hub");
    let backend = engine::open(settings(&url)).await;
    let client = Client::new(Arc::clone(&backend));
    let mut load = Load { client, backend, open: BTreeMap::new(), started: 0, ended: 0 };
    let mut workers: Vec<Process> = (0..WORKERS).map(|_| Process::start(&url)).collect();
    let (mut killed, mut paused) = (0, 0);
    while killed < kills || paused < pauses {
        load.top_up().await;
        TokioEnv::shared().sleep(Duration::from_millis(100 + draw(900))).await;
        for worker in &mut workers {
            worker.paused = worker.paused.map(|rounds| rounds - 1);
            if worker.paused == Some(0) {
                worker.resume();
            }
        }
        let victim = usize::try_from(draw(WORKERS as u64)).unwrap();
        let (kills_left, pauses_left) = (kills - killed, pauses - paused);
        if draw(kills_left + pauses_left) < pauses_left {
            if workers[victim].paused.is_none() {
                workers[victim].signal("-STOP");
                // Usually longer than the lease.
                workers[victim].paused = Some(2 + draw(8));
                paused += 1;
            }
        } else {
            workers[victim] = Process::start(&url);
            killed += 1;
        }
        load.reap().await;
    }
    for worker in &mut workers {
        worker.resume();
    }
    load.finish().await;
    println!(
        "summary aws-kills: aws on an emulator: {killed} `kill -9` and {paused} pauses of \
         {WORKERS} worker processes under load; {} instances | every instance ended once with \
         its result",
        load.ended
    );
}
