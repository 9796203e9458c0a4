//! A stand-in for SQS: standard queues over the JSON protocol, with the rules and limits of the
//! real service as far as the adapter can meet them. What it does not know it refuses.
//!
//! `service.rs` is a state machine that is told the time; this file puts HTTP and waiting around
//! it. Duplicates, losses and disorder are not made here but at the client's connector, where they
//! come over every emulator alike.

mod batch;
mod error;
mod message;
mod queue;
mod rules;
mod service;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use durable_core::env::{SharedEnv, TokioEnv, timeout};
use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::Notify;

pub(crate) use error::SqsError;
pub(crate) use service::Service;

const TARGET: &str = "AmazonSQS.";
const CONTENT_TYPE: &str = "application/x-amz-json-1.0";
/// A longer wait would only hide a queue that nobody told of a change.
const NAP: Duration = Duration::from_secs(20);

#[derive(Clone)]
struct Shared {
    service: Arc<Mutex<Service>>,
    /// Somebody has sent, changed or deleted something.
    changed: Arc<Notify>,
    env: SharedEnv,
}

/// Serves until the task is dropped.
pub(crate) async fn serve(listener: tokio::net::TcpListener) -> std::io::Result<()> {
    let url = format!("http://{}", listener.local_addr()?);
    let shared = Shared {
        service: Arc::new(Mutex::new(Service::new(url))),
        changed: Arc::new(Notify::new()),
        env: TokioEnv::shared(),
    };
    let router = Router::new().route("/", post(answer)).with_state(shared);
    axum::serve(listener, router).await
}

async fn answer(State(shared): State<Shared>, headers: HeaderMap, body: Bytes) -> Response {
    match perform(&shared, &headers, &body).await {
        Ok(value) => {
            let text = if value.is_null() { String::new() } else { value.to_string() };
            ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response()
        }
        Err(error) => {
            let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::BAD_REQUEST);
            let type_of = [(header::CONTENT_TYPE.as_str(), CONTENT_TYPE.to_owned())];
            let query = [("x-amzn-query-error", format!("{};Sender", error.query_code()))];
            (status, type_of, query, error.body().to_string()).into_response()
        }
    }
}

async fn perform(shared: &Shared, headers: &HeaderMap, body: &[u8]) -> Result<Value, SqsError> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let action = text("x-amz-target").and_then(|target| target.strip_prefix(TARGET));
    let action = action.ok_or_else(SqsError::unknown_operation)?;
    if !text("authorization").is_some_and(|how| how.starts_with("AWS4-HMAC-SHA256 ")) {
        return Err(SqsError::unsigned());
    }
    let request: Value = serde_json::from_slice(body).map_err(|_| SqsError::unreadable())?;
    if action == "ReceiveMessage" {
        return receive(shared, &request).await;
    }
    let answer = shared.service.lock().call(action, &request, shared.env.now().as_millis());
    shared.changed.notify_waiters();
    answer
}

/// Waits, if asked to, until there is something to receive.
async fn receive(shared: &Shared, request: &Value) -> Result<Value, SqsError> {
    let now = || shared.env.now().as_millis();
    let wait = shared.service.lock().wait_ms(request)?;
    let until = now() + wait;
    loop {
        // Listening begins before looking, so that nothing falls in between.
        let changed = shared.changed.notified();
        tokio::pin!(changed);
        changed.as_mut().enable();
        let (answer, next) = {
            let mut service = shared.service.lock();
            (service.call("ReceiveMessage", request, now())?, service.next_visible(request))
        };
        let at = now();
        if answer.get("Messages").is_some() || at >= until {
            return Ok(answer);
        }
        let nap = next.map_or(until, |next| next.min(until)).saturating_sub(at).max(1);
        let nap = Duration::from_millis(nap).min(NAP);
        // Whichever comes first, the queue is looked at again.
        let _ = timeout(&*shared.env, nap, changed).await;
    }
}
