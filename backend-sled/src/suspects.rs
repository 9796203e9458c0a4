//! Work that was there when the hub was opened, and may be what brought the process down.
//!
//! How often work was handed out is written to the log only when it is on loan for long: to log
//! every delivery would double the log. What kills its process at once would then be handed
//! out for ever. So deliveries of what an earlier process left are safe before they are handed
//! out, each the first time.

use std::collections::HashSet;

use durable_core::backend::BackendResult;
use durable_core::ids::{InstanceId, MessageId};
use durable_core::time::Timestamp;

use crate::hub::{Hub, Inner};
use crate::log::Change;

/// One delivery.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum OnLoan {
    Turn(InstanceId, u32),
    Task(MessageId, u32),
}

impl OnLoan {
    /// Writes the delivery to the log, and soon to the row of its instance.
    pub(crate) fn note(&self, inner: &mut Inner, now: Timestamp) -> u64 {
        let change = self.change();
        match self {
            Self::Turn(instance, _) => {
                inner.state.touch_instance(instance);
                inner.log(now, &change)
            }
            Self::Task(task, _) => inner.log_of_task(now, *task, &change),
        }
    }

    fn change(&self) -> Change {
        match self {
            Self::Turn(instance, delivery) => Change::TurnDelivery(instance.clone(), *delivery),
            Self::Task(task, delivery) => Change::TaskDelivery(*task, *delivery),
        }
    }
}

/// What an earlier process left and nobody has taken since.
#[derive(Debug, Default)]
pub(crate) struct Suspects {
    pub(crate) instances: HashSet<InstanceId>,
    pub(crate) tasks: HashSet<MessageId>,
}

impl Suspects {
    fn is_empty(&self) -> bool {
        self.instances.is_empty() && self.tasks.is_empty()
    }

    fn remove(&mut self, loan: &OnLoan) -> bool {
        match loan {
            OnLoan::Turn(instance, _) => self.instances.remove(instance),
            OnLoan::Task(task, _) => self.tasks.remove(task),
        }
    }
}

impl Hub {
    /// Makes deliveries of suspects safe. Cancel safety: dropped, the leases end by themselves.
    pub(crate) async fn note_suspects(
        &self,
        operation: &'static str,
        loans: impl Iterator<Item = OnLoan>,
    ) -> BackendResult<()> {
        if self.inner.lock().suspects.is_empty() {
            return Ok(());
        }
        let last = self.with(|inner: &mut Inner, now| {
            let mut last = None;
            for loan in loans {
                if inner.suspects.remove(&loan) {
                    last = Some(loan.note(inner, now));
                }
            }
            last
        });
        match last {
            Some(number) => self.safe(operation, number).await,
            None => Ok(()),
        }
    }
}
