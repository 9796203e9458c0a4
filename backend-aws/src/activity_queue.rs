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
use crate::claim::{Claims, by_item};
use crate::desk::{Sitting, TaskWish};
use crate::hints::TaskPlace;
use crate::hub::Hub;
use crate::receive::{Bell, Look};

/// Most tasks in one look.
const TASKS_MAX: usize = 256;

/// Items that tasks are taken from at a time.
const AT_ONCE: usize = 16;

impl Hub {
    /// The queues that somebody in this process has asked for.
    pub(crate) fn served_queues(&self) -> HashSet<QueueName> {
        self.queues.lock().clone()
    }

    /// Nobody must wait in vain for tasks that could not be taken.
    fn claim_later(&self, claims: Claims) {
        let at = self.now() + Duration::from_secs(1);
        let mut tasks = self.tasks.lock();
        for (queue, task) in claims.tasks {
            let (instance, item) = (claims.instance.clone(), Arc::clone(&claims.item));
            let place = TaskPlace { instance, item, task };
            tasks.put_back(at, &queue, place);
        }
    }

    async fn look_for_tasks(
        self: Arc<Self>,
        max: usize,
        queues: Vec<QueueName>,
        lease_for: Duration,
    ) -> BackendResult<Look<ActivityWork>> {
        let suits = |queue: Option<&QueueName>| queue.is_some_and(|queue| queues.contains(queue));
        let (mut works, stale) = self.task_desk.lock().take(max, self.now(), suits);
        self.give_all_back(stale);
        let mut failed = None;
        while works.len() < max && failed.is_none() {
            let places: Vec<_> = {
                let now = self.now();
                let mut tasks = self.tasks.lock();
                tasks.advance(now);
                std::iter::from_fn(|| tasks.pop(&queues)).take(max - works.len()).collect()
            };
            if places.is_empty() {
                break;
            }
            let claims = by_item(places).into_iter().map(|claims| {
                let hub = &self;
                async move { (hub.claim(&claims, lease_for).await, claims) }
            });
            let found: Vec<_> =
                stream::iter(claims.collect::<Vec<_>>()).buffered(AT_ONCE).collect().await;
            for (found, claims) in found {
                match found {
                    Ok(claimed) => {
                        works.extend(claimed.works);
                        failed = failed.or(claimed.failed);
                    }
                    Err(error) => {
                        self.claim_later(claims);
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
        let look = || {
            let found = Arc::clone(hub).look_for_tasks(max, queues.clone(), lease_for);
            hub.looked(operation, found)
        };
        let wish = TaskWish { queues: request.queues.clone(), lease_for };
        let sitting =
            (!request.wait.is_zero()).then(|| Sitting::<ActivityWork>::new(hub, max, wish));
        let works = hub.receive(operation, Bell::Activities, request.wait, look).await;
        if let Some(sitting) = sitting {
            sitting.served();
        }
        works
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
            move |hub, lease| Box::pin(async move { hub.abandon_task(&lease, delay, true).await }),
        )
        .await
    }
}
