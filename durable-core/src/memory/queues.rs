//! The three queues.

use std::time::Duration;

use async_trait::async_trait;

use super::MemoryBackend;
use crate::backend::{
    AbandonOutcome, ActivityLease, ActivityQueue, ActivityWork, BackendResult, CreateInstance,
    CreateOutcome, Envelope, OrchestrationQueue, ReceiveActivities, ReceiveTracking, ReceiveTurns,
    RenewActivity, RenewOutcome, SendOutcome, TrackingLease, TrackingQueue, TrackingWork,
    TurnLease, TurnWork,
};
use crate::hot::HubState;

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
        self.bells
            .receive(&self.bells.turns, &*self.env, request.wait, || {
                self.check_open("receive_turns")?;
                let token = || self.token();
                Ok(self.change(|state, now| state.look_for_turns(&request, now, token)))
            })
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
        self.bells
            .receive(&self.bells.activities, &*self.env, request.wait, || {
                self.check_open("receive_activities")?;
                let token = || self.token();
                Ok(self.change(|state, now| state.look_for_activities(&request, now, token)))
            })
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
        self.bells
            .receive(&self.bells.tracking, &*self.env, request.wait, || {
                self.check_open("receive_tracking")?;
                let token = || self.token();
                Ok(self.change(|state, now| state.look_for_tracking(&request, now, token)))
            })
            .await
    }

    async fn ack_tracking(&self, leases: Vec<TrackingLease>) -> Vec<BackendResult<AbandonOutcome>> {
        self.each("ack_tracking", leases, |state, lease, _| state.ack_tracking(&lease))
    }
}
