//! A message that is read before its sender has announced it is delivered once.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod connector;
mod emulator;
mod engine;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use conformance_tests::by_hand::{applied, create, nothing, turn};
use connector::{Answer, Layer, Request, Wire, plain, through};
use durable_core::backend::{
    Backend, Envelope, HistoryChunk, NextGeneration, SendOutcome, TurnCommit,
};
use durable_core::env::BoxFuture;
use durable_core::ids::{ExecutionId, InstanceId, MessageId};
use emulator::{Emulator, Kind};
use tokio::sync::Notify;

/// Holds the announcement of a page back once.
#[derive(Default)]
struct Holds {
    done: AtomicBool,
    page_is_there: Notify,
    go_on: Notify,
}

impl Layer for Holds {
    fn call(self: Arc<Self>, request: Request, wire: Wire) -> BoxFuture<'static, Answer> {
        Box::pin(async move {
            let update = request.body["UpdateExpression"].as_str().unwrap_or_default();
            let announces = update.contains("ADD pn ") || update.contains(",pn ");
            if announces && !self.done.swap(true, Ordering::AcqRel) {
                self.page_is_there.notify_one();
                self.go_on.notified().await;
            }
            wire.send(&request).await
        })
    }
}

async fn send(backend: &dyn Backend, to: &InstanceId, bodies: &[&str]) {
    let messages = bodies.iter().map(|body| {
        let source = body.bytes().fold(1, |n, byte| n * 256 + u128::from(byte));
        Envelope::new(MessageId { source, seq: 0 }, to.clone(), 0, (*body).to_owned().into())
    });
    for sent in backend.send(messages.collect()).await {
        assert_eq!(sent.unwrap(), SendOutcome::Accepted);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_read_before_its_page_is_announced_comes_once_over_continue_as_new() {
    let emulator = Emulator::start(Kind::Fast);
    let holds = Arc::new(Holds::default());
    let mut settings = emulator.settings("overtaken");
    let reader = engine::open(settings.clone()).await;
    settings.http_client = Some(through(Arc::clone(&holds) as Arc<dyn Layer>, plain()));
    settings.attempt_timeout = engine::LONG;
    let sender = engine::open(settings).await;
    let id: InstanceId = "a".parse().unwrap();
    let next_turn = async || turn(&*reader, (100, engine::LONG), engine::LONG).await.unwrap();

    create(&*reader, &id).await;
    let work = next_turn().await;
    applied(&*reader, nothing(&work)).await;
    // More than the head has room for.
    let many: Vec<String> = (0..20).map(|n| format!("m{n}")).collect();
    for body in &many {
        send(&*reader, &id, &[body]).await;
    }
    let overtake = async {
        holds.page_is_there.notified().await;
        let work = next_turn().await;
        assert!(work.messages.iter().any(|m| m.body.as_ref() == b"late"), "nothing was overtaken");
        assert_eq!(work.messages.len(), 21);
        let chunk = HistoryChunk { events: 1, bytes: "next".into() };
        let execution = ExecutionId(work.execution.0 ^ 1);
        let next = Some(NextGeneration { execution, chunk, keep_history: false });
        applied(&*reader, TurnCommit { next, ..nothing(&work) }).await;
        holds.go_on.notify_one();
    };
    tokio::join!(send(&*sender, &id, &["late"]), overtake);

    send(&*reader, &id, &["last"]).await;
    let work = next_turn().await;
    let bodies: Vec<_> = work.messages.iter().map(|m| m.body.clone()).collect();
    assert_eq!(bodies, ["last"], "what was read already came again");
    applied(&*reader, nothing(&work)).await;
    assert!(turn(&*reader, (100, engine::LONG), Duration::ZERO).await.is_none());
}
