//! The orchestration queue.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use durable_core::backend::sealed::Decoded;
use durable_core::backend::{
    AbandonOutcome, BackendError, BackendErrorKind, BackendResult, CreateInstance, CreateOutcome,
    Envelope, InboxMessage, OrchestrationQueue, ReceiveTurns, RenewOutcome, SendOutcome, TurnLease,
    TurnWork,
};
use durable_core::ids::{ExecutionId, InstanceId, LeaseToken};
use durable_core::limits;
use redis::Value;

use crate::args::Args;
use crate::backend::RedisBackend;
use crate::error::Effect;
use crate::history_store::read_stored;
use crate::link::{Call, unexpected};
use crate::offers::Offers;
use crate::partition::Partition;
use crate::relay::read_targets;
use crate::reply::{Reply, read};
use crate::scripts::{SCRIPTS, Script};
use crate::taking::{Bell, LookRest, Taking};
use crate::values;

/// Most instances in one look; bounds how long the script blocks the server.
const TURNS_MAX: usize = 64;

/// What `send.lua` answers.
pub(crate) const SEND_OUTCOMES: [SendOutcome; 4] =
    [SendOutcome::Accepted, SendOutcome::NoInstance, SendOutcome::Terminal, SendOutcome::InboxFull];

pub(crate) fn created(instance: &InstanceId, answer: Value) -> BackendResult<CreateOutcome> {
    let operation = "create_instances";
    let mut reply = Reply::new(operation, answer)?;
    if read(operation, "an answer", reply.signed())? == 0 {
        return Ok(CreateOutcome::Created);
    }
    let record = read(operation, "a record", read_stored(&mut reply, instance.clone()))?;
    record.map(|r| CreateOutcome::Exists(Box::new(r))).ok_or_else(|| unexpected(operation))
}

fn no_record() -> BackendError {
    let text = "the start message of a creation must hold the first record";
    BackendError::new(BackendErrorKind::Invalid, "create_instances", text)
}

/// What somebody else has left undone.
pub(crate) struct LeftBehind {
    /// A turn whose staged parts are not out.
    parts: Option<Bytes>,
    /// Partitions with messages that were not relayed.
    outboxes: Option<Bytes>,
}

/// What a look at ready instances leaves.
pub(crate) type TurnsRest = (LookRest, LeftBehind);

fn read_turns(mut reply: Reply) -> Decoded<(Vec<TurnWork>, TurnsRest)> {
    let more = reply.signed()? == 1;
    let next = reply.number()?.map(Duration::from_micros);
    let left_behind = LeftBehind { parts: reply.option()?, outboxes: reply.option()? };
    let mut works = Vec::new();
    while !reply.is_empty() {
        works.push(read_turn(&mut reply)?);
    }
    Ok((works, (LookRest { more, next }, left_behind)))
}

fn read_turn(reply: &mut Reply) -> Decoded<TurnWork> {
    let instance = values::read_instance(&reply.bytes()?)?;
    let token = LeaseToken(values::read_number(&reply.bytes()?)?);
    let committed = match reply.bytes()? {
        none if none.is_empty() => None,
        token => Some(LeaseToken(values::read_number(&token)?)),
    };
    let execution = ExecutionId(values::read_number(&reply.bytes()?)?);
    let events = reply.number()?.unwrap_or_default();
    let delivery = u32::try_from(reply.number()?.unwrap_or_default()).unwrap_or(u32::MAX);
    let count = reply.number()?.unwrap_or_default();
    let mut messages = Vec::new();
    for _ in 0..count {
        let id = values::read_message_id(&reply.bytes()?)?;
        let (enqueued_at, body) = values::read_message(reply.bytes()?)?;
        messages.push(InboxMessage { id, enqueued_at, body });
    }
    let lease = TurnLease { instance, token };
    Ok(TurnWork { lease, execution, events, messages, delivery, committed })
}

impl Taking for ReceiveTurns {
    type Work = TurnWork;
    type Rest = TurnsRest;
    const OPERATION: &'static str = "receive_turns";
    const BELL: Bell = Bell::Turns;

