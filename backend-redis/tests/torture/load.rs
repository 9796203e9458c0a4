//! The load of a campaign: clients that start instances, send each an event, wait for its result,
//! and at the end look at all of them again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use durable_core::backend::{Backend, ReusePolicy};
use durable_core::client::{Client, InstanceHandle};
use durable_core::env::{TokioEnv, timeout};
use durable_core::error::{Error, ErrorKind};
use durable_core::model::{Failure, HistoryEvent};
use durable_core::replay::{NamedActivity, NamedOrchestration, OrchestrationContext};
use durable_core::time::Timestamp;
use durable_core::worker::{Worker, WorkerOptions};
use parking_lot::Mutex;

/// Instances under way at the same time.
const LANES: u64 = 24;

/// After which an instance counts as hanging: much longer than any outage.
const PATIENCE: Duration = Duration::from_secs(120);

fn name<I, O>(name: &str) -> NamedOrchestration<I, O, Failure> {
    NamedOrchestration::new(name).unwrap()
}

fn mixed() -> NamedOrchestration<u64, u64, Failure> {
    name("mixed")
}

/// What `mixed` comes to.
fn expected(n: u64) -> u64 {
    (n + 3) + (0..3).map(|k| n + k + 1).sum::<u64>() + (n + 1) + 7
}

/// Steps, a timer, a fan-out, a child and an event.
async fn run_mixed(ctx: OrchestrationContext, n: u64) -> Result<u64, Failure> {
    let inc = NamedActivity::<u64, u64, Failure>::new("inc")?;
    let mut sum = n;
    for _ in 0..3 {
        sum = ctx.call(inc.clone(), sum).await?;
    }
    ctx.sleep(Duration::from_millis(30)).await;
    let fan: Vec<_> = (0..3).map(|k| ctx.call(inc.clone(), n + k)).collect();
    for call in fan {
        sum += call.await?;
    }
    sum += ctx.call_child(name::<u64, u64>("child"), n).await?;
    let extra: u64 = ctx.event("extra").await?;
    Ok(sum + extra)
}

/// A worker with leases that are over soon. What is killed all the time is not poison.
pub(crate) async fn worker(backend: Arc<dyn Backend>) -> Result<Worker, Error> {
    let mut options = WorkerOptions::default();
    options.lease = Duration::from_secs(1);
    options.turns_per_fetch = 8;
    options.deliveries_max = 1_000;
    options.drain = Duration::from_secs(2);
    Worker::builder(backend)
        .options(options)
        .activity_fn("inc", |_ctx, n: u64| async move { Ok::<_, Failure>(n + 1) })
        .orchestration_fn("mixed", run_mixed)
        .orchestration_fn("child", |ctx: OrchestrationContext, n: u64| async move {
            let inc = NamedActivity::<u64, u64, Failure>::new("inc")?;
            Ok::<_, Failure>(ctx.call(inc, n).await?)
        })
        .start()
        .await
}

/// When an instance was known to be how far.
#[derive(Debug, Clone, Copy, Default)]
struct Known {
    started: Option<Timestamp>,
    sent: Option<Timestamp>,
    done: Option<Timestamp>,
}

struct Shared {
    client: Client,
    known: Mutex<BTreeMap<u64, Known>>,
    /// For each loss: until when everything was kept, and when it happened.
    losses: Mutex<Vec<(Timestamp, Timestamp)>>,
    /// After how long of waiting a client tells everything again.
    again: Duration,
    /// How many acknowledged starts were found to be lost, where that may be.
    lost: AtomicU64,
    stop: AtomicBool,
}

impl Shared {
    fn may_be_lost(&self, acknowledged: Option<Timestamp>) -> bool {
        let losses = self.losses.lock();
        acknowledged.is_none_or(|at| losses.iter().any(|(kept, lost)| *kept < at && at <= *lost))
    }

    fn note(&self, n: u64, note: impl FnOnce(&mut Known, Timestamp)) {
        note(self.known.lock().entry(n).or_default(), TokioEnv::shared().now());
    }

    /// Brings an instance to its end, from wherever it is.
    async fn drive(&self, n: u64) {
        loop {
            let handle = self.start(n).await;
            self.note(n, |known, now| known.started = Some(now));
            if !self.send(n, &handle).await {
                continue;
            }
            // A store that has lost the event lets its instance wait; then it is sent again.
            match handle.result_within(self.again).await {
                Ok(value) => {
                    assert_eq!(value, expected(n), "instance {n}");
                    return self.note(n, |known, now| known.done = Some(now));
                }
                Err(error) if error.kind() == ErrorKind::TimedOut => {}
                Err(error) => self.check_lost(n, &error, |known| known.started),
            }
        }
    }

