//! From recorded results to the caller's types.

use std::fmt::Display;

use serde::de::DeserializeOwned;

use crate::model::{Failure, FailureKind};
use crate::payload::{Payload, decode};
use crate::replay::core::OpResult;
use crate::replay::task_error::{TaskError, UserError};

/// Decodes what an activity or child ended with. An absent value reads as `null`.
pub(super) fn typed<O: DeserializeOwned, E: UserError>(
    result: OpResult,
    what: &dyn Display,
) -> Result<O, TaskError<E>> {
    let output = result.map_err(TaskError::from_failure)?;
    let output = output.unwrap_or_else(|| Payload::new(&b"null"[..]));
    decode(&output).map_err(|error| {
        TaskError::Engine(Failure::of_kind(
            FailureKind::Conversion,
            format!("output of {what}: {error}"),
        ))
    })
}
