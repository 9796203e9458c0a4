//! Settings.

use std::fmt;
use std::time::Duration;

use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use durable_core::ids::HubName;

/// Who the requests are signed by.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub enum AwsCredentials {
    /// The standard chain: environment, profiles, containers, instance metadata. Needs the
    /// feature `credentials`.
    #[default]
    Chain,
    /// This provider.
    Provider(SharedCredentialsProvider),
}

impl AwsCredentials {
    /// Fixed credentials, e.g. for an emulator.
    pub fn fixed(access_key: &str, secret_key: &str) -> Self {
        let fixed = Credentials::new(access_key, secret_key, None, None, "settings");
        Self::Provider(SharedCredentialsProvider::new(fixed))
    }
}

/// Settings of an AWS store.
#[derive(Clone)]
#[non_exhaustive]
pub struct AwsSettings {
    /// The region, e.g. `eu-central-1`. Empty takes it from the standard chain.
    pub region: String,
    /// Where both services answer, e.g. an emulator; AWS itself when absent.
    pub endpoint: Option<String>,
    /// Where DynamoDB answers, if it differs from `endpoint`.
    pub dynamodb_endpoint: Option<String>,
    /// Where SQS answers, if it differs from `endpoint`.
    pub sqs_endpoint: Option<String>,
    /// Who signs.
    pub credentials: AwsCredentials,
    /// Sends the requests of both services; tests inject faults here. Made by the store when
    /// absent.
    pub http_client: Option<SharedHttpClient>,
    /// What the names of all tables and queues begin with: letters, digits and `-` only. Default
    /// empty.
    pub prefix: String,
    /// The hub that a URL names; see [`AwsStore::hub`](crate::AwsStore::hub).
    pub hub: HubName,
    /// Tags that tables and queues get when they are created.
    pub tags: Vec<(String, String)>,
    /// How long one long poll of a queue lasts; AWS allows 20 seconds, which is the default.
    pub long_poll: Duration,
    /// After how long a doorbell whose work is not done rings again, perhaps in another process.
    /// Bounds how late the death of a process is noticed, beside the length of leases. Default 60
    /// seconds; whole seconds.
    pub ring_again: Duration,
    /// How often a process looks at all live instances for wake-ups that were lost. Default 10
    /// minutes.
    pub sweep_every: Duration,
    /// How often a waiting `watch` looks for changes that another process made. Default 1 second.
    pub watch_every: Duration,
    /// How long one attempt of a request may take before it counts as failed. Default 10 seconds.
    pub attempt_timeout: Duration,
    /// Attempts of one request, the first included, before its error is reported. Default 4.
    pub attempts: u32,
}

impl Default for AwsSettings {
    fn default() -> Self {
        Self::new("")
    }
}

impl AwsSettings {
    /// The default settings for a region.
    pub fn new(region: impl Into<String>) -> Self {
        Self {
            region: region.into(),
            endpoint: None,
            dynamodb_endpoint: None,
            sqs_endpoint: None,
            credentials: AwsCredentials::default(),
            http_client: None,
            prefix: String::new(),
            hub: HubName::default(),
            tags: Vec::new(),
            long_poll: Duration::from_secs(20),
            ring_again: Duration::from_secs(60),
            sweep_every: Duration::from_secs(600),
            watch_every: Duration::from_secs(1),
            attempt_timeout: Duration::from_secs(10),
            attempts: 4,
        }
    }

    /// Settings for an emulator of both services on this endpoint.
    pub fn emulator(endpoint: impl Into<String>) -> Self {
        let mut settings = Self::new("us-east-1");
        settings.endpoint = Some(endpoint.into());
        settings.credentials = AwsCredentials::fixed("test", "test");
        settings
    }
}

impl fmt::Debug for AwsSettings {
    /// Without credentials: settings end up in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwsSettings")
            .field("region", &self.region)
            .field("endpoint", &self.endpoint)
            .field("dynamodb_endpoint", &self.dynamodb_endpoint)
            .field("sqs_endpoint", &self.sqs_endpoint)
            .field("prefix", &self.prefix)
            .field("hub", &self.hub)
            .finish_non_exhaustive()
    }
}
