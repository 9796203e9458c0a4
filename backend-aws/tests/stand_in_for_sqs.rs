//! The stand-in for SQS against the documented rules of the service.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod emulator;

use std::time::Duration;

use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_sqs::types::QueueAttributeName;
use emulator::sqs::{Service, SqsError};
use emulator::{Emulator, Kind};
use serde_json::{Value, json};

const SECOND: u64 = 1000;
const HOUR: u64 = 3600 * SECOND;

/// A service with one queue, and a clock.
struct Bench {
    service: Service,
    now: u64,
}

impl Bench {
    fn new() -> Self {
        let mut bench = Self { service: Service::new("http://h"), now: 1_000_000 };
        bench.call("CreateQueue", json!({ "QueueName": "q" })).unwrap();
        bench
    }

    fn call(&mut self, action: &str, mut request: Value) -> Result<Value, SqsError> {
        if action != "CreateQueue" && request.get("QueueUrl").is_none() {
            request["QueueUrl"] = "http://h/0/q".into();
        }
        self.service.call(action, &request, self.now)
    }

    fn code(&mut self, action: &str, request: Value) -> &'static str {
        self.call(action, request).expect_err("this is refused").code()
    }

    fn send(&mut self, body: &str) {
        self.call("SendMessage", json!({ "MessageBody": body })).unwrap();
    }

    /// Bodies and handles of what there is.
    fn receive(&mut self) -> Vec<(String, String)> {
        let request = json!({ "MaxNumberOfMessages": 10, "VisibilityTimeout": 30 });
        let answer = self.call("ReceiveMessage", request).unwrap();
        let messages = answer.get("Messages").and_then(Value::as_array).cloned();
        let text = |message: &Value, name: &str| message[name].as_str().unwrap().to_owned();
        let messages = messages.unwrap_or_default();
        messages.iter().map(|m| (text(m, "Body"), text(m, "ReceiptHandle"))).collect()
    }

    fn received(&mut self) -> usize {
        self.receive().len()
    }
}

#[test]
fn a_message_is_invisible_for_its_time_out_and_comes_back_until_it_is_deleted() {
    let mut bench = Bench::new();
    bench.send("m");
    let first = bench.receive().remove(0).1;
    assert_eq!(bench.received(), 0);
    bench.now += 30 * SECOND - 1;
    assert_eq!(bench.received(), 0);
    bench.now += 1;
    let second = bench.receive().remove(0).1;
    // The handle of the earlier delivery succeeds and deletes nothing.
    bench.call("DeleteMessage", json!({ "ReceiptHandle": first })).unwrap();
    bench.now += 30 * SECOND;
    let third = bench.receive().remove(0).1;
    bench.now += 31 * SECOND;
    // Late, but nobody has received it since.
    bench.call("DeleteMessage", json!({ "ReceiptHandle": third })).unwrap();
    assert_eq!(bench.received(), 0);
    for handle in [third, second] {
        bench.call("DeleteMessage", json!({ "ReceiptHandle": handle })).unwrap();
    }
    let code = bench.code("DeleteMessage", json!({ "ReceiptHandle": "made-up" }));
    assert_eq!(code, "ReceiptHandleIsInvalid");
}

#[test]
fn delays_are_kept_and_have_a_limit() {
    let mut bench = Bench::new();
    bench.call("SendMessage", json!({ "MessageBody": "m", "DelaySeconds": 900 })).unwrap();
    bench.now += 900 * SECOND - 1;
    assert_eq!(bench.received(), 0);
    bench.now += 1;
    assert_eq!(bench.received(), 1);
    let code = bench.code("SendMessage", json!({ "MessageBody": "m", "DelaySeconds": 901 }));
    assert_eq!(code, "InvalidParameterValue");
}

