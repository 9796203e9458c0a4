//! What the parts of one task hub share.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use durable_core::backend::{
    ActivityWork, Applied, BackendError, BackendErrorKind, BackendResult, Capabilities, TurnWork,
};
use durable_core::env::SharedEnv;
use durable_core::ids::{HubName, InstanceId, LeaseToken, QueueName};
use durable_core::memory::Bells;
use durable_core::time::Timestamp;
use foldhash::{HashMap, HashSet};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::config::AwsSettings;
use crate::desk::Desk;
use crate::head::Head;
use crate::hints::{TaskHints, TaskPlace, TurnHints};
use crate::later::Gathered;
use crate::page::Page;
use crate::sqs::Queue;
use crate::table::Table;

/// Loans remembered at most; of others the table is asked.
const LENT_MAX: usize = 20_000;

/// Locks that commits share; two instances seldom have the same.
const COMMIT_LOCKS: usize = 1_024;

/// What was read when an instance was handed out.
#[derive(Debug)]
pub(crate) struct Lent {
    pub(crate) head: Arc<Head>,
    pub(crate) pages: Vec<Page>,
    /// How often pages had been added to before they were read.
    pub(crate) paged: u64,
}

/// Who waits on a queue, and whether somebody polls it for them.
#[derive(Debug, Default)]
pub(crate) struct Poll {
    pub(crate) waiting: AtomicUsize,
    pub(crate) polling: AtomicBool,
    /// Whether somebody has asked who did not wait.
    pub(crate) asked: AtomicBool,
}

/// One task hub in this process.
pub(crate) struct Hub {
    pub(crate) name: HubName,
    pub(crate) settings: AwsSettings,
    pub(crate) env: SharedEnv,
    pub(crate) capabilities: Capabilities,
    pub(crate) table: Table,
    pub(crate) orchestrator: Arc<Gathered>,
    pub(crate) worker: Arc<Gathered>,
    pub(crate) tracking: Arc<Gathered>,
    pub(crate) bells: Bells,
    pub(crate) turns: Mutex<TurnHints>,
    pub(crate) tasks: Mutex<TaskHints>,
    /// By the token of their loan.
    pub(crate) lent: Mutex<HashMap<LeaseToken, Arc<Lent>>>,
    /// Where tasks on loan are, by token.
    pub(crate) lent_tasks: Mutex<HashMap<LeaseToken, Arc<str>>>,
    /// Instances of which this process knows that a completion cannot take their loan.
    pub(crate) unready: Mutex<HashSet<InstanceId>>,
    pub(crate) task_desk: Mutex<Desk<ActivityWork>>,
    pub(crate) turn_desk: Mutex<Desk<TurnWork>>,
    /// Handles of doorbells that have not been answered yet.
    pub(crate) held: Mutex<HashMap<InstanceId, Vec<String>>>,
    pub(crate) held_tasks: Mutex<HashMap<TaskPlace, Vec<Arc<String>>>>,
    pub(crate) turn_poll: Poll,
    pub(crate) task_poll: Poll,
    pub(crate) tracking_poll: Poll,
    /// Whether somebody looks after timers and lost doorbells.
    pub(crate) kept: AtomicBool,
    /// Commits of one instance go one after the other: two under one token must not stage the same
    /// block of history at the same time.
    committing: Vec<tokio::sync::Mutex<()>>,
    /// Activity queues that somebody in this process has asked for.
    pub(crate) queues: Mutex<HashSet<QueueName>>,
    /// When turns were last asked for, in microseconds.
    pub(crate) served: AtomicU64,
    /// The last stamp given to a message.
    stamped: AtomicU64,
    pub(crate) closed: AtomicBool,
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").field("name", &self.name).finish_non_exhaustive()
    }
}

pub(crate) fn closed(operation: &'static str) -> BackendError {
    BackendError::new(BackendErrorKind::Closed, operation, "the backend was closed")
}

impl Hub {
    pub(crate) fn new(
        (name, settings, env): (HubName, AwsSettings, SharedEnv),
        capabilities: Capabilities,
        table: Table,
        queues: [Queue; 3],
    ) -> Self {
        let [orchestrator, worker, tracking] =
            queues.map(|queue| Gathered::new(queue, Arc::clone(&env)));
        Self {
            name,
            settings,
            env,
            capabilities,
            table,
            orchestrator,
            worker,
            tracking,
            bells: Bells::default(),
            turns: Mutex::default(),
            tasks: Mutex::default(),
            lent: Mutex::default(),
            lent_tasks: Mutex::default(),
            unready: Mutex::default(),
            task_desk: Mutex::default(),
            turn_desk: Mutex::default(),
            held: Mutex::default(),
            held_tasks: Mutex::default(),
            turn_poll: Poll::default(),
            task_poll: Poll::default(),
            tracking_poll: Poll::default(),
            kept: AtomicBool::new(false),
            committing: (0..COMMIT_LOCKS).map(|_| tokio::sync::Mutex::default()).collect(),
            queues: Mutex::default(),
            served: AtomicU64::new(0),
            stamped: AtomicU64::new(0),
            closed: AtomicBool::new(false),
        }
    }

