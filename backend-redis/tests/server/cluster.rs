//! A Cluster of a test: nodes on free ports, gone with the test.

use std::sync::OnceLock;

use backend_redis::{RedisAddress, RedisSettings};
use redis::aio::MultiplexedConnection;

use super::{Server, free_port};

const SLOTS: u16 = 16_384;

/// Running nodes, each with a third of the slots; then their replicas, if any.
pub(crate) struct Cluster {
    pub(crate) nodes: Vec<Server>,
}

fn start_node() -> Server {
    // The usual port of the bus, 10,000 above the other one, may not exist.
    let bus = free_port().to_string();
    Server::start(&[
        "--cluster-enabled",
        "yes",
        "--cluster-port",
        &bus,
        "--cluster-node-timeout",
        "2000",
        "--cluster-require-full-coverage",
        "no",
    ])
}

fn until(what: impl Fn() -> bool) {
    while !what() {
        std::thread::yield_now();
    }
}

impl Cluster {
    /// Three nodes with all slots, and one replica for each if asked for.
    pub(crate) fn start(with_replicas: bool) -> Self {
        let nodes: Vec<Server> =
            (0..if with_replicas { 6 } else { 3 }).map(|_| start_node()).collect();
        let each = SLOTS / 3 + 1;
        for (n, node) in (0..3).zip(&nodes) {
            let (first, last) = (n * each, ((n + 1) * each).min(SLOTS) - 1);
            node.must(&["CLUSTER", "SET-CONFIG-EPOCH", &(n + 1).to_string()]);
            node.must(&["CLUSTER", "ADDSLOTSRANGE", &first.to_string(), &last.to_string()]);
        }
        let cluster = Self { nodes };
        for node in &cluster.nodes[1..] {
            let bus = node.config("cluster-port");
            let (port, first) = (node.port().to_string(), &cluster.nodes[0]);
            first.must(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus]);
        }
        let count = format!("cluster_known_nodes:{}", cluster.nodes.len());
        let joined = |node: &Server| {
            let info = node.ask(&["CLUSTER", "INFO"]).unwrap_or_default();
            info.contains("cluster_state:ok") && info.contains(&count)
        };
        until(|| cluster.nodes.iter().all(joined));
        if with_replicas {
            for n in 3..6 {
                let primary = cluster.id(n - 3);
                cluster.nodes[n].must(&["CLUSTER", "REPLICATE", &primary]);
            }
            let synced = |node: &Server| {
                node.ask(&["INFO", "replication"]).unwrap_or_default().contains("link_status:up")
            };
            until(|| cluster.nodes[3..].iter().all(synced));
        }
        cluster
    }

    /// Waits until the replicas have all that their primaries have.
    pub(crate) fn caught_up(&self) {
        for n in 0..3 {
            super::caught_up(&self.nodes[n], &self.nodes[n + 3]);
        }
    }

    /// The id of a node.
    pub(crate) fn id(&self, node: usize) -> String {
        let answer = self.nodes[node].ask(&["CLUSTER", "MYID"]).unwrap();
        answer.lines().nth(1).unwrap().to_owned()
    }

    /// Settings for the cluster, with a prefix of its own.
    pub(crate) fn settings(&self, name: &str) -> RedisSettings {
        let known = self.nodes.iter().take(2);
        let addresses = known.map(|node| RedisAddress::new("127.0.0.1", node.port()));
        let mut settings = RedisSettings::cluster(addresses);
        settings.prefix = format!("{name}:");
        settings
    }

    pub(crate) async fn connection(&self, node: usize) -> MultiplexedConnection {
        let url = format!("redis://127.0.0.1:{}", self.nodes[node].port());
        let client = redis::Client::open(url).unwrap();
        client.get_multiplexed_async_connection().await.unwrap()
    }

    /// Which of the first three nodes has a slot. Waits until they agree: while one of them holds
    /// that the slot is nobody's, it refuses to take it over.
    pub(crate) fn owner(&self, slot: u16) -> usize {
        loop {
            let views: Vec<Option<String>> = (0..3).map(|node| self.view(node, slot)).collect();
            let first = views[0].as_ref().filter(|_| views.iter().all(|view| *view == views[0]));
            if let Some(owner) = first.and_then(|id| (0..3).find(|node| self.id(*node) == *id)) {
                return owner;
            }
            std::thread::yield_now();
        }
    }

    /// The id of the node that has a slot, as one node sees it.
    fn view(&self, node: usize, slot: u16) -> Option<String> {
        let nodes = self.nodes[node].ask(&["CLUSTER", "NODES"])?;
        let has = |line: &&str| {
            line.split(' ').skip(8).any(|range| {
                let (first, last) = range.split_once('-').unwrap_or((range, range));
                let number = |text: &str| text.trim().parse::<u16>().ok();
                number(first).zip(number(last)).is_some_and(|(a, b)| (a..=b).contains(&slot))
            })
        };
        let line = nodes.lines().find(has)?;
        line.split(' ').next().map(str::to_owned)
    }

    /// Moves a slot with its keys, a few at a time, as `redis-cli --cluster reshard` does.
    pub(crate) async fn migrate(&self, slot: u16, from: usize, to: usize) {
        let (slot_text, source, target) = (slot.to_string(), self.id(from), self.id(to));
        let (a, b) = (&self.nodes[from], &self.nodes[to]);
        b.must(&["CLUSTER", "SETSLOT", &slot_text, "IMPORTING", &source]);
        a.must(&["CLUSTER", "SETSLOT", &slot_text, "MIGRATING", &target]);
        let mut connection = self.connection(from).await;
        loop {
            let keys: Vec<Vec<u8>> = redis::cmd("CLUSTER")
                .arg(&["GETKEYSINSLOT", &slot_text, "10"])
                .query_async(&mut connection)
                .await
                .unwrap();
            if keys.is_empty() {
                break;
            }
            let mut migrate = redis::cmd("MIGRATE");
            migrate.arg("127.0.0.1").arg(b.port()).arg("").arg(0).arg(5_000).arg("KEYS");
            let () = migrate.arg(&keys).query_async(&mut connection).await.unwrap();
        }
        for node in [b, a] {
            node.must(&["CLUSTER", "SETSLOT", &slot_text, "NODE", &target]);
        }
    }
}

/// One cluster for all tests of this process.
pub(crate) fn shared() -> &'static Cluster {
    static SHARED: OnceLock<Cluster> = OnceLock::new();
    SHARED.get_or_init(|| Cluster::start(false))
}