    fn script() -> &'static Script {
        &SCRIPTS.receive_turns
    }

    fn read(reply: Reply) -> Decoded<(Vec<TurnWork>, TurnsRest)> {
        read_turns(reply)
    }

    fn offers(backend: &RedisBackend) -> Option<&Offers<TurnWork, TurnsRest>> {
        Some(&backend.offers.turns)
    }

    fn max(&self) -> usize {
        self.max.clamp(1, TURNS_MAX)
    }

    fn wait(&self) -> Duration {
        self.wait
    }

    fn args(&self, backend: &RedisBackend, args: Args, max: usize) -> Args {
        let messages_max = self.messages_max.clamp(1, limits::MESSAGES_PER_TURN_MAX);
        let args = args.count(max).count(messages_max).span(self.lease_for);
        args.bytes(&backend.seed()).flag(backend.partitions().len() > 1)
    }

    async fn settle(&self, backend: &RedisBackend, home: &Partition, rest: TurnsRest) -> LookRest {
        let (rest, left_behind) = rest;
        if let Some(parts) = left_behind.parts {
            backend.publish_left_behind(home, &parts).await;
        }
        if let Some(targets) = left_behind.outboxes {
            let all = backend.partitions().len();
            let targets = read_targets(&targets).into_iter();
            let targets = targets.filter(|target| usize::from(*target) < all);
            backend.routes.add(targets.map(|target| (home.home.number, target)));
        }
        rest
    }
}

#[async_trait]
impl OrchestrationQueue for RedisBackend {
    async fn create_instances(
        &self,
        requests: Vec<CreateInstance>,
    ) -> Vec<BackendResult<CreateOutcome>> {
        let script = &SCRIPTS.create_instance;
        if let [one] = requests.as_slice()
            && let Some(outcome) = self.create_along(one).await
        {
            return vec![outcome];
        }
        let call =
            |r: &CreateInstance| self.args(script, &r.start.target).create(r).map(Args::into_call);
        let calls: Vec<Option<Call>> = requests.iter().map(call).collect();
        let is_sent: Vec<bool> = calls.iter().map(Option::is_some).collect();
        let calls = calls.into_iter().flatten().collect();
        let mut answers =
            self.all("create_instances", Effect::Writes, script, calls).await.into_iter();
        let mut outcomes = Vec::with_capacity(requests.len());
        for (request, is_sent) in requests.iter().zip(is_sent) {
            let answer = if is_sent { answers.next() } else { None };
            let outcome = answer.unwrap_or_else(|| Err(no_record()));
            outcomes.push(outcome.and_then(|a| created(&request.start.target, a)));
        }
        outcomes
    }

    async fn send(&self, envelopes: Vec<Envelope>) -> Vec<BackendResult<SendOutcome>> {
        let script = &SCRIPTS.send;
        if let [one] = envelopes.as_slice()
            && let Some(outcome) = self.send_along(one).await
        {
            return vec![outcome];
        }
        let args =
            |e: &Envelope| self.args(script, &e.target).message(e).count(limits::UNREAD_EVENTS_MAX);
        self.each("send", script, &envelopes, &SEND_OUTCOMES, args).await
    }

    async fn receive_turns(&self, request: ReceiveTurns) -> BackendResult<Vec<TurnWork>> {
        self.receive(&request).await
    }

    async fn renew_turns(
        &self,
        leases: Vec<TurnLease>,
        lease_for: Duration,
    ) -> Vec<BackendResult<RenewOutcome>> {
        let outcomes = [RenewOutcome::Renewed, RenewOutcome::Lost];
        let script = &SCRIPTS.renew_turn;
        let args = |l: &TurnLease| self.args(script, &l.instance).turn_lease(l).span(lease_for);
        self.each("renew_turns", script, &leases, &outcomes, args).await
    }

    async fn abandon_turns(
        &self,
        leases: Vec<TurnLease>,
        delay: Duration,
    ) -> Vec<BackendResult<AbandonOutcome>> {
        let outcomes = [AbandonOutcome::Done, AbandonOutcome::Lost];
        let script = &SCRIPTS.abandon_turn;
        let args = |l: &TurnLease| self.args(script, &l.instance).turn_lease(l).span(delay);
        self.each("abandon_turns", script, &leases, &outcomes, args).await
    }
}
