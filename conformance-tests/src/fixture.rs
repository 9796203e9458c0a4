//! What an adapter tells the suite about itself.

use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use durable_core::backend::{Backend, BackendResult, Capabilities};
use durable_core::env::{SharedEnv, TokioEnv};
use durable_core::ids::HubName;

/// The durations that checks work with. No check holds one of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timings {
    /// A lease that no check lives to see the end of.
    pub lease_long: Duration,
    /// A lease whose end a check waits for.
    pub lease_short: Duration,
    /// How far ahead checks set timers, later starts and delays.
    pub delay: Duration,
    /// How late the store may notice that a time has come.
    pub slack: Duration,
    /// How far a clock that is moved by hand goes in a millisecond of a scenario. Work takes its
    /// time over a network, and workers must be able to keep their leases.
    pub tick: Duration,
    /// Real time after which something that must happen counts as never happening.
    pub patience: Duration,
    /// Real time after which something that must not happen counts as not happening.
    pub grace: Duration,
    /// Real time that a message between instances may be on its way after the commit that sends
    /// it, where adapters do not deliver in the commit itself.
    pub relay: Duration,
    /// Real time that one check may take before it counts as hanging.
    pub check_limit: Duration,
}

impl Timings {
    /// For adapters that follow an injected clock: generous spans that cost nothing.
    pub const fn manual() -> Self {
        Self {
            lease_long: Duration::from_secs(24 * 3600),
            lease_short: Duration::from_secs(30),
            delay: Duration::from_secs(60),
            slack: Duration::ZERO,
            tick: Duration::from_millis(50),
            // Costs time only when a check fails, and a busy machine is slow.
            patience: Duration::from_secs(30),
            grace: Duration::from_millis(20),
            relay: Duration::from_millis(20),
            check_limit: Duration::from_secs(120),
        }
    }

    /// For adapters that follow a real clock: short spans, because the suite sits them out.
    pub const fn real() -> Self {
        Self {
            lease_long: Duration::from_secs(120),
            lease_short: Duration::from_millis(400),
            delay: Duration::from_millis(500),
            slack: Duration::from_millis(150),
            tick: Duration::from_millis(1),
            patience: Duration::from_secs(20),
            grace: Duration::from_millis(100),
            relay: Duration::from_millis(100),
            check_limit: Duration::from_secs(240),
        }
    }
}

/// One store, on which hubs can be opened, closed and opened again.
#[async_trait]
pub trait Store: Send + Sync + fmt::Debug {
    /// Opens a hub. The first time it is empty; later it holds what was acknowledged.
    ///
    /// # Errors
    /// Whatever the adapter reports when it cannot open.
    async fn open(&self, hub: &HubName, env: SharedEnv) -> BackendResult<Arc<dyn Backend>>;
}

/// An adapter as the suite meets it.
#[async_trait]
pub trait Fixture: Send + Sync + 'static {
    /// What the adapter claims; the suite chooses its checks by it, before anything is opened.
    fn capabilities(&self) -> Capabilities;

    /// Why the adapter cannot run here and now, e.g. that no server answers.
    fn unavailable(&self) -> Option<String> {
        None
    }

    /// The durations that suit this adapter.
    fn timings(&self) -> Timings {
        if self.capabilities().injected_clock { Timings::manual() } else { Timings::real() }
    }

    /// A new, empty store. It is cleaned up when the value is dropped.
    ///
    /// # Errors
    /// Whatever the adapter reports when it cannot make one.
    async fn fresh(&self) -> BackendResult<Arc<dyn Store>>;
}

/// A place of its own for one store: a name that no other store has, and a directory of that
/// name, which the adapter may create and the suite removes.
#[derive(Debug)]
#[non_exhaustive]
pub struct Place {
    /// Lower-case letters, digits and hyphens only.
    pub name: String,
    /// Does not exist at first.
    pub dir: PathBuf,
}

impl Place {
    fn unique() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let random = TokioEnv::shared().random_u128() as u32;
        let name = format!("conformance-{}-{count}-{random:08x}", std::process::id());
        let dir = std::env::temp_dir().join(&name);
        Self { name, dir }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Most adapters never create it.
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// A fixture from a function that opens a hub at a place; see [`fixture`].
pub struct FnFixture<F> {
    capabilities: Capabilities,
    timings: Option<Timings>,
    unavailable: Option<String>,
    open: Arc<F>,
}

impl<F> fmt::Debug for FnFixture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FnFixture({})", self.capabilities.name)
    }
}

/// The shortest fixture: capabilities, and a function that opens a hub at a [`Place`].
///
/// The function is called with the same place again when a check opens a second hub on the
/// store or opens a hub again.
pub fn fixture<F, Fut>(capabilities: Capabilities, open: F) -> FnFixture<F>
where
    F: Fn(Arc<Place>, HubName, SharedEnv) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = BackendResult<Arc<dyn Backend>>> + Send + 'static,
{
    FnFixture { capabilities, timings: None, unavailable: None, open: Arc::new(open) }
}

impl<F> FnFixture<F> {
    /// Replaces the durations.
    #[must_use]
    pub fn with_timings(mut self, timings: Timings) -> Self {
        self.timings = Some(timings);
        self
    }

    /// Says why the adapter cannot run here, if so.
    #[must_use]
    pub fn unless(mut self, unavailable: Option<String>) -> Self {
        self.unavailable = unavailable;
        self
    }
}

struct FnStore<F> {
    place: Arc<Place>,
    open: Arc<F>,
}

impl<F> fmt::Debug for FnStore<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FnStore({})", self.place.name)
    }
}

#[async_trait]
impl<F, Fut> Store for FnStore<F>
where
    F: Fn(Arc<Place>, HubName, SharedEnv) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = BackendResult<Arc<dyn Backend>>> + Send + 'static,
{
    async fn open(&self, hub: &HubName, env: SharedEnv) -> BackendResult<Arc<dyn Backend>> {
        (self.open)(Arc::clone(&self.place), hub.clone(), env).await
    }
}

#[async_trait]
impl<F, Fut> Fixture for FnFixture<F>
where
    F: Fn(Arc<Place>, HubName, SharedEnv) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = BackendResult<Arc<dyn Backend>>> + Send + 'static,
{
    fn capabilities(&self) -> Capabilities {
        self.capabilities.clone()
    }

    fn unavailable(&self) -> Option<String> {
        self.unavailable.clone()
    }

    fn timings(&self) -> Timings {
        let by_clock =
            if self.capabilities.injected_clock { Timings::manual() } else { Timings::real() };
        self.timings.unwrap_or(by_clock)
    }

    async fn fresh(&self) -> BackendResult<Arc<dyn Store>> {
        Ok(Arc::new(FnStore { place: Arc::new(Place::unique()), open: Arc::clone(&self.open) }))
    }
}
