//! The service's limits, and what it accepts.

use serde_json::Value;

use super::error::SqsError;

/// Bytes of one message, and of all messages of one batch.
pub(crate) const MESSAGE_BYTES_MAX: usize = 1_048_576;
pub(crate) const BATCH_ENTRIES_MAX: usize = 10;
pub(crate) const DELAY_SECONDS_MAX: u64 = 900;
pub(crate) const VISIBILITY_SECONDS_MAX: u64 = 43_200;
pub(crate) const IN_FLIGHT_MAX: usize = 120_000;
pub(crate) const WAIT_SECONDS_MAX: u64 = 20;
pub(crate) const RECEIVE_MAX: u64 = 10;
/// How long a name stays taken after its queue was deleted, and how far purges are apart.
pub(crate) const COOLING_MS: u64 = 60_000;

const NAME_LENGTH_MAX: usize = 80;

/// Attributes that are numbers: name, least, most, default.
pub(crate) const NUMBERS: [(&str, u64, u64, u64); 5] = [
    ("DelaySeconds", 0, DELAY_SECONDS_MAX, 0),
    ("MaximumMessageSize", 1024, 1_048_576, 1_048_576),
    ("MessageRetentionPeriod", 60, 1_209_600, 345_600),
    ("ReceiveMessageWaitTimeSeconds", 0, WAIT_SECONDS_MAX, 0),
    ("VisibilityTimeout", 0, VISIBILITY_SECONDS_MAX, 30),
];

/// Attributes that change nothing here.
pub(crate) const NEUTRAL: [&str; 4] =
    ["KmsDataKeyReusePeriodSeconds", "KmsMasterKeyId", "Policy", "SqsManagedSseEnabled"];

fn is_name(text: &str) -> bool {
    (1..=NAME_LENGTH_MAX).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

pub(crate) fn queue_name(name: &str) -> Result<(), SqsError> {
    if is_name(name) {
        return Ok(());
    }
    let text = "Can only include alphanumeric characters, hyphens, or underscores. \
                1 to 80 in length";
    Err(SqsError::new("InvalidParameterValue", text))
}

/// The ids of a batch: how many, how written, and each once.
pub(crate) fn batch_ids<'a>(ids: impl Iterator<Item = &'a str>) -> Result<(), SqsError> {
    let mut seen = std::collections::BTreeSet::new();
    let mut count = 0;
    for id in ids {
        count += 1;
        if count > BATCH_ENTRIES_MAX {
            let text = "Maximum number of entries per request are 10.";
            return Err(SqsError::new("TooManyEntriesInBatchRequest", text));
        }
        if !is_name(id) {
            let text = "A batch entry id can only contain alphanumeric characters, hyphens and \
                        underscores. It can be at most 80 letters long.";
            return Err(SqsError::new("InvalidBatchEntryId", text));
        }
        if !seen.insert(id) {
            return Err(SqsError::new("BatchEntryIdsNotDistinct", format!("Id {id} repeated.")));
        }
    }
    if count == 0 {
        let text = "There should be at least one entry in the request.";
        return Err(SqsError::new("EmptyBatchRequest", text));
    }
    Ok(())
}

/// Text that XML could carry, and not too much of it.
pub(crate) fn body(text: &str, bytes_max: usize) -> Result<(), SqsError> {
    if text.is_empty() {
        return Err(SqsError::missing("MessageBody"));
    }
    if text.len() > bytes_max {
        let text = format!(
            "One or more parameters are invalid. Reason: Message must be shorter \
                            than {bytes_max} bytes."
        );
        return Err(SqsError::new("InvalidParameterValue", text));
    }
    let allowed = |c: char| {
        matches!(c, '\u{9}' | '\u{a}' | '\u{d}' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}')
            || c >= '\u{10000}'
    };
    if text.chars().all(allowed) {
        return Ok(());
    }
    let text = "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | \
                #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF";
    Err(SqsError::new("InvalidMessageContents", text))
}

/// A number of a request, if it is there.
pub(crate) fn number(
    request: &Value,
    name: &str,
    least: u64,
    most: u64,
) -> Result<Option<u64>, SqsError> {
    let Some(value) = request.get(name).filter(|value| !value.is_null()) else { return Ok(None) };
    let reason = format!("Must be between {least} and {most}, if provided.");
    match value.as_u64() {
        Some(number) if (least..=most).contains(&number) => Ok(Some(number)),
        _ => Err(SqsError::value(name, value, &reason)),
    }
}

pub(crate) fn text<'a>(request: &'a Value, name: &str) -> Result<&'a str, SqsError> {
    request.get(name).and_then(Value::as_str).ok_or_else(|| SqsError::missing(name))
}
