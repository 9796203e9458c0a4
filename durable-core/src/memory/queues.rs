//! The three queues.

use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Notify;

use super::MemoryBackend;
use crate::backend::{
    AbandonOutcome, ActivityLease, ActivityQueue, ActivityWork, BackendResult, CreateInstance,
    CreateOutcome, Envelope, OrchestrationQueue, ReceiveActivities, ReceiveTracking, ReceiveTurns,
    RenewActivity, RenewOutcome, SendOutcome, TrackingLease, TrackingQueue, TrackingWork,
    TurnLease, TurnWork,
};
use crate::hot::{HubState, Signals};
use crate::time::Timestamp;

/// What one look at a queue found.
struct Look<T> {
    works: Vec<T>,
    /// There is more for others.
    more: bool,
    /// When to look again at the latest.
    next: Option<Timestamp>,
}

impl MemoryBackend {
    /// Looks until there is something, the bell by the side, or until `wait` has passed.
    async fn receive<T>(
        &self,
        operation: &'static str,
        (bell, others): (&Notify, Signals),
        wait: Duration,
        mut look: impl FnMut(&mut HubState, Timestamp) -> Look<T> + Send,
    ) -> BackendResult<Vec<T>> {
        let deadline = self.env.now() + wait;
        loop {
            // Listens before it looks, so that what comes in between is heard.
            let rung = bell.notified();
            tokio::pin!(rung);
            rung.as_mut().enable();
            self.check_open(operation)?;
            let found = self.change(|state, now| {
                state.advance(now);
                look(state, now)
            });
            if !found.works.is_empty() {
                if found.more {
                    self.bells.ring(others);
                }
                return Ok(found.works);
            }
            let now = self.env.now();
            if now >= deadline {
                return Ok(Vec::new());
            }
            let until = found.next.map_or(deadline, |next| next.min(deadline));
            // Never a zero sleep: a clock that stands still would make this a busy loop.
            let pause = until.since(now).max(Duration::from_micros(50));
            tokio::select! {
                biased;
                () = rung => {}
                () = self.env.sleep(pause) => {}
            }
        }
    }
}

#[async_trait]
impl OrchestrationQueue for MemoryBackend {
    async fn create_instances(
        &self,
        requests: Vec<CreateInstance>,
    ) -> Vec<BackendResult<CreateOutcome>> {
        self.each("create_instances", requests, HubState::create)
    }

    async fn send(&self, envelopes: Vec<Envelope>) -> Vec<BackendResult<SendOutcome>> {
        self.each("send", envelopes, HubState::send)
    }

    async fn receive_turns(&self, request: ReceiveTurns) -> BackendResult<Vec<TurnWork>> {
        let look = |state: &mut HubState, now: Timestamp| Look {
            works: state.take_turns(
                request.max.max(1),
                request.messages_max,
                now,
                now + request.lease_for,
                || self.token(),
            ),
            more: state.has_ready_turns(now),
            next: state.next_turn_due(),
        };
        self.receive(
            "receive_turns",
            (&self.bells.turns, Signals { turns: true, ..Signals::default() }),
            request.wait,
            look,
        )
        .await
    }

    async fn renew_turns(
        &self,
        leases: Vec<TurnLease>,
        lease_for: Duration,
    ) -> Vec<BackendResult<RenewOutcome>> {
        self.each("renew_turns", leases, |state, lease, now| {
            state.advance(now);
            state.renew_turn(&lease, now + lease_for)
        })
    }

    async fn abandon_turns(
        &self,
        leases: Vec<TurnLease>,
        delay: Duration,
    ) -> Vec<BackendResult<AbandonOutcome>> {
        self.each("abandon_turns", leases, |state, lease, now| {
            state.abandon_turn(&lease, now, now + delay)
        })
    }
}

#[async_trait]
impl ActivityQueue for MemoryBackend {
    async fn receive_activities(
        &self,
        request: ReceiveActivities,
    ) -> BackendResult<Vec<ActivityWork>> {
        let look = |state: &mut HubState, now: Timestamp| Look {
            works: state.take_activities(
                request.max.max(1),
                &request.queues,
                now + request.lease_for,
                || self.token(),
            ),
            more: state.has_ready_activities(&request.queues),
            next: state.next_activity_due(),
        };
        self.receive(
            "receive_activities",
            (&self.bells.activities, Signals { activities: true, ..Signals::default() }),
            request.wait,
            look,
        )
        .await
    }

    async fn renew_activities(
        &self,
        renewals: Vec<RenewActivity>,
    ) -> Vec<BackendResult<RenewOutcome>> {
        self.each("renew_activities", renewals, |state, renewal, now| {
            state.advance(now);
            let until = now + renewal.lease_for;
            state.renew_activity(renewal, until)
        })
    }

    async fn abandon_activities(
        &self,
        leases: Vec<ActivityLease>,
        delay: Duration,
    ) -> Vec<BackendResult<AbandonOutcome>> {
        self.each("abandon_activities", leases, |state, lease, now| {
            state.abandon_activity(&lease, now, now + delay)
        })
    }
}

#[async_trait]
impl TrackingQueue for MemoryBackend {
    async fn receive_tracking(&self, request: ReceiveTracking) -> BackendResult<Vec<TrackingWork>> {
        let look = |state: &mut HubState, now: Timestamp| Look {
            works: state
                .take_tracking(request.max.max(1), now, now + request.lease_for, || self.token()),
            more: false,
            next: state.next_tracking_due(),
        };
        self.receive(
            "receive_tracking",
            (&self.bells.tracking, Signals { tracking: true, ..Signals::default() }),
            request.wait,
            look,
        )
        .await
    }

    async fn ack_tracking(&self, leases: Vec<TrackingLease>) -> Vec<BackendResult<AbandonOutcome>> {
        self.each("ack_tracking", leases, |state, lease, _| state.ack_tracking(&lease))
    }
}
