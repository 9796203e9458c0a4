//! One look at a queue, for a call that waits for work.

use super::{HubState, Signals};
use crate::backend::{
    ActivityWork, ReceiveActivities, ReceiveTracking, ReceiveTurns, TrackingWork, TurnWork,
};
use crate::ids::LeaseToken;
use crate::time::Timestamp;

/// What one look at a queue found.
#[derive(Debug)]
pub struct Look<T> {
    /// What was leased to the caller.
    pub works: Vec<T>,
    /// What is left for others, who are to be woken if the caller takes what was found.
    pub more: Signals,
    /// When to look again at the latest, if nothing was found.
    pub next: Option<Timestamp>,
}

impl HubState {
    /// Leases ready turns; each gets a token.
    pub fn look_for_turns(
        &mut self,
        request: &ReceiveTurns,
        now: Timestamp,
        token: impl FnMut() -> LeaseToken,
    ) -> Look<TurnWork> {
        self.advance(now);
        let (max, until) = (request.max.max(1), now + request.lease_for);
        let works = self.take_turns(max, request.messages_max, now, until, token);
        let turns = self.has_ready_turns(now);
        Look { works, more: Signals { turns, ..Signals::default() }, next: self.next_turn_due() }
    }

    /// Leases queued activities; each gets a token.
    pub fn look_for_activities(
        &mut self,
        request: &ReceiveActivities,
        now: Timestamp,
        token: impl FnMut() -> LeaseToken,
    ) -> Look<ActivityWork> {
        self.advance(now);
        let (max, until) = (request.max.max(1), now + request.lease_for);
        let works = self.take_activities(max, &request.queues, until, token);
        let activities = self.has_ready_activities(&request.queues);
        Look {
            works,
            more: Signals { activities, ..Signals::default() },
            next: self.next_activity_due(),
        }
    }

    /// Leases tracking records; each gets a token.
    pub fn look_for_tracking(
        &mut self,
        request: &ReceiveTracking,
        now: Timestamp,
        token: impl FnMut() -> LeaseToken,
    ) -> Look<TrackingWork> {
        self.advance(now);
        let (max, until) = (request.max.max(1), now + request.lease_for);
        let works = self.take_tracking(max, now, until, token);
        Look { works, more: Signals::default(), next: self.next_tracking_due() }
    }
}
