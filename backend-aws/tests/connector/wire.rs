//! Requests and replies of both services, whose protocols are alike: an action and JSON.

use std::fmt;
use std::sync::Arc;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use durable_core::env::BoxFuture;
use serde_json::Value;

pub(crate) type Answer = Result<Reply, ConnectorError>;

/// A request of the adapter.
pub(crate) struct Request {
    /// For example `PutItem`.
    pub(crate) operation: String,
    pub(crate) body: Value,
    raw: HttpRequest,
}

impl Request {
    fn new(raw: HttpRequest) -> Self {
        let target = raw.headers().get("x-amz-target").unwrap_or_default();
        let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
        let body = raw.body().bytes().and_then(|bytes| serde_json::from_slice(bytes).ok());
        Self { operation, body: body.unwrap_or(Value::Null), raw }
    }

    pub(crate) fn is_sqs(&self) -> bool {
        self.raw.headers().get("x-amz-target").is_some_and(|t| t.starts_with("AmazonSQS"))
    }

    /// Whether this is the first attempt at the request.
    pub(crate) fn is_first_attempt(&self) -> bool {
        self.raw.headers().get("amz-sdk-request").is_none_or(|text| text.starts_with("attempt=1"))
    }

    pub(crate) fn bytes(&self) -> usize {
        self.raw.body().bytes().map_or(0, <[u8]>::len)
    }

    /// The queue or table that is meant.
    pub(crate) fn resource(&self) -> Option<String> {
        let text = |name: &str| self.body.get(name).and_then(Value::as_str);
        let url = text("QueueUrl").and_then(|url| url.rsplit('/').next());
        let name = url.or_else(|| text("QueueName")).or_else(|| text("TableName"));
        let arn = text("ResourceArn").and_then(|arn| arn.rsplit('/').next());
        let items = self.body.get("RequestItems").and_then(Value::as_object);
        let batch = items.and_then(|items| items.keys().next().map(String::as_str));
        let of_action = |action: &Value| {
            let action = action.as_object()?.values().next()?;
            action.get("TableName")?.as_str().map(str::to_owned)
        };
        let transaction = self.body.get("TransactItems").and_then(Value::as_array);
        let transaction = transaction.and_then(|actions| actions.first()).and_then(of_action);
        name.or(arn).or(batch).map(str::to_owned).or(transaction)
    }
}

/// What came back.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Value,
    raw: Option<HttpResponse>,
}

impl Reply {
    /// A reply that no server gave.
    pub(crate) fn made_up(status: u16, body: Value) -> Self {
        Self { status, body, raw: None }
    }

    /// The error of a service.
    pub(crate) fn error(status: u16, code: &str) -> Self {
        let body = serde_json::json!({ "__type": code, "message": "injected fault" });
        Self::made_up(status, body)
    }

    /// The body was changed.
    pub(crate) fn changed(self) -> Self {
        Self { raw: None, ..self }
    }

    fn into_http(self) -> Result<HttpResponse, ConnectorError> {
        if let Some(raw) = self.raw {
            return Ok(raw);
        }
        let status =
            self.status.try_into().map_err(|e| ConnectorError::other(Box::new(e), None))?;
        let mut response = HttpResponse::new(status, SdkBody::from(self.body.to_string()));
        response.headers_mut().insert("content-type", "application/x-amz-json-1.0");
        if let Some(code) = self.body.get("__type").and_then(Value::as_str) {
            response.headers_mut().insert("x-amzn-errortype", code.to_owned());
        }
        Ok(response)
    }
}

/// The way to the server.
#[derive(Clone)]
pub(crate) struct Wire(SharedHttpConnector);

impl Wire {
    pub(crate) async fn send(&self, request: &Request) -> Answer {
        let broken = |text: &str| ConnectorError::other(text.to_owned().into(), None);
        let mut raw = request.raw.try_clone().ok_or_else(|| broken("a stream cannot be copied"))?;
        let bytes = request.raw.body().bytes().unwrap_or_default();
        if serde_json::from_slice(bytes).ok().as_ref() != Some(&request.body) {
            let text = request.body.to_string();
            raw.headers_mut().insert("content-length", text.len().to_string());
            *raw.body_mut() = SdkBody::from(text);
        }
        let mut response = self.0.call(raw).await?;
        let body = std::mem::replace(response.body_mut(), SdkBody::empty());
        let bytes = ByteStream::new(body).collect().await;
        let bytes = bytes.map_err(|e| ConnectorError::io(Box::new(e)))?.into_bytes();
        let value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        *response.body_mut() = SdkBody::from(bytes);
        Ok(Reply { status: response.status().as_u16(), body: value, raw: Some(response) })
    }
}

/// What stands between the SDK and the wire.
pub(crate) trait Layer: Send + Sync + 'static {
    fn call(self: Arc<Self>, request: Request, wire: Wire) -> BoxFuture<'static, Answer>;
}

/// A client that sends in plain text.
pub(crate) fn plain() -> SharedHttpClient {
    aws_smithy_http_client::Builder::new().build_http()
}

/// A client whose requests go through the layer.
pub(crate) fn through(layer: Arc<dyn Layer>, inner: SharedHttpClient) -> SharedHttpClient {
    SharedHttpClient::new(Client { layer, inner })
}

struct Client {
    layer: Arc<dyn Layer>,
    inner: SharedHttpClient,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client")
    }
}

impl HttpClient for Client {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let wire = Wire(self.inner.http_connector(settings, components));
        SharedHttpConnector::new(Connector { layer: Arc::clone(&self.layer), wire })
    }
}

struct Connector {
    layer: Arc<dyn Layer>,
    wire: Wire,
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connector")
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let answer = Arc::clone(&self.layer).call(Request::new(request), self.wire.clone());
        HttpConnectorFuture::new(async move { answer.await?.into_http() })
    }
}
