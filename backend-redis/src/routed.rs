//! Calls that follow their keys: to the node that has their slot, to a new primary.
//!
//! Nothing is repeated whose outcome is unknown, but for what only reads.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use durable_core::backend::{BackendError, BackendErrorKind, BackendResult};
use durable_core::env::SharedEnv;
use futures_util::future::join_all;
use redis::{Cmd, RedisError, ServerError, Value};

use crate::config::RedisAddress;
use crate::error::{Effect, from_redis, from_server};
use crate::link::{Call, Place, checked, unexpected};
use crate::node::Node;
use crate::scripts::Script;

/// For how long a call that was not served is tried again before it fails. What takes longer,
/// such as the choice of a new primary, is left to the caller, who is told when to try again.
const PATIENCE: Duration = Duration::from_secs(2);

/// The first pause between two tries, and the longest.
const PAUSE_FIRST: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_millis(200);

/// How often a call follows a redirection without a pause.
const REDIRECTIONS_MAX: u32 = 5;

/// A batch of calls on its way.
#[derive(Clone, Copy)]
pub(crate) struct Routed<'a> {
    pub(crate) place: &'a Place,
    pub(crate) env: &'a SharedEnv,
    pub(crate) operation: &'static str,
    pub(crate) effect: Effect,
    pub(crate) script: &'a Script,
}

/// What became of one call in one try.
enum Tried {
    Done(BackendResult<Value>),
    /// Certainly nothing; try again, at once if it was told where.
    Again {
        at_once: bool,
        why: BackendError,
    },
}

/// Where an error of the server says that the keys are: `MOVED slot host:port`.
fn target(error: &ServerError, from: &RedisAddress) -> Option<RedisAddress> {
    let (host, port) = error.details()?.split_whitespace().nth(1)?.rsplit_once(':')?;
    let host = if host.is_empty() { from.host.as_str() } else { host };
    Some(RedisAddress::new(host, port.parse().ok()?))
}

