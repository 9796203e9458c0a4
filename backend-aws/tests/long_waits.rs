//! What lasts longer than SQS can: activities beyond twelve hours of invisibility, timers beyond
//! fifteen minutes of delay. The clock is moved by hand.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod emulator;
mod engine;

use std::sync::Arc;
use std::time::Duration;

use backend_aws::AwsStore;
use conformance_tests::by_hand::{self, envelope};
use conformance_tests::manual_env::ManualEnv;
use durable_core::backend::{
    ActivityCommit, ActivityWork, Backend, CommitOutcome, Envelope, ReceiveActivities,
    RenewActivity, RenewOutcome, TurnCommit, TurnWork,
};
use durable_core::client::Client;
use durable_core::env::{Env as _, SharedEnv};
use durable_core::ids::{QueueName, WorkerId};
use emulator::{Emulator, Kind};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

/// Processes and one clock.
struct Bench {
    emulator: Emulator,
    env: Arc<ManualEnv>,
    here: Arc<dyn Backend>,
}

async fn open(emulator: &Emulator, env: &Arc<ManualEnv>) -> Arc<dyn Backend> {
    let mut settings = engine::hurried(emulator.settings("long"));
    settings.sweep_every = Duration::ZERO;
    let hub = "hub".parse().unwrap();
    let shared: SharedEnv = Arc::clone(env) as _;
    let store = AwsStore::connect(settings, shared).await.unwrap();
    store.create_hub(&hub).await.unwrap();
    store.hub(&hub)
}

impl Bench {
    async fn new() -> Self {
        let emulator = Emulator::start(Kind::Fast);
        let env = Arc::new(ManualEnv::new(7));
        let here = open(&emulator, &env).await;
        Self { emulator, env, here }
    }

    /// A process that has never heard of anything. What SQS delays by its own clock does not
    /// reach it; it looks at all live instances.
    async fn elsewhere(&self) -> Arc<dyn Backend> {
        open(&self.emulator, &self.env).await
    }

    /// A turn, without waiting for one.
    async fn turn(&self, of: &Arc<dyn Backend>) -> Option<TurnWork> {
        by_hand::turn(&**of, (100, MINUTE), Duration::ZERO).await
    }

    async fn task(&self, of: &Arc<dyn Backend>) -> Option<ActivityWork> {
        let request = ReceiveActivities {
            max: 1,
            queues: vec![QueueName::default()],
            lease_for: HOUR,
            wait: Duration::ZERO,
            worker: WorkerId(7),
        };
        of.receive_activities(request).await.unwrap().pop()
    }

    /// A turn that other processes are waited for.
    async fn turn_soon(&self, of: &Arc<dyn Backend>, what: &str) -> TurnWork {
        for _ in 0..500 {
            if let Some(work) = self.turn(of).await {
                return work;
            }
            // The doorbells are rung by and by.
            tokio::task::yield_now().await;
        }
        panic!("{what}: nobody is woken");
    }

    async fn commit(&self, work: &TurnWork, change: impl FnOnce(&mut TurnCommit)) {
        let mut commit = TurnCommit { at: self.env.now(), ..by_hand::nothing(work) };
        change(&mut commit);
        by_hand::applied(&*self.here, commit).await;
    }

    /// The first turn of a new instance.
    async fn begun(&self) -> TurnWork {
        let client = Client::new(Arc::clone(&self.here));
        client.start(engine::steps(), (1, String::new())).id("a").send().await.unwrap();
        self.turn(&self.here).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_activity_may_take_thirty_days() {
    let bench = Bench::new().await;
    let work = bench.begun().await;
    bench.commit(&work, |commit| commit.activities.push(envelope(&work, 1))).await;
    let task = bench.task(&bench.here).await.unwrap();
    for hour in 0..30 * 24 {
        bench.env.advance(HOUR - MINUTE);
        if hour % 240 == 13 {
            let there = bench.elsewhere().await;
            assert!(bench.turn(&there).await.is_none());
            assert!(bench.task(&there).await.is_none(), "handed out twice in hour {hour}");
        }
        let renewal = RenewActivity { lease: task.lease.clone(), lease_for: HOUR, progress: None };
        let renewed = bench.here.renew_activities(vec![renewal]).await.pop().unwrap().unwrap();
        assert_eq!(renewed, RenewOutcome::Renewed, "in hour {hour}");
    }
    let completion = envelope(&work, 2);
    let commit = ActivityCommit { lease: task.lease, completion };
    let outcome = bench.here.commit_activities(vec![commit]).await.pop().unwrap().unwrap();
    assert_eq!(outcome, CommitOutcome::Applied);
    assert_eq!(bench.turn_soon(&bench.here, "the completion").await.messages.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_activity_whose_process_dies_after_a_day_comes_back() {
    let bench = Bench::new().await;
    let work = bench.begun().await;
    bench.commit(&work, |commit| commit.activities.push(envelope(&work, 1))).await;
    let task = bench.task(&bench.here).await.unwrap();
    for _ in 0..25 {
        bench.env.advance(HOUR - MINUTE);
        let renewal = RenewActivity { lease: task.lease.clone(), lease_for: HOUR, progress: None };
        bench.here.renew_activities(vec![renewal]).await.pop().unwrap().unwrap();
    }
    // Nothing more is heard of it.
    bench.env.advance(HOUR + MINUTE);
    let there = bench.elsewhere().await;
    // Whoever looks for turns looks after what others have left.
    assert!(bench.turn(&there).await.is_none());
    let again = bench.task(&there).await.expect("the activity is lost");
    assert_eq!((again.lease.task, again.delivery), (task.lease.task, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn timers_are_due_after_milliseconds_and_after_years() {
    let bench = Bench::new().await;
    let mut work = bench.begun().await;
    let millisecond = Duration::from_millis(1);
    let waits = [
        millisecond,
        MINUTE,
        12 * MINUTE,
        13 * MINUTE,
        14 * MINUTE,
        15 * MINUTE,
        16 * MINUTE,
        HOUR,
        12 * HOUR,
        15 * DAY,
        400 * DAY,
        10 * 365 * DAY,
    ];
    for (n, wait) in waits.into_iter().enumerate() {
        let due = bench.env.now() + wait;
        bench
            .commit(&work, |commit| {
                let timer = envelope(&work, n as u64 + 1);
                commit.messages.push(Envelope { visible_at: Some(due), ..timer });
            })
            .await;
        bench.env.advance(wait.saturating_sub(millisecond));
        if wait > millisecond {
            assert!(bench.turn(&bench.here).await.is_none(), "{wait:?}: too early here");
            let there = bench.elsewhere().await;
            assert!(bench.turn(&there).await.is_none(), "{wait:?}: too early there");
        }
        bench.env.advance(millisecond);
        // In the process that has set it, and in one that has never heard of it, in turn.
        let there = bench.elsewhere().await;
        let by = if n % 2 == 0 { &bench.here } else { &there };
        work = bench.turn_soon(by, &format!("{wait:?}")).await;
        assert_eq!(work.messages.len(), 1, "{wait:?}");
    }
}