    pub(crate) fn check_open(&self, operation: &'static str) -> BackendResult<()> {
        if self.closed.load(Ordering::Acquire) { Err(closed(operation)) } else { Ok(()) }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.env.now()
    }

    /// Now, but later than every time this process has given out before: messages keep their
    /// order when the clock stands still or goes back.
    pub(crate) fn stamp(&self) -> Timestamp {
        let now = self.now().as_micros();
        let next = |last: u64| Some(now.max(last + 1));
        let last = self.stamped.fetch_update(Ordering::AcqRel, Ordering::Acquire, next);
        Timestamp::from_micros(now.max(last.unwrap_or(0) + 1))
    }

    /// Whether turns were asked for in this process not long ago.
    pub(crate) fn serves_turns(&self) -> bool {
        let served = Timestamp::from_micros(self.served.load(Ordering::Relaxed));
        served > Timestamp::EPOCH
            && (self.turn_poll.waiting.load(Ordering::Relaxed) > 0
                || self.now().since(served) < Duration::from_secs(5))
    }

    /// Waits until no other commit of the instance is under way in this process.
    pub(crate) async fn commit_alone(
        &self,
        instance: &InstanceId,
    ) -> tokio::sync::MutexGuard<'_, ()> {
        let place = crc32c::crc32c(instance.as_str().as_bytes()) as usize % COMMIT_LOCKS;
        self.committing[place].lock().await
    }

    /// The same, unless one is under way: `None` then.
    pub(crate) fn try_commit_alone(
        &self,
        instance: &InstanceId,
    ) -> Option<tokio::sync::MutexGuard<'_, ()>> {
        let place = crc32c::crc32c(instance.as_str().as_bytes()) as usize % COMMIT_LOCKS;
        self.committing[place].try_lock().ok()
    }

    /// Remembers that a completion cannot take the loan of an instance.
    pub(crate) fn set_unready(&self, instance: &InstanceId) {
        let mut unready = self.unready.lock();
        if unready.len() >= LENT_MAX {
            unready.clear();
        }
        unready.insert(instance.clone());
    }

    /// Remembers what was read with a loan.
    pub(crate) fn lend(&self, token: LeaseToken, lent: Lent) {
        self.set_unready(&lent.head.instance);
        let now = self.now();
        let mut all = self.lent.lock();
        if all.len() >= LENT_MAX {
            all.retain(|_, lent| lent.head.on_loan(now));
        }
        all.insert(token, Arc::new(lent));
    }

    /// Remembers where a task on loan is.
    pub(crate) fn lend_task(&self, token: LeaseToken, item: Arc<str>) {
        let mut all = self.lent_tasks.lock();
        if all.len() >= LENT_MAX {
            all.clear();
        }
        all.insert(token, item);
    }

    /// Like [`detached`](Self::detached), for something that must be given back when nobody is
    /// there any more to take it.
    pub(crate) async fn handed_over<T, F>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
        give_back: impl FnOnce(T) -> F + Send + 'static,
    ) -> Option<T>
    where
        T: Send + 'static,
        F: Future<Output = ()> + Send,
    {
        let (answer, answered) = oneshot::channel();
        self.env.spawn(Box::pin(async move {
            if answer.is_closed() {
                return;
            }
            if let Err(unwanted) = answer.send(work.await) {
                give_back(unwanted).await;
            }
        }));
        answered.await.ok()
    }

    /// Runs something to its end, also when the caller loses interest; `None` when the process
    /// ends before.
    pub(crate) async fn detached<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let (answer, answered) = oneshot::channel();
        self.env.spawn(Box::pin(async move {
            // Nobody may be listening any more; what was to happen has happened.
            let _ = answer.send(work.await);
        }));
        answered.await.ok()
    }
}

pub(crate) fn interrupted(operation: &'static str) -> BackendError {
    let text = "the task that ran it ended; perhaps its runtime is shutting down";
    BackendError::new(BackendErrorKind::Unavailable, operation, text).unknown()
}

/// The same error once more, without its source.
pub(crate) fn copy(e: &BackendError) -> BackendError {
    let copy = BackendError::new(e.kind(), e.operation(), e.context().to_owned()).retry(e.advice());
    if e.applied() == Applied::Unknown { copy.unknown() } else { copy }
}

/// The same error for every item of a batch.
pub(crate) fn spread<T>(error: BackendError, count: usize) -> Vec<BackendResult<T>> {
    let mut answers: Vec<_> = (1..count).map(|_| Err(copy(&error))).collect();
    answers.push(Err(error));
    answers
}
