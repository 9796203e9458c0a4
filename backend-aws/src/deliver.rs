//! Putting messages into inboxes, and creating instances.

use std::sync::Arc;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use durable_core::backend::{
    BackendError, BackendErrorKind, BackendResult, CreateInstance, CreateOutcome, Envelope,
    InstanceRecord, OrchestrationStatus, ReusePolicy, SendOutcome,
};
use durable_core::ids::MessageId;
use durable_core::time::Timestamp;

use crate::head::Head;
use crate::hub::Hub;
use crate::schema;
use crate::table::text;
use crate::update::{Update, binary, id, number};
use crate::values::{Body, Message, RecordBody, id_bytes, id_text};

/// Messages in the head; more go into pages.
pub(crate) const NEAR_MESSAGES: usize = 16;

/// Delayed messages in the head.
pub(crate) const NEAR_DELAYED: usize = 16;

/// How often a message is tried again when its target changes meanwhile.
const TRIES: usize = 12;

pub(crate) fn id_set(ids: impl IntoIterator<Item = MessageId>) -> AttributeValue {
    AttributeValue::Bs(ids.into_iter().map(|id| Blob::new(id_bytes(id))).collect())
}

/// Whether messages have to go into pages.
pub(crate) fn is_full(head: &Head) -> bool {
    head.has_pages()
        || head.load.inbox.len() >= NEAR_MESSAGES
        || head.load.delayed.len() >= NEAR_DELAYED
}

/// What became of one try.
enum Tried {
    Is(SendOutcome),
    /// The target is as it was seen now.
    Again(Option<Arc<Head>>),
}

impl Hub {
    pub(crate) fn message(&self, envelope: &Envelope, body: Body) -> Message {
        let now = self.stamp();
        let execution = if envelope.creates.is_some() { None } else { envelope.execution };
        Message {
            id: envelope.id,
            execution,
            control: envelope.control,
            counted: false,
            ready: false,
            at: envelope.visible_at.filter(|at| *at > self.now()).unwrap_or(now),
            order: envelope.order_key,
            body,
        }
    }

    /// Puts a message into an inbox, or creates the instance it is the first of. Messages of
    /// commits are never refused for room.
    pub(crate) async fn deliver(
        &self,
        operation: &'static str,
        envelope: &Envelope,
        is_inside: bool,
    ) -> BackendResult<SendOutcome> {
        let body = self.body(operation, &envelope.target, &envelope.body).await?;
        let outcome = self.deliver_body(operation, envelope, &body, is_inside).await;
        let unused = |outcome: &SendOutcome| *outcome != SendOutcome::Accepted;
        if outcome.as_ref().is_ok_and(unused) {
            self.forget(&envelope.target, vec![&body]).await;
        }
        outcome
    }

    async fn deliver_body(
        &self,
        operation: &'static str,
        envelope: &Envelope,
        body: &Body,
        is_inside: bool,
    ) -> BackendResult<SendOutcome> {
        let mut known: Option<Arc<Head>> = None;
        // Most messages go to an instance that takes them; a start, to one that does not exist.
        if envelope.creates.is_none() {
            match self.put_near(operation, envelope, body).await? {
                Tried::Is(outcome) => return Ok(outcome),
                Tried::Again(head) => known = head,
            }
        }
        for _ in 0..TRIES {
            let Some(head) = known else {
                let Some(record) = &envelope.creates else { return Ok(SendOutcome::NoInstance) };
                match self.begin(operation, envelope, record, body, None).await? {
                    Ok(_) => return Ok(SendOutcome::Accepted),
                    Err(head) => known = head,
                }
                continue;
            };
            match self.deliver_to(operation, envelope, body, is_inside, &head).await? {
                Tried::Is(outcome) => return Ok(outcome),
                Tried::Again(head) => known = head,
            }
        }
        let text = format!("{} changes faster than a message can be sent", envelope.target);
        Err(BackendError::new(BackendErrorKind::Throttled, operation, text))
    }

