//! The requests to the table that everything else is made of.

use std::time::Duration;

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::{
    AttributeValue, DeleteRequest, KeysAndAttributes, PutRequest, ReturnValue,
    ReturnValuesOnConditionCheckFailure, WriteRequest,
};
use durable_core::backend::sealed::Damaged;
use durable_core::backend::{BackendError, BackendErrorKind, BackendResult};
use futures_util::{StreamExt as _, stream};

use crate::again::LostAnswers;
use crate::error::{Effect, from_sdk};
use crate::item::Item;
use crate::pace;
use crate::schema;
use crate::update::Update;

/// Items in one batch, by quota.
const WRITES_AT_ONCE: usize = 25;
const READS_AT_ONCE: usize = 100;

/// Batches in flight at a time.
const BATCHES: usize = 8;

/// How often what a batch left undone is tried again.
const TRIES: u32 = 9;

/// What became of a conditional write.
#[derive(Debug)]
pub(crate) enum Written {
    /// The item as it is now.
    Done(Item),
    /// The condition did not hold; the item as it is, if there is one.
    Refused(Option<Item>),
}

/// One table.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    pub(crate) client: aws_sdk_dynamodb::Client,
    pub(crate) name: String,
}

pub(crate) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

fn key(pk: &str, sk: &str) -> std::collections::HashMap<String, AttributeValue> {
    [(schema::PK.to_owned(), text(pk)), (schema::SK.to_owned(), text(sk))].into()
}

/// The error for bytes that cannot be read.
pub(crate) fn damaged(operation: &'static str, what: &str, why: &Damaged) -> BackendError {
    let text = format!("{what} is damaged (DT0008): {}; restore it from a backup", why.0);
    BackendError::new(BackendErrorKind::Corrupt, operation, text)
}

impl Table {
    /// Reads an item as of the last acknowledged write.
    pub(crate) async fn get(
        &self,
        operation: &'static str,
        pk: &str,
        sk: &str,
    ) -> BackendResult<Option<Item>> {
        let request = self.client.get_item().table_name(&self.name).set_key(Some(key(pk, sk)));
        let answer = request.consistent_read(true).send().await;
        Ok(answer.map_err(|e| from_sdk(operation, Effect::Reads, e))?.item)
    }

    /// Changes an item if a condition holds.
    pub(crate) async fn update(
        &self,
        operation: &'static str,
        (pk, sk): (&str, &str),
        update: Update,
    ) -> BackendResult<Written> {
        self.update_seen(operation, (pk, sk), update).await.map(|(written, _)| written)
    }

