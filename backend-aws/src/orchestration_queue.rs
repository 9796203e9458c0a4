//! The orchestration queue.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use durable_core::backend::{
    AbandonOutcome, BackendResult, CreateInstance, CreateOutcome, Envelope, OrchestrationQueue,
    ReceiveTurns, RenewOutcome, SendOutcome, TurnLease, TurnWork,
};
use durable_core::limits;
use futures_util::{StreamExt as _, stream};

use crate::acquire::Wanted;
use crate::backend::AwsBackend;
use crate::desk::Sitting;
use crate::head::Loan;
use crate::hub::Hub;
use crate::receive::{Bell, Look};
use crate::update::{Update, id, number};

/// Most instances in one look.
const TURNS_MAX: usize = 64;

/// Instances taken at a time.
const AT_ONCE: usize = 16;

impl Hub {
    /// Takes up to `max` of the instances that hints speak of.
    async fn look_for_turns(
        self: Arc<Self>,
        max: usize,
        wanted: Wanted,
    ) -> BackendResult<Look<TurnWork>> {
        let (mut works, stale) = self.turn_desk.lock().take(max, self.now(), |_| true);
        self.give_all_back(stale);
        let mut failed = None;
        while works.len() < max && failed.is_none() {
            let hints: Vec<_> = {
                let now = self.now();
                let mut turns = self.turns.lock();
                turns.advance(now);
                let count = (max - works.len()).min(AT_ONCE);
                std::iter::from_fn(|| turns.pop()).take(count).collect()
            };
            if hints.is_empty() {
                break;
            }
            let looks = hints.into_iter().map(|(instance, head)| {
                let hub = &self;
                async move { (hub.acquire(&instance, head, wanted).await, instance) }
            });
            let found: Vec<_> =
                stream::iter(looks.collect::<Vec<_>>()).buffered(AT_ONCE).collect().await;
            for (found, instance) in found {
                match found {
                    Ok(work) => works.extend(work),
                    Err(error) => {
                        // Nobody must wait for it in vain.
                        let at = self.now() + Duration::from_secs(1);
                        self.turns.lock().push_due(at, &instance);
                        failed = Some(error);
                    }
                }
            }
        }
        match failed {
            Some(error) if works.is_empty() => return Err(error),
            Some(error) => tracing::warn!(%error, "an instance could not be handed out"),
            None => {}
        }
        let turns = self.turns.lock();
        Ok(Look { works, more: turns.any(), next: turns.next_due() })
    }

    /// Keeps an instance longer.
    async fn renew(&self, lease: &TurnLease, lease_for: Duration) -> BackendResult<RenewOutcome> {
        let now = self.now();
        let until = now + lease_for;
        let mut update = Update::default();
        update.set("lu", number(until.as_micros()));
        update.when_equal("lt", id(lease.token.0));
        let by = update.value(number(now.as_micros()));
        update.when(&format!("lu>{by}"));
        Ok(match self.change_head("renew_turns", &lease.instance, update).await? {
            Ok(_) => {
                self.turns.lock().watch(Loan { token: lease.token, until }, &lease.instance);
                RenewOutcome::Renewed
            }
            Err(_) => RenewOutcome::Lost,
        })
    }

    /// Takes an instance back unchanged. When nobody has seen it, it was not delivered either.
    pub(crate) async fn give_back(
        &self,
        lease: &TurnLease,
        delay: Duration,
        was_seen: bool,
    ) -> BackendResult<AbandonOutcome> {
        let operation = "abandon_turns";
        let mut update = Update::default();
        update.remove("lt");
        update.remove("lu");
        if !was_seen {
            let one = update.value(number(1));
            update.set_expression(&format!("dl=dl-{one}"));
        }
        update.when_equal("lt", id(lease.token.0));
        let held = self.lent.lock().get(&lease.token).map(|lent| lent.head.hold.is_some());
        let held = match held {
            Some(held) => held,
            None => self.head(operation, &lease.instance).await?.is_some_and(|h| h.hold.is_some()),
        };
        // A hold goes on as it was; it is stricter than a delay.
        if delay > Duration::ZERO && !held {
            update.set("du", number((self.now() + delay).as_micros()));
        }
        // By this the call knows its own doing when the answer is lost and it is made again.
        let by = self.env.random_u128();
        update.set("gb", id(by));
        let head = match self.change_head(operation, &lease.instance, update).await? {
            Ok(head) => Some(head),
            Err(head) => head.filter(|head| head.given_back == Some(by)),
        };
        Ok(match head {
            Some(head) => {
                self.lent.lock().remove(&lease.token);
                self.unready.lock().remove(&lease.instance);
                self.turns.lock().over(lease.token);
                self.note(&head);
                if delay.is_zero() {
                    self.ring_instances(vec![lease.instance.clone()]).await;
                }
                AbandonOutcome::Done
            }
            None => AbandonOutcome::Lost,
        })
    }
}

#[async_trait]
impl OrchestrationQueue for AwsBackend {
    async fn create_instances(
        &self,
        requests: Vec<CreateInstance>,
    ) -> Vec<BackendResult<CreateOutcome>> {
        self.each(
            "create_instances",
            requests,
            |r| Some(r.start.target.clone()),
            |hub, request| Box::pin(async move { hub.create(&request).await }),
        )
        .await
    }

    async fn send(&self, envelopes: Vec<Envelope>) -> Vec<BackendResult<SendOutcome>> {
        self.runs(
            "send",
            envelopes,
            |envelope| &envelope.target,
            |hub, run| Box::pin(async move { hub.deliver_run("send", &run, false).await }),
        )
        .await
    }

    async fn receive_turns(&self, request: ReceiveTurns) -> BackendResult<Vec<TurnWork>> {
        let operation = "receive_turns";
        let hub = &self.hub;
        hub.served.store(hub.now().as_micros().max(1), Ordering::Relaxed);
        let max = request.max.clamp(1, TURNS_MAX);
        let wanted = Wanted {
            messages: request.messages_max.clamp(1, limits::MESSAGES_PER_TURN_MAX),
            lease_for: request.lease_for,
        };
        let look = || hub.looked(operation, Arc::clone(hub).look_for_turns(max, wanted));
        let sitting = (!request.wait.is_zero()).then(|| Sitting::<TurnWork>::new(hub, max, wanted));
        let works = hub.receive(operation, Bell::Turns, request.wait, look).await;
        if let Some(sitting) = sitting {
            sitting.served();
        }
        works
    }

    async fn renew_turns(
        &self,
        leases: Vec<TurnLease>,
        lease_for: Duration,
    ) -> Vec<BackendResult<RenewOutcome>> {
        self.each(
            "renew_turns",
            leases,
            |l| Some(l.instance.clone()),
            move |hub, lease| Box::pin(async move { hub.renew(&lease, lease_for).await }),
        )
        .await
    }

    async fn abandon_turns(
        &self,
        leases: Vec<TurnLease>,
        delay: Duration,
    ) -> Vec<BackendResult<AbandonOutcome>> {
        self.each(
            "abandon_turns",
            leases,
            |l| Some(l.instance.clone()),
            move |hub, lease| Box::pin(async move { hub.give_back(&lease, delay, true).await }),
        )
        .await
    }
}
