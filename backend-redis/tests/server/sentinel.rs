//! Sentinels of a test.

use std::path::PathBuf;
use std::process::Child;

use backend_redis::RedisAddress;

use super::{Server, ask_port, free_port};

/// A running Sentinel that knows one primary as `main`.
pub(crate) struct Sentinel {
    keeper: Child,
    port: u16,
    dir: PathBuf,
}

impl Sentinel {
    pub(crate) fn start(primary: &Server) -> Self {
        loop {
            let dir =
                tempfile::Builder::new().prefix("durable-sentinel-").tempdir().unwrap().keep();
            let port = free_port();
            let conf = dir.join("sentinel.conf");
            let text = format!(
                "bind 127.0.0.1\nport {port}\ndir {}\n\
                 sentinel monitor main 127.0.0.1 {} 1\n\
                 sentinel down-after-milliseconds main 1500\n\
                 sentinel failover-timeout main 5000\n",
                dir.display(),
                primary.port(),
            );
            std::fs::write(&conf, text).unwrap();
            let arguments = [conf.display().to_string(), "--sentinel".to_owned()];
            let mut sentinel =
                Self { keeper: Server::keep(&dir, super::REDIS, &arguments), port, dir };
            if sentinel.answers() {
                return sentinel;
            }
        }
    }

    fn answers(&mut self) -> bool {
        loop {
            if self.ask(&["PING"]).is_some_and(|answer| answer.contains("PONG")) {
                return true;
            }
            let log = std::fs::read_to_string(self.dir.join("log")).unwrap_or_default();
            if log.contains("Failed listening") || self.keeper.try_wait().unwrap().is_some() {
                return false;
            }
            std::thread::yield_now();
        }
    }

    pub(crate) fn ask(&self, command: &[&str]) -> Option<String> {
        ask_port(self.port, command)
    }

    pub(crate) fn address(&self) -> RedisAddress {
        RedisAddress::new("127.0.0.1", self.port)
    }

    /// Waits until it knows so many replicas of the primary.
    pub(crate) fn knows_replicas(&self, count: usize) {
        let wanted = format!("num-slaves\n${}\n{count}\n", count.to_string().len());
        while !self.ask(&["SENTINEL", "MASTER", "main"]).unwrap_or_default().contains(&wanted) {
            std::thread::yield_now();
        }
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}
