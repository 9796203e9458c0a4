//! The shared suite over a Redis Cluster of three nodes.

mod server;

use std::sync::Arc;

use backend_redis::{RedisBackend, RedisDurability, RedisStore};
use conformance_tests::fixture;

/// What a hub on a Cluster has unless told otherwise.
const PARTITIONS: u16 = 16;

fn main() -> std::process::ExitCode {
    if server::one_process_per_test() {
        return std::process::ExitCode::SUCCESS;
    }
    let capabilities = RedisBackend::capabilities(RedisDurability::EverySecond, PARTITIONS);
    let fixture = fixture(capabilities, |place, hub, env| async move {
        let settings = server::cluster::shared().settings(&place.name);
        let store = RedisStore::connect(settings, env).await?;
        Ok(store.hub(&hub).await? as Arc<_>)
    });
    conformance_tests::main("redis-cluster", fixture.unless(server::missing()))
}
