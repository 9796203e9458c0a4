//! What orchestrations do wrong: they fail with it, and nothing else happens.

use durable::client::Client;
use durable::env::{BoxFuture, TokioEnv};
use durable::ids::{HubName, InstanceId};
use durable::memory::MemoryStore;
use durable::model::{Failure, FailureKind};
use durable::replay::{NamedActivity, NamedOrchestration, OrchestrationContext};
use durable::worker::Worker;

use crate::table::{big, long, unencodable};

type Code = fn(OrchestrationContext) -> BoxFuture<'static, Result<(), Failure>>;

/// What is wrong, the code that does it, and the failure it ends with.
type Case = (&'static str, Code, FailureKind, &'static str);

fn other() -> InstanceId {
    InstanceId::new("other").unwrap()
}

fn activity(name: &str) -> NamedActivity<String, (), Failure> {
    NamedActivity::new(name).unwrap()
}

fn child() -> NamedOrchestration<String, (), Failure> {
    NamedOrchestration::new("child").unwrap()
}

macro_rules! cases {
    ($($what:literal => |$ctx:ident| $code:expr, $kind:ident, $text:literal;)*) => {
        [$(($what, |$ctx| Box::pin(async move {
            #[allow(clippy::let_unit_value, reason = "some answer with a value")]
            let _ = $code;
            Ok(())
        }), FailureKind::$kind, $text)),*]
    };
}

#[rustfmt::skip]
pub(crate) const CASES: [Case; 28] = cases! {
    "waiting for an event with no name" => |ctx| ctx.event::<()>("").await, Panicked, "orchestration panicked: name must not be empty";
    "sending an event with no name" => |ctx| ctx.send_event(other(), "", &1)?, Application, "name must not be empty";
    "waiting for an event with a name that is too long" => |ctx| ctx.event::<()>(long(257)).await, Panicked, "orchestration panicked: name is 257 bytes long; the limit is 256 bytes";
    "sending an event with a name that is too long" => |ctx| ctx.send_event(other(), long(257), &1)?, Application, "name is 257 bytes long; the limit is 256 bytes";
    "waiting for an event with a line feed in its name" => |ctx| ctx.event::<()>("a\n").await, Panicked, "orchestration panicked: name holds the control character U+000A at byte 1; remove it";
    "sending an event with a line feed in its name" => |ctx| ctx.send_event(other(), "a\n", &1)?, Application, "name holds the control character U+000A at byte 1; remove it";
    "sending an event that is too large" => |ctx| ctx.send_event(other(), "e", &big())?, LimitExceeded, "event is 2097155 bytes; the limit is 2097152 (DT0005): store it elsewhere and pass a reference";
    "sending an event that cannot be encoded" => |ctx| ctx.send_event(other(), "e", &unencodable())?, Conversion, "event: cannot encode alloc::collections::btree::map::BTreeMap<(u8, u8), u8>: key must be a string";
    "a custom status that is too large" => |ctx| ctx.set_custom_status(&big())?, LimitExceeded, "custom status is 2097155 bytes; the limit is 2097152 (DT0005): store it elsewhere and pass a reference";
    "a custom status that cannot be encoded" => |ctx| ctx.set_custom_status(&unencodable())?, Conversion, "custom status: cannot encode alloc::collections::btree::map::BTreeMap<(u8, u8), u8>: key must be a string";
    "an activity that nobody serves" => |ctx| ctx.call(activity("nobody"), String::new()).await?, NotRegistered, "no worker serves activity `nobody` (DT0004) on queue(s) default; served here: echo, large, number";
    "an activity whose input is too large" => |ctx| ctx.call(activity("echo"), big()).await?, LimitExceeded, "input of activity `echo` is 2097155 bytes; the limit is 2097152 (DT0005): store it elsewhere and pass a reference";
    "an activity whose output is too large" => |ctx| ctx.call(activity("large"), String::new()).await?, LimitExceeded, "output of this activity is 2097155 bytes; the limit is 2097152 (DT0005): store it elsewhere and return a reference";
    "an activity that takes something else" => |ctx| ctx.call(activity("number"), "no number".to_owned()).await?, Conversion, "input of this activity (DT0014): cannot decode u64: invalid type: string \"no number\", expected u64 at line 1 column 11";
    "an activity that answers with something else" => |ctx| ctx.call(NamedActivity::<String, u64, Failure>::new("echo")?, "no number".to_owned()).await?, Conversion, "output of activity `echo`: cannot decode u64: invalid type: string \"no number\", expected u64 at line 1 column 11";
    "a child whose input is too large" => |ctx| ctx.call_child(child(), big()).await?, LimitExceeded, "input of child `child` is 2097155 bytes; the limit is 2097152 (DT0005): store it elsewhere and pass a reference";
    "a child whose version is too long" => |ctx| ctx.child(child()).version(long(257)).call(String::new()).await?, LimitExceeded, "child `child`: version is 257 bytes long; the limit is 256 bytes";
    "a child whose version holds a line feed" => |ctx| ctx.child(child()).version("1\n").call(String::new()).await?, LimitExceeded, "child `child`: version holds the control character U+000A at byte 1; remove it";
    "a child with too many labels" => |ctx| (0..33).fold(ctx.child(child()), |b, n| b.tag(n.to_string(), "")).call(String::new()).await?, LimitExceeded, "child `child`: 33 labels of 56 bytes; the limits are 32 labels and 4096 bytes";
    "a child with labels that are too long" => |ctx| ctx.child(child()).tag("k", long(4_096)).call(String::new()).await?, LimitExceeded, "child `child`: 1 labels of 4097 bytes; the limits are 32 labels and 4096 bytes";
    "a detached child whose input is too large" => |ctx| ctx.child(child()).start_detached(big())?, LimitExceeded, "input of child `child` is 2097155 bytes; the limit is 2097152 (DT0005): store it elsewhere and pass a reference";
    "a detached child whose version is too long" => |ctx| ctx.child(child()).version(long(257)).start_detached(String::new())?, LimitExceeded, "child `child`: version is 257 bytes long; the limit is 256 bytes";
    "a detached child with too many labels" => |ctx| (0..33).fold(ctx.child(child()), |b, n| b.tag(n.to_string(), "")).start_detached(String::new())?, LimitExceeded, "child `child`: 33 labels of 56 bytes; the limits are 32 labels and 4096 bytes";
    "a next generation whose input is too large" => |ctx| ctx.continue_as_new::<_, ()>(&big()).await, Panicked, "orchestration panicked: continue-as-new input is 2097155 bytes; the limit is 2097152 (DT0005): store it elsewhere and pass a reference";
    "a next generation whose input cannot be encoded" => |ctx| ctx.continue_as_new::<_, ()>(&unencodable()).await, Panicked, "orchestration panicked: continue-as-new input: cannot encode alloc::collections::btree::map::BTreeMap<(u8, u8), u8>: key must be a string";
    "a next generation whose version is too long" => |ctx| ctx.continue_as_new_version::<_, ()>(&long(257), "x").await, Panicked, "orchestration panicked: continue-as-new: version is 257 bytes long; the limit is 256 bytes";
    "a change whose name is too long" => |ctx| ctx.version_of(&long(257), 1), Panicked, "orchestration panicked: name of a change is 257 bytes long; the limit is 256 bytes";
    "a change whose name holds a line feed" => |ctx| ctx.version_of("a\n", 1), Panicked, "orchestration panicked: name of a change holds the control character U+000A at byte 1; remove it";
};

