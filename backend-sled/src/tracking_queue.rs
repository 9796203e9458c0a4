//! The tracking queue.

use async_trait::async_trait;
use durable_core::backend::{
    AbandonOutcome, BackendResult, ReceiveTracking, TrackingLease, TrackingQueue, TrackingWork,
};
use durable_core::hot::{HubState, Signals};
use durable_core::time::Timestamp;

use crate::backend::SledBackend;
use crate::log::Change;
use crate::receive::Look;

#[async_trait]
impl TrackingQueue for SledBackend {
    async fn receive_tracking(&self, request: ReceiveTracking) -> BackendResult<Vec<TrackingWork>> {
        let hub = self.state();
        let look = |state: &mut HubState, now: Timestamp| Look {
            works: state
                .take_tracking(request.max.max(1), now, now + request.lease_for, || hub.token()),
            more: false,
            next: state.next_tracking_due(),
        };
        let bell = (&hub.bells.tracking, Signals { tracking: true, ..Signals::default() });
        hub.receive("receive_tracking", bell, request.wait, look).await
    }

    async fn ack_tracking(&self, leases: Vec<TrackingLease>) -> Vec<BackendResult<AbandonOutcome>> {
        let hub = self.state();
        let answers = hub.with(|inner, now| {
            let mut answers = Vec::with_capacity(leases.len());
            for lease in leases {
                let acknowledged = hub.check_open("ack_tracking").map(|()| {
                    let outcome = inner.state.ack_tracking(&lease);
                    let number = match outcome {
                        AbandonOutcome::Done => inner.log(now, &Change::Tracked(lease.record)),
                        _ => 0,
                    };
                    (outcome, number)
                });
                answers.push(acknowledged);
            }
            answers
        });
        hub.answer("ack_tracking", answers).await
    }
}
