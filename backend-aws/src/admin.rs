//! Creating and deleting hubs.

use std::time::Duration;

use aws_sdk_dynamodb::operation::create_table::CreateTableError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType, TableStatus, Tag, TimeToLiveSpecification,
};
use aws_sdk_sqs::types::QueueAttributeName;
use durable_core::backend::{BackendError, BackendErrorKind, BackendResult};
use durable_core::ids::HubName;

use crate::error::{Effect, from_sdk};
use crate::pace;
use crate::schema;
use crate::store::AwsStore;

/// Looks at a table that is being created or deleted before giving up.
const LOOKS: u32 = 120;

/// Seconds that a message is kept: the most that SQS allows.
const RETENTION: &str = "1209600";

fn key(name: &str, kind: KeyType) -> BackendResult<KeySchemaElement> {
    KeySchemaElement::builder().attribute_name(name).key_type(kind).build().map_err(built)
}

fn built(error: aws_sdk_dynamodb::error::BuildError) -> BackendError {
    BackendError::new(BackendErrorKind::Internal, "create_hub", "a request is incomplete")
        .source(error)
}

impl AwsStore {
    /// Creates the table and the three queues of a hub, where they are missing, and waits until
    /// they can be used. Capacity is on demand. Safe to repeat, also from several places at once.
    ///
    /// # Errors
    /// Those of the services; nothing needs to be cleaned up before it is tried again.
    pub async fn create_hub(&self, hub: &HubName) -> BackendResult<()> {
        let names = self.names(hub);
        for queue in names.queues() {
            self.create_queue(queue).await?;
        }
        if self.table_status(&names.table).await?.is_none() {
            self.create_table(&names.table).await?;
        }
        for look in 0..LOOKS {
            match self.table_status(&names.table).await? {
                Some(TableStatus::Active) => return self.expire_items(&names.table).await,
                _ => {
                    pace::before_asking_again(Duration::from_millis(if look < 10 {
                        50
                    } else {
                        1_000
                    }))
                    .await
                }
            }
        }
        Err(BackendError::new(
            BackendErrorKind::Unavailable,
            "create_hub",
            format!("the table {} is still not active", names.table),
        ))
    }

    /// Deletes the table and the queues of a hub, with all that is in them. Safe to repeat.
    ///
    /// # Errors
    /// Those of the services.
    pub async fn delete_hub(&self, hub: &HubName) -> BackendResult<()> {
        let names = self.names(hub);
        for queue in names.queues() {
            self.delete_queue(queue).await?;
        }
        let deleted = self.clients.dynamodb.delete_table().table_name(&names.table).send().await;
        match deleted {
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(|e| e.is_resource_not_found_exception()) => {}
            other => {
                other.map_err(|e| from_sdk("delete_hub", Effect::Writes, e))?;
            }
        }
        for look in 0..LOOKS {
            if self.table_status(&names.table).await?.is_none() {
                return Ok(());
            }
            pace::before_asking_again(Duration::from_millis(if look < 10 { 50 } else { 1_000 }))
                .await;
        }
        Err(BackendError::new(
            BackendErrorKind::Unavailable,
            "delete_hub",
            format!("the table {} is still being deleted", names.table),
        ))
    }

    async fn table_status(&self, table: &str) -> BackendResult<Option<TableStatus>> {
        match self.clients.dynamodb.describe_table().table_name(table).send().await {
            Ok(described) => Ok(described.table.and_then(|t| t.table_status)),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(|e| e.is_resource_not_found_exception()) =>
            {
                Ok(None)
            }
            Err(error) => Err(from_sdk("create_hub", Effect::Reads, error)),
        }
    }

