//! All queues, and what each action does to them.

use std::collections::BTreeMap;

use md5::{Digest as _, Md5};
use serde_json::{Map, Value, json};

use super::error::SqsError;
use super::message::{Handle, Message};
use super::queue::{Queue, Sent};
use super::rules::{
    COOLING_MS, DELAY_SECONDS_MAX, NEUTRAL, NUMBERS, RECEIVE_MAX, VISIBILITY_SECONDS_MAX,
    WAIT_SECONDS_MAX, body, number, queue_name, text,
};

const ACCOUNT: &str = "000000000000";

/// The service as one state machine.
#[derive(Debug)]
pub(crate) struct Service {
    url: String,
    queues: BTreeMap<String, Queue>,
    deleted: BTreeMap<String, u64>,
    next_nonce: u64,
}

type Answer = Result<Value, SqsError>;

impl Service {
    pub(crate) fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), queues: BTreeMap::new(), deleted: BTreeMap::new(), next_nonce: 1 }
    }

    /// Performs one action at a time in milliseconds.
    pub(crate) fn call(&mut self, action: &str, request: &Value, now: u64) -> Answer {
        match action {
            "CreateQueue" => self.create(request, now),
            "DeleteQueue" => self.delete_queue(request, now),
            "GetQueueUrl" => {
                let name = text(request, "QueueName")?;
                self.named(name)?;
                Ok(json!({ "QueueUrl": self.url_of(name) }))
            }
            "ListQueues" => Ok(self.list(request)),
            "GetQueueAttributes" => self.attributes(request, now),
            "SetQueueAttributes" => {
                let changed = attributes_of(request)?;
                self.queue(request)?.attributes.extend(changed);
                Ok(Value::Null)
            }
            "TagQueue" => {
                let tags = strings(request, "Tags");
                self.queue(request)?.tags.extend(tags);
                Ok(Value::Null)
            }
            "ListQueueTags" => Ok(json!({ "Tags": self.queue(request)?.tags })),
            "PurgeQueue" => self.purge(request, now),
            "SendMessage" => send(self.queue(request)?, request, now),
            "ReceiveMessage" => receive(self.queue(request)?, request, now),
            "DeleteMessage" => delete(self.queue(request)?, request),
            "ChangeMessageVisibility" => change_visibility(self.queue(request)?, request, now),
            "SendMessageBatch" | "DeleteMessageBatch" | "ChangeMessageVisibilityBatch" => {
                super::batch::call(self.queue(request)?, action, request, now)
            }
            _ => Err(SqsError::unknown_operation()),
        }
    }

    /// How long a receive may wait, in milliseconds.
    pub(crate) fn wait_ms(&mut self, request: &Value) -> Result<u64, SqsError> {
        let queue = self.queue(request)?;
        let asked = number(request, "WaitTimeSeconds", 0, WAIT_SECONDS_MAX)?;
        Ok(asked.unwrap_or_else(|| queue.number("ReceiveMessageWaitTimeSeconds")) * 1000)
    }

    pub(crate) fn next_visible(&mut self, request: &Value) -> Option<u64> {
        self.queue(request).ok()?.next_visible()
    }

    fn url_of(&self, name: &str) -> String {
        format!("{}/{ACCOUNT}/{name}", self.url)
    }

    fn named(&mut self, name: &str) -> Result<&mut Queue, SqsError> {
        let text = "The specified queue does not exist.";
        self.queues.get_mut(name).ok_or_else(|| SqsError::new("QueueDoesNotExist", text))
    }

    fn queue(&mut self, request: &Value) -> Result<&mut Queue, SqsError> {
        let url = text(request, "QueueUrl")?;
        let name = url.rsplit('/').next().unwrap_or_default().to_owned();
        self.named(&name)
    }

    fn create(&mut self, request: &Value, now: u64) -> Answer {
        let name = text(request, "QueueName")?;
        queue_name(name)?;
        let attributes = attributes_of(request)?;
        let url = self.url_of(name);
        if let Some(known) = self.queues.get(name) {
            let same = attributes.iter().all(|(name, value)| match known.attributes.get(name) {
                Some(current) => current == value,
                None => known.number(name).to_string() == *value,
            });
            if !same {
                let text = "A queue already exists with the same name and a different value.";
                return Err(SqsError::new("QueueNameExists", text));
            }
            return Ok(json!({ "QueueUrl": url }));
        }
        if self.deleted.get(name).is_some_and(|at| now < at + COOLING_MS) {
            let text = "You must wait 60 seconds after deleting a queue before you can create \
                        another with the same name.";
            return Err(SqsError::new("QueueDeletedRecently", text));
        }
        let mut queue = Queue::new(self.next_nonce, attributes, now);
        queue.tags = strings(request, "tags");
        self.next_nonce += 1;
        self.queues.insert(name.to_owned(), queue);
        Ok(json!({ "QueueUrl": url }))
    }

    fn delete_queue(&mut self, request: &Value, now: u64) -> Answer {
        self.queue(request)?;
        let name = text(request, "QueueUrl")?.rsplit('/').next().unwrap_or_default();
        self.queues.remove(name);
        self.deleted.insert(name.to_owned(), now);
        Ok(Value::Null)
    }

    fn purge(&mut self, request: &Value, now: u64) -> Answer {
        let queue = self.queue(request)?;
        if queue.purged_at.is_some_and(|at| now < at + COOLING_MS) {
            let text = "Only one PurgeQueue operation is allowed every 60 seconds.";
            return Err(SqsError::new("PurgeQueueInProgress", text));
        }
        queue.purged_at = Some(now);
        queue.purge();
        Ok(Value::Null)
    }

    fn list(&self, request: &Value) -> Value {
        let prefix = request.get("QueueNamePrefix").and_then(Value::as_str).unwrap_or_default();
        let names = self.queues.keys().filter(|name| name.starts_with(prefix));
        let urls: Vec<String> = names.take(1000).map(|name| self.url_of(name)).collect();
        json!({ "QueueUrls": urls })
    }

    fn attributes(&mut self, request: &Value, now: u64) -> Answer {
        let url = text(request, "QueueUrl")?.to_owned();
        let queue = self.queue(request)?;
        let (visible, in_flight, delayed) = queue.counts(now);
        let mut all: BTreeMap<String, String> = queue.attributes.clone();
        for (name, _, _, default) in NUMBERS {
            all.entry(name.to_owned()).or_insert_with(|| default.to_string());
        }
        let name = url.rsplit('/').next().unwrap_or_default();
        for (name, value) in [
            ("ApproximateNumberOfMessages", visible.to_string()),
            ("ApproximateNumberOfMessagesNotVisible", in_flight.to_string()),
            ("ApproximateNumberOfMessagesDelayed", delayed.to_string()),
            ("CreatedTimestamp", (queue.created_at / 1000).to_string()),
            ("QueueArn", format!("arn:aws:sqs:us-east-1:{ACCOUNT}:{name}")),
        ] {
            all.insert(name.to_owned(), value);
        }
        let wanted = list_of(request, "AttributeNames");
        if !wanted.contains(&"All") {
            all.retain(|name, _| wanted.contains(&name.as_str()));
        }
        Ok(json!({ "Attributes": all }))
    }
}

