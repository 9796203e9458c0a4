//! Which node of a Cluster has which slots.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use durable_core::backend::{BackendError, BackendErrorKind, BackendResult};
use durable_core::env::{SharedEnv, timeout};
use parking_lot::RwLock;
use redis::{Value, cmd};
use tokio::sync::{Mutex, Notify};

use crate::config::{RedisAddress, RedisSettings};
use crate::error::{Effect, from_redis, from_server};
use crate::link::unexpected;
use crate::node::Node;

/// How long one node may take to tell who has which slots.
const ASK_LIMIT: Duration = Duration::from_secs(2);

/// The nodes of a Cluster.
pub(crate) struct Cluster {
    settings: RedisSettings,
    seeds: Vec<RedisAddress>,
    env: SharedEnv,
    map: RwLock<Map>,
    /// Somebody was told that the map is no longer right.
    stale: AtomicBool,
    asking: Mutex<()>,
    /// Whom to ask next.
    turn: AtomicUsize,
    changed: Notify,
}

/// Slots and their nodes.
#[derive(Default)]
struct Map {
    /// First and last slot of ranges, in order.
    ranges: Vec<(u16, u16, Arc<Node>)>,
    /// What single redirections told since the ranges were asked for.
    moved: BTreeMap<u16, Arc<Node>>,
    /// All nodes that are connected to.
    nodes: BTreeMap<RedisAddress, Arc<Node>>,
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").field("seeds", &self.seeds).finish_non_exhaustive()
    }
}

impl Map {
    fn owner(&self, slot: u16) -> Option<Arc<Node>> {
        if let Some(node) = self.moved.get(&slot) {
            return Some(Arc::clone(node));
        }
        let n = self.ranges.partition_point(|(_, last, _)| *last < slot);
        let (first, _, node) = self.ranges.get(n)?;
        (*first <= slot).then(|| Arc::clone(node))
    }
}

/// Ranges of slots and the addresses of their primaries, from the answer to `CLUSTER SLOTS`.
fn read_slots(answer: &Value, asked: &RedisAddress) -> Option<Vec<(u16, u16, RedisAddress)>> {
    let Value::Array(entries) = answer else { return None };
    let mut ranges = Vec::with_capacity(entries.len());
    for entry in entries {
        let Value::Array(parts) = entry else { return None };
        let [Value::Int(first), Value::Int(last), Value::Array(primary), ..] = parts.as_slice()
        else {
            return None;
        };
        let [host, Value::Int(port), ..] = primary.as_slice() else { return None };
        let host = match host {
            Value::BulkString(host) if !host.is_empty() => String::from_utf8(host.clone()).ok()?,
            // Whoever does not know its own name is known by that under which it was asked.
            _ => asked.host.clone(),
        };
        let number = |n: &i64| u16::try_from(*n).ok();
        ranges.push((number(first)?, number(last)?, RedisAddress::new(host, number(port)?)));
    }
    ranges.sort_unstable();
    Some(ranges)
}

impl Cluster {
    /// Asks the first node that answers.
    pub(crate) async fn connect(
        settings: &RedisSettings,
        seeds: &[RedisAddress],
        env: &SharedEnv,
    ) -> BackendResult<Self> {
        if settings.database != 0 {
            let text = "a cluster has only database 0: leave the number out";
            return Err(BackendError::new(BackendErrorKind::Invalid, "connect", text));
        }
        let cluster = Self {
            settings: settings.clone(),
            seeds: seeds.to_vec(),
            env: Arc::clone(env),
            map: RwLock::default(),
            stale: AtomicBool::new(true),
            asking: Mutex::default(),
            turn: AtomicUsize::new(0),
            changed: Notify::new(),
        };
        cluster.refresh().await?;
        Ok(cluster)
    }

    pub(crate) fn changed(&self) -> &Notify {
        &self.changed
    }

    pub(crate) fn suspect(&self) {
        self.stale.store(true, Ordering::Release);
    }

    /// All nodes that have slots.
    pub(crate) fn primaries(&self) -> Vec<Arc<Node>> {
        let map = self.map.read();
        let by_address: BTreeMap<_, _> =
            map.ranges.iter().map(|(_, _, node)| (&node.address, node)).collect();
        by_address.into_values().map(Arc::clone).collect()
    }

    /// Another node with each call.
    pub(crate) async fn some_node(&self) -> BackendResult<Arc<Node>> {
        self.refresh().await?;
        let primaries = self.primaries();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let node = primaries.get(turn % primaries.len().max(1)).map(Arc::clone);
        node.ok_or_else(|| nobody("has slots"))
    }

    /// The node that has a slot.
    pub(crate) async fn node(&self, slot: u16) -> BackendResult<Arc<Node>> {
        self.refresh().await?;
        let owner = self.map.read().owner(slot);
        owner.ok_or_else(|| {
            self.suspect();
            nobody("has the slot of the partition")
        })
    }

