//! What a store says about what was acknowledged.

use std::path::Path;

use durable_core::backend::{BackendErrorKind, OrchestrationStatus};
use durable_core::client::Client;
use durable_core::error::ErrorKind;

use crate::acknowledged::Acknowledged;
use crate::open;

/// How a store answers for what was acknowledged.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Everything is there.
    Whole,
    /// Something is not, and it says so.
    Reported,
    /// Something is not, and it says nothing.
    Silent(String),
}

/// Opens a store and compares.
pub(crate) async fn examine(folder: &Path, acknowledged: &Acknowledged) -> Verdict {
    let backend = match open(folder, 20_000) {
        Ok(backend) => backend,
        Err(error) => return of_error(error.kind(), &error.to_string()),
    };
    let client = Client::new(backend.clone());
    let mut verdict = Verdict::Whole;
    for (number, known) in &acknowledged.instances {
        let handle = client.instance(format!("i{number}")).unwrap();
        match handle.status().await {
            Ok(status) => {
                if *known == 3 && status.status() != OrchestrationStatus::Completed {
                    return Verdict::Silent(format!("i{number} was done: {status:?}"));
                }
                if let Err(error) = handle.history().collect().await {
                    assert_ne!(error.kind(), ErrorKind::NotFound, "{error}");
                    verdict = Verdict::Reported;
                }
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Verdict::Silent(format!("i{number} is gone"));
            }
            Err(_) => verdict = Verdict::Reported,
        }
    }
    backend.close().await.ok();
    verdict
}

fn of_error(kind: BackendErrorKind, text: &str) -> Verdict {
    match kind {
        BackendErrorKind::Corrupt | BackendErrorKind::Incompatible => Verdict::Reported,
        other => Verdict::Silent(format!("opening failed with {other:?}: {text}")),
    }
}
