//! What a step of an orchestration costs: counted from real calls, at list prices.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
#![allow(clippy::print_stdout, reason = "the table is what this is for")]

mod connector;
mod emulator;
mod engine;

use std::collections::BTreeMap;
use std::time::Duration;

use connector::{Recorder, plain, through};
use durable_core::client::Client;
use durable_core::model::Failure;
use emulator::{Emulator, Kind};

/// Dollars for a million: write units, read units, requests of SQS (us-east-1, on demand).
const WRITES: f64 = 0.625;
const READS: f64 = 0.125;
const REQUESTS: f64 = 0.40;

/// What a step may cost: what it did when last measured, and a margin, so that a change that makes
/// it dearer is seen.
struct Limits {
    writes: f64,
    reads: f64,
    requests: f64,
    price: f64,
}

const LIMITS: Limits = Limits { writes: 3.0, reads: 1.0, requests: 1.0, price: 2.4 };

/// How long turns and activities are on loan: several times shorter than a run.
const LEASE: Duration = Duration::from_secs(3);

/// Bytes of the input of each activity.
const INPUT: usize = 200;

#[derive(Default, Clone, Copy)]
struct Sum {
    calls: u64,
    writes: f64,
    reads: f64,
    requests: u64,
}

impl Sum {
    fn add(&mut self, other: Self) {
        self.calls += other.calls;
        self.writes += other.writes;
        self.reads += other.reads;
        self.requests += other.requests;
    }

    #[allow(clippy::cast_precision_loss, reason = "small numbers")]
    fn print(&self, name: &str, steps: f64) {
        println!(
            "{name:<30}{:>10.2}{:>10.2}{:>10.2}{:>10.2}",
            self.calls as f64 / steps,
            self.writes / steps,
            self.reads / steps,
            self.requests as f64 / steps,
        );
    }

    /// Dollars for a million steps.
    #[allow(clippy::cast_precision_loss, reason = "small numbers")]
    fn price(&self, steps: f64) -> f64 {
        let all = self.writes * WRITES + self.reads * READS + self.requests as f64 * REQUESTS;
        all / steps
    }
}

fn variable(name: &str, default: u32) -> u32 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// `INSTANCES=20 STEPS=50` in the environment change the workload.
#[tokio::test(flavor = "multi_thread")]
async fn a_step_stays_within_its_price() {
    let (instances, count) = (variable("INSTANCES", 8), variable("STEPS", 25));
    let emulator = Emulator::start(Kind::Fast);
    let recorder = Recorder::new();
    let mut settings = emulator.settings("cost");
    settings.http_client = Some(through(recorder.clone(), plain()));
    // How often a waiting client looks is its own cost, and would depend on the machine's speed.
    settings.watch_every = Duration::from_secs(5);
    let backend = engine::open(settings).await;
    let client = Client::new(backend.clone());
    // Short loans: what their ends cost is counted, too.
    let worker = engine::worker(backend, Some(LEASE)).await;
    recorder.take();
    let handles = async {
        let mut handles = Vec::new();
        for n in 0..instances {
            let start = client.start(engine::steps(), (count, "x".repeat(INPUT)));
            handles.push(start.id(format!("i-{n}")).send().await.unwrap());
        }
        handles
    };
    for handle in handles.await {
        let handle = handle.typed::<u32, Failure>();
        assert_eq!(handle.result_within(engine::LONG).await.unwrap(), count);
    }
    let recorded = recorder.take();
    worker.shutdown().await;
    let mut by_action: BTreeMap<String, Sum> = BTreeMap::new();
    let mut all = Sum::default();
    for one in recorded {
        let sum = Sum {
            calls: 1,
            writes: one.write_units,
            reads: one.read_units,
            requests: one.requests,
        };
        let ending = one.resource.as_deref().and_then(|name| name.rsplit('-').next());
        let name = format!("{} {}", one.operation, ending.unwrap_or_default());
        by_action.entry(name).or_default().add(sum);
        all.add(sum);
    }
    let steps = f64::from(instances * count);
    println!("\n{instances} instances of {count} activities, input {INPUT} bytes, one worker");
    println!("{:<30}{:>10}{:>10}{:>10}{:>10}", "per step", "calls", "WCU", "RCU", "SQS");
    for (name, sum) in &by_action {
        sum.print(name, steps);
    }
    all.print("all", steps);
    println!("a million steps: ${:.2}\n", all.price(steps));
    #[allow(clippy::cast_precision_loss, reason = "small numbers")]
    let requests = all.requests as f64 / steps;
    let price = all.price(steps);
    for (name, found, limit) in [
        ("write units", all.writes / steps, LIMITS.writes),
        ("read units", all.reads / steps, LIMITS.reads),
        ("requests of SQS", requests, LIMITS.requests),
        ("dollars for a million steps", price, LIMITS.price),
    ] {
        assert!(found <= limit, "{name}: {found:.2}, the limit is {limit}");
    }
}
