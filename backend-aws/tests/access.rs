//! The policies in `docs/aws` fit what the code asks of the services.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod connector;
mod emulator;
mod engine;

use std::collections::BTreeSet;

use backend_aws::{AwsSettings, AwsStore};
use connector::{Recorder, plain, through};
use durable_core::client::Client;
use durable_core::env::TokioEnv;
use durable_core::model::Failure;
use emulator::{Emulator, Kind};
use serde_json::Value;

/// Pairs of action and the ending of the resource's name.
type Needs = BTreeSet<(String, String)>;

/// What is needed beside the action that a request names.
const IMPLIED: [(&str, &str); 2] =
    [("dynamodb:CreateTable", "dynamodb:TagResource"), ("sqs:CreateQueue", "sqs:TagQueue")];

fn recording(emulator: &Emulator, recorder: &std::sync::Arc<Recorder>) -> AwsSettings {
    let mut settings = engine::hurried(emulator.settings("p"));
    settings.http_client = Some(through(recorder.clone(), plain()));
    settings
}

/// The permissions that recorded requests need.
fn needs(recorder: &Recorder) -> Needs {
    let mut needs = Needs::new();
    for one in recorder.take() {
        let action = format!("{}:{}", one.service, one.operation);
        // Batches of messages have no permission of their own.
        let action = match one.service {
            "sqs" => action.trim_end_matches("Batch").to_owned(),
            _ => action,
        };
        let name = one.resource.unwrap_or_default();
        let ending = name.strip_prefix("p-hub").unwrap_or(&name).to_owned();
        let ending = match one.index {
            Some(index) => format!("{ending}/index/{index}"),
            None => ending,
        };
        needs.extend(
            IMPLIED
                .iter()
                .filter(|(cause, _)| *cause == action)
                .map(|(_, implied)| ((*implied).to_owned(), ending.clone())),
        );
        needs.insert((action, ending));
    }
    needs
}

/// The permissions that a policy gives, with the names of the hub `HUB`.
fn policy(text: &str) -> Needs {
    let policy: Value = serde_json::from_str(text).unwrap();
    let list = |value: &Value| -> Vec<String> {
        value.as_array().unwrap().iter().map(|v| v.as_str().unwrap().to_owned()).collect()
    };
    let mut given = Needs::new();
    for statement in policy["Statement"].as_array().unwrap() {
        assert_eq!(statement["Effect"], "Allow");
        for resource in list(&statement["Resource"]) {
            let name = resource.rsplit(':').next().unwrap();
            let ending = name.trim_start_matches("table/").strip_prefix("HUB").unwrap();
            for action in list(&statement["Action"]) {
                assert!(!action.contains('*'), "{action}");
                given.insert((action, ending.to_owned()));
            }
        }
    }
    given
}

fn fits(who: &str, needs: &Needs, given: &Needs) {
    let missing: Vec<_> = needs.difference(given).collect();
    assert!(missing.is_empty(), "the policy of the {who} lacks {missing:?}");
}

const WORKER: &str = include_str!("../../docs/aws/worker-policy.json");
const CLIENT: &str = include_str!("../../docs/aws/client-policy.json");
const ADMIN: &str = include_str!("../../docs/aws/admin-policy.json");

#[tokio::test(flavor = "multi_thread")]
async fn policies_allow_what_the_code_does_and_nothing_it_never_does() {
    let emulator = Emulator::start(Kind::Fast);
    let [admin, work, user] = [(); 3].map(|()| Recorder::new());
    let hub = "hub".parse().unwrap();
    let store = AwsStore::connect(recording(&emulator, &admin), TokioEnv::shared()).await.unwrap();
    store.create_hub(&hub).await.unwrap();
    let at_work = AwsStore::connect(recording(&emulator, &work), TokioEnv::shared()).await;
    let worker = engine::worker(at_work.unwrap().hub(&hub), None).await;
    let asks = AwsStore::connect(recording(&emulator, &user), TokioEnv::shared()).await.unwrap();
    use_everything(&Client::new(asks.hub(&hub))).await;
    worker.shutdown().await;
    store.delete_hub(&hub).await.unwrap();

    let (admin, work, user) = (needs(&admin), needs(&work), needs(&user));
    let (admin_may, work_may, user_may) = (policy(ADMIN), policy(WORKER), policy(CLIENT));
    fits("administrator", &admin, &admin_may);
    fits("worker", &work, &work_may);
    fits("client", &user, &user_may);
    let unused: Vec<_> = admin_may.difference(&admin).collect();
    assert!(unused.is_empty(), "an administrator never needs {unused:?}");
    // Some requests come only with large values, long timers or repairs, so the source is asked.
    let actions = source_actions();
    let may = work_may.union(&user_may).chain(&admin_may).map(|(action, _)| action.clone());
    let may: BTreeSet<String> = may.collect();
    let implied: BTreeSet<String> = IMPLIED.iter().map(|(_, i)| (*i).to_owned()).collect();
    let known: BTreeSet<String> = actions.union(&implied).cloned().collect();
    assert_eq!(may, known, "left: policies, right: the source");
}

/// What a client can do.
async fn use_everything(client: &Client) {
    let input = (3, "x".to_owned());
    let handle = client.start(engine::steps(), input).id("a").send().await.unwrap();
    let handle = handle.typed::<u32, Failure>();
    assert_eq!(handle.result_within(engine::LONG).await.unwrap(), 3);
    assert!(!handle.history().collect().await.unwrap().is_empty());
    let large = (40, "x".repeat(30_000));
    let handle = client.start(engine::fan(), large).id("b").send().await.unwrap();
    let handle = handle.typed::<u32, Failure>();
    assert_eq!(handle.result_within(engine::LONG).await.unwrap(), 40);
    client.list(durable_core::backend::InstanceQuery::default()).await.unwrap();
    handle.purge().await.unwrap();
}

/// All actions of the SDKs that the source of this crate names.
fn source_actions() -> BTreeSet<String> {
    let known = [
        ("dynamodb", "batch_get_item batch_write_item create_table delete_item delete_table"),
        ("dynamodb", "describe_table describe_time_to_live get_item put_item query scan"),
        ("dynamodb", "transact_get_items transact_write_items update_item update_table"),
        ("dynamodb", "update_time_to_live tag_resource list_tables"),
        ("sqs", "change_message_visibility create_queue delete_message delete_queue"),
        ("sqs", "get_queue_attributes get_queue_url list_queues purge_queue receive_message"),
        ("sqs", "send_message set_queue_attributes tag_queue"),
    ];
    let mut source = String::new();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
    for file in std::fs::read_dir(folder).unwrap() {
        source.push_str(&std::fs::read_to_string(file.unwrap().path()).unwrap());
    }
    let camel = |name: &str| -> String {
        let part = |part: &str| part[..1].to_uppercase() + &part[1..];
        name.split('_').map(part).collect()
    };
    let mut found = BTreeSet::new();
    for (service, names) in known {
        for name in names.split(' ') {
            let calls = [format!(".{name}()"), format!(".{name}_batch()")];
            if calls.iter().any(|call| source.contains(call)) {
                found.insert(format!("{service}:{}", camel(name)));
            }
        }
    }
    found
}
