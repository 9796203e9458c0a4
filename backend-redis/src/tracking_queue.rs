//! The tracking queue.

use std::time::Duration;

use async_trait::async_trait;
use durable_core::backend::sealed::{Damaged, Decoded};
use durable_core::backend::{
    AbandonOutcome, BackendResult, ReceiveTracking, TrackingLease, TrackingQueue, TrackingWork,
};
use durable_core::ids::LeaseToken;

use crate::args::Args;
use crate::backend::RedisBackend;
use crate::partition::Partition;
use crate::reply::Reply;
use crate::scripts::{SCRIPTS, Script};
use crate::taking::{Bell, LookRest, Taking};
use crate::values;

/// Most records in one look; bounds how long the script blocks the server.
const RECORDS_MAX: usize = 512;

fn read_works(mut reply: Reply) -> Decoded<(Vec<TrackingWork>, LookRest)> {
    let more = reply.signed()? == 1;
    let next = reply.number()?.map(Duration::from_micros);
    let mut works = Vec::new();
    while !reply.is_empty() {
        works.push(read_work(&mut reply)?);
    }
    Ok((works, LookRest { more, next }))
}

fn read_work(reply: &mut Reply) -> Decoded<TrackingWork> {
    let record = values::read_message_id(&reply.bytes()?)?;
    let token = LeaseToken(values::read_number(&reply.bytes()?)?);
    let mut value = reply.bytes()?;
    let short = Damaged("a tracking record is shorter than its head");
    if value.len() < 3 {
        return Err(short);
    }
    let length = values::read_decimal(&value.split_to(3))?;
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if value.len() < length {
        return Err(short);
    }
    let instance = values::read_instance(&value.split_to(length))?;
    let lease = TrackingLease { record, instance: instance.clone(), token };
    Ok(TrackingWork { lease, instance, body: value })
}

impl Taking for ReceiveTracking {
    type Work = TrackingWork;
    type Rest = LookRest;
    const OPERATION: &'static str = "receive_tracking";
    const BELL: Bell = Bell::Tracking;

    fn script() -> &'static Script {
        &SCRIPTS.receive_tracking
    }

    fn read(reply: Reply) -> Decoded<(Vec<TrackingWork>, LookRest)> {
        read_works(reply)
    }

    fn max(&self) -> usize {
        self.max.clamp(1, RECORDS_MAX)
    }

    fn wait(&self) -> Duration {
        self.wait
    }

    fn args(&self, backend: &RedisBackend, args: Args, max: usize) -> Args {
        args.count(max).span(self.lease_for).bytes(&backend.seed())
    }

    async fn settle(&self, _backend: &RedisBackend, _home: &Partition, rest: LookRest) -> LookRest {
        rest
    }
}

#[async_trait]
impl TrackingQueue for RedisBackend {
    async fn receive_tracking(&self, request: ReceiveTracking) -> BackendResult<Vec<TrackingWork>> {
        self.receive(&request).await
    }

    async fn ack_tracking(&self, leases: Vec<TrackingLease>) -> Vec<BackendResult<AbandonOutcome>> {
        let outcomes = [AbandonOutcome::Done, AbandonOutcome::Lost];
        let script = &SCRIPTS.ack_tracking;
        let args = |l: &TrackingLease| self.args(script, &l.instance).tracking(l);
        self.each("ack_tracking", script, &leases, &outcomes, args).await
    }
}
