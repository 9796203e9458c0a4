//! Retry policies: pure calculation.

use std::time::Duration;

/// When and how often to try again. Plain numbers; a predicate on the error is given at
/// the call.
///
/// The delay before attempt *n + 1* is `first_interval * backoff^(n - 1)`, at most
/// `max_interval`, varied by up to `jitter` of itself. The variation is drawn from the
/// execution's own seed, so it replays alike.
#[derive(Debug, Clone, PartialEq)]
pub struct RetryPolicy {
    pub(crate) first_interval: Duration,
    pub(crate) backoff: f64,
    pub(crate) max_interval: Duration,
    pub(crate) attempts: u32,
    pub(crate) total: Option<Duration>,
    pub(crate) jitter: f64,
}

impl RetryPolicy {
    /// Up to `attempts` attempts in all (at least 1), one second apart, without back-off.
    pub fn new(attempts: u32) -> Self {
        Self {
            first_interval: Duration::from_secs(1),
            backoff: 1.0,
            max_interval: Duration::from_secs(3600),
            attempts: attempts.max(1),
            total: None,
            jitter: 0.0,
        }
    }

    /// Exponential back-off: 1 s, 2 s, 4 s … at most a minute apart, with 10 % jitter.
    pub fn exponential(attempts: u32) -> Self {
        Self::new(attempts).backoff(2.0).max_interval(Duration::from_secs(60)).jitter(0.1)
    }

    /// Delay before the second attempt.
    #[must_use]
    pub fn first_interval(mut self, interval: Duration) -> Self {
        self.first_interval = interval;
        self
    }

    /// Factor from one delay to the next; values below 1 and non-finite ones count as 1.
    #[must_use]
    pub fn backoff(mut self, factor: f64) -> Self {
        self.backoff = if factor.is_finite() { factor.max(1.0) } else { 1.0 };
        self
    }

    /// Longest delay.
    #[must_use]
    pub fn max_interval(mut self, interval: Duration) -> Self {
        self.max_interval = interval;
        self
    }

    /// No further attempt starts once this much time has passed since the first.
    #[must_use]
    pub fn total(mut self, limit: Duration) -> Self {
        self.total = Some(limit);
        self
    }

    /// Share of the delay by which it varies, from 0 to 1.
    #[must_use]
    pub fn jitter(mut self, share: f64) -> Self {
        self.jitter = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
        self
    }

    /// The delay after failed attempt `attempt` (from 1), or `None` to give up. `elapsed` is
    /// the time since the first attempt, `random` an evenly distributed number.
    pub fn delay_after(&self, attempt: u32, elapsed: Duration, random: u64) -> Option<Duration> {
        if attempt >= self.attempts {
            return None;
        }
        let factor =
            self.backoff.powi(i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX));
        let max = self.max_interval.as_secs_f64();
        let plain = (self.first_interval.as_secs_f64() * factor).min(max);
        let swing = (random as f64 / u64::MAX as f64) * 2.0 - 1.0;
        let varied = (plain * (1.0 + self.jitter * swing)).clamp(0.0, max);
        let delay = Duration::try_from_secs_f64(varied).unwrap_or(self.max_interval);
        match self.total {
            Some(total) if elapsed.saturating_add(delay) > total => None,
            _ => Some(delay),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn delays_grow_to_the_cap_and_end() {
        let p = RetryPolicy::new(5).backoff(3.0).max_interval(10 * S);
        let delays: Vec<_> = (1..=5).map(|n| p.delay_after(n, Duration::ZERO, 0)).collect();
        assert_eq!(delays, [Some(S), Some(3 * S), Some(9 * S), Some(10 * S), None]);
    }

    #[test]
    fn total_time_ends_it_early() {
        let p = RetryPolicy::new(100).total(10 * S);
        assert_eq!(p.delay_after(1, 9 * S, 0), Some(S));
        assert_eq!(p.delay_after(2, 9 * S + Duration::from_millis(1), 0), None);
    }

    #[test]
    fn jitter_stays_in_its_share_and_odd_numbers_are_harmless() {
        let p = RetryPolicy::new(9).jitter(0.5);
        assert_eq!(p.delay_after(1, Duration::ZERO, 0), Some(S / 2));
        assert_eq!(p.delay_after(1, Duration::ZERO, u64::MAX), Some(S + S / 2));
        let odd = RetryPolicy::new(u32::MAX).backoff(f64::NAN).jitter(f64::INFINITY);
        assert_eq!(odd.delay_after(u32::MAX - 1, Duration::ZERO, 7), Some(S));
        assert_eq!(odd.delay_after(0, Duration::ZERO, 7), Some(S));
    }
}
