//! `replay`: bringing an orchestration back over a history of many events.

use std::sync::Arc;
use std::time::Instant;

use durable::ids::{ExecutionId, InstanceId, MessageId};
use durable::model::Message;
use durable::model::event::{ActivityCompleted, ExecutionStarted};
use durable::payload::encode;
use durable::prelude::*;
use durable::registry::Registry;
use durable::replay::{Execution, Identity};
use durable::time::Timestamp;

use super::Result;
use super::hello::increment;
use crate::args::Case;
use crate::measure::{Latencies, Usage};
use crate::report::Row;

/// Never ends.
#[orchestration]
async fn endless(ctx: OrchestrationContext, _input: ()) -> std::result::Result<(), Failure> {
    loop {
        ctx.call(increment, 0).await?;
    }
}

pub(super) async fn run(case: &Case) -> Result<Row> {
    let mut registry = Registry::default();
    registry.orchestration(endless);
    let registry = Arc::new(registry);
    let identity = Identity { instance: InstanceId::new("i")?, execution: ExecutionId(1) };
    let start = ExecutionStarted {
        name: "endless".parse()?,
        version: String::new(),
        input: Some(encode(&())?),
        parent: None,
        created_at: Timestamp::EPOCH,
        generation: 1,
        tags: Vec::new(),
        seen: Vec::new(),
    };
    let mut warm = Execution::new(identity.clone(), registry.clone(), None);
    let mut history =
        warm.turn(vec![(MessageId::random(0), Message::Start(start))], Timestamp::EPOCH).events;
    let mut id = 1;
    while history.len() < case.count {
        let done = ActivityCompleted { id, output: Some(encode(&1_u64)?) };
        let message = (MessageId::random(u128::from(id)), Message::ActivityCompleted(done));
        history.extend(warm.turn(vec![message], Timestamp::EPOCH).events);
        id += 1;
    }
    let before = Usage::now();
    let begun = Instant::now();
    let mut latencies = Latencies::default();
    for _ in 0..20 {
        let events = history.clone();
        let since = Instant::now();
        let mut cold = Execution::new(identity.clone(), registry.clone(), None);
        cold.replay(events).map_err(|end| format!("{end:?}"))?;
        latencies.add(since);
    }
    let p50 = latencies.quantile(0.5);
    Ok(Row {
        case: Case { count: 20, ..case.clone() },
        wall: begun.elapsed(),
        p50,
        p99: latencies.quantile(0.99),
        before,
        after: Usage::now(),
        extra: vec![("events/s", case.count as f64 / p50.as_secs_f64())],
    })
}
