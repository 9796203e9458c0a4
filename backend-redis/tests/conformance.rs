//! The shared suite over a Redis server.

mod server;

use std::sync::Arc;

use backend_redis::{RedisBackend, RedisDurability, RedisStore};
use conformance_tests::fixture;

fn main() -> std::process::ExitCode {
    let capabilities = RedisBackend::capabilities(RedisDurability::EverySecond, 1);
    let fixture = fixture(capabilities, |place, hub, env| async move {
        let settings = server::shared().settings(&place.name);
        let store = RedisStore::connect(settings, env).await?;
        Ok(store.hub(&hub).await? as Arc<_>)
    });
    conformance_tests::main("redis", fixture.unless(server::missing()))
}
