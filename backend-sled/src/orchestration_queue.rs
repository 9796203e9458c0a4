//! The orchestration queue.

use std::time::Duration;

use async_trait::async_trait;
use durable_core::backend::{
    AbandonOutcome, BackendResult, CreateInstance, CreateOutcome, Envelope, OrchestrationQueue,
    ReceiveTurns, RenewOutcome, SendOutcome, TurnLease, TurnWork,
};

use crate::backend::SledBackend;
use crate::log::Change;
use crate::suspects::OnLoan;

#[async_trait]
impl OrchestrationQueue for SledBackend {
    async fn create_instances(
        &self,
        requests: Vec<CreateInstance>,
    ) -> Vec<BackendResult<CreateOutcome>> {
        let hub = self.state();
        let answers = hub.with(|inner, now| {
            let mut answers = Vec::with_capacity(requests.len());
            for request in requests {
                let created = hub.check_open("create_instances").and_then(|()| {
                    inner.load_done(&hub.disk, &request.start.target, now)?;
                    if let Some(outcome) = inner.state.check_create(&request) {
                        return Ok((outcome, inner.state.lsn_of(&request.start.target)));
                    }
                    let change = Change::Create(request.start);
                    let number = inner.log(now, &change);
                    if let Change::Create(start) = change {
                        inner.state.apply_create(start, now);
                    }
                    Ok((CreateOutcome::Created, number))
                });
                answers.push(created);
            }
            answers
        });
        hub.answer("create_instances", answers).await
    }

    async fn send(&self, envelopes: Vec<Envelope>) -> Vec<BackendResult<SendOutcome>> {
        let hub = self.state();
        let answers = hub.with(|inner, now| {
            let mut answers = Vec::with_capacity(envelopes.len());
            for envelope in envelopes {
                let sent = hub.check_open("send").and_then(|()| {
                    inner.load_done(&hub.disk, &envelope.target, now)?;
                    let outcome = inner.state.check_send(&envelope);
                    if outcome != SendOutcome::Accepted {
                        return Ok((outcome, 0));
                    }
                    let change = Change::Send(envelope);
                    let number = inner.log(now, &change);
                    if let Change::Send(envelope) = change {
                        inner.state.apply_send(envelope, now);
                    }
                    Ok((outcome, number))
                });
                answers.push(sent);
            }
            answers
        });
        hub.answer("send", answers).await
    }

    async fn receive_turns(&self, request: ReceiveTurns) -> BackendResult<Vec<TurnWork>> {
        let hub = self.state();
        let look = || {
            hub.check_open("receive_turns")?;
            Ok(hub.with(|inner, now| inner.state.look_for_turns(&request, now, || hub.token())))
        };
        let works = hub.bells.receive(&hub.bells.turns, &*hub.env, request.wait, look).await?;
        let loans = works.iter().map(|w| OnLoan::Turn(w.lease.instance.clone(), w.delivery));
        hub.note_suspects("receive_turns", loans).await?;
        Ok(works)
    }

    async fn renew_turns(
        &self,
        leases: Vec<TurnLease>,
        lease_for: Duration,
    ) -> Vec<BackendResult<RenewOutcome>> {
        let hub = self.state();
        hub.with(|inner, now| {
            inner.state.advance(now);
            let renew = |lease: TurnLease| {
                hub.check_open("renew_turns")
                    .map(|()| inner.state.renew_turn(&lease, now + lease_for))
            };
            leases.into_iter().map(renew).collect()
        })
    }

    async fn abandon_turns(
        &self,
        leases: Vec<TurnLease>,
        delay: Duration,
    ) -> Vec<BackendResult<AbandonOutcome>> {
        let hub = self.state();
        let answers = hub.with(|inner, now| {
            let abandon = |lease: TurnLease| {
                hub.check_open("abandon_turns")?;
                let until = now + delay;
                let outcome = inner.state.abandon_turn(&lease, now, until);
                if outcome != AbandonOutcome::Done {
                    return Ok((outcome, 0));
                }
                let instance = lease.instance;
                let delivery = inner.state.turn_delivery(&instance);
                inner.state.touch_instance(&instance);
                let change = Change::TurnGivenBack(instance, delivery, until);
                Ok((outcome, inner.log(now, &change)))
            };
            leases.into_iter().map(abandon).collect()
        });
        hub.answer("abandon_turns", answers).await
    }
}
