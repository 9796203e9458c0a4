//! The way to whatever servers hold the hubs.

use std::fmt;
use std::sync::Arc;

use durable_core::backend::{BackendError, BackendErrorKind, BackendResult};
use durable_core::env::SharedEnv;
use redis::{Client, Cmd, Value};
use tokio::sync::Notify;

use crate::cluster::Cluster;
use crate::config::{RedisServers, RedisSettings};
use crate::error::{Effect, from_redis, from_server};
use crate::node::Node;
use crate::routed::Routed;
use crate::scripts::Script;
use crate::sentinel::Sentinel;

/// Most calls in one write; more follow after their answers.
const PIPELINE_MAX: usize = 512;

/// One call of a script, and the slot whose keys it is about.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) slot: u16,
    pub(crate) cmd: Cmd,
}

/// What servers there are, and which of them answers for a slot.
#[derive(Debug)]
pub(crate) enum Place {
    Single(Arc<Node>),
    Sentinel(Sentinel),
    Cluster(Cluster),
}

/// The connections, shared by all hubs of a store.
#[derive(Clone)]
pub(crate) struct Link {
    place: Arc<Place>,
    env: SharedEnv,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("place", &self.place).finish_non_exhaustive()
    }
}

impl Link {
    /// Finds the servers.
    pub(crate) async fn connect(settings: &RedisSettings, env: &SharedEnv) -> BackendResult<Self> {
        let place = match &settings.servers {
            RedisServers::Single(address) => {
                Place::Single(Arc::new(Node::lazy(settings, address)?))
            }
            RedisServers::Cluster(seeds) => {
                Place::Cluster(Cluster::connect(settings, seeds, env).await?)
            }
            RedisServers::Sentinel { master, sentinels } => {
                Place::Sentinel(Sentinel::connect(settings, master, sentinels, env).await?)
            }
        };
        Ok(Self { place: Arc::new(place), env: Arc::clone(env) })
    }

    /// Whether slots may move from node to node.
    pub(crate) fn is_cluster(&self) -> bool {
        matches!(*self.place, Place::Cluster(_))
    }

    /// All servers that answer for something.
    pub(crate) fn primaries(&self) -> Vec<Arc<Node>> {
        match &*self.place {
            Place::Single(node) => vec![Arc::clone(node)],
            Place::Sentinel(sentinel) => sentinel.current().into_iter().collect(),
            Place::Cluster(cluster) => cluster.primaries(),
        }
    }

    /// A server to subscribe at. In a Cluster each passes on what is published at any other.
    pub(crate) async fn subscription(&self) -> BackendResult<Client> {
        Ok(match &*self.place {
            Place::Single(node) => node.client().clone(),
            Place::Sentinel(sentinel) => sentinel.node().await?.client().clone(),
            Place::Cluster(cluster) => cluster.some_node().await?.client().clone(),
        })
    }

    /// Notified when a subscription had better be made anew.
    pub(crate) fn changed(&self) -> Option<&Notify> {
        match &*self.place {
            Place::Single(_) => None,
            Place::Sentinel(sentinel) => Some(sentinel.changed()),
            Place::Cluster(cluster) => Some(cluster.changed()),
        }
    }

    /// Calls a script once for each of `calls`, in order; those for one server in one round trip.
    pub(crate) async fn call_all(
        &self,
        operation: &'static str,
        effect: Effect,
        script: &Script,
        calls: Vec<Call>,
    ) -> Vec<BackendResult<Value>> {
        let mut answers = Vec::with_capacity(calls.len());
        let mut calls = calls.into_iter().peekable();
        while calls.peek().is_some() {
            let some = calls.by_ref().take(PIPELINE_MAX);
            answers.extend(match &*self.place {
                Place::Single(node) => {
                    let some: Vec<Cmd> = some.map(|call| call.cmd).collect();
                    call_single(node, operation, effect, script, &some).await
                }
                place => {
                    let some: Vec<Call> = some.collect();
                    Routed { place, env: &self.env, operation, effect, script }.call(&some).await
                }
            });
        }
        answers
    }

    /// Calls a script once.
    pub(crate) async fn call(
        &self,
        operation: &'static str,
        effect: Effect,
        script: &Script,
        call: Call,
    ) -> BackendResult<Value> {
        let mut answers = self.call_all(operation, effect, script, vec![call]).await;
        answers.pop().unwrap_or_else(|| Err(unexpected(operation)))
    }
}

async fn call_single(
    node: &Node,
    operation: &'static str,
    effect: Effect,
    script: &Script,
    calls: &[Cmd],
) -> Vec<BackendResult<Value>> {
    match node.call(script, calls).await {
        Ok(answers) => answers.into_iter().map(|answer| checked(operation, answer)).collect(),
        Err(error) => {
            calls.iter().map(|_| Err(from_redis(operation, effect, error.clone()))).collect()
        }
    }
}

pub(crate) fn checked(operation: &'static str, answer: Value) -> BackendResult<Value> {
    match answer {
        Value::ServerError(error) => Err(from_server(operation, &error)),
        other => Ok(other),
    }
}

/// The error for an answer of a form that no script gives.
pub(crate) fn unexpected(operation: &'static str) -> BackendError {
    let text = "the server gave an answer that no script gives; are there two versions at work?";
    BackendError::new(BackendErrorKind::Internal, operation, text).unknown()
}
