//! The language that checks are written in: one hub, and steps that say what must be so.

mod activities;
pub(crate) mod step;
mod store;
pub(crate) mod turns;

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use durable_core::backend::{Backend, BackendErrorKind, BackendResult, Capabilities};
use durable_core::env::{SharedEnv, TokioEnv, timeout};
use durable_core::ids::{ExecutionId, HubName, InstanceId, MessageId, WorkerId};
use durable_core::time::Timestamp;
use tokio::sync::oneshot;

use crate::check::{Checked, Failure};
use crate::fixture::{Fixture, Store, Timings};
use crate::manual_env::ManualEnv;
use crate::memory::MemoryFixture;

/// A wait that is longer than anything a check waits for.
const FOREVER: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// How far the clock of one who polls goes at a time while a check waits.
const MOMENT: Duration = Duration::from_millis(1);

/// What all hubs of one check share.
struct World {
    store: Arc<dyn Store>,
    capabilities: Capabilities,
    timings: Timings,
    manual: Option<Arc<ManualEnv>>,
    /// Measures patience and grace; the adapter's own clock may stand still.
    real: SharedEnv,
    count: AtomicU64,
}

/// A task hub under test.
#[derive(Clone)]
pub struct Hub {
    backend: Arc<dyn Backend>,
    world: Arc<World>,
    name: HubName,
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hub({})", self.name)
    }
}

/// An instance that a check works with.
#[derive(Debug, Clone)]
pub(crate) struct Inst {
    pub(crate) id: InstanceId,
    pub(crate) execution: ExecutionId,
}

/// The only answer of a batch of one.
pub(crate) fn only<T>(mut answers: Vec<BackendResult<T>>) -> Checked<T> {
    ensure_eq!(answers.len(), 1, "answers to a batch of one");
    match answers.pop() {
        Some(answer) => Ok(answer?),
        None => Err(Failure::new("no answer")),
    }
}

/// An instance id; checks use valid ones.
pub(crate) fn iid(text: &str) -> Checked<InstanceId> {
    Ok(InstanceId::new(text)?)
}

pub(crate) fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

impl Hub {
    /// An empty hub on a fresh store of the fixture.
    ///
    /// # Errors
    /// When the adapter cannot open it.
    pub async fn fresh(fixture: &dyn Fixture) -> Checked<Self> {
        let capabilities = fixture.capabilities();
        let manual = capabilities.injected_clock.then(|| Arc::new(ManualEnv::new(1)));
        let world = World {
            store: fixture.fresh().await?,
            timings: fixture.timings(),
            capabilities,
            manual,
            real: TokioEnv::shared(),
            count: AtomicU64::new(1),
        };
        Self::open(Arc::new(world), HubName::default()).await
    }

    async fn open(world: Arc<World>, name: HubName) -> Checked<Self> {
        let backend = world.store.open(&name, world.env()).await?;
        Ok(Self { backend, world, name })
    }

    /// Another hub on the same store.
    pub(crate) async fn neighbour(&self, name: &str) -> Checked<Self> {
        Self::open(Arc::clone(&self.world), HubName::new(name)?).await
    }

    /// An empty hub in memory that goes by the same clock.
    pub(crate) async fn reference(&self) -> Checked<Self> {
        let world = World {
            store: MemoryFixture.fresh().await?,
            capabilities: MemoryFixture.capabilities(),
            timings: self.world.timings,
            manual: self.world.manual.clone(),
            real: Arc::clone(&self.world.real),
            count: AtomicU64::new(1),
        };
        Self::open(Arc::new(world), HubName::default()).await
    }

    /// A second handle on this very hub.
    pub(crate) async fn second_handle(&self) -> Checked<Self> {
        Self::open(Arc::clone(&self.world), self.name.clone()).await
    }

    /// Closes the hub in good order and opens it again.
    pub(crate) async fn reopen(self) -> Checked<Self> {
        self.backend.close().await?;
        self.abandon_and_open().await
    }

    /// Drops the hub without a word, as a dying process does, and opens it again.
    pub(crate) async fn abandon_and_open(self) -> Checked<Self> {
        let Self { backend, world, name } = self;
        drop(backend);
        let opened = async {
            loop {
                match world.store.open(&name, world.env()).await {
                    // Whatever the old handle ran in the background may take a moment to end.
                    Err(e) if e.kind() == BackendErrorKind::InUse => {
                        world.real.sleep(world.timings.grace).await
                    }
                    other => return other,
                }
            }
        };
        let backend = timeout(&*world.real, world.timings.patience, opened)
            .await
            .map_err(|_| Failure::new("the dropped hub stays in use"))??;
        Ok(Self { backend, world, name })
    }

    pub(crate) fn backend(&self) -> &dyn Backend {
        &*self.backend
    }

    pub(crate) fn shared_backend(&self) -> Arc<dyn Backend> {
        Arc::clone(&self.backend)
    }

