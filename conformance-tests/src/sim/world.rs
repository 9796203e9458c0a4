//! One simulated world: hubs, worker processes, and what happens to them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use durable_core::activity::ActivityContext;
use durable_core::backend::Backend;
use durable_core::client::Client;
use durable_core::env::{Env, SharedEnv};
use durable_core::ids::HubName;
use durable_core::memory::MemoryStore;
use durable_core::worker::Worker;

use super::code::{Ledger, registry};
use super::executor::Executor;
use super::plan::{Blow, HUBS, Plan};
use super::process::Process;
use super::reached::Notes;
use super::server::Server;
use crate::faults::{FaultPlan, FaultyBackend};
use crate::tamper::{Tamper, Tampered};

/// Puts a bug between the engine and its backend.
pub(super) type MakeBug = fn(SharedEnv) -> Box<dyn Tamper>;

/// A worker process that runs.
struct Alive {
    process: Process,
    worker: Worker,
    faulty: Arc<FaultyBackend>,
}

/// Everything a simulation consists of.
pub(super) struct World {
    pub(super) executor: Arc<Executor>,
    pub(super) notes: Arc<Notes>,
    pub(super) plan: Plan,
    /// The hubs themselves, beyond all troubles.
    pub(super) hubs: Vec<Arc<dyn Backend>>,
    servers: Vec<Arc<dyn Backend>>,
    clients: Vec<(Client, Arc<FaultyBackend>)>,
    pub(super) client_process: Process,
    workers: Mutex<Vec<Option<Alive>>>,
    healed: Mutex<bool>,
    bug: Option<MakeBug>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl World {
    pub(super) fn new(plan: Plan, bug: Option<MakeBug>) -> Arc<Self> {
        let executor = Executor::new(plan.seed ^ 0x51A1);
        let notes = Arc::new(Notes::default());
        let store_env: SharedEnv = Arc::new(Process::new(&executor, 0));
        let store = MemoryStore::new(store_env);
        let client_process = Process::new(&executor, 0);
        let client_env: SharedEnv = Arc::new(client_process.clone());
        let (mut hubs, mut servers, mut clients) = (Vec::new(), Vec::new(), Vec::new());
        for name in HUBS {
            let name = HubName::new(name).unwrap_or_default();
            let hub: Arc<dyn Backend> = store.hub(&name);
            let server = Server::new(&executor, &notes, hub.capabilities(), plan.networked);
            let server: Arc<dyn Backend> =
                Arc::new(Tampered::new(Arc::clone(&hub), Box::new(server)));
            let faults = plan.client_trouble.plan(executor.random());
            let faulty = FaultyBackend::new(Arc::clone(&server), Arc::clone(&client_env), faults);
            let faulty = Arc::new(faulty);
            let client = Client::with_env(Arc::clone(&faulty) as _, Arc::clone(&client_env));
            hubs.push(hub);
            servers.push(server);
            clients.push((client, faulty));
        }
        let workers = Mutex::new(plan.workers.iter().map(|_| None).collect());
        Arc::new(Self {
            executor,
            notes,
            plan,
            hubs,
            servers,
            clients,
            client_process,
            workers,
            healed: Mutex::new(false),
            bug,
        })
    }

    pub(super) fn client(&self, hub: usize) -> &Client {
        &self.clients[hub].0
    }

    /// Brings a worker process to life.
    pub(super) async fn start_worker(&self, index: usize) {
        let plan = &self.plan.workers[index];
        let process = Process::new(&self.executor, plan.skew);
        let env: SharedEnv = Arc::new(process.clone());
        let mut backend = Arc::clone(&self.servers[plan.hub]);
        if let Some(bug) = self.bug {
            backend = Arc::new(Tampered::new(backend, bug(Arc::clone(&env))));
        }
        let faults = match *locked(&self.healed) {
            true => FaultPlan::none(),
            false => plan.trouble.plan(self.executor.random()),
        };
        let faulty = Arc::new(FaultyBackend::new(backend, Arc::clone(&env), faults));
        let started = Worker::builder(Arc::clone(&faulty) as _)
            .registry(registry(Arc::clone(&env), self.ledger(HUBS[plan.hub])))
            .options(plan.options.clone())
            .env(env)
            .start()
            .await;
        match started {
            Ok(worker) => {
                locked(&self.workers)[index] = Some(Alive { process, worker, faulty });
            }
            Err(error) => self.notes.violated("workers start", error.to_string()),
        }
    }

    /// Activities must run in the hub that scheduled them.
    fn ledger(&self, hub: &'static str) -> Arc<Ledger> {
        let notes = Arc::clone(&self.notes);
        Arc::new(move |scheduled_in: &str, ctx: &ActivityContext| {
            if scheduled_in != hub || !ctx.idempotency_key().contains(hub) {
                notes.violated("hubs are isolated", format!("{} ran in {hub}", ctx.instance_id()));
            }
            notes.reached_if(ctx.attempt() > 1, "an activity was tried again");
        })
    }

    /// A blow falls.
    pub(super) async fn strike(&self, index: usize, blow: Blow) {
        match blow {
            Blow::Pause(time) => {
                if let Some(alive) = &locked(&self.workers)[index] {
                    self.notes.reached("a worker stood still");
                    alive.process.pause(Duration::from_millis(time));
                }
            }
            Blow::Crash(back) => {
                let Some(alive) = locked(&self.workers)[index].take() else { return };
                self.notes.reached("a worker crashed");
                self.bury(alive);
                self.client_process.sleep(Duration::from_millis(back)).await;
                self.start_worker(index).await;
            }
            Blow::Shutdown(back) => {
                let Some(alive) = locked(&self.workers)[index].take() else { return };
                let drained = alive.worker.shutdown().await;
                self.notes.reached(if drained {
                    "a worker drained"
                } else {
                    "a worker did not drain"
                });
                self.note_faults(&alive.faulty);
                alive.process.kill();
                self.client_process.sleep(Duration::from_millis(back)).await;
                self.start_worker(index).await;
            }
        }
    }

    fn bury(&self, alive: Alive) {
        alive.process.kill();
        self.note_faults(&alive.faulty);
        drop(alive.worker);
        // Dropping the worker may have woken or begun something.
        alive.process.kill();
    }

    fn note_faults(&self, faulty: &FaultyBackend) {
        use crate::faults::Fault;
        for injected in faulty.injected() {
            self.notes.reached(match injected.fault {
                Fault::FailBefore => "a call failed before",
                Fault::FailAfter => "a call was applied and reported failed",
                Fault::StallBefore | Fault::StallAfter => "a call stalled",
                Fault::Duplicate => "a call was performed twice",
                Fault::Reorder => "a batch was reordered",
                Fault::Drop => "a call was given up",
            });
        }
    }

    /// From now on nothing goes wrong any more.
    pub(super) fn heal(&self) {
        *locked(&self.healed) = true;
        for (_, faulty) in &self.clients {
            self.note_faults(faulty);
            faulty.heal();
        }
        for alive in locked(&self.workers).iter().flatten() {
            alive.faulty.heal();
        }
    }

    /// Ends everything, so that nothing keeps itself alive.
    pub(super) fn end(&self) {
        let workers = std::mem::take(&mut *locked(&self.workers));
        for alive in workers.into_iter().flatten() {
            self.bury(alive);
        }
        self.executor.shut_down();
    }
}