    /// A node by its address.
    pub(crate) fn at(&self, address: &RedisAddress) -> Option<Arc<Node>> {
        let mut map = self.map.write();
        if let Some(node) = map.nodes.get(address) {
            return Some(Arc::clone(node));
        }
        let node = Arc::new(Node::lazy(&self.settings, address).ok()?);
        map.nodes.insert(address.clone(), Arc::clone(&node));
        Some(node)
    }

    /// A node told who has a slot now; more may have moved.
    pub(crate) fn moved(&self, slot: u16, to: &RedisAddress) -> bool {
        let Some(node) = self.at(to) else { return false };
        self.map.write().moved.insert(slot, node);
        true
    }

    /// Asks who has which slots, if what is known is no longer right. One asks for all.
    async fn refresh(&self) -> BackendResult<()> {
        if !self.stale.load(Ordering::Acquire) {
            return Ok(());
        }
        let _asking = self.asking.lock().await;
        if !self.stale.swap(false, Ordering::AcqRel) {
            return Ok(());
        }
        let known: Vec<RedisAddress> = self.map.read().nodes.keys().cloned().collect();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % known.len().max(1);
        let (before, from) = known.split_at(turn.min(known.len()));
        let mut failure = nobody("is known");
        for address in from.iter().chain(before).chain(&self.seeds) {
            match self.ask(address).await {
                Ok(ranges) => {
                    self.remember(ranges);
                    return Ok(());
                }
                Err(error) => failure = error,
            }
        }
        self.suspect();
        Err(failure)
    }

    async fn ask(&self, address: &RedisAddress) -> BackendResult<Vec<(u16, u16, RedisAddress)>> {
        let node = self.at(address).ok_or_else(|| nobody("can be connected to"))?;
        let question = [cmd("CLUSTER").arg("SLOTS").to_owned()];
        let answers = timeout(&*self.env, ASK_LIMIT, node.send(&question)).await;
        let answers = answers.map_err(|_| {
            let text = format!("{address} does not say who has which slots");
            BackendError::new(BackendErrorKind::Unavailable, "connect", text)
        })?;
        let answers = answers.map_err(|e| from_redis("connect", Effect::Reads, e))?;
        match answers.first() {
            Some(Value::ServerError(e)) if e.details().is_some_and(|d| d.contains("disabled")) => {
                let text =
                    format!("{address} is no node of a cluster: connect to it by `redis://`");
                Err(BackendError::new(BackendErrorKind::Invalid, "connect", text))
            }
            Some(Value::ServerError(error)) => Err(from_server("connect", error)),
            Some(answer) => {
                let ranges = read_slots(answer, address).ok_or_else(|| unexpected("connect"))?;
                // Nobody has any slots yet, or this one does not know who.
                if ranges.is_empty() { Err(nobody("has slots")) } else { Ok(ranges) }
            }
            None => Err(unexpected("connect")),
        }
    }

    fn remember(&self, ranges: Vec<(u16, u16, RedisAddress)>) {
        let nodes: Vec<_> = ranges
            .into_iter()
            .filter_map(|(first, last, address)| Some((first, last, self.at(&address)?)))
            .collect();
        let mut map = self.map.write();
        let count = map.nodes.len();
        map.nodes = nodes.iter().map(|(_, _, n)| (n.address.clone(), Arc::clone(n))).collect();
        let others = map.nodes.len() != count;
        map.ranges = nodes;
        map.moved.clear();
        drop(map);
        if others {
            self.changed.notify_waiters();
        }
    }
}

fn nobody(what: &str) -> BackendError {
    let text = format!("no node of the cluster {what}: look at `CLUSTER INFO`");
    BackendError::new(BackendErrorKind::Unavailable, "connect", text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    fn range(first: i64, last: i64, host: Value, port: i64) -> Value {
        let primary = Value::Array(vec![host, Value::Int(port), bulk("id")]);
        Value::Array(vec![Value::Int(first), Value::Int(last), primary])
    }

    #[test]
    fn ranges_are_read_and_sorted() {
        let asked = RedisAddress::new("asked", 1);
        let answer = Value::Array(vec![range(9, 16_383, bulk("b"), 2), range(0, 8, Value::Nil, 3)]);
        let ranges = read_slots(&answer, &asked).unwrap();
        let (a, b) = (RedisAddress::new("asked", 3), RedisAddress::new("b", 2));
        assert_eq!(ranges, vec![(0, 8, a), (9, 16_383, b)]);
        assert_eq!(read_slots(&Value::Array(vec![Value::Nil]), &asked), None);
        assert_eq!(read_slots(&Value::Array(vec![range(0, -1, bulk("b"), 2)]), &asked), None);
    }
}