#[test]
fn a_receive_takes_ten_at_most_and_counts_them() {
    let mut bench = Bench::new();
    for n in 0..12 {
        bench.send(&n.to_string());
    }
    assert_eq!((bench.received(), bench.received(), bench.received()), (10, 2, 0));
    bench.now += 30 * SECOND;
    let request = json!({ "AttributeNames": ["ApproximateReceiveCount"] });
    let answer = bench.call("ReceiveMessage", request).unwrap();
    assert_eq!(answer["Messages"][0]["Attributes"], json!({ "ApproximateReceiveCount": "2" }));
    for (name, value) in
        [("MaxNumberOfMessages", 11), ("WaitTimeSeconds", 21), ("VisibilityTimeout", 43_201)]
    {
        let code = bench.code("ReceiveMessage", json!({ name: value }));
        assert_eq!(code, "InvalidParameterValue", "{name}");
    }
}

#[test]
fn invisibility_can_be_changed_up_to_twelve_hours_from_the_receive() {
    let mut bench = Bench::new();
    bench.send("m");
    let handle = bench.receive().remove(0).1;
    let change = |seconds: u64| json!({ "ReceiptHandle": handle, "VisibilityTimeout": seconds });
    bench.call("ChangeMessageVisibility", change(3600)).unwrap();
    bench.now += 3599 * SECOND;
    assert_eq!(bench.received(), 0);
    bench.call("ChangeMessageVisibility", change(11 * 3600)).unwrap();
    bench.now += 2 * HOUR;
    let code = bench.code("ChangeMessageVisibility", change(10 * 3600));
    assert_eq!(code, "InvalidParameterValue");
    bench.call("ChangeMessageVisibility", change(0)).unwrap();
    assert_eq!(bench.code("ChangeMessageVisibility", change(5)), "MessageNotInflight");
    assert_eq!(bench.received(), 1);
    // Received again: the older handle says nothing about it any more.
    assert_eq!(bench.code("ChangeMessageVisibility", change(5)), "InvalidParameterValue");
}

#[test]
fn entries_of_a_batch_succeed_and_fail_alone_and_the_batch_has_its_own_limits() {
    let mut bench = Bench::new();
    let entry = |id: &str, body: &str| json!({ "Id": id, "MessageBody": body });
    let batch = |entries: Vec<Value>| json!({ "Entries": entries });
    let mixed = batch(vec![entry("a", "x"), entry("b", "\u{0}"), entry("c", "y")]);
    let answer = bench.call("SendMessageBatch", mixed).unwrap();
    assert_eq!(answer["Successful"].as_array().unwrap().len(), 2);
    assert_eq!(answer["Failed"][0]["Id"], "b");
    assert_eq!(answer["Failed"][0]["Code"], "InvalidMessageContents");
    assert_eq!(bench.received(), 2);
    let many = (0..11).map(|n| entry(&n.to_string(), "x")).collect();
    let long = "x".repeat(600_000);
    for (expected, entries) in [
        ("EmptyBatchRequest", vec![]),
        ("TooManyEntriesInBatchRequest", many),
        ("BatchEntryIdsNotDistinct", vec![entry("a", "x"), entry("a", "y")]),
        ("InvalidBatchEntryId", vec![entry("a.b", "x")]),
        ("BatchRequestTooLong", vec![entry("a", &long), entry("b", &long)]),
    ] {
        assert_eq!(bench.code("SendMessageBatch", batch(entries)), expected);
    }
}

#[test]
fn bodies_are_text_of_limited_length() {
    let mut bench = Bench::new();
    for (expected, body) in [
        ("MissingParameter", String::new()),
        ("InvalidMessageContents", "\u{1}".to_owned()),
        ("InvalidMessageContents", "\u{fffe}".to_owned()),
        ("InvalidParameterValue", "x".repeat(1_048_577)),
    ] {
        assert_eq!(bench.code("SendMessage", json!({ "MessageBody": body })), expected);
    }
    bench.send("\t\n\r \u{10ffff}");
    bench.send(&"x".repeat(1_048_576));
    assert_eq!(bench.received(), 2);
}

