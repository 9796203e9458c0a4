//! The primary that Sentinels know under a name.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use durable_core::backend::{BackendError, BackendErrorKind, BackendResult};
use durable_core::env::{SharedEnv, timeout};
use futures_util::future::join_all;
use parking_lot::RwLock;
use redis::{Value, cmd};
use tokio::sync::{Mutex, Notify};

use crate::config::{RedisAddress, RedisSettings};
use crate::error::{Effect, from_redis, from_server};
use crate::link::unexpected;
use crate::node::{self, Node};

/// How long a Sentinel may take to answer.
const ASK_LIMIT: Duration = Duration::from_secs(2);

/// How long the primary may take to say that it is one.
const ROLE_LIMIT: Duration = Duration::from_secs(5);

const OPERATION: &str = "connect";

/// The Sentinels, and the primary that they name.
pub(crate) struct Sentinel {
    settings: RedisSettings,
    master: String,
    sentinels: Vec<RedisAddress>,
    env: SharedEnv,
    primary: RwLock<Option<Arc<Node>>>,
    /// The primary does not serve: the Sentinels are asked before it is used again, also if it
    /// can be reached again, for it may come back as the primary that it no longer is.
    stale: AtomicBool,
    asking: Mutex<()>,
    changed: Notify,
}

impl fmt::Debug for Sentinel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sentinel").field("master", &self.master).finish_non_exhaustive()
    }
}

fn refuse(kind: BackendErrorKind, text: impl Into<String>) -> BackendError {
    BackendError::new(kind, OPERATION, text)
}

/// Host and port, from the answer of a Sentinel; `None` when it does not know the name.
fn read_address(answer: &Value) -> BackendResult<Option<RedisAddress>> {
    let parts = match answer {
        Value::Nil => return Ok(None),
        Value::ServerError(error) => return Err(from_server(OPERATION, error)),
        Value::Array(parts) => parts.as_slice(),
        _ => return Err(unexpected(OPERATION)),
    };
    let [Value::BulkString(host), Value::BulkString(port)] = parts else {
        return Err(unexpected(OPERATION));
    };
    let port = std::str::from_utf8(port).ok().and_then(|port| port.parse().ok());
    let host = String::from_utf8(host.clone()).ok();
    match (host, port) {
        (Some(host), Some(port)) => Ok(Some(RedisAddress::new(host, port))),
        _ => Err(unexpected(OPERATION)),
    }
}

/// The address that most of them name.
fn majority(named: impl IntoIterator<Item = RedisAddress>) -> Option<RedisAddress> {
    let mut votes: BTreeMap<RedisAddress, usize> = BTreeMap::new();
    named.into_iter().for_each(|address| *votes.entry(address).or_default() += 1);
    votes.into_iter().max_by_key(|(_, count)| *count).map(|(address, _)| address)
}

impl Sentinel {
    pub(crate) async fn connect(
        settings: &RedisSettings,
        master: &str,
        sentinels: &[RedisAddress],
        env: &SharedEnv,
    ) -> BackendResult<Self> {
        let sentinel = Self {
            settings: settings.clone(),
            master: master.to_owned(),
            sentinels: sentinels.to_vec(),
            env: Arc::clone(env),
            primary: RwLock::default(),
            stale: AtomicBool::new(true),
            asking: Mutex::default(),
            changed: Notify::new(),
        };
        sentinel.node().await?;
        Ok(sentinel)
    }

    pub(crate) fn changed(&self) -> &Notify {
        &self.changed
    }

    /// The primary as last known.
    pub(crate) fn current(&self) -> Option<Arc<Node>> {
        self.primary.read().clone()
    }

    pub(crate) fn suspect(&self, node: &Node) {
        // Somebody else may have found the new one in the meantime.
        if self.current().is_none_or(|current| std::ptr::eq(&*current, node)) {
            self.stale.store(true, Ordering::Release);
        }
    }

