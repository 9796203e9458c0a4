//! The store: one server or several, many hubs.

use std::fmt;
use std::sync::{Arc, Weak};

use durable_core::backend::{BackendError, BackendErrorKind, BackendResult};
use durable_core::env::SharedEnv;
use durable_core::ids::HubName;
use foldhash::HashMap;
use parking_lot::Mutex;
use redis::{Cmd, Value};

use crate::args::Args;
use crate::backend::RedisBackend;
use crate::check_server;
use crate::config::{RedisDurability, RedisSettings};
use crate::error::{Effect, from_redis};
use crate::keys;
use crate::link::{Link, unexpected};
use crate::partition::Partition;
use crate::scripts::{SCRIPTS, Script};

/// Most partitions of a hub: every receiver looks at each of them every now and then.
const PARTITIONS_MAX: u16 = 256;

/// How many a hub on a Cluster has unless told otherwise.
const PARTITIONS_CLUSTER: u16 = 16;

/// A connection to a server with task hubs. Open it once per process and share it.
pub struct RedisStore {
    link: Link,
    settings: RedisSettings,
    durability: RedisDurability,
    env: SharedEnv,
    hubs: Mutex<HashMap<HubName, Weak<RedisBackend>>>,
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl RedisStore {
    /// Connects to a server and checks that it will not lose or throw away what it is given.
    ///
    /// # Errors
    /// [`Unavailable`](BackendErrorKind::Unavailable) when it cannot be reached,
    /// [`Denied`](BackendErrorKind::Denied) for a wrong login,
    /// [`Incompatible`](BackendErrorKind::Incompatible) when it is too old, and
    /// [`Invalid`](BackendErrorKind::Invalid) when it may lose work; the text says what to set.
    pub async fn connect(settings: RedisSettings, env: SharedEnv) -> BackendResult<Arc<Self>> {
        keys::check_prefix(&settings.prefix)?;
        if settings.response_timeout.is_zero() {
            let text = "`response_timeout` is 0; no answer could ever be in time";
            return Err(BackendError::new(BackendErrorKind::Invalid, "connect", text));
        }
        let link = Link::connect(&settings, &env).await?;
        let mut durability = RedisDurability::Always;
        let loads: Vec<Cmd> = SCRIPTS.all().into_iter().map(Script::load).collect();
        for node in link.primaries() {
            let (wanted, replicas) = (settings.durability, settings.replicas);
            let found = check_server::check(&node, link.is_cluster(), wanted, replicas).await?;
            durability = durability.min(found);
            // Only to save the first calls a round trip; an error would come back with them.
            node.send(&loads).await.map_err(|e| from_redis("connect", Effect::Reads, e))?;
        }
        let hubs = Mutex::default();
        Ok(Arc::new(Self { link, settings, durability, env, hubs }))
    }

    /// What an acknowledgement survives on this server.
    pub fn durability(&self) -> RedisDurability {
        self.durability
    }

    /// The hub of that name. It is created when it is opened for the first time.
    ///
    /// # Errors
    /// [`Invalid`](BackendErrorKind::Invalid) when the settings ask for another number of
    /// partitions than it has, or for too many, otherwise those of the servers.
    pub async fn hub(&self, name: &HubName) -> BackendResult<Arc<RedisBackend>> {
        if let Some(hub) = self.open_hub(name) {
            return Ok(hub);
        }
        let partitions = self.partitions(name).await?;
        let mut hubs = self.hubs.lock();
        if let Some(hub) = open(&hubs, name) {
            return Ok(hub);
        }
        let hub = Arc::new(RedisBackend::open(
            self.link.clone(),
            (&self.settings.prefix, name, partitions),
            Arc::clone(&self.env),
            self.durability,
        ));
        hubs.insert(name.clone(), Arc::downgrade(&hub));
        Ok(hub)
    }

    fn open_hub(&self, name: &HubName) -> Option<Arc<RedisBackend>> {
        open(&self.hubs.lock(), name)
    }

    /// How many partitions a hub has; it is settled now if it is new.
    async fn partitions(&self, name: &HubName) -> BackendResult<u16> {
        let invalid = |text: String| BackendError::new(BackendErrorKind::Invalid, "connect", text);
        let wanted = self.settings.partitions;
        if wanted.is_some_and(|n| n == 0 || n > PARTITIONS_MAX) {
            let text = format!("a hub has 1 to {PARTITIONS_MAX} partitions: say another number");
            return Err(invalid(text));
        }
        let is_cluster = self.link.is_cluster();
        let count = wanted.unwrap_or(if is_cluster { PARTITIONS_CLUSTER } else { 1 });
        let script = &SCRIPTS.open_hub;
        // Any number of partitions begins with the same one.
        let first = Partition::all(&self.settings.prefix, name, 1, is_cluster).remove(0);
        let call = Args::of(script, &first).number(count.into()).into_call();
        let answer = self.link.call("connect", Effect::Writes, script, call).await?;
        let Value::Int(found) = answer else { return Err(unexpected("connect")) };
        match u16::try_from(found) {
            Ok(found) if wanted.is_some_and(|wanted| wanted != found) => Err(invalid(format!(
                "hub `{name}` was created with {found} partitions, which cannot change: leave \
                 `partitions` out, or say {found}"
            ))),
            Ok(found) if (1..=PARTITIONS_MAX).contains(&found) => Ok(found),
            _ => Err(unexpected("connect")),
        }
    }
}

/// A hub that is open already. One that was closed is of no more use to anybody.
fn open(hubs: &HashMap<HubName, Weak<RedisBackend>>, name: &HubName) -> Option<Arc<RedisBackend>> {
    hubs.get(name).and_then(Weak::upgrade).filter(|hub| hub.check_open("hub").is_ok())
}
