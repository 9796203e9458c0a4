//! A layer that lets requests go wrong, as the real services and networks do and emulators do not.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::Arc;

use aws_smithy_runtime_api::client::result::ConnectorError;
use durable_core::env::BoxFuture;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::plan::{Fault, Plan};
use super::wire::{Answer, Layer, Reply, Request, Wire};

/// Answers that are remembered for stale reads; more would only fill the memory.
const REMEMBERED_MAX: usize = 2000;
const LATE_SECONDS: u64 = 2;

#[derive(Default)]
struct State {
    calls: u64,
    by_operation: BTreeMap<String, u64>,
    injected: Vec<(String, Fault)>,
    /// Earlier answers by request.
    remembered: HashMap<String, Value, foldhash::fast::RandomState>,
    /// Messages that a queue will deliver once more.
    again: BTreeMap<String, Vec<Value>>,
}

/// Faults by plan, and what has happened so far.
pub(crate) struct Faults {
    plan: Mutex<Plan>,
    state: Mutex<State>,
}

impl Faults {
    pub(crate) fn new(plan: Plan) -> Arc<Self> {
        Arc::new(Self { plan: Mutex::new(plan), state: Mutex::default() })
    }

    /// From now on nothing goes wrong any more.
    pub(crate) fn heal(&self) {
        *self.plan.lock() = Plan::None;
    }

    /// What went wrong so far: the action and how.
    pub(crate) fn injected(&self) -> Vec<(String, Fault)> {
        self.state.lock().injected.clone()
    }

    fn next_fault(&self, request: &Request) -> Option<Fault> {
        let mut state = self.state.lock();
        let call = state.calls;
        state.calls += 1;
        let of_operation = state.by_operation.entry(request.operation.clone()).or_default();
        let nth = *of_operation;
        *of_operation += 1;
        let fault = self.plan.lock().fault(call, nth, request)?;
        let unknown = fault == Fault::Stale && !state.remembered.contains_key(&key(request));
        if unknown {
            return None;
        }
        state.injected.push((request.operation.clone(), fault));
        Some(fault)
    }

    /// What a queue owes from an earlier receive.
    fn owed(&self, request: &Request) -> Option<Reply> {
        if request.operation != "ReceiveMessage" {
            return None;
        }
        let messages = self.state.lock().again.remove(&request.resource()?)?;
        Some(Reply::made_up(200, json!({ "Messages": messages })))
    }

    /// As the request is meant, with what later faults need to know.
    async fn honest(&self, request: &Request, wire: &Wire) -> Answer {
        let reply = wire.send(request).await?;
        if Fault::Stale.befalls(request) && reply.status == 200 {
            let mut state = self.state.lock();
            if state.remembered.len() >= REMEMBERED_MAX {
                state.remembered.clear();
            }
            state.remembered.entry(key(request)).or_insert_with(|| reply.body.clone());
        }
        Ok(reply)
    }

    async fn with_fault(&self, fault: Fault, mut request: Request, wire: Wire) -> Answer {
        match fault {
            Fault::Throttled => Ok(throttled(&request)),
            Fault::Conflict => Ok(conflict(&request)),
            Fault::Expired => Ok(Reply::error(400, "ExpiredTokenException")),
            Fault::ErrorBefore => Ok(Reply::error(500, "InternalServerError")),
            Fault::ErrorAfter => {
                wire.send(&request).await?;
                Ok(Reply::error(500, "InternalServerError"))
            }
            Fault::ResetBefore => Err(broken(io::ErrorKind::ConnectionReset)),
            Fault::TimeoutAfter => {
                wire.send(&request).await?;
                Err(ConnectorError::timeout(Box::new(io::Error::from(io::ErrorKind::TimedOut))))
            }
            Fault::HungBefore => std::future::pending().await,
            Fault::HungAfter => {
                wire.send(&request).await?;
                std::future::pending().await
            }
            Fault::Partial => partial(request, &wire).await,
            Fault::Stale => {
                let found = self.state.lock().remembered.remove(&key(&request));
                Ok(Reply::made_up(200, found.unwrap_or_default()))
            }
            Fault::Duplicate | Fault::Reorder => self.delivered(fault, &request, &wire).await,
            Fault::Lost => Ok(accepted(&request)),
            Fault::Late => {
                delay(&mut request.body);
                wire.send(&request).await
            }
        }
    }

    async fn delivered(&self, fault: Fault, request: &Request, wire: &Wire) -> Answer {
        let mut reply = wire.send(request).await?;
        let Some(messages) = reply.body.get_mut("Messages").and_then(Value::as_array_mut) else {
            return Ok(reply);
        };
        if fault == Fault::Reorder {
            messages.reverse();
        } else if let Some(queue) = request.resource() {
            self.state.lock().again.entry(queue).or_default().clone_from(messages);
        }
        Ok(reply.changed())
    }
}

