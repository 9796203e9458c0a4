//! Settings.

use std::fmt;
use std::time::Duration;

use durable_core::ids::HubName;

/// What an acknowledgement survives, as the server is configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RedisDurability {
    /// No append-only file: nothing survives the server. Accepted only when asked for.
    None,
    /// `appendfsync everysec`: at most about the last second is lost with the power of the server.
    EverySecond,
    /// `appendfsync always`: nothing acknowledged is lost with the power of the server.
    Always,
}

/// Settings of a Redis store.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RedisSettings {
    /// Host name or address of the server.
    pub host: String,
    /// Its port; 6379 unless said otherwise.
    pub port: u16,
    /// Whether the connection is encrypted; needs the feature `tls`.
    pub tls: bool,
    /// Who to log in as; the server's default user when there is only a password.
    pub user: Option<String>,
    /// The password.
    pub password: Option<String>,
    /// Number of the database.
    pub database: u32,
    /// What all keys begin with: letters, digits and `:._-` only. Default `durable:`.
    pub prefix: String,
    /// The hub that a URL names; see [`RedisStore::hub`](crate::RedisStore::hub).
    pub hub: HubName,
    /// What the server must guarantee at least. Without it an append-only file is demanded and
    /// what the server says about it is taken; when the server does not say, `everysec`.
    pub durability: Option<RedisDurability>,
    /// How long an answer of the server may take before the request counts as failed.
    pub response_timeout: Duration,
}

impl Default for RedisSettings {
    fn default() -> Self {
        Self::new("127.0.0.1", 6379)
    }
}

impl RedisSettings {
    /// The default settings for a server.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self {
            host: host.into(),
            port,
            tls: false,
            user: None,
            password: None,
            database: 0,
            prefix: "durable:".to_owned(),
            hub: HubName::default(),
            durability: None,
            response_timeout: Duration::from_secs(20),
        }
    }
}

impl fmt::Debug for RedisSettings {
    /// Without the password: settings end up in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisSettings")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("tls", &self.tls)
            .field("user", &self.user)
            .field("database", &self.database)
            .field("prefix", &self.prefix)
            .field("hub", &self.hub)
            .field("durability", &self.durability)
            .finish_non_exhaustive()
    }
}
