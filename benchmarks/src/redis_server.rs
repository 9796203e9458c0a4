//! A Redis server of one's own, on a free loopback port.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Stopped when dropped.
pub(crate) struct RedisServer {
    child: Child,
    port: u16,
}

static PID: AtomicU32 = AtomicU32::new(0);
static TRACE: AtomicBool = AtomicBool::new(false);
static TRACE_FILE: Mutex<Option<PathBuf>> = Mutex::new(None);

/// The running server's process, so that what it uses counts as ours.
pub(crate) fn pid() -> Option<u32> {
    Some(PID.load(Ordering::Relaxed)).filter(|pid| *pid != 0)
}

/// Whether servers that are started from now on have their flushes counted.
pub(crate) fn trace_flushes(wanted: bool) {
    TRACE.store(wanted, Ordering::Relaxed);
}

pub(crate) fn traces_flushes() -> bool {
    TRACE.load(Ordering::Relaxed)
}

/// Flushes of the server so far; 0 where they are not counted.
pub(crate) fn flushes() -> u64 {
    let file = TRACE_FILE.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let text = file.and_then(|file| std::fs::read_to_string(file).ok()).unwrap_or_default();
    // One that was interrupted by another thread's has a second line, without the bracket.
    text.lines().filter(|line| line.contains("sync(")).count() as u64
}

impl RedisServer {
    /// Starts a server that keeps its data in a folder and calls fsync as told: `everysec` or
    /// `always`.
    pub(crate) fn start(folder: &Path, fsync: &str) -> Result<Self, Box<dyn std::error::Error>> {
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let mut command = if traces_flushes() {
            let file = folder.join("flushes");
            let mut strace = Command::new("strace");
            // The server stays our child, so that it can be stopped; only these calls are slower.
            strace.args(["-D", "-f", "-qq", "--seccomp-bpf", "-e", "trace=fsync,fdatasync", "-o"]);
            strace.arg(&file).arg("redis-server");
            *TRACE_FILE.lock().unwrap_or_else(PoisonError::into_inner) = Some(file);
            strace
        } else {
            Command::new("redis-server")
        };
        let child = command
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
            .args(["--appendonly", "yes", "--appendfsync", fsync, "--dir"])
            .arg(folder)
            .stdout(Stdio::null())
            .spawn()
            .map_err(|e| format!("redis-server: {e}; install redis-server (and strace)"))?;
        PID.store(child.id(), Ordering::Relaxed);
        let server = Self { child, port };
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if begun.elapsed() > Duration::from_secs(10) {
                return Err("redis-server does not answer".into());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(server)
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        PID.store(0, Ordering::Relaxed);
        *TRACE_FILE.lock().unwrap_or_else(PoisonError::into_inner) = None;
        // Nothing of it is needed any more.
        let _ = self.child.kill().and_then(|()| self.child.wait().map(drop));
    }
}