    /// The primary.
    pub(crate) async fn node(&self) -> BackendResult<Arc<Node>> {
        if !self.stale.load(Ordering::Acquire)
            && let Some(node) = self.current()
        {
            return Ok(node);
        }
        let _asking = self.asking.lock().await;
        if !self.stale.load(Ordering::Acquire)
            && let Some(node) = self.current()
        {
            return Ok(node);
        }
        let address = self.ask_all().await?;
        let known = self.current().filter(|node| node.address == address);
        let is_new = known.is_none();
        let node = match known {
            Some(node) => node,
            None => Arc::new(Node::lazy(&self.settings, &address)?),
        };
        self.check_role(&node).await?;
        *self.primary.write() = Some(Arc::clone(&node));
        self.stale.store(false, Ordering::Release);
        if is_new {
            tracing::info!(master = self.master, %address, "the Sentinels name this primary");
            self.changed.notify_waiters();
        }
        Ok(node)
    }

    async fn ask_all(&self) -> BackendResult<RedisAddress> {
        let answers = join_all(self.sentinels.iter().map(|address| self.ask(address))).await;
        let (mut named, mut unknown, mut failure) = (Vec::new(), 0, None);
        for answer in answers {
            match answer {
                Ok(Some(address)) => named.push(address),
                Ok(None) => unknown += 1,
                Err(error) => failure = Some(error),
            }
        }
        if let Some(address) = majority(named) {
            return Ok(address);
        }
        if unknown > 0 {
            let text = format!("the Sentinels know no primary `{}`: check its name", self.master);
            return Err(refuse(BackendErrorKind::Invalid, text));
        }
        match failure {
            Some(error) if error.kind() == BackendErrorKind::Denied => Err(error),
            Some(error) => {
                let text = format!("no Sentinel answers, check their addresses: {error}");
                Err(refuse(BackendErrorKind::Unavailable, text))
            }
            None => Err(refuse(BackendErrorKind::Invalid, "no Sentinel is named")),
        }
    }

    async fn ask(&self, address: &RedisAddress) -> BackendResult<Option<RedisAddress>> {
        let client = node::client(&self.settings, address, &self.settings.sentinel_login, 0)?;
        let question = async {
            let mut connection = client.get_multiplexed_async_connection().await?;
            let mut command = cmd("SENTINEL");
            command.arg("GET-MASTER-ADDR-BY-NAME").arg(&self.master);
            command.query_async::<Value>(&mut connection).await
        };
        match timeout(&*self.env, ASK_LIMIT, question).await {
            Ok(Ok(answer)) => read_address(&answer),
            Ok(Err(error)) => Err(from_redis(OPERATION, Effect::Reads, error)),
            Err(_) => {
                let text = format!("the Sentinel at {address} does not answer");
                Err(refuse(BackendErrorKind::Unavailable, text))
            }
        }
    }

    /// A Sentinel may be behind: what it names must say of itself that it is a primary.
    async fn check_role(&self, node: &Node) -> BackendResult<()> {
        let answers = timeout(&*self.env, ROLE_LIMIT, node.send(&[cmd("ROLE")])).await;
        let answers = answers.map_err(|_| {
            let text = format!("{}, which the Sentinels name, does not answer", node.address);
            refuse(BackendErrorKind::Unavailable, text)
        })?;
        let answers = answers.map_err(|e| from_redis(OPERATION, Effect::Reads, e))?;
        let role = match answers.first() {
            Some(Value::Array(parts)) => parts.first(),
            Some(Value::ServerError(error)) => return Err(from_server(OPERATION, error)),
            _ => None,
        };
        match role {
            Some(Value::BulkString(role)) if role == b"master" => Ok(()),
            _ => {
                let text = format!(
                    "{}, which the Sentinels name, is not the primary: wait for the failover",
                    node.address
                );
                Err(refuse(BackendErrorKind::Unavailable, text))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn most_sentinels_decide() {
        let [a, b] = ["a", "b"].map(|host| RedisAddress::new(host, 1));
        assert_eq!(majority([a.clone(), b.clone(), b.clone()]), Some(b));
        assert_eq!(majority([a.clone()]), Some(a));
        assert_eq!(majority([]), None);
    }
}
