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
use crate::receive::{Bell, Look, LookRest, Wanted};
use crate::relay::read_targets;
use crate::reply::{Reply, read};
use crate::scripts::SCRIPTS;
use crate::values;

/// Most instances in one look; bounds how long the script blocks the server.
const TURNS_MAX: usize = 64;

fn created(instance: &InstanceId, answer: Value) -> BackendResult<CreateOutcome> {
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
struct LeftBehind {
    /// A turn whose staged parts are not out.
    parts: Option<Bytes>,
    /// Partitions with messages that were not relayed.
    outboxes: Option<Bytes>,
}

fn read_turns(mut reply: Reply) -> Decoded<(Vec<TurnWork>, (LookRest, LeftBehind))> {
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

#[async_trait]
impl OrchestrationQueue for RedisBackend {
    async fn create_instances(
        &self,
        requests: Vec<CreateInstance>,
    ) -> Vec<BackendResult<CreateOutcome>> {
        let script = &SCRIPTS.create_instance;
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
        let outcomes = [
            SendOutcome::Accepted,
            SendOutcome::NoInstance,
            SendOutcome::Terminal,
            SendOutcome::InboxFull,
        ];
        let script = &SCRIPTS.send;
        let args =
            |e: &Envelope| self.args(script, &e.target).message(e).count(limits::UNREAD_EVENTS_MAX);
        self.each("send", script, &envelopes, &outcomes, args).await
    }

    async fn receive_turns(&self, request: ReceiveTurns) -> BackendResult<Vec<TurnWork>> {
        let operation = "receive_turns";
        let script = &SCRIPTS.receive_turns;
        let (max, lease_for) = (request.max.clamp(1, TURNS_MAX), request.lease_for);
        let messages_max = request.messages_max.clamp(1, limits::MESSAGES_PER_TURN_MAX);
        let look = |home: u16, max: usize| async move {
            let home = self.numbered(home);
            let args = Args::of(script, home).count(max).count(messages_max).span(lease_for);
            let args = args.bytes(&self.seed()).flag(self.partitions().len() > 1);
            self.check_open(operation)?;
            let lent = self.lend(operation, script, args, read_turns).await?;
            let (works, (rest, left_behind)) = lent;
            if let Some(parts) = left_behind.parts {
                self.publish_left_behind(home, &parts).await;
            }
            if let Some(targets) = left_behind.outboxes {
                let all = self.partitions().len();
                let targets = read_targets(&targets).into_iter();
                let targets = targets.filter(|target| usize::from(*target) < all);
                self.routes.add(targets.map(|target| (home.home.number, target)));
            }
            Ok(Look { works, rest })
        };
        let wanted = Wanted { bell: Bell::Turns, queues: &[], max, wait: request.wait };
        self.receive(operation, wanted, look).await
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
