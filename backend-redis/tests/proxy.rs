//! The adapter over a network that misbehaves.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
#![allow(clippy::print_stderr, reason = "seeds are printed")]

mod engine;
#[path = "torture/load.rs"]
#[allow(dead_code, reason = "nothing is lost here")]
mod load;
mod server;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use backend_redis::{RedisBackend, RedisDurability, RedisSettings, RedisStore};
use conformance_tests::{checks, fixture, run_checks};
use durable_core::env::{TokioEnv, timeout};
use load::Load;
use server::Server;
use server::proxy::{FaultyProxy, WireFault, WirePlan};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

fn seed() -> u64 {
    let by_process = u64::from(std::process::id());
    let seed = std::env::var("SEED").map_or(by_process, |text| text.parse().unwrap());
    eprintln!("SEED={seed}");
    seed
}

fn before(server: &Server, plan: WirePlan) -> FaultyProxy {
    FaultyProxy::start(SocketAddr::from((Ipv4Addr::LOCALHOST, server.port())), plan).unwrap()
}

/// Settings for the way through a proxy. What it swallows is given up soon.
fn through(proxy: &FaultyProxy) -> RedisSettings {
    let mut settings = RedisSettings::new("127.0.0.1", proxy.address().port());
    settings.prefix = "p:".to_owned();
    settings.response_timeout = Duration::from_millis(500);
    settings
}

/// Clients and a worker go on until there were that many faults, then everything ends.
async fn survives(faults: &[WireFault], per_mille: u64, count: u64) {
    if !server::available() {
        return;
    }
    let server = Server::start(&[]);
    let proxy = before(&server, WirePlan::random(seed(), per_mille, faults));
    let connect = || async {
        loop {
            match engine::connect(through(&proxy)).await {
                Ok(backend) => return backend,
                // It may meet a fault already.
                Err(_) => TokioEnv::shared().sleep(Duration::from_millis(10)).await,
            }
        }
    };
    let worker = load::worker(connect().await).await.unwrap();
    let load = Load::begin(connect().await, false);
    while proxy.injected() < count {
        TokioEnv::shared().sleep(Duration::from_millis(10)).await;
    }
    proxy.calm_down();
    eprintln!("{} faults, {}", proxy.injected(), load.end().await);
    worker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_and_answers_that_are_cut_are_made_up_for() {
    survives(&[WireFault::Cut, WireFault::Reset], 10, 60).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_became_a_black_hole_is_given_up() {
    survives(&[WireFault::BlackHole], 5, 8).await;
}

/// Nobody noticed, and from then on everything was found by looking every two seconds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_that_became_a_black_hole_is_made_anew() {
    if !server::available() {
        return;
    }
    let server = Server::start(&[]);
    let proxy = before(&server, WirePlan::at([]));
    let _backend = engine::connect(through(&proxy)).await.unwrap();
    let first = timeout(&*TokioEnv::shared(), engine::LONG, subscriber(&server, "")).await;
    proxy.swallow_all();
    let other = subscriber(&server, first.as_deref().unwrap());
    timeout(&*TokioEnv::shared(), engine::LONG, other).await.expect("nobody noticed");
}

/// The name of a connection that is subscribed, once there is another than this.
async fn subscriber(server: &Server, not: &str) -> String {
    loop {
        let list = server.must(&["CLIENT", "LIST", "TYPE", "pubsub"]);
        let mut names = list.split_whitespace().filter(|word| word.starts_with("id="));
        if let Some(name) = names.find(|name| *name != not) {
            return name.to_owned();
        }
        TokioEnv::shared().sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_at_once_ends_once() {
    survives(&WireFault::ALL, 20, 60).await;
}

/// Every fortieth check, beginning with another one each time; all of them by
/// `cargo xtask conformance --backend redis-proxy`.
#[test]
fn some_of_the_suite_passes_over_a_slow_and_tearing_network() {
    if !server::available() {
        return;
    }
    let seed = seed();
    let proxy = before(server::shared(), WirePlan::random(seed, 100, &WireFault::SLOW));
    let port = proxy.address().port();
    let capabilities = RedisBackend::capabilities(RedisDurability::EverySecond, 1);
    let fixture = fixture(capabilities, move |place, hub, env| async move {
        let mut settings = RedisSettings::new("127.0.0.1", port);
        settings.prefix = format!("{}:", place.name);
        Ok(RedisStore::connect(settings, env).await?.hub(&hub).await? as Arc<_>)
    });
    let first = usize::try_from(seed % 40).unwrap();
    let passed = run_checks(checks().iter().skip(first).step_by(40), &fixture).unwrap();
    assert!(passed > 5 && proxy.injected() > 0, "{passed} checks, {proxy:?}");
}

#[test]
fn the_same_seed_plans_the_same_faults() {
    let plan = |seed| {
        let plan = WirePlan::random(seed, 100, &WireFault::ALL);
        (0..10_000).map(|chunk| plan.fault(chunk)).collect::<Vec<_>>()
    };
    assert_eq!(plan(1), plan(1));
    assert_ne!(plan(1), plan(2));
    let faults = plan(1).into_iter().flatten().count();
    assert!((800..1_200).contains(&faults), "{faults}");
    for kind in WireFault::ALL {
        assert!(plan(1).contains(&Some(kind)), "{kind:?}");
    }
}

async fn echo_through(plan: WirePlan, said: &[u8]) -> io::Result<Vec<u8>> {
    let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let proxy = FaultyProxy::start(server.local_addr()?, plan)?;
    TokioEnv::shared().spawn(Box::pin(async move {
        if let Ok((mut peer, _)) = server.accept().await {
            let (mut from, mut to) = peer.split();
            let _ = tokio::io::copy(&mut from, &mut to).await;
        }
    }));
    let mut client = TcpStream::connect(proxy.address()).await?;
    client.write_all(said).await?;
    let mut heard = vec![0; said.len()];
    let mut length = 0;
    while length < said.len() {
        match client.read(&mut heard[length..]).await? {
            0 => break,
            some => length += some,
        }
    }
    heard.truncate(length);
    Ok(heard)
}

#[tokio::test]
async fn slow_faults_lose_nothing_and_the_others_lose_the_connection() {
    let said = b"something that is long enough to be torn";
    for fault in WireFault::SLOW {
        let heard = echo_through(WirePlan::at([(0, fault), (1, fault)]), said).await;
        assert_eq!(heard.expect("nothing is lost"), said, "{fault:?}");
    }
    let heard = echo_through(WirePlan::at([(1, WireFault::Cut)]), said).await;
    assert_eq!(heard.expect("an orderly end"), said[..said.len() / 2]);
    let error = echo_through(WirePlan::at([(0, WireFault::Reset)]), said).await;
    assert_eq!(error.map_err(|e| e.kind()), Err(io::ErrorKind::ConnectionReset));
    let black_hole = echo_through(WirePlan::at([(0, WireFault::BlackHole)]), said);
    let limit = Duration::from_millis(50);
    let heard = timeout(&*TokioEnv::shared(), limit, black_hole).await;
    assert!(heard.is_err(), "something came out of a black hole");
}