fn list_of<'a>(request: &'a Value, name: &str) -> Vec<&'a str> {
    let list = request.get(name).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str).collect()
}

fn strings(request: &Value, name: &str) -> BTreeMap<String, String> {
    let map = request.get(name).and_then(Value::as_object);
    let pairs = map.into_iter().flatten();
    pairs.filter_map(|(key, v)| Some((key.clone(), v.as_str()?.to_owned()))).collect()
}

/// The attributes a request sets, each within its limits.
fn attributes_of(request: &Value) -> Result<BTreeMap<String, String>, SqsError> {
    let attributes = strings(request, "Attributes");
    for (name, value) in &attributes {
        if NEUTRAL.contains(&name.as_str()) {
            continue;
        }
        let Some((_, least, most, _)) = NUMBERS.iter().find(|(known, ..)| known == name) else {
            return Err(SqsError::new(
                "InvalidAttributeName",
                format!("Unknown Attribute {name}."),
            ));
        };
        if !value.parse::<u64>().is_ok_and(|number| (*least..=*most).contains(&number)) {
            let text = format!("Invalid value for the parameter {name}.");
            return Err(SqsError::new("InvalidAttributeValue", text));
        }
    }
    Ok(attributes)
}

pub(super) fn md5_hex(text: &str) -> String {
    Md5::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// One message, of a request or of an entry of a batch.
pub(super) fn send(queue: &mut Queue, request: &Value, now: u64) -> Answer {
    let message = text(request, "MessageBody")?;
    let most = usize::try_from(queue.number("MaximumMessageSize")).unwrap_or(usize::MAX);
    body(message, most)?;
    let attributes = request.get("MessageAttributes").and_then(Value::as_object);
    if attributes.is_some_and(|attributes| !attributes.is_empty()) {
        let text = "message attributes are not emulated";
        return Err(SqsError::new("UnsupportedOperation", text));
    }
    let sent = Sent {
        body: message.to_owned(),
        delay_seconds: number(request, "DelaySeconds", 0, DELAY_SECONDS_MAX)?,
        group: request.get("MessageGroupId").and_then(Value::as_str).map(str::to_owned),
    };
    let md5 = md5_hex(message);
    Ok(json!({ "MessageId": queue.send(sent, now), "MD5OfMessageBody": md5 }))
}

fn receive(queue: &mut Queue, request: &Value, now: u64) -> Answer {
    let count = number(request, "MaxNumberOfMessages", 1, RECEIVE_MAX)?.unwrap_or(1);
    number(request, "WaitTimeSeconds", 0, WAIT_SECONDS_MAX)?;
    let hidden = number(request, "VisibilityTimeout", 0, VISIBILITY_SECONDS_MAX)?;
    let mut wanted = list_of(request, "AttributeNames");
    wanted.extend(list_of(request, "MessageSystemAttributeNames"));
    let taken = queue.receive(usize::try_from(count).unwrap_or(1), hidden, now)?;
    let messages: Vec<Value> =
        taken.iter().map(|(handle, message)| delivery(*handle, message, &wanted)).collect();
    Ok(if messages.is_empty() { json!({}) } else { json!({ "Messages": messages }) })
}

fn delivery(handle: Handle, message: &Message, wanted: &[&str]) -> Value {
    let mut shown = json!({
        "MessageId": message.id,
        "ReceiptHandle": handle.encode(),
        "MD5OfBody": md5_hex(&message.body),
        "Body": message.body,
    });
    let mut attributes = Map::new();
    let first = message.first_received_at.unwrap_or_default();
    for (name, value) in [
        ("SentTimestamp", Some(message.sent_at.to_string())),
        ("ApproximateReceiveCount", Some(message.receives.to_string())),
        ("ApproximateFirstReceiveTimestamp", Some(first.to_string())),
        ("SenderId", Some(ACCOUNT.to_owned())),
        ("MessageGroupId", message.group.clone()),
    ] {
        if let Some(value) = value
            && (wanted.contains(&"All") || wanted.contains(&name))
        {
            attributes.insert(name.to_owned(), value.into());
        }
    }
    if !attributes.is_empty() {
        shown["Attributes"] = attributes.into();
    }
    shown
}

pub(super) fn delete(queue: &mut Queue, request: &Value) -> Answer {
    queue.delete(Handle::parse(text(request, "ReceiptHandle")?)?)?;
    Ok(Value::Null)
}

pub(super) fn change_visibility(queue: &mut Queue, request: &Value, now: u64) -> Answer {
    let handle = Handle::parse(text(request, "ReceiptHandle")?)?;
    let seconds = number(request, "VisibilityTimeout", 0, VISIBILITY_SECONDS_MAX)?;
    let seconds = seconds.ok_or_else(|| SqsError::missing("VisibilityTimeout"))?;
    queue.change_visibility(handle, seconds, now)?;
    Ok(Value::Null)
}
