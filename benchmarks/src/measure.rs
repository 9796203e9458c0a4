//! What the operating system says this process used.

use std::time::{Duration, Instant};

use crate::redis_server;

/// Figures of a process at one moment.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usage {
    /// Processor time, user and system together.
    pub(crate) cpu: Duration,
    /// Most memory it ever held, in bytes.
    pub(crate) peak_memory: u64,
    /// Memory it holds now, in bytes.
    pub(crate) memory: u64,
    /// Bytes it caused to be written to storage.
    pub(crate) written: u64,
    /// Flushes that the store was made to do, where it can be asked.
    pub(crate) flushes: u64,
}

impl Usage {
    /// Reads the figures of this process and of the server it started, if it did; those the
    /// system does not give are zero.
    pub(crate) fn now() -> Self {
        let mut usage = Self::of("self");
        if let Some(server) = redis_server::pid() {
            let server = Self::of(&server.to_string());
            usage.cpu += server.cpu;
            usage.peak_memory += server.peak_memory;
            usage.memory += server.memory;
            usage.written += server.written;
        }
        usage.flushes = crate::setup::flushes() + redis_server::flushes();
        usage
    }

    fn of(process: &str) -> Self {
        let read =
            |file| std::fs::read_to_string(format!("/proc/{process}/{file}")).unwrap_or_default();
        let mut usage = Self::default();
        let stat = read("stat");
        let rest: Vec<_> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |at: usize| rest.get(at).and_then(|t| t.parse::<u64>().ok()).unwrap_or(0);
        usage.cpu = Duration::from_millis((ticks(11) + ticks(12)) * 10);
        for line in read("status").lines() {
            let kb = |l: &str| {
                l.split_whitespace().nth(1).and_then(|n| n.parse::<u64>().ok()).unwrap_or(0) * 1024
            };
            if line.starts_with("VmHWM") {
                usage.peak_memory = kb(line);
            } else if line.starts_with("VmRSS") {
                usage.memory = kb(line);
            }
        }
        for line in read("io").lines() {
            if let Some(bytes) = line.strip_prefix("write_bytes: ") {
                usage.written = bytes.parse().unwrap_or(0);
            }
        }
        usage
    }
}

/// Times of single operations.
#[derive(Debug, Default)]
pub(crate) struct Latencies(Vec<Duration>);

impl Latencies {
    pub(crate) fn add(&mut self, since: Instant) {
        self.0.push(since.elapsed());
    }

    pub(crate) fn merge(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// The value below which this share lies.
    pub(crate) fn quantile(&mut self, share: f64) -> Duration {
        self.0.sort_unstable();
        let at = ((self.0.len() as f64 * share) as usize).min(self.0.len().saturating_sub(1));
        self.0.get(at).copied().unwrap_or_default()
    }
}
