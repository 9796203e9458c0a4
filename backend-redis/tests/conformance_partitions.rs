//! The shared suite over hubs of several partitions on one Redis server.

mod server;

use std::sync::Arc;

use backend_redis::{RedisBackend, RedisDurability, RedisStore};
use conformance_tests::fixture;

const PARTITIONS: u16 = 5;

fn main() -> std::process::ExitCode {
    if server::one_process_per_test() {
        return std::process::ExitCode::SUCCESS;
    }
    let capabilities = RedisBackend::capabilities(RedisDurability::EverySecond, PARTITIONS);
    let fixture = fixture(capabilities, |place, hub, env| async move {
        let mut settings = server::shared().settings(&place.name);
        settings.partitions = Some(PARTITIONS);
        let store = RedisStore::connect(settings, env).await?;
        Ok(store.hub(&hub).await? as Arc<_>)
    });
    conformance_tests::main("redis-partitions", fixture.unless(server::missing()))
}