    /// Decides by what is known of the target.
    async fn deliver_to(
        &self,
        operation: &'static str,
        envelope: &Envelope,
        body: &Body,
        is_inside: bool,
        head: &Arc<Head>,
    ) -> BackendResult<Tried> {
        if let Some(record) = &envelope.creates {
            if envelope.execution == Some(head.execution)
                && head.status != OrchestrationStatus::AwaitingStart
            {
                // The start of this very generation, once more.
                return Ok(Tried::Is(SendOutcome::Accepted));
            }
            let is_placeholder = head.status == OrchestrationStatus::AwaitingStart
                && record.status != OrchestrationStatus::AwaitingStart;
            if head.is_terminal() || is_placeholder {
                let begun = self.begin(operation, envelope, record, body, Some(head)).await?;
                return Ok(match begun {
                    Ok(_) => Tried::Is(SendOutcome::Accepted),
                    Err(head) => Tried::Again(head),
                });
            }
        } else if head.is_terminal() || envelope.execution.is_some_and(|e| e != head.execution) {
            return Ok(Tried::Is(SendOutcome::Terminal));
        }
        if head.load.knows(envelope.id) {
            return Ok(Tried::Is(SendOutcome::Accepted));
        }
        if is_full(head) {
            let one = [(envelope, body.clone())];
            return Ok(match self.put_far(operation, &one, is_inside, head).await? {
                Ok(mut outcomes) => Tried::Is(outcomes.pop().unwrap_or(SendOutcome::Accepted)),
                Err(head) => Tried::Again(head),
            });
        }
        self.put_near(operation, envelope, body).await
    }

    /// Puts a message into the head, if the instance lives and has room for it there.
    async fn put_near(
        &self,
        operation: &'static str,
        envelope: &Envelope,
        body: &Body,
    ) -> BackendResult<Tried> {
        let message = self.message(envelope, body.clone());
        let mut update = Update::default();
        let key = update.key(id_text(envelope.id));
        update.when("attribute_exists(pk)");
        let terminal = update.value(number(u64::from(OrchestrationStatus::Completed.number())));
        update.when(&format!("st<{terminal}"));
        if let Some(execution) = message.execution {
            update.when_equal("ex", id(execution.0));
        }
        if envelope.creates.is_some() {
            let placeholder = OrchestrationStatus::AwaitingStart.number();
            if envelope.creates.as_ref().is_some_and(|r| r.status.number() != placeholder) {
                let placeholder = update.value(number(u64::from(placeholder)));
                update.when(&format!("st<>{placeholder}"));
            }
        }
        let member = update.value(binary(id_bytes(envelope.id)));
        update.when(&format!("NOT contains(ii,{member})"));
        update.when(&format!("attribute_not_exists(dm.{key})"));
        update.when("(attribute_not_exists(pn) OR pn<=pd)");
        if message.at > self.now() && envelope.visible_at.is_some_and(|at| at > self.now()) {
            let most = update.value(number(NEAR_DELAYED as u64));
            update.when(&format!("size(dm)<{most}"));
            update.set(&format!("dm.{key}"), binary(message.seal()));
        } else {
            let most = update.value(number(NEAR_MESSAGES as u64));
            update.when(&format!("size(ib)<{most}"));
            update.append("ib", vec![binary(message.seal())]);
            update.add("ii", id_set([envelope.id]));
        }
        match self.change_head(operation, &envelope.target, update).await? {
            Ok(head) => {
                self.follow_up(&head, head.due_without(envelope.id, self.now()), true).await;
                Ok(Tried::Is(SendOutcome::Accepted))
            }
            Err(head) => Ok(Tried::Again(head)),
        }
    }