    pub(crate) fn capabilities(&self) -> &Capabilities {
        &self.world.capabilities
    }

    pub(crate) fn timings(&self) -> &Timings {
        &self.world.timings
    }

    /// The environment that the adapter was given.
    pub(crate) fn env(&self) -> SharedEnv {
        self.world.env()
    }

    /// The time by the clock that the adapter goes by.
    pub(crate) fn now(&self) -> Timestamp {
        self.world.env().now()
    }

    /// A time that comes after [`pass_delay`](Self::pass_delay).
    pub(crate) fn later(&self) -> Timestamp {
        self.now() + self.timings().delay
    }

    /// A number that no earlier call returned.
    pub(crate) fn number(&self) -> u64 {
        self.world.count.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn message_id(&self) -> MessageId {
        MessageId::random(u128::from(self.number()) << 32)
    }

    pub(crate) fn execution(&self) -> ExecutionId {
        ExecutionId(0xE0_0000_0000 + u128::from(self.number()))
    }

    pub(crate) fn worker(&self) -> WorkerId {
        WorkerId(7)
    }

    /// How long a receive waits when the check needs an answer.
    pub(crate) fn wait(&self) -> Duration {
        if self.world.manual.is_some() { FOREVER } else { self.timings().patience }
    }

    /// Lets time pass, by moving the clock where that is possible.
    pub(crate) async fn pass(&self, time: Duration) {
        match &self.world.manual {
            Some(env) => env.advance(time + self.timings().slack),
            None => self.world.real.sleep(time + self.timings().slack).await,
        }
    }

    /// Lets a short lease end.
    pub(crate) async fn pass_lease(&self) {
        self.pass(self.timings().lease_short).await;
    }

    /// Lets most of a short lease pass, but not all.
    pub(crate) async fn pass_most_of_lease(&self) {
        self.pass(self.timings().lease_short * 9 / 10).await;
    }

    /// Lets what was set for [`later`](Self::later) come due.
    pub(crate) async fn pass_delay(&self) {
        self.pass(self.timings().delay).await;
    }

    /// The clock, for checks that need to move it by hand.
    pub(crate) fn manual(&self) -> Checked<&ManualEnv> {
        self.world.manual.as_deref().ok_or_else(|| Failure::new("the clock cannot be moved"))
    }

    /// Gives background work of the adapter a moment, where it has any.
    pub(crate) async fn settle(&self) {
        if self.capabilities().instant_delivery {
            return;
        }
        self.world.real.sleep(self.timings().relay).await;
    }

    /// Waits for a short real time.
    pub(crate) async fn grace(&self) {
        self.world.real.sleep(self.timings().grace).await;
    }

    /// Waits for a moment that is enough for one step of background work.
    pub(crate) async fn instant(&self) {
        self.world.real.sleep(self.timings().grace / 20).await;
    }

    /// The result of something that must end soon.
    pub(crate) async fn soon<F: Future>(&self, what: &str, future: F) -> Checked<F::Output> {
        let patience = self.timings().patience;
        let ended = Box::pin(async {
            tokio::select! {
                biased;
                output = future => output,
                never = self.let_polls_come() => match never {},
            }
        });
        timeout(&*self.world.real, patience, ended)
            .await
            .map_err(|_| Failure::new(format!("{what} did not happen within {patience:?}")))
    }

    /// Who polls sleeps between two looks, by the clock that checks move. While a check waits, it
    /// moves that clock, as slowly as a real one goes; nobody else needs that.
    async fn let_polls_come(&self) -> Infallible {
        let Some(clock) = self.world.manual.as_ref().filter(|_| !self.capabilities().push) else {
            return std::future::pending().await;
        };
        loop {
            self.world.real.sleep(MOMENT).await;
            clock.advance(MOMENT);
        }
    }

    /// Runs a future as a task of its own; the answer is its result.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Task<T> {
        let (answer, result) = oneshot::channel();
        self.world.real.spawn(Box::pin(async move {
            // The check may have failed already and not listen any more.
            let _ = answer.send(future.await);
        }));
        Task(result)
    }
}

impl World {
    fn env(&self) -> SharedEnv {
        match &self.manual {
            Some(env) => Arc::clone(env) as SharedEnv,
            None => Arc::clone(&self.real),
        }
    }
}

/// A task started by a check.
pub(crate) struct Task<T>(oneshot::Receiver<T>);

impl<T> Task<T> {
    /// Its result, which must come soon.
    pub(crate) async fn join(self, hub: &Hub) -> Checked<T> {
        hub.soon("the end of a task", self.0).await?.map_err(|_| Failure::new("a task panicked"))
    }

    /// Whether it has ended yet.
    pub(crate) fn ended(&mut self) -> bool {
        !matches!(self.0.try_recv(), Err(oneshot::error::TryRecvError::Empty))
    }
}