    async fn create_table(&self, table: &str) -> BackendResult<()> {
        let attribute = |name: &str| {
            AttributeDefinition::builder()
                .attribute_name(name)
                .attribute_type(ScalarAttributeType::S)
                .build()
                .map_err(built)
        };
        let projection = Projection::builder()
            .projection_type(ProjectionType::Include)
            .non_key_attributes(schema::STATUS)
            .build();
        let index = GlobalSecondaryIndex::builder()
            .index_name(schema::INDEX)
            .key_schema(key(schema::INDEX_SHARD, KeyType::Hash)?)
            .key_schema(key(schema::INDEX_ID, KeyType::Range)?)
            .projection(projection)
            .build()
            .map_err(built)?;
        let mut request = self.clients.dynamodb.create_table().table_name(table);
        for name in [schema::PK, schema::SK, schema::INDEX_SHARD, schema::INDEX_ID] {
            request = request.attribute_definitions(attribute(name)?);
        }
        for (name, value) in self.tags() {
            request = request.tags(Tag::builder().key(name).value(value).build().map_err(built)?);
        }
        let created = request
            .key_schema(key(schema::PK, KeyType::Hash)?)
            .key_schema(key(schema::SK, KeyType::Range)?)
            .global_secondary_indexes(index)
            .billing_mode(BillingMode::PayPerRequest)
            .send()
            .await;
        match created {
            // Somebody else creates it at the same time.
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(CreateTableError::is_resource_in_use_exception) =>
            {
                Ok(())
            }
            other => other.map(drop).map_err(|e| from_sdk("create_hub", Effect::Writes, e)),
        }
    }

    /// Items that only wait for their removal are removed by the table itself, free of charge.
    async fn expire_items(&self, table: &str) -> BackendResult<()> {
        let described =
            self.clients.dynamodb.describe_time_to_live().table_name(table).send().await;
        let described = described.map_err(|e| from_sdk("create_hub", Effect::Reads, e))?;
        let on = described.time_to_live_description.and_then(|d| d.attribute_name);
        if on.as_deref() == Some(schema::EXPIRES) {
            return Ok(());
        }
        let expiry = TimeToLiveSpecification::builder()
            .enabled(true)
            .attribute_name(schema::EXPIRES)
            .build()
            .map_err(built)?;
        let request = self.clients.dynamodb.update_time_to_live().table_name(table);
        match request.time_to_live_specification(expiry).send().await {
            Ok(_) => Ok(()),
            // Switched on by somebody else at the same time.
            Err(error)
                if error.as_service_error().is_some_and(|e| {
                    e.meta().code() == Some("ValidationException")
                        || e.is_resource_in_use_exception()
                }) =>
            {
                Ok(())
            }
            Err(error) => Err(from_sdk("create_hub", Effect::Writes, error)),
        }
    }

    fn tags(&self) -> Vec<(String, String)> {
        let own = [("durable".to_owned(), "task-hub".to_owned())];
        own.into_iter().chain(self.settings.tags.iter().cloned()).collect()
    }

    async fn create_queue(&self, queue: &str) -> BackendResult<()> {
        let mut request = self.clients.sqs.create_queue().queue_name(queue);
        for (name, value) in self.tags() {
            request = request.tags(name, value);
        }
        request
            .attributes(QueueAttributeName::MessageRetentionPeriod, RETENTION)
            .send()
            .await
            .map(drop)
            .map_err(|e| from_sdk("create_hub", Effect::Writes, e))
    }

    async fn delete_queue(&self, queue: &str) -> BackendResult<()> {
        let found = self.clients.sqs.get_queue_url().queue_name(queue).send().await;
        let url = match found {
            Ok(found) => found.queue_url,
            Err(error) if error.as_service_error().is_some_and(|e| e.is_queue_does_not_exist()) => {
                None
            }
            Err(error) => return Err(from_sdk("delete_hub", Effect::Reads, error)),
        };
        let Some(url) = url else { return Ok(()) };
        let deleted = self.clients.sqs.delete_queue().queue_url(url).send().await;
        deleted.map(drop).map_err(|e| from_sdk("delete_hub", Effect::Writes, e))
    }
}
