//! Worker processes.

use std::io::Read as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use backend_redis::RedisSettings;
use durable_core::env::TokioEnv;
use durable_core::time::Timestamp;

use crate::{engine, load};

const PORT: &str = "DURABLE_TEST_PORT";

/// The life of a worker process: until its input ends, which it does with its parent.
pub(crate) async fn work() {
    let Ok(port) = std::env::var(PORT) else { return };
    let (ended, mut end) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        let _ = ended.send(());
    });
    let mut settings = RedisSettings::new("127.0.0.1", port.parse().unwrap());
    settings.prefix = "p:".to_owned();
    let serve = async {
        loop {
            // The server may be away just now.
            if let Ok(backend) = engine::connect(settings.clone()).await
                && let Ok(worker) = load::worker(backend).await
            {
                return worker;
            }
            TokioEnv::shared().sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::select! {
        worker = serve => {
            let _ = (&mut end).await;
            worker.shutdown().await;
        }
        _ = &mut end => {}
    }
}

struct Process {
    child: Child,
    paused_till: Option<Timestamp>,
}

impl Process {
    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args([signal, &pid]).status().unwrap();
        assert!(status.success(), "a worker process has ended by itself");
    }
}

/// All worker processes of a campaign; they end with it.
pub(crate) struct Fleet {
    port: u16,
    processes: Vec<Process>,
}

impl Fleet {
    pub(crate) fn new(port: u16) -> Self {
        Self { port, processes: Vec::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.processes.len()
    }

    pub(crate) fn grow(&mut self, by: usize) {
        for _ in 0..by {
            let child = Command::new(std::env::current_exe().unwrap())
                .args(["--ignored", "--exact", "worker_process"])
                .env(PORT, self.port.to_string())
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            self.processes.push(Process { child, paused_till: None });
        }
    }

    fn take(&mut self, choice: u64) -> Process {
        let which = choice % self.processes.len() as u64;
        self.processes.swap_remove(usize::try_from(which).unwrap())
    }

    /// Kills one, also one that is paused; another takes its place.
    pub(crate) fn kill(&mut self, choice: u64) {
        let mut process = self.take(choice);
        process.child.kill().unwrap();
        process.child.wait().unwrap();
        self.grow(1);
    }

    /// Stops one in its tracks; its leases end while it does not know.
    pub(crate) fn pause(&mut self, choice: u64, span: Duration) {
        let mut process = self.take(choice);
        process.signal("-STOP");
        process.paused_till = Some(TokioEnv::shared().now() + span);
        self.processes.push(process);
    }

    pub(crate) fn resume_those_due(&mut self) {
        let now = TokioEnv::shared().now();
        for process in &mut self.processes {
            if process.paused_till.is_some_and(|till| till <= now) {
                process.paused_till = None;
                process.signal("-CONT");
            }
        }
    }

    pub(crate) fn resume_all(&mut self) {
        for process in &mut self.processes {
            if process.paused_till.take().is_some() {
                process.signal("-CONT");
            }
        }
    }

    /// Takes one away that may give back what it has.
    pub(crate) fn remove(&mut self, choice: u64) {
        let mut process = self.take(choice);
        drop(process.child.stdin.take());
        if process.paused_till.is_some() {
            process.signal("-CONT");
        }
        // It ends while the campaign goes on.
        std::thread::spawn(move || process.child.wait());
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        for process in &mut self.processes {
            let _ = process.child.kill();
            let _ = process.child.wait();
        }
    }
}