    async fn start(&self, n: u64) -> InstanceHandle<u64, Failure> {
        loop {
            let start = self.client.start(mixed(), n).id(format!("i{n}"));
            match start.reuse(ReusePolicy::ReturnExisting).send().await {
                Ok(handle) => return handle,
                Err(error) => assert!(error.is_retryable(), "cannot start {n}: {error:?}"),
            }
            TokioEnv::shared().sleep(Duration::from_millis(20)).await;
        }
    }

    /// Sends the event; false when the instance has been lost.
    async fn send(&self, n: u64, handle: &InstanceHandle<u64, Failure>) -> bool {
        loop {
            let event = handle.raise_event("extra", &7_u64).dedupe_id(u128::from(n));
            match event.send().await {
                Ok(()) => {
                    self.note(n, |known, now| known.sent = Some(now));
                    return true;
                }
                Err(error) if error.kind() == ErrorKind::Ended => return true,
                Err(error) if error.is_retryable() => {}
                Err(error) => {
                    self.check_lost(n, &error, |known| known.started);
                    return false;
                }
            }
            TokioEnv::shared().sleep(Duration::from_millis(20)).await;
        }
    }

    fn check_lost(&self, n: u64, error: &Error, until: impl Fn(&Known) -> Option<Timestamp>) {
        let known = self.known.lock().get(&n).copied().unwrap_or_default();
        let lost = error.kind() == ErrorKind::NotFound && self.may_be_lost(until(&known));
        assert!(lost || error.is_retryable(), "instance {n}, {known:?}: {error:?}");
        self.lost.fetch_add(u64::from(lost), Ordering::Relaxed);
    }

    /// Looks at an instance after everything. What was acknowledged must still be so.
    async fn check(&self, n: u64) {
        let known = self.known.lock()[&n];
        let handle = self.client.instance(format!("i{n}")).unwrap().typed::<u64, Failure>();
        match handle.status().await {
            Ok(status) if status.status().is_terminal() => {}
            // Its end, or the event that it waits for, went with the power.
            Ok(_) => assert!(self.may_be_lost(known.done), "instance {n} is back: {known:?}"),
            Err(error) => self.check_lost(n, &error, |known| known.started),
        }
        self.drive(n).await;
        let mut ends = 0;
        let mut completed = std::collections::BTreeSet::new();
        for entry in handle.history().collect().await.unwrap() {
            match entry.event {
                HistoryEvent::ActivityCompleted(e) => {
                    assert!(completed.insert(e.id), "instance {n}: {} completes twice", e.id);
                }
                HistoryEvent::ExecutionCompleted(_) => ends += 1,
                _ => {}
            }
        }
        assert_eq!((ends, completed.len()), (1, 6), "instance {n}");
    }
}

/// The clients of a campaign.
pub(crate) struct Load {
    shared: Arc<Shared>,
    lanes: Vec<tokio::sync::oneshot::Receiver<()>>,
}

impl Load {
    pub(crate) fn begin(backend: Arc<dyn Backend>, loses: bool) -> Self {
        let shared = Arc::new(Shared {
            client: Client::new(backend),
            known: Mutex::default(),
            losses: Mutex::default(),
            again: if loses { Duration::from_secs(3) } else { PATIENCE },
            lost: AtomicU64::new(0),
            stop: AtomicBool::new(false),
        });
        let lanes = (0..LANES).map(|lane| {
            let shared = Arc::clone(&shared);
            let (ended, end) = tokio::sync::oneshot::channel();
            TokioEnv::shared().spawn(Box::pin(async move {
                for n in (lane..).step_by(usize::try_from(LANES).unwrap()) {
                    if shared.stop.load(Ordering::Acquire) {
                        break;
                    }
                    let driven = timeout(&*TokioEnv::shared(), PATIENCE, shared.drive(n)).await;
                    assert!(
                        driven.is_ok(),
                        "instance {n} hangs: {:?}",
                        shared.known.lock().get(&n)
                    );
                }
                let _ = ended.send(());
            }));
            end
        });
        let lanes = lanes.collect();
        Self { shared, lanes }
    }

    /// The server has lost what was acknowledged after `kept`.
    pub(crate) fn lost_after(&self, kept: Timestamp) {
        self.shared.losses.lock().push((kept, TokioEnv::shared().now()));
    }

    /// Lets everything come to its end, and looks at all of it again.
    pub(crate) async fn end(self) -> String {
        self.shared.stop.store(true, Ordering::Release);
        for lane in self.lanes {
            lane.await.expect("a client of the campaign gave up");
        }
        let all: Vec<u64> = self.shared.known.lock().keys().copied().collect();
        for n in &all {
            self.shared.check(*n).await;
        }
        let lost = self.shared.lost.load(Ordering::Relaxed);
        format!("{} instances ended once with their result, {lost} starts were lost", all.len())
    }
}
