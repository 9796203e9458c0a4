//! The template in `docs/aws` makes what the code makes.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod connector;
mod emulator;

use std::collections::BTreeSet;

use backend_aws::AwsStore;
use connector::{Recorder, plain, through};
use durable_core::env::TokioEnv;
use emulator::{Emulator, Kind};
use serde_json::Value;

const TEMPLATE: &str = include_str!("../../docs/aws/hub-template.json");

#[tokio::test(flavor = "multi_thread")]
async fn the_template_makes_the_same_table_and_queues() {
    let emulator = Emulator::start(Kind::Fast);
    let recorder = Recorder::new();
    let mut settings = emulator.settings("p");
    settings.http_client = Some(through(recorder.clone(), plain()));
    let store = AwsStore::connect(settings, TokioEnv::shared()).await;
    store.unwrap().create_hub(&"hub".parse().unwrap()).await.unwrap();
    let bodies = recorder.take();
    let body = |operation: &str| -> Vec<Value> {
        bodies.iter().filter(|r| r.operation == operation).map(|r| r.body.clone()).collect()
    };
    let template: Value = serde_json::from_str(TEMPLATE).unwrap();
    let resources = template["Resources"].as_object().unwrap();
    let of = |kind: &str| -> Vec<&Value> {
        resources.values().filter(|r| r["Type"] == kind).map(|r| &r["Properties"]).collect()
    };
    let named = |value: &Value| value["Fn::Sub"].as_str().unwrap().replace("${Hub}", "p-hub");

    let (tables, created) = (of("AWS::DynamoDB::Table"), body("CreateTable"));
    let (table, created) = (tables[0], &created[0]);
    assert_eq!(created["TableName"], named(&table["TableName"]));
    for name in ["KeySchema", "AttributeDefinitions", "GlobalSecondaryIndexes", "BillingMode"] {
        assert_eq!(created[name], table[name], "{name}");
    }
    let expiry = &body("UpdateTimeToLive")[0]["TimeToLiveSpecification"];
    assert_eq!(*expiry, table["TimeToLiveSpecification"]);

    let queues: BTreeSet<String> =
        of("AWS::SQS::Queue").iter().map(|q| named(&q["QueueName"])).collect();
    let created: BTreeSet<String> = body("CreateQueue")
        .iter()
        .map(|queue| queue["QueueName"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(queues, created);
    for queue in of("AWS::SQS::Queue") {
        let attributes = &body("CreateQueue")[0]["Attributes"];
        for (name, value) in attributes.as_object().unwrap() {
            assert_eq!(queue[name].to_string(), value.as_str().unwrap(), "{name}");
        }
    }
}
