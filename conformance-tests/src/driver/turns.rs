//! Creating instances, sending messages, receiving turns.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use durable_core::backend::{
    AbandonOutcome, CreateInstance, CreateOutcome, Envelope, InstanceRecord, OrchestrationStatus,
    ReceiveTurns, RenewOutcome, ReusePolicy, SendOutcome, TurnLease, TurnWork,
};
use durable_core::ids::{ExecutionId, InstanceId, Name};
use durable_core::limits::MESSAGES_PER_TURN_MAX;

use super::{Hub, Inst, bytes, iid, only};
use crate::check::{Checked, Failure};

impl Hub {
    /// A first record, as a client would make it.
    pub(crate) fn first_record(
        &self,
        id: &InstanceId,
        execution: ExecutionId,
    ) -> Checked<InstanceRecord> {
        let now = self.now();
        Ok(InstanceRecord {
            instance: id.clone(),
            execution,
            generation: 1,
            name: Name::new("check")?,
            version: String::new(),
            status: OrchestrationStatus::Pending,
            created_at: now,
            updated_at: now,
            completed_at: None,
            parent: None,
            events: 0,
            revision: 0,
            details: bytes("first details"),
        })
    }

    /// The wish to create an instance, with a fresh execution, the body `start` and the policy `Reject`.
    pub(crate) fn creation(&self, name: &str) -> Checked<CreateInstance> {
        let id = iid(name)?;
        let execution = self.execution();
        let record = self.first_record(&id, execution)?;
        let start = Envelope {
            execution: Some(execution),
            creates: Some(Arc::new(record)),
            ..self.message(&id, "start")
        };
        Ok(CreateInstance { start, reuse: ReusePolicy::Reject })
    }

    pub(crate) async fn create(&self, request: CreateInstance) -> Checked<CreateOutcome> {
        only(self.backend().create_instances(vec![request]).await)
    }

    /// Creates and insists on success.
    pub(crate) async fn must_create(&self, request: CreateInstance) -> Checked<Inst> {
        let inst = Inst {
            id: request.start.target.clone(),
            execution: request
                .start
                .execution
                .ok_or_else(|| Failure::new("a creation without execution"))?,
        };
        match self.create(request).await? {
            CreateOutcome::Created => Ok(inst),
            CreateOutcome::Exists(record) => {
                Err(Failure::new(format!("not created, there is {record:?}")))
            }
        }
    }

    /// An instance whose start message waits.
    pub(crate) async fn created(&self, name: &str) -> Checked<Inst> {
        self.must_create(self.creation(name)?).await
    }

    /// An instance that has committed one turn with one event, and has an empty inbox.
    pub(crate) async fn running(&self, name: &str) -> Checked<Inst> {
        let inst = self.created(name).await?;
        let work = self.turn_of(&inst).await?;
        self.step(&work).status(OrchestrationStatus::Running)?.apply().await?;
        Ok(inst)
    }

    /// An instance that has completed.
    pub(crate) async fn completed(&self, name: &str) -> Checked<Inst> {
        let inst = self.created(name).await?;
        let work = self.turn_of(&inst).await?;
        self.step(&work).status(OrchestrationStatus::Completed)?.apply().await?;
        Ok(inst)
    }

    /// An instance that is held until it gets a control message, or until `until`.
    pub(crate) async fn held(
        &self,
        name: &str,
        until: Option<durable_core::time::Timestamp>,
    ) -> Checked<Inst> {
        let inst = self.created(name).await?;
        let work = self.turn_of(&inst).await?;
        self.step(&work).status(OrchestrationStatus::Suspended)?.hold(until).apply().await?;
        Ok(inst)
    }

    /// A plain message with a fresh id.
    pub(crate) fn message(&self, to: &InstanceId, body: &str) -> Envelope {
        Envelope::new(self.message_id(), to.clone(), self.number(), bytes(body))
    }

    /// A control message with a fresh id.
    pub(crate) fn control(&self, to: &InstanceId, body: &str) -> Envelope {
        Envelope { control: true, ..self.message(to, body) }
    }

    /// A message that makes an instance wait for its start, if there is none.
    pub(crate) fn placeholder(&self, name: &str, body: &str) -> Checked<Envelope> {
        let id = iid(name)?;
        let mut record = self.first_record(&id, self.execution())?;
        record.status = OrchestrationStatus::AwaitingStart;
        Ok(Envelope { creates: Some(Arc::new(record)), ..self.message(&id, body) })
    }

    pub(crate) async fn send(&self, envelope: Envelope) -> Checked<SendOutcome> {
        only(self.backend().send(vec![envelope]).await)
    }

    /// Sends and insists that it is accepted.
    pub(crate) async fn sent(&self, envelope: Envelope) -> Checked {
        ensure_eq!(self.send(envelope).await?, SendOutcome::Accepted, "answer to a send");
        Ok(())
    }

