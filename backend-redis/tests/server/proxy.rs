//! A TCP proxy that misbehaves, by plan or by seed, as networks do.
//!
//! It stands between an adapter and a real server. It has a thread of its own, so it outlives the
//! runtime of the test that made it, and ends when it is dropped.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use durable_core::env::TokioEnv;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// SplitMix64.
fn mix(seed: u64) -> u64 {
    let mut z = seed;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// What happens to one chunk of bytes on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum WireFault {
    /// It arrives late.
    Delay,
    /// It arrives in pieces of a few bytes, each a little later.
    Drip,
    /// Half of it arrives, then the connection is closed.
    Cut,
    /// Half of it arrives, then the connection is reset.
    Reset,
    /// It vanishes, and with it all that follows, while the connection stands.
    BlackHole,
}

impl WireFault {
    /// Every kind.
    pub(crate) const ALL: [Self; 5] =
        [Self::Delay, Self::Drip, Self::Cut, Self::Reset, Self::BlackHole];
    /// Those that lose nothing.
    pub(crate) const SLOW: [Self; 2] = [Self::Delay, Self::Drip];
}

/// Which chunk meets which fault. Chunks of all connections and both directions are counted
/// together, from 0.
#[derive(Debug, Clone)]
pub(crate) struct WirePlan {
    at: BTreeMap<u64, WireFault>,
    seed: u64,
    per_mille: u64,
    faults: Vec<WireFault>,
}

impl WirePlan {
    /// Faults at certain chunks.
    pub(crate) fn at(faults: impl IntoIterator<Item = (u64, WireFault)>) -> Self {
        let at = faults.into_iter().collect();
        Self { at, seed: 0, per_mille: 0, faults: Vec::new() }
    }

    /// So many faults of these kinds in a thousand chunks, chosen by a seed.
    pub(crate) fn random(seed: u64, per_mille: u64, faults: &[WireFault]) -> Self {
        Self { at: BTreeMap::new(), seed, per_mille, faults: faults.to_vec() }
    }

    pub(crate) fn fault(&self, chunk: u64) -> Option<WireFault> {
        if let Some(fault) = self.at.get(&chunk) {
            return Some(*fault);
        }
        let random = mix(self.seed.wrapping_add(chunk.wrapping_mul(GOLDEN)));
        if random % 1000 >= self.per_mille || self.faults.is_empty() {
            return None;
        }
        let which = (random >> 32) % self.faults.len() as u64;
        self.faults.get(usize::try_from(which).unwrap_or(0)).copied()
    }
}

#[derive(Debug)]
struct Shared {
    server: SocketAddr,
    plan: WirePlan,
    chunks: AtomicU64,
    injected: AtomicU64,
    calm: AtomicBool,
    /// How often all connections became black holes.
    swallowed: AtomicU64,
}

/// The proxy, on a free port of the loopback device.
#[derive(Debug)]
pub(crate) struct FaultyProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    /// Dropped to end it.
    _stop: watch::Sender<()>,
}

impl FaultyProxy {
    /// Begins to listen.
    pub(crate) fn start(server: SocketAddr, plan: WirePlan) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (chunks, injected) = (AtomicU64::new(0), AtomicU64::new(0));
        let (calm, swallowed) = (AtomicBool::new(false), AtomicU64::new(0));
        let shared = Arc::new(Shared { server, plan, chunks, injected, calm, swallowed });
        let (stop, mut stopped) = watch::channel(());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let serving = Arc::clone(&shared);
        std::thread::Builder::new().name("faulty-proxy".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = serve(listener, serving) => {}
                    _ = stopped.changed() => {}
                }
            });
        })?;
        Ok(Self { address, shared, _stop: stop })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many faults there were.
    pub(crate) fn injected(&self) -> u64 {
        self.shared.injected.load(Ordering::Relaxed)
    }

    /// Every connection that there is becomes a black hole; new ones are none.
    pub(crate) fn swallow_all(&self) {
        self.shared.swallowed.fetch_add(1, Ordering::Relaxed);
    }

    /// No more faults from here on; what is in a black hole stays there.
    pub(crate) fn calm_down(&self) {
        self.shared.calm.store(true, Ordering::Relaxed);
    }
}

async fn serve(listener: std::net::TcpListener, shared: Arc<Shared>) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        let (client, _) = listener.accept().await?;
        let shared = Arc::clone(&shared);
        TokioEnv::shared().spawn(Box::pin(async move {
            // A server that is away shows as a connection that ends at once.
            if let Ok(server) = TcpStream::connect(shared.server).await {
                connection(client, server, &shared).await;
            }
        }));
    }
}

/// How a direction came to its end.
enum End {
    Closed,
    Reset,
}

async fn connection(mut client: TcpStream, mut server: TcpStream, shared: &Shared) {
    let _ = client.set_nodelay(true).and_then(|()| server.set_nodelay(true));
    let end = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        tokio::select! {
            end = pump(from_client, to_server, shared) => end,
            end = pump(from_server, to_client, shared) => end,
        }
    };
    if matches!(end, End::Reset) {
        let _ = client.set_zero_linger();
    }
}

async fn pump(
    mut from: tokio::net::tcp::ReadHalf<'_>,
    mut to: tokio::net::tcp::WriteHalf<'_>,
    shared: &Shared,
) -> End {
    let mut buffer = vec![0; 16 * 1024];
    let swallowed = shared.swallowed.load(Ordering::Relaxed);
    loop {
        let Ok(length @ 1..) = from.read(&mut buffer).await else { return End::Closed };
        let bytes = &buffer[..length];
        let chunk = shared.chunks.fetch_add(1, Ordering::Relaxed);
        let calm = shared.calm.load(Ordering::Relaxed);
        let mut fault = shared.plan.fault(chunk).filter(|_| !calm);
        if shared.swallowed.load(Ordering::Relaxed) > swallowed {
            fault = Some(WireFault::BlackHole);
        }
        shared.injected.fetch_add(u64::from(fault.is_some()), Ordering::Relaxed);
        let (half, _) = bytes.split_at(length / 2);
        let written = match fault {
            None => to.write_all(bytes).await,
            Some(WireFault::Delay) => {
                TokioEnv::shared().sleep(Duration::from_millis(5 + chunk % 40)).await;
                to.write_all(bytes).await
            }
            Some(WireFault::Drip) => drip(&mut to, bytes).await,
            Some(WireFault::Cut) => {
                let _ = to.write_all(half).await;
                return End::Closed;
            }
            Some(WireFault::Reset) => {
                let _ = to.write_all(half).await;
                return End::Reset;
            }
            Some(WireFault::BlackHole) => {
                // Until the one who sends gives up.
                while matches!(from.read(&mut buffer).await, Ok(1..)) {}
                return End::Closed;
            }
        };
        if written.is_err() {
            return End::Closed;
        }
    }
}

/// Twenty pieces at most, so that a large chunk does not take for ever.
async fn drip(to: &mut tokio::net::tcp::WriteHalf<'_>, bytes: &[u8]) -> io::Result<()> {
    for piece in bytes.chunks((bytes.len() / 20).max(3)) {
        to.write_all(piece).await?;
        TokioEnv::shared().sleep(Duration::from_millis(1)).await;
    }
    Ok(())
}
