//! The tracking queue.

use super::HubState;
use crate::backend::{AbandonOutcome, Envelope, TrackingLease, TrackingWork};
use crate::ids::LeaseToken;
use crate::time::Timestamp;

/// A record that waits.
#[derive(Debug)]
pub(super) struct Tracked {
    pub(super) envelope: Envelope,
}

impl HubState {
    /// Adds a tracking record.
    pub fn add_tracking(&mut self, envelope: Envelope) {
        self.tracking.push_back(Tracked { envelope });
        self.signals.tracking = true;
    }

    /// Lends up to `max` records until `until`.
    pub fn take_tracking(
        &mut self,
        max: usize,
        now: Timestamp,
        until: Timestamp,
        mut token: impl FnMut() -> LeaseToken,
    ) -> Vec<TrackingWork> {
        self.end_tracking_leases(now);
        // Order within an instance holds only while one batch is out at a time.
        if !self.tracking_leased.is_empty() {
            return Vec::new();
        }
        let mut works = Vec::new();
        while works.len() < max {
            let Some(Tracked { envelope }) = self.tracking.pop_front() else { break };
            let token = token();
            works.push(TrackingWork {
                lease: TrackingLease {
                    record: envelope.id,
                    instance: envelope.target.clone(),
                    token,
                },
                instance: envelope.target.clone(),
                body: envelope.body.clone(),
            });
            self.tracking_leased.insert(envelope.id, (token, until, envelope));
        }
        works
    }

    fn end_tracking_leases(&mut self, now: Timestamp) {
        let mut ended: Vec<_> = self
            .tracking_leased
            .iter()
            .filter(|(_, (_, until, _))| *until <= now)
            .map(|(id, (_, _, envelope))| (envelope.order_key, *id))
            .collect();
        ended.sort_unstable();
        for (_, id) in ended.into_iter().rev() {
            if let Some((_, _, envelope)) = self.tracking_leased.remove(&id) {
                self.tracking.push_front(Tracked { envelope });
            }
        }
    }

    /// Removes a record, e.g. one that a log says was dealt with.
    pub fn drop_tracking(&mut self, id: crate::ids::MessageId) {
        if self.tracking_leased.remove(&id).is_none() {
            self.tracking.retain(|t| t.envelope.id != id);
        }
    }

    /// When records on loan come back.
    pub fn next_tracking_due(&self) -> Option<Timestamp> {
        self.tracking_leased.values().map(|(_, until, _)| *until).min()
    }

    /// Removes a record that was dealt with.
    pub fn ack_tracking(&mut self, lease: &TrackingLease) -> AbandonOutcome {
        match self.tracking_leased.get(&lease.record) {
            Some((token, _, _)) if *token == lease.token => {
                self.tracking_leased.remove(&lease.record);
                self.signals.tracking |= self.tracking_leased.is_empty();
                AbandonOutcome::Done
            }
            _ => AbandonOutcome::Lost,
        }
    }
}
