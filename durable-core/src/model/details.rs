//! The part of an instance record that adapters do not look into.

use serde::{Deserialize, Serialize};

use super::event::Parent;
use super::failure::Failure;
use crate::limits;
use crate::payload::Payload;
use crate::time::Timestamp;

/// Why an instance cannot go on, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockReport {
    /// Error code, e.g. `DT0001`; explained by the page of that name in the book.
    pub code: String,
    /// What happened, in one sentence.
    pub message: String,
    /// What history says should come next.
    pub expected: Option<String>,
    /// What the code did instead.
    pub found: Option<String>,
    /// Number of the history event concerned, counted from 1.
    pub event: Option<u64>,
    /// What to do about it.
    pub hint: String,
}

impl std::fmt::Display for BlockReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.code, self.message)?;
        if let Some(event) = self.event {
            write!(f, " (history event {event})")?;
        }
        if let Some(expected) = &self.expected {
            write!(f, "; expected {expected}")?;
        }
        if let Some(found) = &self.found {
            write!(f, "; found {found}")?;
        }
        write!(f, ". {}", self.hint)
    }
}

/// Whether labels are within their limits; else why not.
pub(crate) fn check_tags(tags: &[(String, String)]) -> Result<(), String> {
    let bytes: usize = tags.iter().map(|(k, v)| k.len() + v.len()).sum();
    if tags.len() <= limits::TAGS_MAX && bytes <= limits::TAGS_BYTES_MAX {
        return Ok(());
    }
    Err(format!(
        "{} labels of {bytes} bytes; the limits are {} labels and {} bytes",
        tags.len(),
        limits::TAGS_MAX,
        limits::TAGS_BYTES_MAX
    ))
}

/// Values and explanations that belong to an instance record.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RecordDetails {
    /// The input.
    pub input: Option<Payload>,
    /// The value returned, when completed.
    pub output: Option<Payload>,
    /// The error, when failed or terminated.
    pub failure: Option<Failure>,
    /// What the orchestration says about itself.
    pub custom_status: Option<Payload>,
    /// Why it is blocked or quarantined.
    pub report: Option<BlockReport>,
    /// Why it is suspended.
    pub suspended: Option<String>,
    /// Free labels.
    pub tags: Vec<(String, String)>,
    /// Who started it as a child.
    pub parent: Option<Parent>,
    /// The wished start time, when later than creation.
    pub start_at: Option<Timestamp>,
}
