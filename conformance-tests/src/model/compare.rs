//! What must be alike, without what each adapter may choose: tokens, revisions, the order of
//! instances, times of arrival.

use durable_core::backend::{ActivityWork, InstanceRecord, TurnWork};

use super::pair::Pair;
use crate::check::Checked;
use crate::driver::turns::text;

/// A turn that was handed out, as text.
pub(super) fn turn(work: &TurnWork) -> String {
    let messages: Vec<_> =
        work.messages.iter().map(|m| format!("{}={}", m.id, text(&m.body))).collect();
    let (instance, execution) = (&work.lease.instance, work.execution);
    let (events, delivery) = (work.events, work.delivery);
    format!("{instance} {execution} events {events} delivery {delivery} {messages:?}")
}

/// A task that was handed out, as text.
pub(super) fn task(work: &ActivityWork) -> String {
    let progress = work.progress.as_ref().map(text);
    let (lease, execution, delivery) = (&work.lease, work.execution, work.delivery);
    let (id, instance, body) = (lease.task, &lease.instance, text(&work.body));
    format!("{id} of {instance} {execution} delivery {delivery} progress {progress:?} {body}")
}

/// A record without its revision.
pub(super) fn record(record: &InstanceRecord) -> InstanceRecord {
    InstanceRecord { revision: 0, ..record.clone() }
}

impl Pair {
    /// The commit that a turn follows must be the same on both sides; the subject may not know.
    pub(super) fn compare_committed(&self, reference: &TurnWork, subject: &TurnWork) -> Checked {
        let Some(found) = subject.committed else { return Ok(()) };
        let expected = reference.committed.and_then(|token| self.committed.get(&token));
        ensure_eq!(
            Some(&found),
            expected,
            "the commit that a turn of {} follows",
            subject.lease.instance
        );
        Ok(())
    }
}