#[test]
fn a_name_is_one_queue_and_rests_after_it_was_deleted() {
    let mut bench = Bench::new();
    let create = |attributes: Value| json!({ "QueueName": "q", "Attributes": attributes });
    bench.call("CreateQueue", create(json!({ "VisibilityTimeout": "30" }))).unwrap();
    let other = create(json!({ "VisibilityTimeout": "31" }));
    assert_eq!(bench.code("CreateQueue", other), "QueueNameExists");
    let code = bench.code("CreateQueue", json!({ "QueueName": "not.allowed" }));
    assert_eq!(code, "InvalidParameterValue");
    let unknown = json!({ "QueueName": "r", "Attributes": { "RedrivePolicy": "{}" } });
    assert_eq!(bench.code("CreateQueue", unknown), "InvalidAttributeName");
    bench.send("m");
    let handle = bench.receive().remove(0).1;
    bench.call("DeleteQueue", json!({})).unwrap();
    assert_eq!(bench.code("SendMessage", json!({ "MessageBody": "m" })), "QueueDoesNotExist");
    assert_eq!(bench.code("CreateQueue", create(json!({}))), "QueueDeletedRecently");
    bench.now += 60 * SECOND;
    bench.call("CreateQueue", create(json!({}))).unwrap();
    assert_eq!(bench.received(), 0);
    let code = bench.code("DeleteMessage", json!({ "ReceiptHandle": handle }));
    assert_eq!(code, "ReceiptHandleIsInvalid");
}

#[test]
fn old_messages_are_dropped_and_purges_are_a_minute_apart() {
    let mut bench = Bench::new();
    let keep = json!({ "Attributes": { "MessageRetentionPeriod": "60" } });
    bench.call("SetQueueAttributes", keep).unwrap();
    bench.send("m");
    bench.now += 60 * SECOND;
    assert_eq!(bench.received(), 0);
    bench.send("m");
    bench.call("PurgeQueue", json!({})).unwrap();
    assert_eq!(bench.received(), 0);
    assert_eq!(bench.code("PurgeQueue", json!({})), "PurgeQueueInProgress");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdk_speaks_to_it_and_a_long_poll_ends_with_the_message() {
    let emulator = Emulator::start(Kind::Fast);
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("a", "b", None, None, "test"))
        .endpoint_url(emulator.settings("x").sqs_endpoint.unwrap())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    let sqs = aws_sdk_sqs::Client::from_conf(config);
    let missing = sqs.get_queue_url().queue_name("q").send().await.unwrap_err();
    assert!(missing.into_service_error().is_queue_does_not_exist());
    let created = sqs
        .create_queue()
        .queue_name("q")
        .attributes(QueueAttributeName::VisibilityTimeout, "7")
        .send();
    let url = created.await.unwrap().queue_url.unwrap();
    let poll = sqs.receive_message().queue_url(&url).wait_time_seconds(20).send();
    let send = sqs.send_message().queue_url(&url).message_body("hello").send();
    let (received, sent) = tokio::join!(poll, send);
    sent.unwrap();
    let message = received.unwrap().messages.unwrap().remove(0);
    assert_eq!(message.body.as_deref(), Some("hello"));
    let attributes = sqs.get_queue_attributes().queue_url(&url);
    let attributes = attributes.attribute_names(QueueAttributeName::All).send().await.unwrap();
    let attributes = attributes.attributes.unwrap();
    let of = |name: &str| attributes.get(&QueueAttributeName::from(name)).map(String::as_str);
    assert_eq!(of("VisibilityTimeout"), Some("7"));
    assert_eq!(of("ApproximateNumberOfMessagesNotVisible"), Some("1"));
    let handle = message.receipt_handle.unwrap();
    sqs.delete_message().queue_url(&url).receipt_handle(handle).send().await.unwrap();
    // A delayed message ends a poll when its time has come, not before.
    let delayed = sqs.send_message().queue_url(&url).message_body("later").delay_seconds(1);
    delayed.send().await.unwrap();
    let long = sqs.receive_message().queue_url(&url).wait_time_seconds(20).send();
    let limit = Duration::from_secs(15);
    let env = durable_core::env::TokioEnv::shared();
    let received = durable_core::env::timeout(&*env, limit, long).await.unwrap().unwrap();
    assert_eq!(received.messages.unwrap()[0].body.as_deref(), Some("later"));
}
