//! The shared suite over a Valkey server.

mod server;

use std::sync::{Arc, OnceLock};

use backend_redis::{RedisBackend, RedisDurability, RedisStore};
use conformance_tests::fixture;
use durable_core::backend::{BackendError, BackendErrorKind};
use server::Server;

fn main() -> std::process::ExitCode {
    static SHARED: OnceLock<Server> = OnceLock::new();
    let capabilities = RedisBackend::capabilities(RedisDurability::EverySecond, 1);
    let fixture = fixture(capabilities, |place, hub, env| async move {
        let missing = |text| BackendError::new(BackendErrorKind::Unavailable, "connect", text);
        let program = server::valkey().map_err(missing)?;
        let server = SHARED.get_or_init(|| Server::start_program(&program, &[]));
        let store = RedisStore::connect(server.settings(&place.name), env).await?;
        Ok(store.hub(&hub).await? as Arc<_>)
    });
    conformance_tests::main("valkey", fixture.unless(server::valkey().err()))
}