    /// Begins a generation in place of whatever was seen to have the id.
    async fn begin(
        &self,
        operation: &'static str,
        envelope: &Envelope,
        record: &Arc<InstanceRecord>,
        body: &Body,
        old: Option<&Arc<Head>>,
    ) -> BackendResult<Result<Arc<Head>, Option<Arc<Head>>>> {
        if let Some(old) = old.filter(|old| old.purging.is_some()) {
            self.finish_purge(old).await?;
            return Ok(Err(None));
        }
        if let Some(old) = old.filter(|old| old.outbox.is_some()) {
            return Ok(Err(self.bring_out(old).await?));
        }
        let details = self.body(operation, &envelope.target, &record.details).await?;
        let mut message = self.message(envelope, body.clone());
        let later = envelope.visible_at.is_some_and(|at| at > self.now());
        let placeholder = old.filter(|h| h.status == OrchestrationStatus::AwaitingStart);
        if let Some(load) = placeholder.map(|head| &head.load).filter(|_| !later) {
            // The start comes before whatever has come before it.
            let collected = load.inbox.iter().chain(&load.delayed).map(|m| m.at);
            message.at = collected.fold(message.at, Timestamp::min);
        }
        let mut update = Update::default();
        match old {
            None => update.when("attribute_not_exists(pk)"),
            Some(old) => {
                update.when_equal("ex", id(old.execution.0));
                update.when_equal("rv", number(old.revision));
            }
        }
        update.set("ex", id(record.execution.0));
        update.set("lf", id(record.execution.0));
        update.set("rv", number(old.map_or(0, |old| old.revision) + 1));
        update.set("ev", number(0));
        update.set("dl", number(0));
        update.set("st", number(u64::from(record.status.number())));
        update.set("rc", binary(RecordBody::seal(record, &details)));
        update.set(schema::INDEX_SHARD, text(schema::shard(&envelope.target)));
        update.set(schema::INDEX_ID, text(envelope.target.as_str()));
        for gone in ["up", "lt", "lu", "ct", "du", "ob", "kg", "tl"] {
            update.remove(gone);
        }
        if record.status == OrchestrationStatus::AwaitingStart {
            update.set("hu", number(u64::MAX));
        } else {
            update.remove("hu");
        }
        begin_load(&mut update, &message, later, (old.map(|o| &**o), placeholder.is_some()));
        let begun = self.change_head(operation, &envelope.target, update).await?;
        match &begun {
            Ok(head) => {
                if let Some(old) = old.filter(|_| placeholder.is_none()) {
                    self.remove_old(old).await;
                }
                self.bells.ring_changed(std::slice::from_ref(&head.instance));
                self.follow_up(head, None, true).await;
            }
            Err(_) => self.forget(&envelope.target, vec![&details]).await,
        }
        Ok(begun)
    }

    /// Creates an instance by policy.
    pub(crate) async fn create(&self, request: &CreateInstance) -> BackendResult<CreateOutcome> {
        let operation = "create_instances";
        let start = &request.start;
        let Some(record) = &start.creates else {
            let text = "the start message of a creation must hold the first record";
            return Err(BackendError::new(BackendErrorKind::Invalid, operation, text));
        };
        let body = self.body(operation, &start.target, &start.body).await?;
        let mut known = None;
        for _ in 0..TRIES {
            match self.begin(operation, start, record, &body, known.as_ref()).await? {
                Ok(_) => return Ok(CreateOutcome::Created),
                Err(None) => known = None,
                Err(Some(head)) => {
                    let is_placeholder = head.status == OrchestrationStatus::AwaitingStart;
                    if start.execution == Some(head.execution) && !is_placeholder {
                        return Ok(CreateOutcome::Created);
                    }
                    let replace = request.reuse == ReusePolicy::ReplaceTerminal;
                    let replaceable = is_placeholder || (head.is_terminal() && replace);
                    if !replaceable {
                        self.forget(&start.target, vec![&body]).await;
                        let record = self.full_record(operation, &head).await?;
                        return Ok(CreateOutcome::Exists(Box::new(record)));
                    }
                    known = Some(head);
                }
            }
        }
        let text = format!("{} changes faster than it can be created", start.target);
        Err(BackendError::new(BackendErrorKind::Throttled, operation, text))
    }
}

/// What waits in a new generation: its start message, and whatever a placeholder has collected.
fn begin_load(
    update: &mut Update,
    message: &Message,
    later: bool,
    (old, keeps): (Option<&Head>, bool),
) {
    let first = binary(message.seal());
    let empty = || AttributeValue::M(std::collections::HashMap::default());
    match (old, keeps) {
        (Some(placeholder), true) => {
            // Whatever the placeholder has collected is kept, behind the start message.
            update.set("px", id(placeholder.execution.0));
            if !later {
                let first = update.value(AttributeValue::L(vec![first]));
                update.set_expression(&format!("ib=list_append({first},ib)"));
                update.add("ii", id_set([message.id]));
            } else {
                let key = update.key(id_text(message.id));
                update.set(&format!("dm.{key}"), first);
            }
        }
        _ => {
            update.remove("px");
            update.remove("un");
            update.set("tk", empty());
            let mut delayed = std::collections::HashMap::default();
            if later {
                update.remove("ii");
                update.set("ib", AttributeValue::L(Vec::new()));
                delayed.insert(id_text(message.id), first);
            } else {
                update.set("ii", id_set([message.id]));
                update.set("ib", AttributeValue::L(vec![first]));
            }
            update.set("dm", AttributeValue::M(delayed));
            let paged = old.map_or(0, |old| old.paged);
            update.set("pn", number(paged));
            update.set("pd", number(paged));
        }
    }
}
