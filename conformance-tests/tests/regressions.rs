//! Defects that the simulation has found, each as small as it can be told.

use std::sync::Arc;

use conformance_tests::{Fault, FaultPlan, FaultyBackend};
use durable_core::client::Client;
use durable_core::env::TokioEnv;
use durable_core::error::ErrorKind;
use durable_core::memory::MemoryStore;

/// The read that looks for the instance failed, and the event was sent as if it existed: the
/// caller was told that there is no such instance, although he asked to keep the event for it.
#[tokio::test]
async fn a_buffered_event_reports_that_the_store_failed() {
    let hub = MemoryStore::default().hub(&"test".parse().unwrap());
    let plan = FaultPlan::at([(0, Fault::FailBefore)]);
    let faulty = Arc::new(FaultyBackend::new(hub, TokioEnv::shared(), plan));
    let client = Client::new(faulty);
    let later = client.instance("later").unwrap();
    let refused = later.raise_event("e", &1).buffer_before_start().send().await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Backend, "{refused}");
    assert!(refused.is_retryable());
    later.raise_event("e", &1).buffer_before_start().send().await.unwrap();
}
