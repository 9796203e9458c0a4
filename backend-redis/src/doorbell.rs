//! The subscription over which the server tells that something can be done.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use durable_core::backend::{BackendError, BackendErrorKind, BackendResult};
use durable_core::env::{SharedEnv, timeout};
use durable_core::hot::Signals;
use durable_core::ids::InstanceId;
use durable_core::memory::Bells;
use foldhash::HashMap;
use futures_util::StreamExt as _;
use redis::{RedisResult, Value};
use tokio::sync::watch;

use crate::error::{Effect, from_redis};
use crate::link::Link;
use crate::quiet::Quiet;
use crate::taking::Bell;
use crate::wire::CONNECT_LIMIT;

const OPERATION: &str = "subscribe";

/// How soon a lost subscription is tried again.
const AGAIN: Duration = Duration::from_millis(200);

/// How often a waiting call looks by itself while the subscription stands: rings may be lost with
/// a connection that nobody has noticed to be dead, and ends of loans are not rung for.
const LOOK_SUBSCRIBED: Duration = Duration::from_secs(2);

/// How often the server is asked over the subscription whether it is still there, and how long it
/// may take to answer. A network that swallows everything looks like one where nothing happens.
const BEAT: Duration = Duration::from_secs(3);
const BEAT_LIMIT: Duration = Duration::from_secs(5);

/// How often it looks while there is no subscription.
const LOOK_ALONE: Duration = Duration::from_millis(100);

/// What is known of the queues of one partition.
#[derive(Debug, Default)]
struct Quiets {
    turns: Quiet,
    activities: Quiet,
    tracking: Quiet,
}

/// The bells of one hub in this process.
#[derive(Debug)]
pub(crate) struct Doorbell {
    pub(crate) bells: Bells,
    /// By partition.
    quiet: Vec<Quiets>,
    subscribed: AtomicBool,
}

impl Doorbell {
    pub(crate) fn new(partitions: usize) -> Self {
        let quiet = (0..partitions).map(|_| Quiets::default()).collect();
        Self { bells: Bells::default(), quiet, subscribed: AtomicBool::new(false) }
    }

    /// What is known of a queue of a partition.
    pub(crate) fn quiet(&self, bell: Bell, partition: u16) -> &Quiet {
        let quiets = &self.quiet[usize::from(partition)];
        match bell {
            Bell::Turns => &quiets.turns,
            Bell::Activities => &quiets.activities,
            Bell::Tracking => &quiets.tracking,
        }
    }

    /// How long a waiting call may rely on being woken.
    pub(crate) fn trust(&self) -> Duration {
        if self.subscribed.load(Ordering::Acquire) { LOOK_SUBSCRIBED } else { LOOK_ALONE }
    }

    /// Rings for what has become possible in a partition.
    fn ring(&self, bell: Bell, partition: u16) {
        self.quiet(bell, partition).disturb();
        self.bells.ring(Signals {
            turns: matches!(bell, Bell::Turns),
            activities: matches!(bell, Bell::Activities),
            tracking: matches!(bell, Bell::Tracking),
        });
    }

    /// Rings for a queue of all partitions.
    pub(crate) fn ring_queue(&self, bell: Bell) {
        for partition in (0..).take(self.quiet.len()) {
            self.ring(bell, partition);
        }
    }

    /// Rings all bells, because whatever waits has to look.
    pub(crate) fn ring_all(&self) {
        for quiets in &self.quiet {
            quiets.turns.disturb();
            quiets.activities.disturb();
            quiets.tracking.disturb();
        }
        self.bells.ring_all();
    }

    fn hear(&self, partition: u16, payload: &[u8]) {
        match payload {
            b"t" => self.ring(Bell::Turns, partition),
            b"a" => self.ring(Bell::Activities, partition),
            b"k" => self.ring(Bell::Tracking, partition),
            [b'w', id @ ..] => {
                let id = std::str::from_utf8(id).ok().and_then(|id| InstanceId::new(id).ok());
                self.bells.ring_changed(id.as_slice());
            }
            _ => {}
        }
    }
}

/// What the task that listens needs.
pub(crate) struct Listener {
    pub(crate) link: Link,
    /// The channel of each partition.
    pub(crate) channels: Vec<Vec<u8>>,
    pub(crate) doorbell: Arc<Doorbell>,
    pub(crate) env: SharedEnv,
    /// Ends the task when the sender is dropped.
    pub(crate) stop: watch::Receiver<()>,
}

impl Listener {
    /// Listens until the hub is closed or dropped.
    pub(crate) async fn run(self) {
        let mut stop = self.stop.clone();
        let all = async {
            loop {
                if let Err(error) = self.session().await {
                    tracing::debug!(%error, "the subscription for wake-ups ended");
                }
                self.doorbell.subscribed.store(false, Ordering::Release);
                self.doorbell.ring_all();
                self.env.sleep(AGAIN).await;
            }
        };
        tokio::select! {
            () = all => {}
            _ = stop.changed() => {}
        }
    }

    /// One subscription, until its connection ends.
    async fn session(&self) -> BackendResult<()> {
        let link = self.link.clone();
        let changed = async {
            match link.changed() {
                Some(changed) => changed.notified().await,
                None => std::future::pending().await,
            }
        };
        tokio::pin!(changed);
        let client = link.subscription().await?;
        let subscribe = async {
            let mut subscription = client.get_async_pubsub().await?;
            subscription.subscribe(&self.channels).await?;
            RedisResult::Ok(subscription)
        };
        let late = |_| {
            BackendError::new(
                BackendErrorKind::Unavailable,
                OPERATION,
                "the server does not answer",
            )
        };
        let subscription = timeout(&*self.env, CONNECT_LIMIT, subscribe).await.map_err(late)?;
        let subscription = subscription.map_err(|e| from_redis(OPERATION, Effect::Reads, e))?;
        self.doorbell.subscribed.store(true, Ordering::Release);
        // Whatever rang before is made up for by a look.
        self.doorbell.ring_all();
        let by_name: HashMap<&[u8], u16> =
            self.channels.iter().map(Vec::as_slice).zip(0..).collect();
        let (mut sink, mut messages) = subscription.split();
        let silent = async {
            loop {
                self.env.sleep(BEAT).await;
                let ping = sink.ping::<Value>();
                if !matches!(timeout(&*self.env, BEAT_LIMIT, ping).await, Ok(Ok(_))) {
                    return;
                }
            }
        };
        tokio::pin!(silent);
        loop {
            let message = tokio::select! {
                message = messages.next() => message,
                () = &mut changed => None,
                () = &mut silent => None,
            };
            match message {
                Some(message) => {
                    let name = message.get_channel_name().as_bytes();
                    if let Some(partition) = by_name.get(name) {
                        self.doorbell.hear(*partition, message.get_payload_bytes());
                    }
                }
                None => return Ok(()),
            }
        }
    }
}