impl Layer for Faults {
    fn call(self: Arc<Self>, request: Request, wire: Wire) -> BoxFuture<'static, Answer> {
        Box::pin(async move {
            if let Some(reply) = self.owed(&request) {
                return Ok(reply);
            }
            match self.next_fault(&request) {
                None => self.honest(&request, &wire).await,
                Some(fault) => self.with_fault(fault, request, wire).await,
            }
        })
    }
}

fn key(request: &Request) -> String {
    format!("{} {}", request.operation, request.body)
}

fn broken(kind: io::ErrorKind) -> ConnectorError {
    ConnectorError::io(Box::new(io::Error::from(kind)))
}

fn throttled(request: &Request) -> Reply {
    if request.is_sqs() {
        return Reply::error(400, "com.amazonaws.sqs#RequestThrottled");
    }
    Reply::error(400, "com.amazonaws.dynamodb.v20120810#ThrottlingException")
}

/// The exception of a single write, or the reasons of a cancelled transaction.
fn conflict(request: &Request) -> Reply {
    const SPACE: &str = "com.amazonaws.dynamodb.v20120810#";
    let Some(actions) = request.body.get("TransactItems").and_then(Value::as_array) else {
        return Reply::error(400, &format!("{SPACE}TransactionConflictException"));
    };
    let reason = |at| {
        if at == 0 {
            json!({ "Code": "TransactionConflict", "Message": "injected fault" })
        } else {
            json!({ "Code": "None" })
        }
    };
    let reasons: Vec<Value> = (0..actions.len()).map(reason).collect();
    let body = json!({
        "__type": format!("{SPACE}TransactionCanceledException"),
        "Message": "Transaction cancelled [TransactionConflict]",
        "CancellationReasons": reasons,
    });
    Reply::made_up(400, body)
}

/// What SQS says to a message that it then loses.
fn accepted(request: &Request) -> Reply {
    let digest = |message: &Value| {
        let text = message.get("MessageBody").and_then(Value::as_str).unwrap_or_default();
        json!({ "MessageId": "lost", "MD5OfMessageBody": md5_hex(text) })
    };
    let Some(entries) = request.body.get("Entries").and_then(Value::as_array) else {
        return Reply::made_up(200, digest(&request.body));
    };
    let taken: Vec<Value> = entries
        .iter()
        .map(|entry| {
            let mut taken = digest(entry);
            taken["Id"] = entry["Id"].clone();
            taken
        })
        .collect();
    Reply::made_up(200, json!({ "Successful": taken, "Failed": [] }))
}

fn md5_hex(text: &str) -> String {
    use md5::Digest as _;
    md5::Md5::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn delay(body: &mut Value) {
    if let Some(entries) = body.get_mut("Entries").and_then(Value::as_array_mut) {
        entries.iter_mut().for_each(delay);
    } else {
        let asked = body.get("DelaySeconds").and_then(Value::as_u64).unwrap_or(0);
        body["DelaySeconds"] = (asked + LATE_SECONDS).min(900).into();
    }
}

/// Performs the first half of a batch, rounded down, and hands the rest back.
async fn partial(mut request: Request, wire: &Wire) -> Answer {
    match request.operation.as_str() {
        "BatchWriteItem" => rest_of_items(request, wire, "UnprocessedItems").await,
        "BatchGetItem" => rest_of_items(request, wire, "UnprocessedKeys").await,
        _ => {
            let entries = request.body["Entries"].as_array_mut();
            let rest = entries.map(|all| all.split_off(all.len() / 2)).unwrap_or_default();
            let failed: Vec<Value> = rest
                .iter()
                .map(|entry| {
                    json!({ "Id": entry["Id"], "Code": "InternalError", "SenderFault": false })
                })
                .collect();
            let empty = request.body["Entries"].as_array().is_some_and(Vec::is_empty);
            let mut reply = if empty {
                Reply::made_up(200, json!({ "Successful": [] }))
            } else {
                wire.send(&request).await?
            };
            let mut all = reply.body["Failed"].as_array().cloned().unwrap_or_default();
            all.extend(failed);
            reply.body["Failed"] = all.into();
            Ok(reply.changed())
        }
    }
}

async fn rest_of_items(mut request: Request, wire: &Wire, name: &str) -> Answer {
    let mut rest = request.body["RequestItems"].clone();
    let tables = request.body["RequestItems"].as_object_mut();
    let mut done = 0;
    for (table, wanted) in tables.into_iter().flatten() {
        // Writes are a list, reads are keys with settings beside them.
        let split = |value: &mut Value| value.as_array_mut().map(|a| a.split_off(a.len() / 2));
        let is_list = wanted.is_array();
        let items = if is_list { wanted } else { &mut wanted["Keys"] };
        let left = split(items).unwrap_or_default();
        done += items.as_array().map_or(0, Vec::len);
        let place = if is_list { &mut rest[table] } else { &mut rest[table]["Keys"] };
        *place = left.into();
    }
    let mut reply = if done == 0 {
        Reply::made_up(200, json!({ "Responses": {} }))
    } else {
        wire.send(&request).await?
    };
    if reply.status == 200 {
        reply.body[name] = rest;
    }
    Ok(reply.changed())
}
