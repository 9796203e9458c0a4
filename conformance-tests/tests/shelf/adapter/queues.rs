// ANCHOR: head
//! The three queues.

use std::time::Duration;

use async_trait::async_trait;
use durable_core::backend::{
    AbandonOutcome, ActivityLease, ActivityQueue, ActivityWork, BackendResult, CreateInstance,
    CreateOutcome, Envelope, OrchestrationQueue, ReceiveActivities, ReceiveTracking, ReceiveTurns,
    RenewActivity, RenewOutcome, SendOutcome, TrackingLease, TrackingQueue, TrackingWork,
    TurnLease, TurnWork,
};
use durable_core::hot::HubState;
use durable_core::time::Timestamp;
use tokio::sync::Notify;

use super::{Shelf, Step};

/// Time between two looks of one who polls.
const POLL: Duration = Duration::from_millis(5);

/// Something that was found, or when there may be something at the latest.
type Found<T> = (Option<T>, Option<Timestamp>);
// ANCHOR_END: head

// ANCHOR: wait
impl Shelf {
    /// Looks until there is something or the time has passed.
    pub(super) async fn wait<T>(
        &self,
        operation: &'static str,
        bell: &Notify,
        wait: Duration,
        mut look: impl FnMut(&Self, Timestamp) -> Found<T> + Send,
    ) -> BackendResult<Option<T>> {
        let deadline = self.env.now() + wait;
        loop {
            // Listens before it looks, so that what comes in between is heard.
            let rung = bell.notified();
            tokio::pin!(rung);
            rung.as_mut().enable();
            self.check_open(operation)?;
            let (found, next) = look(self, self.env.now());
            let now = self.env.now();
            if found.is_some() || now >= deadline || self.step == Step::Looks {
                return Ok(found);
            }
            let mut until = next.map_or(deadline, |next| next.min(deadline));
            if self.step == Step::Polls {
                until = until.min(now + POLL);
            }
            // Never no pause: a clock that stands still would make this a busy loop.
            let pause = until.since(now).max(Duration::from_micros(50));
            tokio::select! {
                biased;
                () = rung => {}
                () = self.env.sleep(pause) => {}
            }
        }
    }

    /// Takes work from a queue.
    async fn receive<T>(
        &self,
        operation: &'static str,
        bell: &Notify,
        wait: Duration,
        mut take: impl FnMut(&mut HubState, Timestamp) -> (Vec<T>, Option<Timestamp>) + Send,
    ) -> BackendResult<Vec<T>> {
        let look = |shelf: &Self, _| {
            let (works, next) = shelf.change(|state, now| {
                state.advance(now);
                take(state, now)
            });
            ((!works.is_empty()).then_some(works), next)
        };
        Ok(self.wait(operation, bell, wait, look).await?.unwrap_or_default())
    }
}
// ANCHOR_END: wait

// ANCHOR: orchestrations
#[async_trait]
impl OrchestrationQueue for Shelf {
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
        let (max, messages) = (request.max.max(1), request.messages_max);
        let take = |state: &mut HubState, now: Timestamp| {
            let until = now + request.lease_for;
            let works = state.take_turns(max, messages, now, until, || self.token());
            // One waiter is woken at a time; it passes the bell on when there is more.
            if self.step == Step::Rings && !works.is_empty() && state.has_ready_turns(now) {
                self.bells.turns.notify_one();
            }
            (works, state.next_turn_due())
        };
        self.receive("receive_turns", &self.bells.turns, request.wait, take).await
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
// ANCHOR_END: orchestrations

// ANCHOR: activities
#[async_trait]
impl ActivityQueue for Shelf {
    async fn receive_activities(
        &self,
        request: ReceiveActivities,
    ) -> BackendResult<Vec<ActivityWork>> {
        let max = request.max.max(1);
        let take = |state: &mut HubState, now: Timestamp| {
            let until = now + request.lease_for;
            let works = state.take_activities(max, &request.queues, until, || self.token());
            (works, state.next_activity_due())
        };
        self.receive("receive_activities", &self.bells.activities, request.wait, take).await
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
// ANCHOR_END: activities

// ANCHOR: tracking
#[async_trait]
impl TrackingQueue for Shelf {
    async fn receive_tracking(&self, request: ReceiveTracking) -> BackendResult<Vec<TrackingWork>> {
        let max = request.max.max(1);
        let take = |state: &mut HubState, now: Timestamp| {
            let works = state.take_tracking(max, now, now + request.lease_for, || self.token());
            (works, state.next_tracking_due())
        };
        self.receive("receive_tracking", &self.bells.tracking, request.wait, take).await
    }

    async fn ack_tracking(&self, leases: Vec<TrackingLease>) -> Vec<BackendResult<AbandonOutcome>> {
        self.each("ack_tracking", leases, |state, lease, _| state.ack_tracking(&lease))
    }
}
// ANCHOR_END: tracking
