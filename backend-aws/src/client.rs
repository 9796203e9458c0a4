//! The clients of both services.

use std::time::Duration;

use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Region, SharedCredentialsProvider};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use durable_core::backend::{BackendError, BackendErrorKind, BackendResult};

use crate::again::Passing;
use crate::config::{AwsCredentials, AwsSettings};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The clients of one store.
#[derive(Debug, Clone)]
pub(crate) struct Clients {
    pub(crate) dynamodb: aws_sdk_dynamodb::Client,
    pub(crate) sqs: aws_sdk_sqs::Client,
}

/// What region and credentials turned out to be.
struct Identity {
    region: Region,
    credentials: SharedCredentialsProvider,
}

impl Clients {
    pub(crate) async fn connect(settings: &AwsSettings) -> BackendResult<Self> {
        let http = match &settings.http_client {
            Some(client) => client.clone(),
            None => http_client(settings)?,
        };
        let identity = identity(settings, &http).await?;
        let retry = RetryConfig::standard()
            .with_max_attempts(settings.attempts.max(1))
            .with_initial_backoff(Duration::from_millis(50));
        // No request may hang for ever: each attempt has its limit, and all together have one.
        let timeouts = |attempt: Duration| {
            TimeoutConfig::builder()
                .connect_timeout(CONNECT_TIMEOUT.min(attempt))
                .operation_attempt_timeout(attempt)
                .operation_timeout(attempt * settings.attempts.max(1))
                .build()
        };
        let mut dynamodb = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(identity.region.clone())
            .credentials_provider(identity.credentials.clone())
            .retry_config(retry.clone())
            .timeout_config(timeouts(settings.attempt_timeout))
            .retry_classifier(Passing)
            .http_client(http.clone());
        if let Some(url) = settings.dynamodb_endpoint.as_ref().or(settings.endpoint.as_ref()) {
            dynamodb = dynamodb.endpoint_url(url);
        }
        let mut sqs = aws_sdk_sqs::Config::builder()
            .behavior_version(aws_sdk_sqs::config::BehaviorVersion::latest())
            .region(identity.region)
            .credentials_provider(identity.credentials)
            .retry_config(retry)
            // A long poll takes its time before it answers.
            .timeout_config(timeouts(settings.attempt_timeout + settings.long_poll))
            .retry_classifier(Passing)
            .http_client(http);
        if let Some(url) = settings.sqs_endpoint.as_ref().or(settings.endpoint.as_ref()) {
            sqs = sqs.endpoint_url(url);
        }
        Ok(Self {
            dynamodb: aws_sdk_dynamodb::Client::from_conf(dynamodb.build()),
            sqs: aws_sdk_sqs::Client::from_conf(sqs.build()),
        })
    }
}

fn invalid(text: &str) -> BackendError {
    BackendError::new(BackendErrorKind::Invalid, "connect", text)
}

/// Whether no endpoint needs encryption.
fn is_plain(settings: &AwsSettings) -> bool {
    let both = settings.endpoint.as_ref();
    let ends =
        [settings.dynamodb_endpoint.as_ref().or(both), settings.sqs_endpoint.as_ref().or(both)];
    ends.iter().all(|end| end.is_some_and(|url| url.starts_with("http://")))
}

fn http_client(settings: &AwsSettings) -> BackendResult<SharedHttpClient> {
    if is_plain(settings) {
        return Ok(aws_smithy_http_client::Builder::new().build_http());
    }
    encrypted()
}

#[cfg(feature = "tls")]
#[allow(clippy::unnecessary_wraps, reason = "without the feature it fails")]
fn encrypted() -> BackendResult<SharedHttpClient> {
    use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
    let builder = aws_smithy_http_client::Builder::new();
    Ok(builder.tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https())
}

#[cfg(not(feature = "tls"))]
fn encrypted() -> BackendResult<SharedHttpClient> {
    Err(invalid("AWS needs the feature `tls` of the crate `backend-aws`, or an `http:` endpoint"))
}

async fn identity(settings: &AwsSettings, http: &SharedHttpClient) -> BackendResult<Identity> {
    let region = Some(settings.region.clone()).filter(|r| !r.is_empty());
    match (&settings.credentials, region) {
        (AwsCredentials::Provider(provider), Some(region)) => {
            Ok(Identity { region: Region::new(region), credentials: provider.clone() })
        }
        (credentials, region) => from_chain(credentials, region, http).await,
    }
}

#[cfg(feature = "credentials")]
async fn from_chain(
    credentials: &AwsCredentials,
    region: Option<String>,
    http: &SharedHttpClient,
) -> BackendResult<Identity> {
    let mut loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http.clone());
    if let Some(region) = region {
        loader = loader.region(Region::new(region));
    }
    let loaded = loader.load().await;
    let region = loaded.region().cloned();
    let provider = match credentials {
        AwsCredentials::Provider(provider) => Some(provider.clone()),
        AwsCredentials::Chain => loaded.credentials_provider(),
    };
    Ok(Identity {
        region: region.ok_or_else(|| invalid("no region is configured: set AWS_REGION"))?,
        credentials: provider.ok_or_else(|| invalid("no credentials are configured"))?,
    })
}

#[cfg(not(feature = "credentials"))]
#[allow(clippy::unused_async, reason = "with the feature it waits")]
async fn from_chain(
    credentials: &AwsCredentials,
    _region: Option<String>,
    _http: &SharedHttpClient,
) -> BackendResult<Identity> {
    Err(invalid(match credentials {
        AwsCredentials::Chain => {
            "the standard chain of credentials needs the feature `credentials` of `backend-aws`"
        }
        AwsCredentials::Provider(_) => "a region is needed",
    }))
}
