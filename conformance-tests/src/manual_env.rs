//! An environment whose clock only moves when a check says so.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use durable_core::env::{BoxFuture, Env, SharedEnv, TokioEnv};
use durable_core::time::Timestamp;
use tokio::sync::watch;

/// Where every manual clock starts: 2026-01-01T00:00:00Z. Far from zero, so that checks
/// may set times in the past.
pub const START: Timestamp = Timestamp::from_millis(1_767_225_600_000);

/// Clock by hand, randomness from a seed, tasks on the ambient tokio runtime.
///
/// A sleep ends when [`advance`](Self::advance) has moved the clock far enough; while
/// nobody moves it, no time passes, however long a check takes.
pub struct ManualEnv {
    clock: watch::Sender<Timestamp>,
    random: AtomicU64,
    tokio: SharedEnv,
}

impl fmt::Debug for ManualEnv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ManualEnv({})", self.now())
    }
}

impl ManualEnv {
    /// A clock at [`START`] and randomness from `seed`.
    pub fn new(seed: u64) -> Self {
        Self {
            clock: watch::Sender::new(START),
            random: AtomicU64::new(seed),
            tokio: TokioEnv::shared(),
        }
    }

    /// Moves the clock forward and ends the sleeps that are over.
    pub fn advance(&self, by: Duration) {
        self.clock.send_modify(|now| *now = *now + by);
    }

    /// Sets the clock, also backward: the wall clock of a machine may do so too.
    pub fn set(&self, now: Timestamp) {
        self.clock.send_replace(now);
    }
}

/// The output function of splitmix64: every input gives another output.
pub(crate) fn mix(seed: u64) -> u64 {
    let z = (seed ^ (seed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// The increment of splitmix64.
pub(crate) const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

impl Env for ManualEnv {
    fn now(&self) -> Timestamp {
        *self.clock.borrow()
    }

    fn random_u128(&self) -> u128 {
        let next = || mix(self.random.fetch_add(GOLDEN, Ordering::Relaxed).wrapping_add(GOLDEN));
        (u128::from(next()) << 64) | u128::from(next())
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        self.tokio.spawn(task);
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let mut clock = self.clock.subscribe();
        let until = self.now() + duration;
        Box::pin(async move {
            // Fails only when the environment is gone, and with it whoever waits here.
            let _ = clock.wait_for(|now| *now >= until).await;
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[test]
    fn a_sleep_ends_when_the_clock_has_moved_far_enough() {
        let env = ManualEnv::new(1);
        let mut sleep = env.sleep(Duration::from_secs(2));
        env.advance(Duration::from_secs(1));
        assert!((&mut sleep).now_or_never().is_none());
        env.advance(Duration::from_secs(1));
        assert!(sleep.now_or_never().is_some());
    }

    #[test]
    fn the_same_seed_gives_the_same_numbers() {
        let (a, b) = (ManualEnv::new(7), ManualEnv::new(7));
        assert_eq!(a.random_u128(), b.random_u128());
        assert_ne!(a.random_u128(), ManualEnv::new(8).random_u128());
    }
}
