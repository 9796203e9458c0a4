//! What the operating system says processes used.

use std::time::{Duration, Instant};

/// Figures of one process, or of several together, at one moment.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usage {
    /// Processor time, user and system together.
    pub(crate) cpu: Duration,
    /// Most memory it ever held, in bytes.
    pub(crate) peak_memory: u64,
    /// Bytes it caused to be written to storage.
    pub(crate) written: u64,
}

impl Usage {
    /// Of this process and of those that work for it.
    pub(crate) fn now(others: &[u32]) -> Self {
        let mut all = Self::of("self");
        for id in others {
            let other = Self::of(&id.to_string());
            all.cpu += other.cpu;
            all.peak_memory += other.peak_memory;
            all.written += other.written;
        }
        all
    }

    /// Reads the figures; those the system does not give are zero.
    fn of(process: &str) -> Self {
        let read =
            |file| std::fs::read_to_string(format!("/proc/{process}/{file}")).unwrap_or_default();
        let mut usage = Self::default();
        let stat = read("stat");
        let rest: Vec<_> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |at: usize| rest.get(at).and_then(|t| t.parse::<u64>().ok()).unwrap_or(0);
        usage.cpu = Duration::from_millis((ticks(11) + ticks(12)) * 10);
        for line in read("status").lines() {
            if line.starts_with("VmHWM") {
                let kb = line.split_whitespace().nth(1).and_then(|n| n.parse::<u64>().ok());
                usage.peak_memory = kb.unwrap_or(0) * 1024;
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
