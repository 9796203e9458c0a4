//! The engine over sled, closed and opened again.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::sync::Arc;
use std::time::Duration;

use backend_sled::{SledSettings, SledStore};
use durable_core::backend::{Backend, BackendErrorKind, InstanceQuery, OrchestrationStatus};
use durable_core::client::Client;
use durable_core::model::Failure;
use durable_core::replay::{NamedActivity, NamedOrchestration, OrchestrationContext};
use durable_core::worker::Worker;

const LONG: Duration = Duration::from_secs(20);

fn act(name: &str) -> NamedActivity<u32, u32, Failure> {
    NamedActivity::new(name).unwrap()
}

fn orch(name: &str) -> NamedOrchestration<u32, u32, Failure> {
    NamedOrchestration::new(name).unwrap()
}

fn open(folder: &tempfile::TempDir, checkpoint_bytes: u64) -> Arc<dyn Backend> {
    let mut settings = SledSettings::new(folder.path());
    settings.checkpoint_bytes = checkpoint_bytes;
    SledStore::open(settings).unwrap().hub(&"hub".parse().unwrap()).unwrap()
}

async fn worker(backend: Arc<dyn Backend>) -> Worker {
    Worker::builder(backend)
        .activity_fn("inc", |_ctx, n: u32| async move { Ok::<_, Failure>(n + 1) })
        .orchestration_fn("steps", |ctx: OrchestrationContext, steps: u32| async move {
            let mut n = 0;
            for _ in 0..steps {
                n = ctx.call(act("inc"), n).await?;
            }
            Ok::<_, Failure>(n)
        })
        .orchestration_fn("waits", |ctx: OrchestrationContext, n: u32| async move {
            let a = ctx.call(act("inc"), n).await?;
            let b: u32 = ctx.event("go").await?;
            Ok::<_, Failure>(a + b)
        })
        .start()
        .await
        .unwrap()
}

/// Without checkpoints, with one now and then, and with one after every group.
const CHECKPOINTS: [u64; 3] = [u64::MAX, 20_000, 1];

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_there_after_opening_again() {
    for checkpoint in CHECKPOINTS {
        let folder = tempfile::tempdir().unwrap();
        let backend = open(&folder, checkpoint);
        let client = Client::new(backend.clone());
        let running = worker(backend.clone()).await;
        for n in 0..50 {
            client.start(orch("steps"), 7).id(format!("steps-{n:02}")).send().await.unwrap();
            client.start(orch("waits"), n).id(format!("waits-{n:02}")).send().await.unwrap();
        }
        for n in 0..50 {
            let done = client.instance(format!("steps-{n:02}")).unwrap().typed::<u32, Failure>();
            assert_eq!(done.result_within(LONG).await.unwrap(), 7);
        }
        let before = client.instance("steps-07").unwrap().history().collect().await.unwrap();
        running.shutdown().await;
        backend.close().await.unwrap();
        drop((client, backend));

        let backend = open(&folder, checkpoint);
        let client = Client::new(backend.clone());
        let again = client.instance("steps-07").unwrap();
        assert_eq!(again.history().collect().await.unwrap(), before, "checkpoint {checkpoint}");
        assert_eq!(again.typed::<u32, Failure>().result_within(LONG).await.unwrap(), 7);
        let query = InstanceQuery { page_items: 7, ..InstanceQuery::default() };
        assert_eq!(list(&client, query.clone()).await.len(), 100);
        let running = worker(backend.clone()).await;
        for n in 0..50_u32 {
            let waits = client.instance(format!("waits-{n:02}")).unwrap().typed::<u32, Failure>();
            waits.raise_event("go", &1_000_u32).send().await.unwrap();
            assert_eq!(waits.result_within(LONG).await.unwrap(), n + 1_001);
        }
        let completed =
            InstanceQuery { statuses: vec![OrchestrationStatus::Completed], ..query.clone() };
        assert_eq!(list(&client, completed).await.len(), 100);
        let prefix = InstanceQuery { id_prefix: Some("waits-1".into()), ..query };
        assert_eq!(client.purge_all(prefix).await.unwrap(), 10);
        assert_eq!(list(&client, InstanceQuery::default()).await.len(), 90);
        running.shutdown().await;
        backend.close().await.unwrap();
    }
}

