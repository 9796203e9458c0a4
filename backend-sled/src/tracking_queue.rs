//! The tracking queue.

use async_trait::async_trait;
use durable_core::backend::{
    AbandonOutcome, BackendResult, ReceiveTracking, TrackingLease, TrackingQueue, TrackingWork,
};

use crate::backend::SledBackend;
use crate::log::Change;

#[async_trait]
impl TrackingQueue for SledBackend {
    async fn receive_tracking(&self, request: ReceiveTracking) -> BackendResult<Vec<TrackingWork>> {
        let hub = self.state();
        let look = || {
            hub.check_open("receive_tracking")?;
            Ok(hub.with(|inner, now| inner.state.look_for_tracking(&request, now, || hub.token())))
        };
        hub.bells.receive(&hub.bells.tracking, &*hub.env, request.wait, look).await
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
