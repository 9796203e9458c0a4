//! The injected environment: clock, randomness, spawn and sleep.
//!
//! Nothing else in the library may read a clock, draw a random number, start a
//! task or sleep; a lint forbids it. That is what lets the simulator run the
//! real engine from one seed.

#![allow(clippy::disallowed_methods, reason = "the one home of clock, spawn and sleep")]

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::time::Timestamp;

/// A boxed future that may move between threads.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Clock, randomness, spawn and sleep.
pub trait Env: Send + Sync + Debug + 'static {
    /// The wall clock in UTC. May jump; nothing relies on it for mutual exclusion.
    fn now(&self) -> Timestamp;

    /// 128 unguessable bits.
    fn random_u128(&self) -> u128;

    /// Runs a future in the background until it ends. To be stoppable, a task
    /// listens to a signal that its owner holds.
    fn spawn(&self, task: BoxFuture<'static, ()>);

    /// Completes after `duration`.
    ///
    /// Cancel safety: dropping the future forgets the sleep.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;
}

/// A shared environment.
pub type SharedEnv = Arc<dyn Env>;

/// The production environment: operating-system clock and randomness, tokio tasks and timers.
#[derive(Debug)]
pub struct TokioEnv {
    pool: Mutex<EntropyPool>,
}

/// The operating system is asked for many numbers at once: a system call per
/// lease would cost more than the rest of a turn.
struct EntropyPool {
    bytes: [u8; 4096],
    used: usize,
}

impl Debug for EntropyPool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EntropyPool")
    }
}

impl TokioEnv {
    /// The production environment, ready to share.
    pub fn shared() -> SharedEnv {
        Arc::new(Self { pool: Mutex::new(EntropyPool { bytes: [0; 4096], used: 4096 }) })
    }
}

impl Env for TokioEnv {
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or(Duration::ZERO);
        Timestamp::from_micros(u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
    }

    fn random_u128(&self) -> u128 {
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        if pool.used + 16 > pool.bytes.len() {
            #[expect(
                clippy::expect_used,
                reason = "without entropy no lease is safe; there is no way on"
            )]
            getrandom::fill(&mut pool.bytes).expect("the operating system gives no randomness");
            pool.used = 0;
        }
        let at = pool.used;
        pool.used += 16;
        let mut number = [0; 16];
        number.copy_from_slice(&pool.bytes[at..at + 16]);
        // A token must not be recoverable from memory after it was handed out.
        pool.bytes[at..at + 16].fill(0);
        u128::from_le_bytes(number)
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        drop(tokio::spawn(task));
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// Runs `future` for at most `limit`.
///
/// # Errors
/// [`Elapsed`] when the limit passes first; the future is dropped then.
pub async fn timeout<F: Future>(
    env: &dyn Env,
    limit: Duration,
    future: F,
) -> Result<F::Output, Elapsed> {
    tokio::select! {
        biased;
        done = future => Ok(done),
        () = env.sleep(limit) => Err(Elapsed),
    }
}

/// A time limit passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the time limit passed")]
pub struct Elapsed;
