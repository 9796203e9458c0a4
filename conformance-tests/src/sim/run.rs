//! Runs one simulation to its end and looks at what is left.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use durable_core::backend::{InstanceQuery, InstanceRecord, OrchestrationStatus};
use durable_core::env::Env;

use super::drive::drive;
use super::executor::Ended;
use super::plan::Plan;
use super::process::micros;
use super::reached::{Reached, Violation};
use super::world::{MakeBug, World};

/// Simulated time after which what has not ended never will.
const LIMIT: Duration = Duration::from_secs(6 * 3600);
/// Polls after which a simulation counts as going round in circles.
const STEPS: u64 = 1_000_000;

/// What became of a simulation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// A number that two runs of one plan have in common.
    pub trace: u64,
    /// Calls of the backends.
    pub operations: u64,
    /// Rare paths taken.
    pub reached: Reached,
    /// What must not be, if it was.
    pub violation: Option<Violation>,
}

/// Runs a simulation.
pub(super) fn run(plan: &Plan, bug: Option<MakeBug>) -> Outcome {
    let world = World::new(plan.clone(), bug);
    let ran = std::panic::catch_unwind(AssertUnwindSafe(|| run_world(&world)));
    if let Err(panic) = ran {
        let text = panic.downcast_ref::<String>().cloned().unwrap_or_default();
        world.notes.violated("no panic", text);
    }
    world.end();
    let (trace, operations, reached) = world.notes.summary();
    Outcome { trace, operations, reached, violation: world.notes.violation() }
}

fn run_world(world: &Arc<World>) {
    let driving = Arc::new(AtomicUsize::new(0));
    let settled = Arc::new(AtomicBool::new(false));
    for index in 0..world.plan.workers.len() {
        let world = Arc::clone(world);
        let starter = world.client_process.clone();
        starter.spawn(Box::pin(async move { world.start_worker(index).await }));
    }
    for plan in world.plan.instances.clone() {
        driving.fetch_add(1, Ordering::Relaxed);
        let (world, driving) = (Arc::clone(world), Arc::clone(&driving));
        let client = world.client_process.clone();
        client.spawn(Box::pin(async move {
            drive(world, plan).await;
            driving.fetch_sub(1, Ordering::Relaxed);
        }));
    }
    for chaos in world.plan.chaos.clone() {
        let world = Arc::clone(world);
        let client = world.client_process.clone();
        client.spawn(Box::pin(async move {
            world.client_process.sleep(Duration::from_millis(chaos.at_ms)).await;
            world.strike(chaos.worker, chaos.blow).await;
        }));
    }
    let (healer, done) = (Arc::clone(world), Arc::clone(&settled));
    world.client_process.spawn(Box::pin(async move {
        healer.client_process.sleep(Duration::from_millis(healer.plan.heal_ms)).await;
        healer.heal();
        settle(&healer, &driving).await;
        done.store(true, Ordering::Relaxed);
    }));
    let notes = Arc::clone(&world.notes);
    let ended = world.executor.run(micros(LIMIT), STEPS, || {
        settled.load(Ordering::Relaxed) || notes.violation().is_some()
    });
    if ended != Ended::Done {
        world.notes.violated("every instance ends", format!("{ended:?}: {}", open_ends(world)));
    }
}

/// Waits until all clients are content and all instances have ended.
async fn settle(world: &World, driving: &AtomicUsize) {
    loop {
        world.client_process.sleep(Duration::from_secs(5)).await;
        let mut all_ended = true;
        for (hub, backend) in world.hubs.iter().enumerate() {
            let records = backend.list(InstanceQuery { page_items: 1_000, ..Default::default() });
            for record in records.await.map(|page| page.items).unwrap_or_default() {
                all_ended &= record.status.is_terminal();
                set_free(world, hub, &record).await;
            }
        }
        if all_ended && driving.load(Ordering::Relaxed) == 0 {
            break;
        }
    }
    // One more look: what has ended stays as it was.
    world.client_process.sleep(Duration::from_secs(30)).await;
    for (hub, backend) in world.hubs.iter().enumerate() {
        let records = backend.list(InstanceQuery { page_items: 1_000, ..Default::default() });
        let records = records.await.map(|page| page.items).unwrap_or_default();
        let ids: Vec<_> = records.into_iter().map(|r| r.instance).collect();
        world.client(hub).backend().read_records(ids).await;
    }
}

/// What an operator does about an instance that was set aside.
async fn set_free(world: &World, hub: usize, record: &InstanceRecord) {
    if record.status == OrchestrationStatus::Quarantined
        && let Ok(handle) = world.client(hub).instance(record.instance.as_str())
    {
        // It is asked again at the next round if this fails.
        let _ = handle.resume("try again").await;
    }
}

fn open_ends(world: &World) -> String {
    use futures_util::FutureExt as _;
    let mut open = Vec::new();
    for backend in &world.hubs {
        let query = InstanceQuery { page_items: 1_000, ..Default::default() };
        if let Some(Ok(page)) = backend.list(query).now_or_never() {
            let living = page.items.into_iter().filter(|r| !r.status.is_terminal());
            open.extend(living.map(|r| format!("{}/{} {:?}", backend.hub(), r.instance, r.status)));
        }
    }
    if open.is_empty() { "a client waits in vain".to_owned() } else { open.join(", ") }
}
