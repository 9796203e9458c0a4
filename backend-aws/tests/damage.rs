//! Histories that were damaged in the table: reported, never shortened, never waited for.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod connector;
mod emulator;
mod engine;

use std::collections::HashMap;
use std::sync::Arc;

use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use connector::{Answer, Layer, Request, Wire, plain, through};
use durable_core::backend::{Backend, BackendErrorKind, BackendResult, HistoryChunk, HistoryRead};
use durable_core::client::Client;
use durable_core::env::BoxFuture;
use durable_core::ids::{ExecutionId, InstanceId};
use durable_core::model::Failure;
use emulator::{Emulator, Kind};

const TABLE: &str = "damage-hub-store";
const STEPS: u32 = 20;

type Item = HashMap<String, AttributeValue>;

/// An instance that has ended, and its items.
struct Bench {
    emulator: Emulator,
    raw: aws_sdk_dynamodb::Client,
    instance: InstanceId,
    execution: ExecutionId,
}

impl Bench {
    async fn new() -> Self {
        let emulator = Emulator::start(Kind::Fast);
        let backend = engine::open(emulator.settings("damage")).await;
        let client = Client::new(Arc::clone(&backend));
        let worker = engine::worker(Arc::clone(&backend), None).await;
        let start = client.start(engine::steps(), (STEPS, "x".repeat(200)));
        let handle = start.id("a").send().await.unwrap().typed::<u32, Failure>();
        assert_eq!(handle.result_within(engine::LONG).await.unwrap(), STEPS);
        worker.shutdown().await;
        let config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("a", "b", None, None, "test"))
            .endpoint_url(emulator.settings("x").dynamodb_endpoint.unwrap())
            .http_client(plain())
            .build();
        let raw = aws_sdk_dynamodb::Client::from_conf(config);
        let instance = InstanceId::new("a").unwrap();
        let execution = backend.executions(&instance).await.unwrap().pop().unwrap();
        Self { emulator, raw, instance, execution }
    }

    async fn backend(&self, layer: Option<Arc<dyn Layer>>) -> Arc<dyn Backend> {
        let mut settings = self.emulator.settings("damage");
        settings.http_client = layer.map(|layer| through(layer, plain()));
        engine::open(settings).await
    }

    async fn read(&self, from: u64) -> BackendResult<Vec<HistoryChunk>> {
        read(&*self.backend(None).await, (&self.instance, self.execution), from).await
    }

    /// What stands in blocks, in order.
    async fn blocks(&self) -> Vec<Item> {
        let query = self
            .raw
            .query()
            .table_name(TABLE)
            .key_condition_expression("pk=:p AND begins_with(sk,:t)");
        let query = query.expression_attribute_values(":p", text("ia"));
        query.expression_attribute_values(":t", text("T#")).send().await.unwrap().items.unwrap()
    }

    async fn head(&self) -> Item {
        let get = self.raw.get_item().table_name(TABLE).key("pk", text("ia"));
        get.key("sk", text("M")).send().await.unwrap().item.unwrap()
    }

    async fn put(&self, item: Item) {
        self.raw.put_item().table_name(TABLE).set_item(Some(item)).send().await.unwrap();
    }

    async fn remove(&self, item: &Item) {
        let remove = self.raw.delete_item().table_name(TABLE);
        remove.key("pk", item["pk"].clone()).key("sk", item["sk"].clone()).send().await.unwrap();
    }

    async fn is_reported(&self, from: u64, what: &str) {
        let error = self.read(from).await.expect_err(what);
        assert_eq!(error.kind(), BackendErrorKind::Corrupt, "{what}: {error}");
    }
}

async fn read(
    backend: &dyn Backend,
    (instance, execution): (&InstanceId, ExecutionId),
    from: u64,
) -> BackendResult<Vec<HistoryChunk>> {
    let (instance, bytes_max) = (instance.clone(), 1 << 20);
    let read = HistoryRead { instance, execution, from, bytes_max };
    Ok(backend.read_history(read).await?.chunks)
}

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

/// The item with the last byte of an attribute changed.
fn changed(item: &Item, attribute: &str) -> Item {
    let mut item = item.clone();
    let mut bytes = item[attribute].as_b().unwrap().clone().into_inner();
    *bytes.last_mut().unwrap() ^= 1;
    item.insert(attribute.to_owned(), AttributeValue::B(Blob::new(bytes)));
    item
}

/// Where chunks begin.
fn starts(chunks: &[HistoryChunk]) -> Vec<u64> {
    let mut next = 0;
    let start = |chunk: &HistoryChunk| {
        next += u64::from(chunk.events);
        next - u64::from(chunk.events)
    };
    chunks.iter().map(start).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_in_blocks_and_a_tail_is_read_from_every_chunk_on() {
    let bench = Bench::new().await;
    let all = bench.read(0).await.unwrap();
    assert_eq!(all.len(), 1 + STEPS as usize, "a chunk for each turn");
    assert!(bench.blocks().await.len() < all.len(), "several turns share a block");
    for (n, from) in starts(&all).into_iter().enumerate() {
        assert_eq!(bench.read(from).await.unwrap(), all[n..], "from event {from}");
    }
    let within = starts(&all)[1] + 1;
    bench.is_reported(within, "no chunk begins there").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_block_is_reported() {
    let bench = Bench::new().await;
    let all = bench.read(0).await.unwrap();
    let blocks = bench.blocks().await;
    assert!(blocks.len() > 2);
    for (n, block) in blocks.iter().enumerate() {
        bench.remove(block).await;
        bench.is_reported(0, &format!("block {n} is missing")).await;
        let first = block["sk"].as_s().unwrap().rsplit('#').next().unwrap().parse().unwrap();
        bench.is_reported(first, &format!("block {n} is missing and the first wanted")).await;
        bench.put(block.clone()).await;
    }
    assert_eq!(bench.read(0).await.unwrap(), all);
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_bytes_are_reported_wherever_they_stand() {
    let bench = Bench::new().await;
    let all = bench.read(0).await.unwrap();
    let blocks = bench.blocks().await;
    let joined = blocks.iter().find(|block| block.contains_key("k")).expect("a block of two turns");
    let head = bench.head().await;
    for (item, attribute) in [(joined, "b"), (joined, "k"), (&head, "tl")] {
        bench.put(changed(item, attribute)).await;
        bench.is_reported(0, attribute).await;
        bench.put(item.clone()).await;
    }
    assert_eq!(bench.read(0).await.unwrap(), all);
}

/// Lets the history grow while it is read.
struct Grows(aws_sdk_dynamodb::Client);

impl Layer for Grows {
    fn call(self: Arc<Self>, request: Request, wire: Wire) -> BoxFuture<'static, Answer> {
        Box::pin(async move {
            if request.operation == "Query" {
                let update = self.0.update_item().table_name(TABLE).key("pk", text("ia"));
                let update = update.key("sk", text("M")).update_expression("ADD ev :n");
                let one = AttributeValue::N("1".to_owned());
                update.expression_attribute_values(":n", one).send().await.unwrap();
            }
            wire.send(&request).await
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_is_reported_while_the_history_grows() {
    let bench = Bench::new().await;
    let backend = bench.backend(Some(Arc::new(Grows(bench.raw.clone())))).await;
    bench.remove(&bench.blocks().await[1]).await;
    let whose = (&bench.instance, bench.execution);
    let error = read(&*backend, whose, 0).await.expect_err("it must not be taken for a purge");
    assert_eq!(error.kind(), BackendErrorKind::Corrupt, "{error}");
}
