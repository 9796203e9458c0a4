//! The activity queue.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use durable_core::backend::{
    AbandonOutcome, ActivityLease, ActivityQueue, ActivityWork, BackendResult, ReceiveActivities,
    RenewActivity, RenewOutcome,
};
use durable_core::ids::QueueName;
use foldhash::HashSet;
use futures_util::{StreamExt as _, stream};

use crate::backend::AwsBackend;
use crate::hub::{Hub, interrupted};
use crate::receive::{Bell, Look};

/// Most tasks in one look.
const TASKS_MAX: usize = 256;

/// Tasks taken at a time.
const AT_ONCE: usize = 32;

impl Hub {
    /// The queues that somebody in this process has asked for.
    pub(crate) fn served_queues(&self) -> HashSet<QueueName> {
        self.queues.lock().clone()
    }

    async fn look_for_tasks(
        self: Arc<Self>,
        max: usize,
        queues: Vec<QueueName>,
        lease_for: Duration,
    ) -> BackendResult<Look<ActivityWork>> {
        let mut works = Vec::new();
        let mut failed = None;
        while works.len() < max && failed.is_none() {
            let places: Vec<_> = {
                let now = self.now();
                let mut tasks = self.tasks.lock();
                tasks.advance(now);
                let count = (max - works.len()).min(AT_ONCE);
                std::iter::from_fn(|| tasks.pop(&queues)).take(count).collect()
            };
            if places.is_empty() {
                break;
            }
            let claims = places.into_iter().map(|(queue, place)| {
                let hub = &self;
                async move { (hub.claim(&queue, &place, lease_for).await, queue, place) }
            });
            let found: Vec<_> =
                stream::iter(claims.collect::<Vec<_>>()).buffered(AT_ONCE).collect().await;
            for (found, queue, place) in found {
                match found {
                    Ok(work) => works.extend(work),
                    Err(error) => {
                        let at = self.now() + Duration::from_secs(1);
                        self.tasks.lock().push_due(at, &queue, place);
                        failed = Some(error);
                    }
                }
            }
        }
        match failed {
            Some(error) if works.is_empty() => return Err(error),
            Some(error) => tracing::warn!(%error, "a task could not be handed out"),
            None => {}
        }
        let more = self.tasks.lock().any(&queues);
        Ok(Look { works, more, next: self.next_task_due() })
    }
}

#[async_trait]
impl ActivityQueue for AwsBackend {
    async fn receive_activities(
        &self,
        request: ReceiveActivities,
    ) -> BackendResult<Vec<ActivityWork>> {
        let operation = "receive_activities";
        let hub = &self.hub;
        hub.queues.lock().extend(request.queues.iter().cloned());
        let (max, lease_for) = (request.max.clamp(1, TASKS_MAX), request.lease_for);
        let queues = &request.queues;
        let look = || async move {
            let (task, queues) = (Arc::clone(hub), queues.clone());
            let work = async move {
                let give_back = Arc::clone(&task);
                (task.look_for_tasks(max, queues, lease_for).await, give_back)
            };
            let given = hub
                .handed_over(work, |(found, hub)| async move {
                    for work in found.into_iter().flat_map(|look| look.works) {
                        if let Err(error) = hub.abandon_task(&work.lease, Duration::ZERO).await {
                            tracing::debug!(%error, "it comes back when its lease ends");
                        }
                    }
                })
                .await;
            given.ok_or_else(|| interrupted(operation))?.0
        };
        hub.receive(operation, Bell::Activities, request.wait, look).await
    }

    async fn renew_activities(
        &self,
        renewals: Vec<RenewActivity>,
    ) -> Vec<BackendResult<RenewOutcome>> {
        self.each(
            "renew_activities",
            renewals,
            |_| None,
            |hub, renewal| Box::pin(async move { hub.renew_task(&renewal).await }),
        )
        .await
    }

    async fn abandon_activities(
        &self,
        leases: Vec<ActivityLease>,
        delay: Duration,
    ) -> Vec<BackendResult<AbandonOutcome>> {
        self.each(
            "abandon_activities",
            leases,
            |_| None,
            move |hub, lease| Box::pin(async move { hub.abandon_task(&lease, delay).await }),
        )
        .await
    }
}
