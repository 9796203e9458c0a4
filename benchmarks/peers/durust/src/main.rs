//! The workloads on durust with its SQLite backend, which sets `synchronous=FULL`.

#![forbid(unsafe_code)]

mod waiters;
mod workflows;

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use durust::provider::{DurableBackend, HistoryEventData, StreamHistoryRequest};
use durust::{Client, EventId, RunId, SqliteBackend, Worker, WorkerEvent, WorkerShutdown};
use peers_common::{Case, Peer, Result};
use waiters::Waiters;
use workflows::{Number, chain, fanout, hello5, increment, link};

/// The least it takes; without work the default waits 100 ms to 1 s.
const IDLE: Duration = Duration::from_millis(5);

#[derive(Clone)]
struct Durust {
    backend: SqliteBackend,
    waiters: Waiters,
    shutdown: WorkerShutdown,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl Durust {
    /// Starts a run and waits until it ends. The client has no way to get a result; the history
    /// has it, and the worker's events say when there is something new to read.
    async fn run<W: durust::Workflow<Input = Number>>(&self, id: String, n: u64) -> Result<u64> {
        let client = Client::new(self.backend.clone());
        let run = client.start_workflow::<W>(id, "runs", Number { n }).await?;
        let changed = self.waiters.of(&run.0);
        let mut seen = EventId::ZERO;
        let result = loop {
            if let Some(result) = self.read(&run, &mut seen).await? {
                break result;
            }
            // Events may have come before this run had a waiter.
            let _ = tokio::time::timeout(Duration::from_millis(100), changed.notified()).await;
        };
        self.waiters.forget(&run.0);
        Ok(result)
    }

    /// Reads on in the history; the result, if the run has ended.
    async fn read(&self, run: &RunId, seen: &mut EventId) -> Result<Option<u64>> {
        loop {
            let request = StreamHistoryRequest {
                run_id: run.clone(),
                after_event_id: *seen,
                up_to_event_id: EventId(u64::MAX),
                max_events: 1_000,
                max_bytes: usize::MAX,
            };
            let events = self.backend.stream_history(request).await?.events;
            let Some(last) = events.last() else { return Ok(None) };
            *seen = last.event_id;
            for event in &events {
                match &event.data {
                    HistoryEventData::WorkflowCompleted { result } => {
                        return Ok(Some(durust::decode_payload(result)?));
                    }
                    HistoryEventData::WorkflowFailed { .. } => {
                        return Err(format!("{run:?}: {:?}", event.data).into());
                    }
                    _ => {}
                }
            }
        }
    }
}

/// A worker with the batches of its own examples and local activities, which save a claim.
fn worker(backend: SqliteBackend, waiters: Waiters) -> Worker<SqliteBackend> {
    Worker::builder(backend)
        .workflow_task_queue("runs")
        .activity_task_queue("steps")
        .register_workflow(hello5)
        .register_workflow(fanout)
        .register_workflow(chain)
        .register_activity(increment)
        .register_activity(link)
        .max_concurrent_workflow_tasks(256)
        .workflow_task_prefetch_limit(256)
        .workflow_task_commit_batch_size(32)
        .max_concurrent_activities(512)
        .activity_task_batch_size(128)
        .activity_completion_batch_size(32)
        .max_local_activities_per_workflow_task(64)
        .idle_wait(IDLE)
        .max_idle_wait(IDLE)
        .on_event(move |event| {
            if let WorkerEvent::WorkflowTaskCommitted { run_id } = event {
                waiters.wake(&run_id.0);
            }
        })
        .build()
}

impl Peer for Durust {
    const NAME: &'static str = "durust";

    async fn open(folder: &Path, _case: &Case) -> Result<Self> {
        let backend = SqliteBackend::open(folder.join("store.db"))?;
        let waiters = Waiters::default();
        let mut worker = worker(backend.clone(), waiters.clone());
        let shutdown = worker.shutdown_handle();
        // The future of a worker is not `Send`.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::spawn(move || {
            if let Err(error) = runtime.block_on(worker.run()) {
                eprintln!("the worker ended: {error}");
            }
        });
        Ok(Self { backend, waiters, shutdown, thread: Arc::new(Mutex::new(Some(thread))) })
    }

    async fn hello5(&self, n: usize) -> Result<u64> {
        self.run::<hello5>(format!("hello-{n}"), n as u64).await
    }

    async fn fanout(&self, n: usize, width: u64) -> Result<u64> {
        self.run::<fanout>(format!("fanout-{n}"), width).await
    }

    async fn chain(&self, n: usize, length: u64) -> Result<u64> {
        self.run::<chain>(format!("chain-{n}"), length).await
    }

    async fn close(self) {
        self.shutdown.shutdown();
        let thread = self.thread.lock().ok().and_then(|mut thread| thread.take());
        if let Some(thread) = thread {
            // Ends within one idle wait; nothing else needs this thread.
            let _ = thread.join();
        }
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    peers_common::main::<Durust>().await
}