    /// Sends a plain message and insists that it is accepted.
    pub(crate) async fn tell(&self, inst: &Inst, body: &str) -> Checked {
        self.sent(self.message(&inst.id, body)).await
    }

    pub(crate) fn ask_turns(&self, max: usize, wait: Duration) -> ReceiveTurns {
        ReceiveTurns {
            max,
            messages_max: MESSAGES_PER_TURN_MAX,
            lease_for: self.timings().lease_long,
            wait,
            worker: self.worker(),
        }
    }

    /// What is ready, without waiting.
    pub(crate) async fn turns_now(&self, max: usize) -> Checked<Vec<TurnWork>> {
        Ok(self.backend().receive_turns(self.ask_turns(max, Duration::ZERO)).await?)
    }

    /// What a receive brings that must bring something.
    pub(crate) async fn turns(&self, request: ReceiveTurns) -> Checked<Vec<TurnWork>> {
        let works =
            self.soon("the arrival of a turn", self.backend().receive_turns(request)).await??;
        ensure!(!works.is_empty(), "no turn arrived");
        Ok(works)
    }

    /// The one turn that must be ready, or become ready at once.
    pub(crate) async fn turn(&self) -> Checked<TurnWork> {
        let works = self.turns(self.ask_turns(1, self.wait())).await?;
        ensure_eq!(works.len(), 1, "turns received with a maximum of one");
        works.into_iter().next().ok_or_else(|| Failure::new("no turn"))
    }

    /// The next turn, which must be of this instance.
    pub(crate) async fn turn_of(&self, inst: &Inst) -> Checked<TurnWork> {
        let work = self.turn().await?;
        ensure_eq!(work.lease.instance, inst.id, "the instance handed out");
        Ok(work)
    }

    /// The next turn of this instance, on a lease that the check lets end.
    pub(crate) async fn short_turn_of(&self, inst: &Inst) -> Checked<TurnWork> {
        let request = ReceiveTurns {
            lease_for: self.timings().lease_short,
            ..self.ask_turns(1, self.wait())
        };
        let mut works = self.turns(request).await?;
        let work = works.pop().ok_or_else(|| Failure::new("no turn"))?;
        ensure_eq!(work.lease.instance, inst.id, "the instance handed out");
        Ok(work)
    }

    /// Exactly `count` turns, however many receives it takes.
    pub(crate) async fn turns_of_all(&self, count: usize) -> Checked<Vec<TurnWork>> {
        let mut works = Vec::new();
        while works.len() < count {
            works.extend(self.turns(self.ask_turns(count - works.len(), self.wait())).await?);
        }
        ensure_eq!(works.len(), count, "turns received");
        Ok(works)
    }

    /// The next turn of this instance; others are held, as a worker does with what nobody has started.
    pub(crate) async fn turn_past_placeholders(&self, inst: &Inst) -> Checked<TurnWork> {
        loop {
            let work = self.turn().await?;
            if work.lease.instance == inst.id {
                return Ok(work);
            }
            self.step(&work).no_events().keep_messages().hold(None).apply().await?;
        }
    }

    /// A message to the instance, and the turn that it causes.
    pub(crate) async fn woken(&self, inst: &Inst, body: &str) -> Checked<TurnWork> {
        self.tell(inst, body).await?;
        self.turn_of(inst).await
    }

    /// Insists that nothing is ready.
    pub(crate) async fn no_turn(&self, why: &str) -> Checked {
        self.settle().await;
        let works = self.turns_now(10).await?;
        ensure!(works.is_empty(), "{why}, but {works:?} was handed out");
        Ok(())
    }

    /// Insists that nothing is handed out before `at`. On a real clock that time may have come
    /// meanwhile; then nothing can be said.
    pub(crate) async fn no_turn_before(
        &self,
        at: durable_core::time::Timestamp,
        why: &str,
    ) -> Checked {
        self.settle().await;
        let works = self.turns_now(10).await?;
        ensure!(works.is_empty() || self.now() >= at, "{why}, but {works:?} was handed out");
        Ok(())
    }

    pub(crate) async fn renew(&self, lease: &TurnLease, time: Duration) -> Checked<RenewOutcome> {
        only(self.backend().renew_turns(vec![lease.clone()], time).await)
    }

    pub(crate) async fn abandon(
        &self,
        lease: &TurnLease,
        delay: Duration,
    ) -> Checked<AbandonOutcome> {
        only(self.backend().abandon_turns(vec![lease.clone()], delay).await)
    }
}

/// The bodies of the messages, as text.
pub(crate) fn bodies(work: &TurnWork) -> Vec<String> {
    work.messages.iter().map(|m| text(&m.body)).collect()
}

pub(crate) fn text(body: &Bytes) -> String {
    String::from_utf8_lossy(body).into_owned()
}