impl Routed<'_> {
    /// The answers, in order.
    pub(crate) async fn call(self, calls: &[Call]) -> Vec<BackendResult<Value>> {
        let deadline = self.env.now() + PATIENCE;
        let mut answers: Vec<Option<BackendResult<Value>>> = Vec::new();
        answers.resize_with(calls.len(), || None);
        let mut open: Vec<usize> = (0..calls.len()).collect();
        let (mut redirections, mut pause) = (0, PAUSE_FIRST);
        loop {
            let mut again = Vec::new();
            let mut at_once = true;
            for (n, tried) in self.try_all(calls, &open).await {
                match tried {
                    Tried::Done(answer) => answers[n] = Some(answer),
                    Tried::Again { at_once: told, why } => {
                        at_once &= told;
                        again.push((n, why));
                    }
                }
            }
            if again.is_empty() {
                break;
            }
            if self.env.now() >= deadline {
                again.into_iter().for_each(|(n, why)| answers[n] = Some(Err(why)));
                break;
            }
            redirections += 1;
            if !at_once || redirections > REDIRECTIONS_MAX {
                self.env.sleep(pause).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
            open = again.into_iter().map(|(n, _)| n).collect();
            open.sort_unstable();
        }
        answers.into_iter().map(|a| a.unwrap_or_else(|| Err(unexpected(self.operation)))).collect()
    }

    /// Tries all open calls once, those for one node together.
    async fn try_all(self, calls: &[Call], open: &[usize]) -> Vec<(usize, Tried)> {
        let mut nodes: BTreeMap<u16, BackendResult<Arc<Node>>> = BTreeMap::new();
        for n in open {
            let slot = calls[*n].slot;
            if let Entry::Vacant(entry) = nodes.entry(slot) {
                entry.insert(self.place.node(slot).await);
            }
        }
        let mut groups: BTreeMap<&RedisAddress, (&Arc<Node>, Vec<usize>)> = BTreeMap::new();
        let mut tried = Vec::with_capacity(open.len());
        for n in open {
            match &nodes[&calls[*n].slot] {
                Ok(node) => {
                    groups.entry(&node.address).or_insert((node, Vec::new())).1.push(*n);
                }
                Err(error) => {
                    let why = error.again(self.operation);
                    tried.push((*n, Tried::Again { at_once: false, why }));
                }
            }
        }
        let groups = groups.into_values().map(|(node, group)| self.try_node(node, calls, group));
        tried.extend(join_all(groups).await.into_iter().flatten());
        tried
    }

    async fn try_node(self, node: &Node, calls: &[Call], group: Vec<usize>) -> Vec<(usize, Tried)> {
        let commands: Vec<Cmd> = group.iter().map(|n| calls[*n].cmd.clone()).collect();
        let answers = match node.call(self.script, &commands).await {
            Ok(answers) => answers,
            Err(error) => {
                self.place.suspect(node);
                return group.into_iter().map(|n| (n, self.lost(error.clone()))).collect();
            }
        };
        let mut tried = Vec::with_capacity(group.len());
        for (n, answer) in group.into_iter().zip(answers) {
            tried.push((n, self.judge(node, &calls[n], answer).await));
        }
        tried
    }

    /// What an error of the connection means.
    fn lost(self, error: RedisError) -> Tried {
        let never_sent = error.is_connection_refusal();
        let why = from_redis(self.operation, self.effect, error);
        let for_nothing = never_sent || self.effect == Effect::Reads;
        if for_nothing && why.kind() == BackendErrorKind::Unavailable {
            Tried::Again { at_once: false, why }
        } else {
            Tried::Done(Err(why))
        }
    }

    async fn judge(self, node: &Node, call: &Call, answer: Value) -> Tried {
        let Value::ServerError(error) = &answer else { return Tried::Done(Ok(answer)) };
        match error.code() {
            "MOVED" => {
                let at_once = target(error, &node.address)
                    .is_some_and(|address| self.place.moved(call.slot, &address));
                Tried::Again { at_once, why: self.moving(error) }
            }
            "ASK" => self.ask(node, call, error).await,
            "TRYAGAIN" => Tried::Again { at_once: false, why: self.moving(error) },
            "READONLY" | "CLUSTERDOWN" | "MASTERDOWN" | "LOADING" => {
                self.place.suspect(node);
                Tried::Again { at_once: false, why: from_server(self.operation, error) }
            }
            _ => Tried::Done(checked(self.operation, answer)),
        }
    }

    /// Follows a slot that is on its way to another node. A script names two keys that never
    /// exist, so as long as keys of the slot may be on either side no node runs it.
    async fn ask(self, node: &Node, call: &Call, error: &ServerError) -> Tried {
        let other = target(error, &node.address).and_then(|address| self.place.at(&address));
        let Some(other) = other else {
            return Tried::Again { at_once: false, why: self.moving(error) };
        };
        match other.ask(self.script, &call.cmd).await {
            Ok(Value::ServerError(error)) => match error.code() {
                "TRYAGAIN" | "MOVED" | "ASK" | "CLUSTERDOWN" | "LOADING" | "READONLY" => {
                    Tried::Again { at_once: false, why: self.moving(&error) }
                }
                _ => Tried::Done(Err(from_server(self.operation, &error))),
            },
            Ok(answer) => Tried::Done(Ok(answer)),
            Err(error) => self.lost(error),
        }
    }

    fn moving(self, error: &ServerError) -> BackendError {
        let text = format!(
            "the partition is moving to another node of the cluster: try again ({} {})",
            error.code(),
            error.details().unwrap_or_default()
        );
        BackendError::new(BackendErrorKind::Unavailable, self.operation, text)
    }
}

impl Place {
    /// The node that answers for a slot.
    async fn node(&self, slot: u16) -> BackendResult<Arc<Node>> {
        match self {
            Self::Single(node) => Ok(Arc::clone(node)),
            Self::Sentinel(sentinel) => sentinel.node().await,
            Self::Cluster(cluster) => cluster.node(slot).await,
        }
    }

    /// A node does not serve: look again which one does before the next call.
    fn suspect(&self, node: &Node) {
        match self {
            Self::Single(_) => {}
            Self::Sentinel(sentinel) => sentinel.suspect(node),
            Self::Cluster(cluster) => cluster.suspect(),
        }
    }

    /// A node says who has a slot now; whether that helps.
    fn moved(&self, slot: u16, to: &RedisAddress) -> bool {
        match self {
            Self::Cluster(cluster) => cluster.moved(slot, to),
            _ => false,
        }
    }

    fn at(&self, address: &RedisAddress) -> Option<Arc<Node>> {
        match self {
            Self::Cluster(cluster) => cluster.at(address),
            _ => None,
        }
    }
}

/// Errors that several calls share.
trait Shared {
    fn again(&self, operation: &'static str) -> BackendError;
}

impl Shared for BackendError {
    fn again(&self, operation: &'static str) -> BackendError {
        BackendError::new(self.kind(), operation, self.context()).retry(self.advice())
    }
}
