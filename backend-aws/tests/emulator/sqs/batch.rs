//! Actions on up to ten messages: each entry succeeds or fails alone.

use serde_json::{Value, json};

use super::error::SqsError;
use super::queue::Queue;
use super::rules::{MESSAGE_BYTES_MAX, batch_ids, text};
use super::service::{change_visibility, delete, send};

pub(super) fn call(
    queue: &mut Queue,
    action: &str,
    request: &Value,
    now: u64,
) -> Result<Value, SqsError> {
    let entries = request.get("Entries").and_then(Value::as_array);
    let entries = entries.ok_or_else(|| SqsError::missing("Entries"))?;
    let ids: Vec<&str> = entries.iter().map(|entry| text(entry, "Id")).collect::<Result<_, _>>()?;
    batch_ids(ids.iter().copied())?;
    let bytes: usize = entries
        .iter()
        .filter_map(|entry| entry.get("MessageBody").and_then(Value::as_str))
        .map(str::len)
        .sum();
    if bytes > MESSAGE_BYTES_MAX {
        let text = format!("Batch requests cannot be longer than {MESSAGE_BYTES_MAX} bytes.");
        return Err(SqsError::new("BatchRequestTooLong", text));
    }
    let (mut successful, mut failed) = (Vec::new(), Vec::new());
    for (id, entry) in ids.iter().zip(entries) {
        let answer = match action {
            "SendMessageBatch" => send(queue, entry, now),
            "DeleteMessageBatch" => delete(queue, entry),
            _ => change_visibility(queue, entry, now),
        };
        match answer {
            Ok(mut answer) => {
                if answer.is_null() {
                    answer = json!({});
                }
                answer["Id"] = (*id).into();
                successful.push(answer);
            }
            Err(error) => failed.push(json!({
                "Id": id,
                "Code": error.query_code(),
                "Message": error.message(),
                "SenderFault": true,
            })),
        }
    }
    Ok(json!({ "Successful": successful, "Failed": failed }))
}
