//! Handing out tasks: all that are wanted of one item by one update.

use std::sync::Arc;
use std::time::Duration;

use durable_core::backend::{ActivityLease, ActivityWork, BackendError, BackendResult};
use durable_core::ids::{InstanceId, LeaseToken, MessageId, QueueName};
use durable_core::time::Timestamp;
use foldhash::HashMap;

use crate::head::{Loan, Task};
use crate::hints::TaskPlace;
use crate::hub::Hub;
use crate::tasks::{Changed, Holder, path};
use crate::update::{Update, id, number};

const OPERATION: &str = "receive_activities";

/// Tasks taken by one update, whose expressions may have 4 KB.
pub(crate) const CLAIMS_MAX: usize = 12;

/// How often a look is repeated when the item changes meanwhile.
const LOOKS: usize = 4;

/// Tasks of one item that may be ready.
#[derive(Debug)]
pub(crate) struct Claims {
    pub(crate) instance: InstanceId,
    pub(crate) item: Arc<str>,
    pub(crate) tasks: Vec<(QueueName, MessageId)>,
}

/// One task that is wanted, and the token it would be on loan under.
struct Wanted {
    queue: QueueName,
    task: MessageId,
    token: LeaseToken,
}

/// What was handed out, and what went wrong with the rest.
#[derive(Default)]
pub(crate) struct Claimed {
    pub(crate) works: Vec<ActivityWork>,
    pub(crate) failed: Option<BackendError>,
}

/// Sorts tasks by the items they are in, in the order in which the items come.
pub(crate) fn by_item(places: Vec<(QueueName, TaskPlace)>) -> Vec<Claims> {
    let mut claims: Vec<Claims> = Vec::new();
    let mut open: HashMap<(InstanceId, Arc<str>), usize> = HashMap::default();
    for (queue, place) in places {
        let key = (place.instance, place.item);
        let known = open.get(&key).copied();
        let room = known.filter(|n| claims[*n].tasks.len() < CLAIMS_MAX);
        let n = room.unwrap_or_else(|| {
            let (instance, item) = key.clone();
            claims.push(Claims { instance, item, tasks: Vec::new() });
            claims.len() - 1
        });
        claims[n].tasks.push((queue, place.task));
        open.insert(key, n);
    }
    claims
}

impl Claims {
    fn place(&self, task: MessageId) -> TaskPlace {
        TaskPlace { instance: self.instance.clone(), item: Arc::clone(&self.item), task }
    }
}

impl Hub {
    /// Hands out those of the tasks that are there and not on loan.
    pub(crate) async fn claim(
        &self,
        claims: &Claims,
        lease_for: Duration,
    ) -> BackendResult<Claimed> {
        let new = |(queue, task): &(QueueName, MessageId)| Wanted {
            queue: queue.clone(),
            task: *task,
            token: LeaseToken(self.env.random_u128()),
        };
        let wanted: Vec<Wanted> = claims.tasks.iter().map(new).collect();
        let until = self.now() + lease_for;
        let Some((holder, mine)) = self.take_tasks(claims, wanted, until).await? else {
            return Ok(Claimed::default());
        };
        let mut claimed = Claimed::default();
        let unwanted = match self.is_unwanted(claims, &holder).await {
            Ok(unwanted) => Some(unwanted),
            Err(error) => {
                claimed.failed = Some(error);
                None
            }
        };
        for wanted in mine {
            let lease = ActivityLease {
                task: wanted.task,
                instance: claims.instance.clone(),
                token: wanted.token,
            };
            self.lend_task(wanted.token, Arc::clone(&claims.item));
            let task = holder.load.task(wanted.task);
            let Some((unwanted, task)) = unwanted.as_ref().zip(task) else {
                self.abandon_task(&lease, Duration::from_secs(1), true).await?;
                continue;
            };
            if unwanted(task) {
                continue;
            }
            match self.work(&lease, task).await {
                Ok(work) => claimed.works.push(work),
                Err(error) => {
                    claimed.failed = Some(error);
                    self.abandon_task(&lease, Duration::from_secs(1), true).await?;
                }
            }
        }
        Ok(claimed)
    }

