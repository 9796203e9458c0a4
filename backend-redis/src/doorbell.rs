//! The subscription over which the server tells that something can be done.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use durable_core::env::SharedEnv;
use durable_core::hot::Signals;
use durable_core::ids::InstanceId;
use durable_core::memory::Bells;
use futures_util::StreamExt as _;
use tokio::sync::watch;

use crate::quiet::Quiet;

/// How soon a lost subscription is tried again.
const AGAIN: Duration = Duration::from_millis(200);

/// How often a waiting call looks by itself while the subscription stands: rings may be lost with
/// a connection that nobody has noticed to be dead, and ends of loans are not rung for.
const LOOK_SUBSCRIBED: Duration = Duration::from_secs(2);

/// How often it looks while there is no subscription.
const LOOK_ALONE: Duration = Duration::from_millis(100);

/// The bells of one hub in this process.
#[derive(Debug, Default)]
pub(crate) struct Doorbell {
    pub(crate) bells: Bells,
    pub(crate) turns: Quiet,
    pub(crate) activities: Quiet,
    pub(crate) tracking: Quiet,
    subscribed: AtomicBool,
}

impl Doorbell {
    /// How long a waiting call may rely on being woken.
    pub(crate) fn trust(&self) -> Duration {
        if self.subscribed.load(Ordering::Acquire) { LOOK_SUBSCRIBED } else { LOOK_ALONE }
    }

    /// Rings for what has become possible.
    pub(crate) fn ring(&self, signals: Signals) {
        if signals.turns {
            self.turns.disturb();
        }
        if signals.activities {
            self.activities.disturb();
        }
        if signals.tracking {
            self.tracking.disturb();
        }
        self.bells.ring(signals);
    }

    /// Rings all bells, because whatever waits has to look.
    pub(crate) fn ring_all(&self) {
        for quiet in [&self.turns, &self.activities, &self.tracking] {
            quiet.disturb();
        }
        self.bells.ring_all();
    }

    fn hear(&self, payload: &[u8]) {
        match payload {
            b"t" => self.ring(Signals { turns: true, ..Signals::default() }),
            b"a" => self.ring(Signals { activities: true, ..Signals::default() }),
            b"k" => self.ring(Signals { tracking: true, ..Signals::default() }),
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
    pub(crate) client: redis::Client,
    pub(crate) channel: Vec<u8>,
    pub(crate) doorbell: Arc<Doorbell>,
    pub(crate) env: SharedEnv,
    /// Ends the task when the sender is dropped.
    pub(crate) stop: watch::Receiver<()>,
}

impl Listener {
    /// Listens until the hub is closed or dropped.
    pub(crate) async fn run(mut self) {
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
    async fn session(&mut self) -> redis::RedisResult<()> {
        let mut subscription = self.client.get_async_pubsub().await?;
        subscription.subscribe(self.channel.as_slice()).await?;
        self.doorbell.subscribed.store(true, Ordering::Release);
        // Whatever rang before is made up for by a look.
        self.doorbell.ring_all();
        let mut messages = subscription.on_message();
        while let Some(message) = messages.next().await {
            self.doorbell.hear(message.get_payload_bytes());
        }
        Ok(())
    }
}
