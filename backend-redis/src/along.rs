//! Verbs that take along, in their own script, what a call of this process waits for.
//!
//! Alone, an activity's step is then two scripts instead of four, and no ring.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use durable_core::backend::{
    ActivityCommit, BackendResult, CommitOutcome, CreateInstance, CreateOutcome, Envelope,
    SendOutcome, TurnCommit,
};
use durable_core::ids::InstanceId;
use durable_core::limits;
use redis::Value;

use crate::args::Args;
use crate::backend::{ACTIVITY_OUTCOMES, RedisBackend, TURN_OUTCOMES};
use crate::error::Effect;
use crate::link::unexpected;
use crate::loans::{Followed, Lent, Loans};
use crate::offers::{Given, Offer};
use crate::orchestration_queue::{SEND_OUTCOMES, created};
use crate::partition::Partition;
use crate::reply::{Reply, outcome, read};
use crate::scripts::{SCRIPTS, Script};

/// Most parts of a turn that takes something along; bounds how long the script blocks the server.
const PARTS_MAX: usize = 16;

impl RedisBackend {
    /// Calls a verb and takes along what an offer asks for. The call is followed to its end also
    /// when it is dropped, and what nobody takes goes back.
    fn along<T: Lent, R: Send + 'static>(
        &self,
        operation: &'static str,
        script: &'static Script,
        home: &Partition,
        verb: &Args,
        offer: Offer<T, R>,
    ) -> Followed<BackendResult<Value>> {
        let call = Args::along(script, home, verb, &offer.args).into_call();
        let number = home.home.number;
        let rings = self.doorbell().quiet(offer.bell, number).rings();
        let (link, returns) = (self.link().clone(), self.returns().clone());
        self.returns().followed(async move {
            let answer = link.call(operation, Effect::Writes, script, call).await?;
            let Value::Array(parts) = answer else { return Err(unexpected(operation)) };
            let Ok([answer, taken]) = <[Value; 2]>::try_from(parts) else {
                return Err(unexpected(operation));
            };
            // Without an answer the waiting call looks by itself, and sees the error if there is one.
            if taken != Value::Nil {
                let found = Reply::new(offer.operation, taken);
                let found = found.and_then(|f| read(offer.operation, "an answer", (offer.read)(f)));
                match found {
                    Ok((works, rest)) => {
                        let works = Loans::new(works, returns);
                        let _ = offer.answer.send(Given { home: number, rings, works, rest });
                    }
                    Err(error) => tracing::debug!(%error, "what was taken along cannot be read"),
                }
            }
            Ok(answer)
        })
    }

    /// Calls a verb about an instance and takes along what somebody waits for of its turns.
    async fn turns_along(
        &self,
        operation: &'static str,
        script: &'static Script,
        instance: &InstanceId,
        args: impl FnOnce(Args) -> Option<Args> + Send,
    ) -> Option<BackendResult<Value>> {
        let verb = args(self.args(script, instance))?;
        let offer = self.offers.turns.accept(|_| true)?;
        Some(self.along(operation, script, self.partition(instance), &verb, offer).await)
    }

    /// Commits a turn, and takes along tasks.
    pub(crate) async fn turn_along(
        &self,
        commit: &TurnCommit,
    ) -> Option<BackendResult<CommitOutcome>> {
        let parts = commit.activities.len() + commit.messages.len() + commit.cancelled.len();
        if commit.activities.is_empty() || parts > PARTS_MAX {
            return None;
        }
        let wanted = |task: &Envelope| task.queue.clone();
        let tasks: Vec<_> = commit.activities.iter().map(wanted).collect();
        let offer = self.offers.activities.accept(|q| tasks.iter().any(|task| q.contains(task)))?;
        let (operation, script) = ("commit_turns", &SCRIPTS.along.commit_turn);
        let home = self.partition(&commit.lease.instance);
        let verb = Args::of(script, home).turn(commit, 0);
        let answer = self.along(operation, script, home, &verb, offer).await;
        Some(answer.and_then(|a| outcome(operation, &a, &TURN_OUTCOMES)))
    }

    /// Commits an activity, and takes along turns.
    pub(crate) async fn activity_along(
        &self,
        commit: &ActivityCommit,
    ) -> Option<BackendResult<CommitOutcome>> {
        let operation = "commit_activities";
        let script = &SCRIPTS.along.commit_activity;
        let args = |args: Args| Some(args.completion(commit));
        let answer = self.turns_along(operation, script, &commit.lease.instance, args).await?;
        Some(answer.and_then(|a| outcome(operation, &a, &ACTIVITY_OUTCOMES)))
    }

    /// Creates an instance, and takes along turns.
    pub(crate) async fn create_along(
        &self,
        request: &CreateInstance,
    ) -> Option<BackendResult<CreateOutcome>> {
        let target = &request.start.target;
        let script = &SCRIPTS.along.create_instance;
        let args = |args: Args| args.create(request);
        let answer = self.turns_along("create_instances", script, target, args).await?;
        Some(answer.and_then(|a| created(target, a)))
    }

    /// Sends a message, and takes along turns.
    pub(crate) async fn send_along(
        &self,
        envelope: &Envelope,
    ) -> Option<BackendResult<SendOutcome>> {
        let script = &SCRIPTS.along.send;
        let args = |args: Args| Some(args.message(envelope).count(limits::UNREAD_EVENTS_MAX));
        let answer = self.turns_along("send", script, &envelope.target, args).await?;
        Some(answer.and_then(|a| outcome("send", &a, &SEND_OUTCOMES)))
    }

    /// Makes a call that ends instances. Once it is on its way, those of this process that wait for
    /// these ends look for them: a connection keeps the order of its calls, so the look finds the
    /// end, a ring earlier. A look that came too early hears the server's ring.
    pub(crate) async fn looked_behind<F: Future>(
        &self,
        ended: &[InstanceId],
        call: F,
    ) -> F::Output {
        let mut call = pin!(call);
        match poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx))).await {
            Poll::Ready(answer) => answer,
            Poll::Pending => {
                self.doorbell().bells.ring_changed(ended);
                call.await
            }
        }
    }
}
