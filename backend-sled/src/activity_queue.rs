//! The activity queue.

use std::time::Duration;

use async_trait::async_trait;
use durable_core::backend::{
    AbandonOutcome, ActivityLease, ActivityQueue, ActivityWork, BackendResult, ReceiveActivities,
    RenewActivity, RenewOutcome,
};

use crate::backend::SledBackend;
use crate::log::Change;
use crate::suspects::OnLoan;

#[async_trait]
impl ActivityQueue for SledBackend {
    async fn receive_activities(
        &self,
        request: ReceiveActivities,
    ) -> BackendResult<Vec<ActivityWork>> {
        let hub = self.state();
        let look = || {
            hub.check_open("receive_activities")?;
            Ok(hub
                .with(|inner, now| inner.state.look_for_activities(&request, now, || hub.token())))
        };
        let works = hub.bells.receive(&hub.bells.activities, &*hub.env, request.wait, look).await?;
        let loans = works.iter().map(|w| OnLoan::Task(w.lease.task, w.delivery));
        hub.note_suspects("receive_activities", loans).await?;
        Ok(works)
    }

    async fn renew_activities(
        &self,
        renewals: Vec<RenewActivity>,
    ) -> Vec<BackendResult<RenewOutcome>> {
        let hub = self.state();
        let answers = hub.with(|inner, now| {
            inner.state.advance(now);
            let renew = |renewal: RenewActivity| {
                hub.check_open("renew_activities")?;
                let until = now + renewal.lease_for;
                let (task, progress) = (renewal.lease.task, renewal.progress.clone());
                let outcome = inner.state.renew_activity(renewal, until);
                let number = match progress {
                    Some(progress) if outcome == RenewOutcome::Renewed => {
                        inner.log_of_task(now, task, &Change::Progress(task, progress))
                    }
                    _ => 0,
                };
                Ok((outcome, number))
            };
            renewals.into_iter().map(renew).collect()
        });
        hub.answer("renew_activities", answers).await
    }

    async fn abandon_activities(
        &self,
        leases: Vec<ActivityLease>,
        delay: Duration,
    ) -> Vec<BackendResult<AbandonOutcome>> {
        let hub = self.state();
        let answers = hub.with(|inner, now| {
            let abandon = |lease: ActivityLease| {
                hub.check_open("abandon_activities")?;
                let (task, until) = (lease.task, now + delay);
                let delivery = inner.state.activity_delivery(task);
                let outcome = inner.state.abandon_activity(&lease, now, until);
                let number = match outcome {
                    AbandonOutcome::Done => {
                        inner.log_of_task(now, task, &Change::TaskGivenBack(task, delivery, until))
                    }
                    _ => 0,
                };
                Ok((outcome, number))
            };
            leases.into_iter().map(abandon).collect()
        });
        hub.answer("abandon_activities", answers).await
    }
}
