//! Long polls, which run only while somebody waits, and the keeper of timers and lost doorbells.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use durable_core::backend::BackendResult;
use durable_core::hot::Signals;

use crate::doorbell;
use crate::hints::TaskPlace;
use crate::hub::Hub;
use crate::later::Gathered;
use crate::pace;
use crate::receive::Bell;
use crate::sqs::Rung;
use crate::timers;

/// How long to wait after a poll that failed.
const AGAIN: Duration = Duration::from_secs(1);

/// Doorbells older than this are replaced: a queue keeps them for two weeks.
const REPLACED_AFTER: Duration = Duration::from_secs(7 * 24 * 3_600);

/// How long a doorbell of a queue that this process does not serve is left to others.
const NOT_MINE: Duration = Duration::from_secs(2);

/// Starts the poll of a queue unless it runs.
pub(crate) fn start(hub: &Arc<Hub>, bell: Bell) {
    if hub.poll(bell).polling.swap(true, Ordering::AcqRel) {
        return;
    }
    let weak = Arc::downgrade(hub);
    hub.env.spawn(Box::pin(run(weak, bell)));
    if bell == Bell::Turns && !hub.kept.swap(true, Ordering::AcqRel) {
        let weak = Arc::downgrade(hub);
        hub.env.spawn(Box::pin(keep(weak)));
    }
}

/// Asks once for doorbells, without waiting; the first time also for those that were lost.
pub(crate) async fn ask(hub: &Hub, bell: Bell) -> BackendResult<()> {
    if !hub.poll(bell).asked.swap(true, Ordering::AcqRel) && bell == Bell::Turns {
        hub.sweep().await?;
    }
    let hide = hub.settings.ring_again;
    let rung = queue(hub, bell).queue.receive("ask", Duration::ZERO, hide).await?;
    if !rung.is_empty() {
        hear(hub, bell, rung).await;
    }
    Ok(())
}

fn queue(hub: &Hub, bell: Bell) -> &Gathered {
    match bell {
        Bell::Turns => &hub.orchestrator,
        Bell::Activities => &hub.worker,
        Bell::Tracking => &hub.tracking,
    }
}

/// Says that the poll has ended, however it did: a poll that is dead must not look alive.
struct Ended {
    hub: Weak<Hub>,
    bell: Bell,
}

impl Drop for Ended {
    fn drop(&mut self) {
        if let Some(hub) = self.hub.upgrade() {
            hub.poll(self.bell).polling.store(false, Ordering::Release);
        }
    }
}

async fn run(weak: Weak<Hub>, bell: Bell) {
    let _ended = Ended { hub: weak.clone(), bell };
    while let Some(hub) = weak.upgrade() {
        if hub.closed.load(Ordering::Acquire) {
            return;
        }
        if hub.poll(bell).waiting.load(Ordering::Acquire) == 0 {
            hub.poll(bell).polling.store(false, Ordering::Release);
            // Somebody may have come to wait, and have found the poll still there.
            let again = hub.poll(bell).waiting.load(Ordering::Acquire) > 0
                && !hub.poll(bell).polling.swap(true, Ordering::AcqRel);
            if !again {
                std::mem::forget(_ended);
                return;
            }
        }
        let (wait, hide) = (hub.settings.long_poll, hub.settings.ring_again);
        match queue(&hub, bell).queue.receive("poll", wait, hide).await {
            Ok(rung) if rung.is_empty() => {}
            Ok(rung) => hear(&hub, bell, rung).await,
            Err(error) => {
                tracing::warn!(%error, "a queue cannot be polled; trying again");
                drop(hub);
                pace::before_asking_again(AGAIN).await;
            }
        }
    }
}

async fn hear(hub: &Hub, bell: Bell, rung: Vec<Rung>) {
    match bell {
        Bell::Turns => hear_turns(hub, rung).await,
        Bell::Activities => hear_tasks(hub, rung).await,
        Bell::Tracking => {
            let handles = rung.into_iter().map(|r| r.handle).collect();
            hub.bells.ring(Signals { tracking: true, ..Signals::default() });
            hub.tracking.remove_soon(handles);
        }
    }
}

async fn hear_turns(hub: &Hub, rung: Vec<Rung>) {
    let (mut useless, mut old) = (Vec::new(), Vec::new());
    let now = hub.now().as_micros() / 1_000;
    let age = u64::try_from(REPLACED_AFTER.as_millis()).unwrap_or(u64::MAX);
    for ring in rung {
        let Some(instance) = doorbell::read_instance(&ring.body) else {
            useless.push(ring.handle);
            continue;
        };
        if ring.sent.saturating_add(age) < now {
            old.push(instance.clone());
            useless.push(ring.handle);
        } else {
            hub.held.lock().entry(instance.clone()).or_default().push(ring.handle);
        }
        hub.turns.lock().push(&instance, None);
    }
    hub.bells.ring(Signals { turns: true, ..Signals::default() });
    if !old.is_empty() {
        hub.ring_instances(old).await;
    }
    hub.orchestrator.remove_soon(useless);
}

async fn hear_tasks(hub: &Hub, rung: Vec<Rung>) {
    let (mut useless, mut others) = (Vec::new(), Vec::new());
    let served = hub.served_queues();
    for ring in rung {
        match doorbell::read_tasks(&ring.body) {
            None => useless.push(ring.handle),
            Some((queue, ..)) if !served.contains(&queue) => others.push(ring.handle),
            Some((queue, instance, item, tasks)) => {
                let (item, handle): (Arc<str>, _) = (Arc::from(item), Arc::new(ring.handle));
                let mut held = hub.held_tasks.lock();
                let mut hints = hub.tasks.lock();
                for task in tasks {
                    let (instance, item) = (instance.clone(), Arc::clone(&item));
                    let place = TaskPlace { instance, item, task };
                    if hints.is_claimed(&place) {
                        continue;
                    }
                    held.entry(place.clone()).or_default().push(Arc::clone(&handle));
                    hints.push(&queue, place);
                }
                // Nobody needs it any more when all its tasks are in hand here.
                useless.extend(Arc::into_inner(handle));
            }
        }
    }
    hub.bells.ring(Signals { activities: true, ..Signals::default() });
    hub.worker.remove_soon(useless);
    if !others.is_empty() {
        hub.worker.queue.hide(others, NOT_MINE).await;
    }
}

/// Looks after timers of later hours and, now and then, at all live instances.
async fn keep(weak: Weak<Hub>) {
    let mut rounds: u64 = 0;
    while let Some(hub) = weak.upgrade() {
        if hub.closed.load(Ordering::Acquire) {
            return;
        }
        let every = timers::EVERY.min(hub.settings.sweep_every.max(AGAIN));
        let rounds_per_sweep = hub.settings.sweep_every.as_millis() / every.as_millis().max(1);
        report("long timers", hub.take_up_timers().await);
        if rounds.is_multiple_of(u64::try_from(rounds_per_sweep.max(1)).unwrap_or(1)) {
            report("the sweep", hub.sweep().await);
        }
        rounds += 1;
        drop(hub);
        pace::before_asking_again(every).await;
    }
}

fn report(what: &str, outcome: BackendResult<()>) {
    if let Err(error) = outcome {
        tracing::warn!(%error, "{what} failed and will be tried again");
    }
}