    /// The same; the second part says whether an earlier attempt may have been applied without an
    /// answer. Then a refusal may be that of one's own doing.
    pub(crate) async fn update_seen(
        &self,
        operation: &'static str,
        (pk, sk): (&str, &str),
        update: Update,
    ) -> BackendResult<(Written, bool)> {
        let lost = LostAnswers::default();
        let request = self
            .client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(key(pk, sk)))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match update.apply(request).customize().interceptor(lost.clone()).send().await {
            Ok(answer) => Ok((Written::Done(answer.attributes.unwrap_or_default()), lost.any())),
            Err(error) => {
                let refused = error.as_service_error().and_then(|e| {
                    match e {
                    aws_sdk_dynamodb::operation::update_item::UpdateItemError::
                        ConditionalCheckFailedException(refused) => Some(refused.item.clone()),
                    _ => None,
                }
                });
                match refused {
                    Some(item) => {
                        Ok((Written::Refused(item.filter(|i| !i.is_empty())), lost.any()))
                    }
                    None => Err(from_sdk(operation, Effect::Writes, error)),
                }
            }
        }
    }

    /// Writes an item, over whatever is there if the condition holds.
    pub(crate) async fn put(
        &self,
        operation: &'static str,
        item: Item,
        condition: Update,
    ) -> BackendResult<Written> {
        let request = self
            .client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(item.clone()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match condition.apply_condition(request).send().await {
            Ok(_) => Ok(Written::Done(item)),
            Err(error) => {
                let refused = error.as_service_error().and_then(|e| {
                    match e {
                    aws_sdk_dynamodb::operation::put_item::PutItemError::
                        ConditionalCheckFailedException(refused) => Some(refused.item.clone()),
                    _ => None,
                }
                });
                match refused {
                    Some(item) => Ok(Written::Refused(item.filter(|i| !i.is_empty()))),
                    None => Err(from_sdk(operation, Effect::Writes, error)),
                }
            }
        }
    }

    /// Removes an item if a condition holds.
    pub(crate) async fn delete(
        &self,
        operation: &'static str,
        (pk, sk): (&str, &str),
        condition: Update,
    ) -> BackendResult<Written> {
        let request = self
            .client
            .delete_item()
            .table_name(&self.name)
            .set_key(Some(key(pk, sk)))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match condition.apply_delete_condition(request).send().await {
            Ok(_) => Ok(Written::Done(Item::new())),
            Err(error) => {
                let refused = error.as_service_error().and_then(|e| {
                    match e {
                    aws_sdk_dynamodb::operation::delete_item::DeleteItemError::
                        ConditionalCheckFailedException(refused) => Some(refused.item.clone()),
                    _ => None,
                }
                });
                match refused {
                    Some(item) => Ok(Written::Refused(item.filter(|i| !i.is_empty()))),
                    None => Err(from_sdk(operation, Effect::Writes, error)),
                }
            }
        }
    }

    fn between(&self, pk: &str, (from, to): (&str, &str)) -> QueryFluentBuilder {
        self.client
            .query()
            .table_name(&self.name)
            .consistent_read(true)
            .key_condition_expression("pk=:p AND sk BETWEEN :f AND :t")
            .expression_attribute_values(":p", text(pk))
            .expression_attribute_values(":f", text(from))
            .expression_attribute_values(":t", text(to))
    }

    /// Items of one partition whose sort keys lie between two, both included, in their order.
    /// Reads pages until there are `limit` items or `bytes_max` is passed; the second part says
    /// whether there may be more.
    pub(crate) async fn range(
        &self,
        operation: &'static str,
        pk: &str,
        (from, to): (&str, &str),
        limit: usize,
    ) -> BackendResult<(Vec<Item>, bool)> {
        let mut items = Vec::new();
        let mut start = None;
        loop {
            let left = i32::try_from(limit.saturating_sub(items.len())).unwrap_or(i32::MAX);
            let answer = self
                .between(pk, (from, to))
                .limit(left)
                .set_exclusive_start_key(start)
                .send()
                .await
                .map_err(|e| from_sdk(operation, Effect::Reads, e))?;
            items.extend(answer.items.unwrap_or_default());
            start = answer.last_evaluated_key.filter(|key| !key.is_empty());
            if start.is_none() || items.len() >= limit {
                return Ok((items, start.is_some()));
            }
        }
    }

    /// The last item of one partition whose sort key lies between two, both included.
    pub(crate) async fn last(
        &self,
        operation: &'static str,
        pk: &str,
        (from, to): (&str, &str),
    ) -> BackendResult<Option<Item>> {
        let answer = self
            .between(pk, (from, to))
            .scan_index_forward(false)
            .limit(1)
            .send()
            .await
            .map_err(|e| from_sdk(operation, Effect::Reads, e))?;
        Ok(answer.items.unwrap_or_default().pop())
    }

    /// Reads many items, each as of its last acknowledged write, in no order.
    pub(crate) async fn get_all(
        &self,
        operation: &'static str,
        keys: Vec<(String, String)>,
    ) -> BackendResult<Vec<Item>> {
        let batches = keys.chunks(READS_AT_ONCE).map(|batch| {
            let keys = batch.iter().map(|(pk, sk)| key(pk, sk)).collect::<Vec<_>>();
            self.get_batch(operation, keys)
        });
        let answers: Vec<_> =
            stream::iter(batches.collect::<Vec<_>>()).buffered(BATCHES).collect().await;
        let mut items = Vec::with_capacity(keys.len());
        for answer in answers {
            items.extend(answer?);
        }
        Ok(items)
    }

    async fn get_batch(
        &self,
        operation: &'static str,
        keys: Vec<std::collections::HashMap<String, AttributeValue>>,
    ) -> BackendResult<Vec<Item>> {
        let mut items = Vec::with_capacity(keys.len());
        let mut left = keys;
        for attempt in 0..TRIES {
            let wanted = KeysAndAttributes::builder()
                .consistent_read(true)
                .set_keys(Some(left))
                .build()
                .map_err(|e| internal(operation).source(e))?;
            let answer = self
                .client
                .batch_get_item()
                .request_items(&self.name, wanted)
                .send()
                .await
                .map_err(|e| from_sdk(operation, Effect::Reads, e))?;
            items.extend(answer.responses.into_iter().flatten().flat_map(|(_, items)| items));
            left =
                answer.unprocessed_keys.into_iter().flatten().flat_map(|(_, k)| k.keys).collect();
            if left.is_empty() {
                return Ok(items);
            }
            self.pause(attempt).await;
        }
        Err(throttled(operation))
    }

    /// Writes many items, each by itself and without a condition.
    pub(crate) async fn put_all(
        &self,
        operation: &'static str,
        items: Vec<Item>,
    ) -> BackendResult<()> {
        let requests = items.into_iter().map(|item| {
            let put = PutRequest::builder().set_item(Some(item)).build();
            put.map(|put| WriteRequest::builder().put_request(put).build())
        });
        let requests: Result<Vec<_>, _> = requests.collect();
        self.write_all(operation, requests.map_err(|e| internal(operation).source(e))?).await
    }

    /// Removes many items.
    pub(crate) async fn delete_all(
        &self,
        operation: &'static str,
        keys: Vec<(String, String)>,
    ) -> BackendResult<()> {
        let requests = keys.iter().map(|(pk, sk)| {
            let delete = DeleteRequest::builder().set_key(Some(key(pk, sk))).build();
            delete.map(|delete| WriteRequest::builder().delete_request(delete).build())
        });
        let requests: Result<Vec<_>, _> = requests.collect();
        self.write_all(operation, requests.map_err(|e| internal(operation).source(e))?).await
    }

    async fn write_all(
        &self,
        operation: &'static str,
        requests: Vec<WriteRequest>,
    ) -> BackendResult<()> {
        let batches =
            requests.chunks(WRITES_AT_ONCE).map(|b| self.write_batch(operation, b.to_vec()));
        let answers: Vec<_> =
            stream::iter(batches.collect::<Vec<_>>()).buffer_unordered(BATCHES).collect().await;
        answers.into_iter().collect()
    }

    async fn write_batch(
        &self,
        operation: &'static str,
        batch: Vec<WriteRequest>,
    ) -> BackendResult<()> {
        let mut left = batch;
        for attempt in 0..TRIES {
            let answer = self
                .client
                .batch_write_item()
                .request_items(&self.name, left)
                .send()
                .await
                .map_err(|e| from_sdk(operation, Effect::Writes, e))?;
            left = answer.unprocessed_items.into_iter().flatten().flat_map(|(_, r)| r).collect();
            if left.is_empty() {
                return Ok(());
            }
            self.pause(attempt).await;
        }
        Err(throttled(operation).unknown())
    }

    /// The first repetitions come at once, the later ones more and more slowly.
    async fn pause(&self, attempt: u32) {
        if let Some(n) = attempt.checked_sub(2) {
            pace::before_asking_again(Duration::from_millis(25 << n.min(6))).await;
        }
    }
}

fn throttled(operation: &'static str) -> BackendError {
    let text = "the table leaves a part of each batch undone: fewer requests at a time";
    BackendError::new(BackendErrorKind::Throttled, operation, text)
}

fn internal(operation: &'static str) -> BackendError {
    BackendError::new(BackendErrorKind::Internal, operation, "a request is incomplete")
}
