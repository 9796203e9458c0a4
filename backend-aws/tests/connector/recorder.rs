//! A layer that writes down what is asked of the services, and what they charge for it.

use std::sync::Arc;

use durable_core::env::BoxFuture;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::wire::{Answer, Layer, Request, Wire};

/// What one request of SQS may carry before it counts as two.
const CHUNK: usize = 64 * 1024;

/// Actions on items, which can say what they consumed.
const METERED: [&str; 10] = [
    "BatchGetItem",
    "BatchWriteItem",
    "DeleteItem",
    "GetItem",
    "PutItem",
    "Query",
    "Scan",
    "TransactGetItems",
    "TransactWriteItems",
    "UpdateItem",
];

/// One request and its price.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Recorded {
    /// `dynamodb` or `sqs`.
    pub(crate) service: &'static str,
    pub(crate) operation: String,
    /// The table, index or queue.
    pub(crate) resource: Option<String>,
    pub(crate) index: Option<String>,
    pub(crate) status: u16,
    pub(crate) read_units: f64,
    pub(crate) write_units: f64,
    /// Billed requests of SQS.
    pub(crate) requests: u64,
    /// What was asked.
    pub(crate) body: Value,
}

/// Everything that went over the wire.
#[derive(Debug, Default)]
pub(crate) struct Recorder(Mutex<Vec<Recorded>>);

impl Recorder {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// What was recorded since the last call of this.
    pub(crate) fn take(&self) -> Vec<Recorded> {
        std::mem::take(&mut *self.0.lock())
    }
}

impl Layer for Recorder {
    fn call(self: Arc<Self>, mut request: Request, wire: Wire) -> BoxFuture<'static, Answer> {
        Box::pin(async move {
            if METERED.contains(&&*request.operation) {
                request.body["ReturnConsumedCapacity"] = "TOTAL".into();
            }
            let answer = wire.send(&request).await;
            let (status, body) = match &answer {
                Ok(reply) => (reply.status, reply.body.clone()),
                Err(_) => (0, json!(null)),
            };
            let units = capacity(&request, status, &body);
            let reads = matches!(
                &*request.operation,
                "BatchGetItem" | "GetItem" | "Query" | "Scan" | "TransactGetItems"
            );
            let carried = request.bytes().max(body.to_string().len());
            self.0.lock().push(Recorded {
                service: if request.is_sqs() { "sqs" } else { "dynamodb" },
                resource: request.resource(),
                index: request.body.get("IndexName").and_then(Value::as_str).map(str::to_owned),
                status,
                read_units: if reads { units } else { 0.0 },
                write_units: if reads { 0.0 } else { units },
                requests: u64::from(request.is_sqs())
                    * u64::try_from(carried.div_ceil(CHUNK)).unwrap_or(1),
                operation: request.operation,
                body: request.body,
            });
            answer
        })
    }
}

/// What the service says it consumed. A refused condition consumes, too, and the service does not
/// say how much: one unit is charged here, as for a small item.
fn capacity(request: &Request, status: u16, body: &Value) -> f64 {
    if !METERED.contains(&&*request.operation) {
        return 0.0;
    }
    let kind = body.get("__type").and_then(Value::as_str).unwrap_or_default();
    if status == 400 && kind.contains("ConditionalCheckFailed") {
        return 1.0;
    }
    let units = |one: &Value| one.get("CapacityUnits").and_then(Value::as_f64).unwrap_or(0.0);
    match body.get("ConsumedCapacity") {
        Some(Value::Array(all)) => all.iter().map(units).sum(),
        Some(one) => units(one),
        None => 0.0,
    }
}
