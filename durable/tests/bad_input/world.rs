//! Where bad input is tried: a hub with an instance that waits, one that has ended, and a worker.

use std::sync::Arc;

use durable::client::{Client, InstanceHandle};
use durable::env::TokioEnv;
use durable::ids::HubName;
use durable::memory::MemoryStore;
use durable::model::Failure;
use durable::replay::{NamedOrchestration, OrchestrationContext};
use durable::worker::{Worker, WorkerBuilder};

/// The hub and who works on it.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) client: Client,
    /// Waits for the event `go`.
    pub(crate) live: InstanceHandle<String, Failure>,
    /// Has ended with a text.
    pub(crate) done: InstanceHandle<String, Failure>,
    /// Does not exist.
    pub(crate) nobody: InstanceHandle<String, Failure>,
    worker: Arc<Worker>,
}

/// Waits for an event and returns its value.
pub(crate) fn waits() -> NamedOrchestration<String, String, Failure> {
    NamedOrchestration::new("waits").unwrap()
}

fn hub() -> Arc<dyn durable::backend::Backend> {
    MemoryStore::new(TokioEnv::shared()).hub(&HubName::default())
}

impl World {
    pub(crate) async fn new() -> Self {
        let backend = hub();
        let worker = Worker::builder(backend.clone())
            .orchestration_fn("waits", |ctx: OrchestrationContext, say: String| async move {
                ctx.set_custom_status(&say)?;
                if say == "end" {
                    return Ok::<_, Failure>("ended".to_owned());
                }
                ctx.event::<String>("go").await
            })
            .start()
            .await
            .unwrap();
        let client = Client::new(backend);
        let live = client.start(waits(), "wait".to_owned()).id("live").send().await.unwrap();
        let done = client.start(waits(), "end".to_owned()).id("done").send().await.unwrap();
        done.result().await.unwrap();
        live.wait_until(|status| status.events() > 0).await.unwrap();
        let nobody = client.instance("nobody").unwrap().typed();
        Self { client, live, done, nobody, worker: Arc::new(worker) }
    }

    /// A worker for another hub, to be set up wrongly.
    pub(crate) fn builder(&self) -> WorkerBuilder {
        Worker::builder(hub())
    }

    /// What waits goes on with the first event that it should get: nothing else has reached it.
    pub(crate) async fn go_on(self) {
        self.live.raise_event("go", "the first").send().await.unwrap();
        assert_eq!(self.live.result().await.unwrap(), "the first");
        drop(self.worker);
    }
}
