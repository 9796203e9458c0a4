//! The activity queue.

use std::time::Duration;

use async_trait::async_trait;
use durable_core::backend::sealed::Decoded;
use durable_core::backend::{
    AbandonOutcome, ActivityLease, ActivityQueue, ActivityWork, BackendResult, ReceiveActivities,
    RenewActivity, RenewOutcome,
};
use durable_core::ids::{LeaseToken, QueueName};

use crate::args::Args;
use crate::backend::RedisBackend;
use crate::offers::Offers;
use crate::partition::Partition;
use crate::reply::Reply;
use crate::scripts::{SCRIPTS, Script};
use crate::taking::{Bell, LookRest, Taking};
use crate::values;

/// Most tasks in one look; bounds how long the script blocks the server.
const TASKS_MAX: usize = 128;

fn read_works(mut reply: Reply) -> Decoded<(Vec<ActivityWork>, LookRest)> {
    let more = reply.signed()? == 1;
    let next = reply.number()?.map(Duration::from_micros);
    let mut works = Vec::new();
    while !reply.is_empty() {
        works.push(read_work(&mut reply)?);
    }
    Ok((works, LookRest { more, next }))
}

fn read_work(reply: &mut Reply) -> Decoded<ActivityWork> {
    let task = values::read_message_id(&reply.bytes()?)?;
    let instance = values::read_instance(&reply.bytes()?)?;
    let token = LeaseToken(values::read_number(&reply.bytes()?)?);
    let delivery = u32::try_from(reply.number()?.unwrap_or_default()).unwrap_or(u32::MAX);
    let stored = values::read_task(reply.bytes()?)?;
    Ok(ActivityWork {
        lease: ActivityLease { task, instance, token },
        execution: stored.execution,
        delivery,
        enqueued_at: stored.enqueued_at,
        progress: reply.option()?,
        body: stored.body,
    })
}

impl Taking for ReceiveActivities {
    type Work = ActivityWork;
    type Rest = LookRest;
    const OPERATION: &'static str = "receive_activities";
    const BELL: Bell = Bell::Activities;

    fn script() -> &'static Script {
        &SCRIPTS.receive_activities
    }

    fn read(reply: Reply) -> Decoded<(Vec<ActivityWork>, LookRest)> {
        read_works(reply)
    }

    fn offers(backend: &RedisBackend) -> Option<&Offers<ActivityWork, LookRest>> {
        Some(&backend.offers.activities)
    }

    fn max(&self) -> usize {
        self.max.clamp(1, TASKS_MAX)
    }

    fn wait(&self) -> Duration {
        self.wait
    }

    fn queues(&self) -> &[QueueName] {
        &self.queues
    }

    fn args(&self, backend: &RedisBackend, args: Args, max: usize) -> Args {
        let args = args.count(max).span(self.lease_for).bytes(&backend.seed());
        self.queues.iter().fold(args, |args, queue| args.text(queue.as_str()))
    }

    async fn settle(&self, _backend: &RedisBackend, _home: &Partition, rest: LookRest) -> LookRest {
        rest
    }
}

#[async_trait]
impl ActivityQueue for RedisBackend {
    async fn receive_activities(
        &self,
        request: ReceiveActivities,
    ) -> BackendResult<Vec<ActivityWork>> {
        self.receive(&request).await
    }

    async fn renew_activities(
        &self,
        renewals: Vec<RenewActivity>,
    ) -> Vec<BackendResult<RenewOutcome>> {
        let outcomes = [RenewOutcome::Renewed, RenewOutcome::Lost, RenewOutcome::Cancelled];
        let script = &SCRIPTS.renew_activity;
        let args = |r: &RenewActivity| {
            self.args(script, &r.lease.instance)
                .activity(&r.lease)
                .span(r.lease_for)
                .flag(r.progress.is_some())
                .bytes(r.progress.as_deref().unwrap_or_default())
        };
        self.each("renew_activities", script, &renewals, &outcomes, args).await
    }

    async fn abandon_activities(
        &self,
        leases: Vec<ActivityLease>,
        delay: Duration,
    ) -> Vec<BackendResult<AbandonOutcome>> {
        let outcomes = [AbandonOutcome::Done, AbandonOutcome::Lost];
        let script = &SCRIPTS.abandon_activity;
        let args = |l: &ActivityLease| self.args(script, &l.instance).activity(l).span(delay);
        self.each("abandon_activities", script, &leases, &outcomes, args).await
    }
}
