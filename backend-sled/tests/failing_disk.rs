//! A disk that fails while something is written: an error with a name, and never a standstill.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use backend_sled::{SledBackend, SledSettings, SledStore};
use durable_core::backend::{Applied, Backend, BackendErrorKind, BackendResult, CreateInstance};
use durable_core::backend::{CreateOutcome, Envelope, InstanceRecord, OrchestrationStatus};
use durable_core::backend::{Retry, ReusePolicy};
use durable_core::ids::{ExecutionId, InstanceId, MessageId, Name};
use durable_core::time::Timestamp;

/// So much longer than anything here takes that it is never.
const NEVER: Duration = Duration::from_secs(60);

/// What sled writes into a file of its own instead of its log.
const LARGE: usize = 300 * 1024;

fn store(folder: &Path) -> Arc<SledStore> {
    SledStore::open(SledSettings::new(folder)).unwrap()
}

fn hub(store: &Arc<SledStore>, name: &str) -> Arc<SledBackend> {
    store.hub(&name.parse().unwrap()).unwrap()
}

/// From here on sled cannot make files, as on a full disk.
fn no_more_files(folder: &Path) {
    std::fs::remove_dir_all(folder.join("store").join("blobs")).unwrap();
}

async fn create(hub: &SledBackend, id: &str, bytes: usize) -> BackendResult<CreateOutcome> {
    use durable_core::backend::OrchestrationQueue as _;
    let instance = InstanceId::new(id).unwrap();
    let execution = ExecutionId(bytes as u128 + 1);
    let now = Timestamp::from_micros(1);
    let record = InstanceRecord {
        instance: instance.clone(),
        execution,
        generation: 1,
        name: Name::new("large").unwrap(),
        version: String::new(),
        status: OrchestrationStatus::Pending,
        created_at: now,
        updated_at: now,
        completed_at: None,
        parent: None,
        events: 0,
        revision: 0,
        details: vec![7; bytes].into(),
    };
    let id = MessageId { source: execution.0, seq: 1 };
    let start = Envelope {
        execution: Some(execution),
        creates: Some(Arc::new(record)),
        ..Envelope::new(id, instance, 1, "start".into())
    };
    let request = CreateInstance { start, reuse: ReusePolicy::Reject };
    hub.create_instances(vec![request]).await.pop().unwrap()
}

/// Runs something on a thread of its own, because it may never come back.
fn in_time<T: Send + 'static>(what: &str, run: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, waiting) = mpsc::sync_channel(1);
    std::thread::Builder::new().spawn(move || done.send(run())).unwrap();
    waiting.recv_timeout(NEVER).unwrap_or_else(|_| panic!("{what} never ends"))
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Proves G16.
#[test]
fn a_write_that_fails_is_an_error_and_letting_go_of_the_store_ends() {
    let folder = tempfile::tempdir().unwrap();
    let (store, other) = (store(folder.path()), tempfile::tempdir().unwrap());
    let hub = hub(&store, "hub");
    block_on(create(&hub, "before", LARGE)).unwrap();
    no_more_files(folder.path());

    let failing = Arc::clone(&hub);
    let error = in_time("the write", move || block_on(create(&failing, "fails", LARGE)));
    let error = error.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Unavailable, "{error:?}");
    assert_eq!((error.applied(), error.advice()), (Applied::Unknown, Retry::Never), "{error:?}");
    let after = block_on(create(&hub, "after", 1)).unwrap_err();
    assert_eq!((after.kind(), after.advice()), (BackendErrorKind::Unavailable, Retry::Never));

    let closing = Arc::clone(&hub);
    in_time("closing", move || block_on(closing.close())).unwrap_err();
    in_time("letting go", move || drop((hub, store)));

    // sled has locks that all stores of a process share.
    let other_store = self::store(other.path());
    let elsewhere = self::hub(&other_store, "hub");
    in_time("another store", move || block_on(create(&elsewhere, "elsewhere", 1))).unwrap();
    let again = SledStore::open(SledSettings::new(folder.path())).unwrap_err();
    assert_eq!(again.kind(), BackendErrorKind::InUse, "{again:?}");
}

/// Proves G16.
#[test]
fn a_write_that_fails_stops_the_other_hubs_of_the_store_too() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let (failing, other) = (hub(&store, "failing"), hub(&store, "other"));
    block_on(create(&other, "before", 1)).unwrap();
    no_more_files(folder.path());
    let first = in_time("the write", move || block_on(create(&failing, "fails", LARGE)));
    assert_eq!(first.unwrap_err().kind(), BackendErrorKind::Unavailable);

    let late = Arc::clone(&other);
    let error = in_time("a write of another hub", move || block_on(create(&late, "late", 1)));
    let error = error.unwrap_err();
    assert_eq!((error.kind(), error.advice()), (BackendErrorKind::Unavailable, Retry::Never));
    let opening = Arc::clone(&store);
    let opened = in_time("opening a hub", move || opening.hub(&"new".parse().unwrap()).map(drop));
    assert_eq!(opened.unwrap_err().kind(), BackendErrorKind::Unavailable);
    in_time("letting go", move || drop((other, store)));
}
