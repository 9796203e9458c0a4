//! The store: one server or several, many hubs.

use std::fmt;
use std::sync::{Arc, Weak};

use durable_core::backend::{BackendError, BackendErrorKind, BackendResult};
use durable_core::env::SharedEnv;
use durable_core::ids::HubName;
use foldhash::HashMap;
use parking_lot::Mutex;
use redis::Cmd;

use crate::backend::RedisBackend;
use crate::check_server;
use crate::config::{RedisDurability, RedisSettings};
use crate::error::{Effect, from_redis};
use crate::keys;
use crate::link::Link;
use crate::scripts::{SCRIPTS, Script};

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
            let found = check_server::check(&node, link.is_cluster(), settings.durability).await?;
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

    /// The hub of that name. There is nothing to create; it begins with its first instance.
    pub fn hub(&self, name: &HubName) -> Arc<RedisBackend> {
        let mut hubs = self.hubs.lock();
        // One that was closed is of no more use to anybody.
        let open = |hub: &Arc<RedisBackend>| hub.check_open("hub").is_ok();
        if let Some(hub) = hubs.get(name).and_then(Weak::upgrade).filter(open) {
            return hub;
        }
        let hub = Arc::new(RedisBackend::open(
            self.link.clone(),
            (&self.settings.prefix, name, 1),
            Arc::clone(&self.env),
            self.durability,
        ));
        hubs.insert(name.clone(), Arc::downgrade(&hub));
        hub
    }
}
