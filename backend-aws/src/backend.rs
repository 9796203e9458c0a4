//! One task hub.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

use durable_core::backend::{BackendError, BackendErrorKind, BackendResult};
use durable_core::env::SharedEnv;
use durable_core::ids::HubName;

use crate::client::Clients;
use crate::config::AwsSettings;
use crate::names::HubNames;

/// A task hub on DynamoDB and SQS.
pub struct AwsBackend {
    hub: HubName,
    closed: AtomicBool,
}

impl fmt::Debug for AwsBackend {
    /// Shows no content: payloads may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwsBackend").field("hub", &self.hub).finish_non_exhaustive()
    }
}

impl AwsBackend {
    pub(crate) fn open(
        _clients: Clients,
        _settings: AwsSettings,
        (hub, _names): (&HubName, HubNames),
        _env: SharedEnv,
    ) -> Self {
        Self { hub: hub.clone(), closed: AtomicBool::new(false) }
    }

    pub(crate) fn check_open(&self, operation: &'static str) -> BackendResult<()> {
        if self.closed.load(Ordering::Acquire) {
            let text = "the backend was closed";
            return Err(BackendError::new(BackendErrorKind::Closed, operation, text));
        }
        Ok(())
    }
}
