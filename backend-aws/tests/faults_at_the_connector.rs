//! Every fault does what it says.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod connector;
mod emulator;

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_dynamodb::error::ProvideErrorMetadata as _;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, KeysAndAttributes,
    Put, PutRequest, ScalarAttributeType, TransactWriteItem, WriteRequest,
};
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry,
    SendMessageBatchRequestEntry,
};
use connector::{Fault, Faults, Layer, Plan, Recorder, plain, through};
use emulator::{Emulator, Kind};

const TABLE: &str = "table";
/// Long enough for a busy machine, short enough to wait for.
const ATTEMPT: Duration = Duration::from_secs(2);

struct Bench {
    emulator: Emulator,
    dynamodb: aws_sdk_dynamodb::Client,
    sqs: aws_sdk_sqs::Client,
    queue: String,
}

impl Bench {
    async fn new() -> Self {
        let emulator = Emulator::start(Kind::Fast);
        let (dynamodb, sqs) = clients(&emulator, None);
        let key = KeySchemaElement::builder().attribute_name("k").key_type(KeyType::Hash);
        let kind = AttributeDefinition::builder()
            .attribute_name("k")
            .attribute_type(ScalarAttributeType::S);
        dynamodb
            .create_table()
            .table_name(TABLE)
            .billing_mode(BillingMode::PayPerRequest)
            .key_schema(key.build().unwrap())
            .attribute_definitions(kind.build().unwrap())
            .send()
            .await
            .unwrap();
        let queue = sqs.create_queue().queue_name("q").send().await.unwrap().queue_url.unwrap();
        let bench = Self { emulator, dynamodb, sqs, queue };
        while bench.try_put("ready").await.is_err() {
            tokio::task::yield_now().await;
        }
        bench
    }

    async fn try_put(&self, key: &str) -> Result<(), ()> {
        let put = self.dynamodb.put_item().table_name(TABLE).item("k", s(key));
        put.send().await.map(drop).map_err(drop)
    }

    /// Clients that meet one fault, at the first request of an action.
    fn meet(&self, operation: &'static str, fault: Fault) -> Faulty {
        self.meet_at(operation, 0, fault)
    }

    fn meet_at(&self, operation: &'static str, nth: u64, fault: Fault) -> Faulty {
        let faults = Faults::new(Plan::At { operation, nth, times: 1, fault });
        let (dynamodb, sqs) = clients(&self.emulator, Some(faults.clone()));
        Faulty { faults, dynamodb, sqs, operation, fault }
    }

    /// Whether the item is there, by a client without faults.
    async fn has(&self, key: &str) -> bool {
        let get = self.dynamodb.get_item().table_name(TABLE).key("k", s(key));
        get.consistent_read(true).send().await.unwrap().item.is_some()
    }

    /// Bodies of what is in the queue.
    async fn bodies(&self) -> Vec<String> {
        bodies(&self.sqs, &self.queue, 0).await
    }
}

struct Faulty {
    faults: Arc<Faults>,
    dynamodb: aws_sdk_dynamodb::Client,
    sqs: aws_sdk_sqs::Client,
    operation: &'static str,
    fault: Fault,
}

impl Faulty {
    /// Puts an item; the code of the error if there is one.
    async fn put(&self, key: &str) -> Result<(), Option<String>> {
        let put = self.dynamodb.put_item().table_name(TABLE).item("k", s(key));
        put.send().await.map(drop).map_err(|error| error.code().map(str::to_owned))
    }

    fn happened_once(&self) {
        assert_eq!(self.faults.injected(), [(self.operation.to_owned(), self.fault)]);
    }
}

