//! The shared suite over a Redis server behind a network that delays and tears everything. Long;
//! run by `cargo xtask conformance --backend redis-proxy`. Lost connections, which the suite would
//! take for failures of its calls, are in `proxy.rs`.

mod server;

use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use backend_redis::{RedisBackend, RedisDurability, RedisSettings, RedisStore};
use conformance_tests::{Timings, fixture};
use durable_core::backend::{BackendError, BackendErrorKind, BackendResult};
use server::proxy::{FaultyProxy, WireFault, WirePlan};

fn proxy_port() -> BackendResult<u16> {
    static PROXY: OnceLock<std::io::Result<FaultyProxy>> = OnceLock::new();
    let start = || {
        let server = SocketAddr::from((Ipv4Addr::LOCALHOST, server::shared().port()));
        FaultyProxy::start(server, WirePlan::random(1, 100, &WireFault::SLOW))
    };
    match PROXY.get_or_init(start) {
        Ok(proxy) => Ok(proxy.address().port()),
        Err(e) => Err(BackendError::new(BackendErrorKind::Internal, "proxy", e.to_string())),
    }
}

fn main() -> ExitCode {
    let capabilities = RedisBackend::capabilities(RedisDurability::EverySecond, 1);
    let fixture = fixture(capabilities, |place, hub, env| async move {
        let mut settings = RedisSettings::new("127.0.0.1", proxy_port()?);
        settings.prefix = format!("{}:", place.name);
        let store = RedisStore::connect(settings, env).await?;
        Ok(store.hub(&hub).await? as Arc<_>)
    });
    // A thousand activities, one at a time, meet a thousand delays.
    let mut timings = Timings::real();
    timings.patience *= 6;
    let fixture = fixture.with_timings(timings);
    conformance_tests::main("redis-proxy", fixture.unless(server::missing()))
}