fn worker(
    backend: std::sync::Arc<dyn durable::backend::Backend>,
) -> durable::worker::WorkerBuilder {
    Worker::builder(backend)
        .activity_fn("echo", |_, text: String| async move { Ok::<_, Failure>(text) })
        .activity_fn("large", |_, _: String| async move { Ok::<_, Failure>(big()) })
        .activity_fn("number", |_, _: u64| async move { Ok::<_, Failure>(()) })
        .orchestration_fn("child", |_, _: String| async move { Ok::<_, Failure>(()) })
        .orchestration_fn("bad", |ctx: OrchestrationContext, case: usize| async move {
            CASES[case].1(ctx).await
        })
}

/// Proves G11, G15, G16.
#[tokio::test]
async fn what_code_does_wrong_fails_it_with_the_reason_and_has_no_effect() {
    let backend = MemoryStore::new(TokioEnv::shared()).hub(&HubName::default());
    let _worker = worker(backend.clone()).start().await.unwrap();
    let client = Client::new(backend);
    let bad = || NamedOrchestration::<usize, (), Failure>::new("bad").unwrap();
    let mut wrong = String::new();
    for (number, (what, _, kind, text)) in CASES.iter().enumerate() {
        let handle = client.start(bad(), number).id(format!("case {number}")).send().await.unwrap();
        let error = handle.result().await.unwrap_err();
        let failure = error.failure().unwrap_or_else(|| panic!("{what}: {error}"));
        if (failure.kind(), failure.to_string().as_str()) != (*kind, *text) {
            wrong += &format!("WRONG\tcode\t{what}\t{:?}\t{failure}\n", failure.kind());
        }
        // Nothing was begun: no child, no instance that was sent something.
        let all = client.list(Default::default()).await.unwrap().items;
        assert!(all.len() <= 100 && all.iter().all(|i| i.name().as_str() == "bad"), "{what}");
        assert_eq!(handle.status().await.unwrap().generation(), 1, "{what}");
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}