async fn list(client: &Client, mut query: InstanceQuery) -> Vec<String> {
    let mut ids = Vec::new();
    loop {
        let page = client.list(query.clone()).await.unwrap();
        ids.extend(page.items.iter().map(|s| s.id().to_string()));
        match page.next {
            Some(next) => query.cursor = Some(next),
            None => break,
        }
    }
    let mut sorted = ids.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!(ids, sorted, "a listing is in id order and names each instance once");
    ids
}

#[tokio::test]
async fn a_lost_end_of_the_log_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let backend = open(&folder, u64::MAX);
    let client = Client::new(backend.clone());
    for n in 0..10 {
        client.start(orch("steps"), 1).id(format!("s{n}")).send().await.unwrap();
    }
    backend.close().await.unwrap();
    drop((client, backend));
    {
        let db = sled::open(folder.path().join("store")).unwrap();
        let tree = db.open_tree(b"hub\0hub").unwrap();
        tree.pop_max().unwrap();
        db.flush().unwrap();
    }
    let error = SledStore::open(SledSettings::new(folder.path()))
        .unwrap()
        .hub(&"hub".parse().unwrap())
        .unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Corrupt);
    assert!(error.to_string().contains("DT0008"), "{error}");
}

#[tokio::test]
async fn the_same_folder_is_shared_within_a_process_and_hubs_are_apart() {
    let folder = tempfile::tempdir().unwrap();
    let store = SledStore::open(SledSettings::new(folder.path())).unwrap();
    let one: Arc<dyn Backend> = store.hub(&"one".parse().unwrap()).unwrap();
    let again = SledStore::open(SledSettings::new(folder.path())).unwrap();
    let two: Arc<dyn Backend> = again.hub(&"two".parse().unwrap()).unwrap();
    Client::new(one.clone()).start(orch("steps"), 1).id("a").send().await.unwrap();
    assert!(Client::new(one).instance("a").unwrap().exists().await.unwrap());
    assert!(!Client::new(two).instance("a").unwrap().exists().await.unwrap());
}

/// The last user lets go on one thread while another thread opens: what is being closed counted
/// as in use by another process.
#[test]
fn a_folder_can_be_opened_while_its_last_user_lets_go() {
    let folder = tempfile::tempdir().unwrap();
    let open = || SledStore::open(SledSettings::new(folder.path()));
    for round in 0..100 {
        let store = open().unwrap();
        let hub = store.hub(&"hub".parse().unwrap()).unwrap();
        let start = std::sync::Barrier::new(2);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                start.wait();
                drop((store, hub));
            });
            start.wait();
            let again = open().unwrap_or_else(|error| panic!("round {round}: {error:?}"));
            again.hub(&"hub".parse().unwrap()).unwrap();
        });
    }
}

/// Polls once and lets go.
fn begin<F: Future>(future: F) {
    let mut future = std::pin::pin!(future);
    let _ = future.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
}

/// A hub was opened again while the last group of its predecessor was still on its way to the
/// disk: two committers wrote one log.
#[tokio::test]
async fn a_hub_is_opened_again_only_when_its_last_group_is_safe() {
    let folder = tempfile::tempdir().unwrap();
    let store = SledStore::open(SledSettings::new(folder.path())).unwrap();
    let open = || store.hub(&"hub".parse().unwrap()).unwrap();
    for round in 0..10 {
        let hub = open();
        let client = Client::new(Arc::clone(&hub) as _);
        for n in 0..40 {
            let id = format!("s{round}-{n:02}");
            let start = client.start(orch("steps"), 1).id(id).tag("t", "x".repeat(100));
            begin(std::future::IntoFuture::into_future(start.send()));
        }
        begin(hub.close());
        let again: Arc<dyn Backend> = open();
        let listed = list(&Client::new(again), InstanceQuery::default()).await;
        assert_eq!(listed.len(), 40 * (round + 1), "round {round}");
    }
}