/// Clients that try once, so that a fault is seen.
fn clients(
    emulator: &Emulator,
    faults: Option<Arc<dyn Layer>>,
) -> (aws_sdk_dynamodb::Client, aws_sdk_sqs::Client) {
    let settings = emulator.settings("x");
    let http = match faults {
        Some(faults) => through(faults, plain()),
        None => plain(),
    };
    let credentials = Credentials::new("a", "b", None, None, "test");
    let timeouts = TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT).build();
    let dynamodb = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(credentials.clone())
        .endpoint_url(settings.dynamodb_endpoint.unwrap())
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts.clone())
        .http_client(http.clone())
        .build();
    let sqs = aws_sdk_sqs::Config::builder()
        .behavior_version(aws_sdk_sqs::config::BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(credentials)
        .endpoint_url(settings.sqs_endpoint.unwrap())
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts)
        .http_client(http)
        .build();
    (aws_sdk_dynamodb::Client::from_conf(dynamodb), aws_sdk_sqs::Client::from_conf(sqs))
}

fn s(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

async fn bodies(sqs: &aws_sdk_sqs::Client, queue: &str, hidden: i32) -> Vec<String> {
    let receive = sqs.receive_message().queue_url(queue).max_number_of_messages(10);
    let received = receive.visibility_timeout(hidden).send().await.unwrap();
    received.messages.unwrap_or_default().into_iter().filter_map(|m| m.body).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_perform_nothing_and_have_the_codes_of_the_service() {
    let bench = Bench::new().await;
    for (fault, code) in [
        (Fault::Throttled, Some("ThrottlingException")),
        (Fault::Conflict, Some("TransactionConflictException")),
        (Fault::Expired, Some("ExpiredTokenException")),
        (Fault::ErrorBefore, Some("InternalServerError")),
        (Fault::ResetBefore, None),
        (Fault::HungBefore, None),
    ] {
        let faulty = bench.meet("PutItem", fault);
        let error = faulty.put("a").await.unwrap_err();
        assert_eq!(error.as_deref(), code, "{fault:?}");
        assert!(!bench.has("a").await, "{fault:?}");
        faulty.happened_once();
        // The next one is served.
        faulty.put("b").await.unwrap();
        faulty.happened_once();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_lost_belongs_to_a_request_that_was_performed() {
    let bench = Bench::new().await;
    for (key, fault) in
        [("a", Fault::ErrorAfter), ("b", Fault::TimeoutAfter), ("c", Fault::HungAfter)]
    {
        let faulty = bench.meet("PutItem", fault);
        faulty.put(key).await.unwrap_err();
        assert!(bench.has(key).await, "{fault:?}");
        faulty.happened_once();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_is_cancelled_with_a_reason_for_each_action() {
    let bench = Bench::new().await;
    let faulty = bench.meet("TransactWriteItems", Fault::Conflict);
    let action = |key: &str| {
        let put = Put::builder().table_name(TABLE).item("k", s(key)).build().unwrap();
        TransactWriteItem::builder().put(put).build()
    };
    let both = vec![action("a"), action("b")];
    let write = faulty.dynamodb.transact_write_items().set_transact_items(Some(both));
    let error = write.send().await.unwrap_err().into_service_error();
    let aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError::
        TransactionCanceledException(cancelled) = error else { panic!("{error:?}") };
    let codes: Vec<_> =
        cancelled.cancellation_reasons().iter().filter_map(|reason| reason.code()).collect();
    assert_eq!(codes, ["TransactionConflict", "None"]);
    assert!(!bench.has("a").await && !bench.has("b").await);
    faulty.happened_once();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_half_of_a_batch_of_items_comes_back() {
    let bench = Bench::new().await;
    let faulty = bench.meet("BatchWriteItem", Fault::Partial);
    let write = |key: &str| {
        let put = PutRequest::builder().item("k", s(key)).build().unwrap();
        WriteRequest::builder().put_request(put).build()
    };
    let writes = vec![write("a"), write("b"), write("c")];
    let answer = faulty.dynamodb.batch_write_item().request_items(TABLE, writes).send().await;
    let rest = answer.unwrap().unprocessed_items.unwrap();
    assert_eq!(rest[TABLE], [write("b"), write("c")]);
    assert!(bench.has("a").await && !bench.has("b").await && !bench.has("c").await);
    faulty.happened_once();

    let faulty = bench.meet("BatchGetItem", Fault::Partial);
    let keys = ["ready", "a"].map(|key| [("k".to_owned(), s(key))].into());
    let keys = KeysAndAttributes::builder().set_keys(Some(keys.to_vec())).consistent_read(true);
    let get = faulty.dynamodb.batch_get_item().request_items(TABLE, keys.build().unwrap());
    let answer = get.send().await.unwrap();
    assert_eq!(answer.responses.unwrap()[TABLE][0]["k"], s("ready"));
    let rest = &answer.unprocessed_keys.unwrap()[TABLE];
    assert_eq!(rest.keys()[0]["k"], s("a"));
    assert_eq!(rest.consistent_read(), Some(true));
    faulty.happened_once();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_read_shows_what_was_and_a_consistent_one_is_never_stale() {
    let bench = Bench::new().await;
    let faulty = bench.meet_at("GetItem", 1, Fault::Stale);
    let get = |consistent: bool| {
        let get = faulty.dynamodb.get_item().table_name(TABLE).key("k", s("a"));
        get.consistent_read(consistent).send()
    };
    assert!(get(false).await.unwrap().item.is_none());
    bench.try_put("a").await.unwrap();
    assert!(get(false).await.unwrap().item.is_none(), "not stale");
    assert!(get(false).await.unwrap().item.is_some());
    faulty.happened_once();
    let faulty = bench.meet_at("GetItem", 1, Fault::Stale);
    let get = || {
        let get = faulty.dynamodb.get_item().table_name(TABLE).key("k", s("b"));
        get.consistent_read(true).send()
    };
    assert!(get().await.unwrap().item.is_none());
    bench.try_put("b").await.unwrap();
    assert!(get().await.unwrap().item.is_some());
    assert_eq!(faulty.faults.injected(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_lost_late_repeated_and_reordered() {
    let bench = Bench::new().await;
    let send = async |sqs: &aws_sdk_sqs::Client, body: &str| {
        let send = sqs.send_message().queue_url(&bench.queue).message_body(body);
        send.send().await.unwrap();
    };
    let faulty = bench.meet("SendMessage", Fault::Lost);
    send(&faulty.sqs, "lost").await;
    faulty.happened_once();
    assert_eq!(bench.bodies().await, Vec::<String>::new());

    for body in ["1", "2", "3"] {
        send(&bench.sqs, body).await;
    }
    let faulty = bench.meet("ReceiveMessage", Fault::Reorder);
    assert_eq!(bodies(&faulty.sqs, &bench.queue, 0).await, ["3", "2", "1"]);
    faulty.happened_once();

    let faulty = bench.meet("ReceiveMessage", Fault::Duplicate);
    assert_eq!(bodies(&faulty.sqs, &bench.queue, 60).await, ["1", "2", "3"]);
    assert_eq!(bodies(&faulty.sqs, &bench.queue, 60).await, ["1", "2", "3"]);
    assert_eq!(bodies(&faulty.sqs, &bench.queue, 60).await, Vec::<String>::new());
    faulty.happened_once();

    let faulty = bench.meet("SendMessage", Fault::Late);
    send(&faulty.sqs, "late").await;
    assert_eq!(bench.bodies().await, Vec::<String>::new());
    let poll = bench.sqs.receive_message().queue_url(&bench.queue).wait_time_seconds(20);
    let config = aws_sdk_sqs::config::Builder::new()
        .timeout_config(TimeoutConfig::builder().operation_attempt_timeout(10 * ATTEMPT).build());
    let received = poll.customize().config_override(config).send().await.unwrap();
    assert_eq!(received.messages.unwrap()[0].body.as_deref(), Some("late"));
    faulty.happened_once();
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_of_messages_fail_in_part() {
    let bench = Bench::new().await;
    let faulty = bench.meet("SendMessageBatch", Fault::Partial);
    let entry = |id: &str| {
        let entry = SendMessageBatchRequestEntry::builder().id(id).message_body(id);
        entry.build().unwrap()
    };
    let send = faulty.sqs.send_message_batch().queue_url(&bench.queue);
    let entries = ["a", "b", "c"].map(entry).to_vec();
    let answer = send.set_entries(Some(entries)).send().await.unwrap();
    let failed: Vec<_> = answer.failed().iter().map(|f| (f.id(), f.sender_fault())).collect();
    assert_eq!(failed, [("b", false), ("c", false)]);
    assert_eq!(answer.successful()[0].id(), "a");
    faulty.happened_once();

    let receive = bench.sqs.receive_message().queue_url(&bench.queue).visibility_timeout(60);
    let message = receive.send().await.unwrap().messages.unwrap().remove(0);
    let handle = message.receipt_handle.unwrap();
    let faulty = bench.meet("ChangeMessageVisibilityBatch", Fault::Partial);
    let entry = ChangeMessageVisibilityBatchRequestEntry::builder()
        .id("a")
        .receipt_handle(&handle)
        .visibility_timeout(0);
    let change = faulty.sqs.change_message_visibility_batch().queue_url(&bench.queue);
    let answer = change.entries(entry.build().unwrap()).send().await.unwrap();
    assert_eq!((answer.failed().len(), answer.successful().len()), (1, 0));
    assert_eq!(bench.bodies().await, Vec::<String>::new());
    let faulty = bench.meet("DeleteMessageBatch", Fault::Partial);
    let entry = DeleteMessageBatchRequestEntry::builder().id("a").receipt_handle(&handle);
    let delete = faulty.sqs.delete_message_batch().queue_url(&bench.queue);
    let answer = delete.entries(entry.build().unwrap()).send().await.unwrap();
    assert_eq!((answer.failed().len(), answer.successful().len()), (1, 0));
    faulty.happened_once();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seed_reaches_every_kind_and_healing_ends_it() {
    let bench = Bench::new().await;
    let kinds = Fault::ALL.to_vec();
    let faults = Faults::new(Plan::Seeded { seed: 7, per_mille: 500, kinds });
    let (dynamodb, _) = clients(&bench.emulator, Some(faults.clone()));
    let put = async |key: &str| {
        let put = dynamodb.put_item().table_name(TABLE).item("k", s(key));
        let limit = Duration::from_millis(200);
        let once = TimeoutConfig::builder().operation_attempt_timeout(limit).build();
        let config = aws_sdk_dynamodb::config::Builder::new().timeout_config(once);
        put.customize().config_override(config).send().await
    };
    for n in 0..40 {
        let _ = put(&n.to_string()).await;
    }
    let met: std::collections::HashSet<Fault, foldhash::fast::RandomState> =
        faults.injected().into_iter().map(|(_, fault)| fault).collect();
    assert!(met.len() >= 6, "{met:?}");
    assert!(!met.contains(&Fault::Lost) && !met.contains(&Fault::Partial), "{met:?}");
    let before = faults.injected().len();
    faults.heal();
    put("after").await.unwrap();
    assert_eq!(faults.injected().len(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_recorder_knows_action_resource_and_price() {
    let bench = Bench::new().await;
    let recorder = Recorder::new();
    let (dynamodb, sqs) = clients(&bench.emulator, Some(recorder.clone()));
    let long = AttributeValue::S("x".repeat(1500));
    let put = dynamodb.put_item().table_name(TABLE).item("k", s("a")).item("v", long);
    put.send().await.unwrap();
    let get = dynamodb.get_item().table_name(TABLE).key("k", s("a")).consistent_read(true);
    get.send().await.unwrap();
    let refused = dynamodb.put_item().table_name(TABLE).item("k", s("a"));
    refused.condition_expression("attribute_not_exists(k)").send().await.unwrap_err();
    let body = "x".repeat(70_000);
    sqs.send_message().queue_url(&bench.queue).message_body(body).send().await.unwrap();
    let seen = recorder.take();
    let short: Vec<_> = seen
        .iter()
        .map(|r| (r.service, &*r.operation, r.resource.as_deref(), r.write_units, r.read_units))
        .collect();
    let table = Some(TABLE);
    assert_eq!(
        short,
        [
            ("dynamodb", "PutItem", table, 2.0, 0.0),
            ("dynamodb", "GetItem", table, 0.0, 1.0),
            ("dynamodb", "PutItem", table, 1.0, 0.0),
            ("sqs", "SendMessage", Some("q"), 0.0, 0.0),
        ]
    );
    assert_eq!(seen[3].requests, 2);
    assert_eq!(recorder.take(), []);
}
