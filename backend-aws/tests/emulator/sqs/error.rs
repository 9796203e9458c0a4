//! The errors of the service, as its JSON protocol writes them.

use serde_json::{Value, json};

/// An error of the whole request, or of one entry of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SqsError {
    code: &'static str,
    message: String,
}

/// Errors that the service's model names; the others come from its front.
const MODELLED: [&str; 17] = [
    "BatchEntryIdsNotDistinct",
    "BatchRequestTooLong",
    "EmptyBatchRequest",
    "InvalidAttributeName",
    "InvalidAttributeValue",
    "InvalidBatchEntryId",
    "InvalidMessageContents",
    "MessageNotInflight",
    "OverLimit",
    "PurgeQueueInProgress",
    "QueueDeletedRecently",
    "QueueDoesNotExist",
    "QueueNameExists",
    "ReceiptHandleIsInvalid",
    "RequestThrottled",
    "TooManyEntriesInBatchRequest",
    "UnsupportedOperation",
];

impl SqsError {
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    pub(crate) fn missing(parameter: &str) -> Self {
        let text = format!("The request must contain the parameter {parameter}.");
        Self::new("MissingParameter", text)
    }

    pub(crate) fn value(parameter: &str, value: impl std::fmt::Display, reason: &str) -> Self {
        let text = format!("Value {value} for parameter {parameter} is invalid. Reason: {reason}");
        Self::new("InvalidParameterValue", text)
    }

    pub(crate) fn unknown_operation() -> Self {
        Self::new("UnknownOperation", "")
    }

    pub(crate) fn unsigned() -> Self {
        Self::new("MissingAuthenticationToken", "Missing Authentication Token")
    }

    pub(crate) fn unreadable() -> Self {
        Self::new("Serialization", "the body is no JSON")
    }

    pub(crate) fn code(&self) -> &'static str {
        self.code
    }

    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    pub(crate) fn status(&self) -> u16 {
        if self.code == "MissingAuthenticationToken" { 403 } else { 400 }
    }

    /// The code of the older protocol, which the header keeps.
    pub(crate) fn query_code(&self) -> String {
        match self.code {
            "QueueDoesNotExist" => "AWS.SimpleQueueService.NonExistentQueue".to_owned(),
            "QueueNameExists" => "QueueAlreadyExists".to_owned(),
            "BatchEntryIdsNotDistinct"
            | "BatchRequestTooLong"
            | "EmptyBatchRequest"
            | "InvalidBatchEntryId"
            | "MessageNotInflight"
            | "PurgeQueueInProgress"
            | "QueueDeletedRecently"
            | "TooManyEntriesInBatchRequest"
            | "UnsupportedOperation" => format!("AWS.SimpleQueueService.{}", self.code),
            other => other.to_owned(),
        }
    }

    pub(crate) fn body(&self) -> Value {
        let full = if MODELLED.contains(&self.code) {
            format!("com.amazonaws.sqs#{}", self.code)
        } else {
            format!("com.amazon.coral.service#{}Exception", self.code)
        };
        json!({ "__type": full, "message": self.message })
    }
}
