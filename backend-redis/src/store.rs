//! The store: one server, many hubs.

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use durable_core::backend::{BackendError, BackendErrorKind, BackendResult};
use durable_core::env::SharedEnv;
use durable_core::ids::HubName;
use foldhash::HashMap;
use parking_lot::Mutex;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, Cmd, ConnectionAddr, IntoConnectionInfo as _, RedisConnectionInfo};

use crate::backend::RedisBackend;
use crate::check_server;
use crate::config::{RedisDurability, RedisSettings};
use crate::error::{Effect, from_redis};
use crate::keys;
use crate::link::Link;
use crate::scripts::SCRIPTS;

/// How long making a connection may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// How often a lost connection is tried again before the call that needs it fails.
const CONNECT_TRIES: usize = 2;

/// A connection to a server with task hubs. Open it once per process and share it.
pub struct RedisStore {
    client: Client,
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
        let failed = |e| from_redis("connect", Effect::Reads, e);
        let client = client(&settings)?;
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(CONNECT_LIMIT))
            .set_response_timeout(Some(settings.response_timeout))
            .set_number_of_retries(CONNECT_TRIES)
            .set_min_delay(Duration::from_millis(50))
            .set_max_delay(Duration::from_millis(500));
        let manager =
            ConnectionManager::new_with_config(client.clone(), config).await.map_err(failed)?;
        let link = Link::new(manager);
        let durability = check_server::check(&link, settings.durability).await?;
        let loads: Vec<Cmd> = SCRIPTS
            .all()
            .into_iter()
            .map(|script| {
                let mut load = Cmd::new();
                load.arg("SCRIPT").arg("LOAD").arg(&script.source);
                load
            })
            .collect();
        // Only to save the first calls a round trip; an error would come back with them.
        link.send(&loads).await.map_err(failed)?;
        let hubs = Mutex::default();
        Ok(Arc::new(Self { client, link, settings, durability, env, hubs }))
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
            self.client.clone(),
            self.link.clone(),
            (&self.settings.prefix, name),
            Arc::clone(&self.env),
            self.durability,
        ));
        hubs.insert(name.clone(), Arc::downgrade(&hub));
        hub
    }
}

fn client(settings: &RedisSettings) -> BackendResult<Client> {
    let (host, port) = (settings.host.clone(), settings.port);
    let address = if settings.tls {
        if !cfg!(feature = "tls") {
            let text = "`rediss:` needs the feature `tls` of the crate `backend-redis`";
            return Err(BackendError::new(BackendErrorKind::Invalid, "connect", text));
        }
        ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None }
    } else {
        ConnectionAddr::Tcp(host, port)
    };
    let mut login = RedisConnectionInfo::default().set_db(settings.database.into());
    if let Some(user) = &settings.user {
        login = login.set_username(user);
    }
    if let Some(password) = &settings.password {
        login = login.set_password(password);
    }
    let failed = |e| from_redis("connect", Effect::Reads, e);
    let info = address.into_connection_info().map_err(failed)?.set_redis_settings(login);
    Client::open(info).map_err(failed)
}
