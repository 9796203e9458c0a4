//! Settings.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use durable_core::ids::HubName;

/// What an acknowledgement survives, as the server is configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum RedisDurability {
    /// No append-only file: nothing survives the server. Accepted only when asked for.
    None,
    /// `appendfsync everysec`: at most the last two seconds are lost with the server's process, and
    /// the last three with its power.
    EverySecond,
    /// `appendfsync always`: nothing acknowledged is lost with the power of the server.
    Always,
}

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RedisAddress {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
}

impl RedisAddress {
    /// An address.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self { host: host.into(), port }
    }
}

impl fmt::Display for RedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            return write!(f, "[{}]:{}", self.host, self.port);
        }
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// Which servers hold the hubs.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RedisServers {
    /// One server.
    Single(RedisAddress),
    /// A Cluster; some of its nodes are enough, the others are asked for.
    Cluster(Vec<RedisAddress>),
    /// The primary that Sentinels know under a name.
    Sentinel {
        /// The name of the primary.
        master: String,
        /// The Sentinels.
        sentinels: Vec<RedisAddress>,
    },
}

/// A login.
#[derive(Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct RedisLogin {
    /// Who to log in as; the server's default user when there is only a password.
    pub user: Option<String>,
    /// The password.
    pub password: Option<String>,
}

impl fmt::Debug for RedisLogin {
    /// Without the password: settings end up in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisLogin").field("user", &self.user).finish_non_exhaustive()
    }
}

/// Settings of a Redis store.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RedisSettings {
    /// The servers.
    pub servers: RedisServers,
    /// Whether connections are encrypted; needs the feature `tls`.
    pub tls: bool,
    /// A file with the certificates (PEM) of the authorities that servers' certificates may come
    /// from. Without it, those that browsers trust.
    pub ca_file: Option<PathBuf>,
    /// The login to the servers.
    pub login: RedisLogin,
    /// The login to the Sentinels, which have users of their own.
    pub sentinel_login: RedisLogin,
    /// Into how many partitions a hub is divided when it is created: each is kept by one node of
    /// a Cluster. For a hub that exists, this must be its number, or nothing. Default: 1 on one
    /// server, 16 on a Cluster.
    pub partitions: Option<u16>,
    /// Number of the database; a Cluster has only 0.
    pub database: u32,
    /// What all keys begin with: letters, digits and `:._-` only. Default `durable:`.
    pub prefix: String,
    /// The hub that a URL names; see [`RedisStore::hub`](crate::RedisStore::hub).
    pub hub: HubName,
    /// What the server must guarantee at least. Without it an append-only file is demanded and
    /// what the server says about it is taken; when the server does not say, `everysec`.
    pub durability: Option<RedisDurability>,
    /// How many replicas must have received a change before it counts as acknowledged, so that it
    /// survives a failover to any of them. Without as many, changes fail as `Unavailable`.
    /// Default 0: a failover may lose the last moments.
    pub replicas: u32,
    /// How long an answer of the server may take before the request counts as failed.
    pub response_timeout: Duration,
}

impl Default for RedisSettings {
    fn default() -> Self {
        Self::new("127.0.0.1", 6379)
    }
}

impl RedisSettings {
    /// The default settings for one server.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self::of(RedisServers::Single(RedisAddress::new(host, port)))
    }

    /// The default settings for a Cluster, some of whose nodes are known.
    pub fn cluster(nodes: impl IntoIterator<Item = RedisAddress>) -> Self {
        Self::of(RedisServers::Cluster(nodes.into_iter().collect()))
    }

    /// The default settings for the primary that Sentinels know under a name.
    pub fn sentinel(
        master: impl Into<String>,
        sentinels: impl IntoIterator<Item = RedisAddress>,
    ) -> Self {
        let sentinels = sentinels.into_iter().collect();
        Self::of(RedisServers::Sentinel { master: master.into(), sentinels })
    }

    fn of(servers: RedisServers) -> Self {
        Self {
            servers,
            tls: false,
            ca_file: None,
            login: RedisLogin::default(),
            sentinel_login: RedisLogin::default(),
            partitions: None,
            database: 0,
            prefix: "durable:".to_owned(),
            hub: HubName::default(),
            durability: None,
            replicas: 0,
            response_timeout: Duration::from_secs(20),
        }
    }
}

impl fmt::Debug for RedisSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisSettings")
            .field("servers", &self.servers)
            .field("tls", &self.tls)
            .field("ca_file", &self.ca_file)
            .field("login", &self.login)
            .field("partitions", &self.partitions)
            .field("database", &self.database)
            .field("prefix", &self.prefix)
            .field("hub", &self.hub)
            .field("durability", &self.durability)
            .field("replicas", &self.replicas)
            .finish_non_exhaustive()
    }
}