    /// Tells which tasks their instance does not want any more: a page may outlive what it was
    /// written for by a moment.
    async fn is_unwanted(
        &self,
        claims: &Claims,
        holder: &Holder,
    ) -> BackendResult<impl Fn(&Task) -> bool + use<>> {
        let in_head = holder.head.is_some();
        let head = if in_head { None } else { self.head(OPERATION, &claims.instance).await? };
        let live = head.filter(|head| !head.is_terminal()).map(|head| head.execution);
        Ok(move |task: &Task| !in_head && live != Some(task.body.execution))
    }

    /// Takes the loans; the item as it is then, and which of the tasks are on loan now.
    async fn take_tasks(
        &self,
        claims: &Claims,
        mut wanted: Vec<Wanted>,
        until: Timestamp,
    ) -> BackendResult<Option<(Holder, Vec<Wanted>)>> {
        let mut done = None;
        for _ in 0..LOOKS {
            let now = self.now();
            let update = take(&wanted, now, until);
            let place = (&claims.instance, &*claims.item);
            let lent = |h: &Holder| wanted.iter().any(|w| h.load.lends(w.task, w.token));
            match self.change_item(OPERATION, place, update).await?.or_done_before(lent) {
                Changed::Done(holder) => {
                    done = Some(holder);
                    break;
                }
                Changed::Refused(holder, _) => {
                    let load = holder.map(|holder| holder.load).unwrap_or_default();
                    wanted.retain(|w| {
                        let place = claims.place(w.task);
                        let mut tasks = self.tasks.lock();
                        let is_free = |task| tasks.wait(task, &place, now).is_none();
                        let stays = load.task(w.task).is_some_and(is_free);
                        if !stays {
                            tasks.not_claimed(&place);
                        }
                        stays
                    });
                    if wanted.is_empty() {
                        break;
                    }
                }
            }
        }
        {
            let again = self.now() + Duration::from_millis(100);
            let mut tasks = self.tasks.lock();
            for w in &wanted {
                let place = claims.place(w.task);
                if done.is_some() {
                    tasks.claimed(Loan { token: w.token, until }, &w.queue, place);
                } else {
                    tasks.put_back(again, &w.queue, place);
                }
            }
        }
        self.answer_task_doorbells(claims.tasks.iter().map(|(_, task)| claims.place(*task)));
        Ok(done.map(|holder| (holder, wanted)))
    }

    async fn work(&self, lease: &ActivityLease, task: &Task) -> BackendResult<ActivityWork> {
        let mut bodies = vec![&task.body.body];
        bodies.extend(&task.progress);
        let mut bodies = self.bodies(OPERATION, &lease.instance, bodies).await?;
        let progress = if task.progress.is_some() { bodies.pop() } else { None };
        Ok(ActivityWork {
            lease: lease.clone(),
            execution: task.body.execution,
            delivery: task.delivery,
            enqueued_at: task.body.enqueued_at.min(self.now()),
            progress,
            body: bodies.pop().unwrap_or_default(),
        })
    }
}

/// Takes the loans of all of these, or of none.
fn take(wanted: &[Wanted], now: Timestamp, until: Timestamp) -> Update {
    let mut update = Update::default();
    let (zero, one) = (update.value(number(0)), update.value(number(1)));
    let by = update.value(number(now.as_micros()));
    let until = update.value(number(until.as_micros()));
    for w in wanted {
        let path = path(&mut update, w.task);
        update.set(&format!("{path}.lt"), id(w.token.0));
        update.set_expression(&format!("{path}.lu={until}"));
        update.set_expression(&format!("{path}.dl=if_not_exists({path}.dl,{zero})+{one}"));
        update.when(&format!("attribute_exists({path})"));
        update.when(&format!("(attribute_not_exists({path}.lt) OR {path}.lu<={by})"));
        update.when(&format!("(attribute_not_exists({path}.vis) OR {path}.vis<={by})"));
    }
    update
}
