//! Listing instances.

use std::fmt;

use super::{InstanceRecord, OrchestrationStatus};
use crate::time::Timestamp;

/// Where the next page of a listing starts. Opaque; valid for the same query only.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PageCursor(pub String);

impl fmt::Debug for PageCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PageCursor({:?})", self.0)
    }
}

/// Which instances to list. Conditions are combined by "and"; an empty one matches all.
#[derive(Debug, Clone, Default)]
pub struct InstanceQuery {
    /// Only these statuses; empty means all.
    pub statuses: Vec<OrchestrationStatus>,
    /// Only this orchestration name, exactly.
    pub name: Option<String>,
    /// Only ids that start with this text.
    pub id_prefix: Option<String>,
    /// Only created at or after this time.
    pub created_from: Option<Timestamp>,
    /// Only created before this time.
    pub created_before: Option<Timestamp>,
    /// Only terminal ones that ended before this time.
    pub completed_before: Option<Timestamp>,
    /// Only instances without a parent.
    pub roots_only: bool,
    /// Most items in the page; 0 means 100.
    pub page_items: usize,
    /// Where to go on.
    pub cursor: Option<PageCursor>,
}

impl InstanceQuery {
    /// Whether a record matches. Adapters that cannot filter natively use this.
    pub fn matches(&self, record: &InstanceRecord) -> bool {
        (self.statuses.is_empty() || self.statuses.contains(&record.status))
            && self.name.as_deref().is_none_or(|n| n == record.name.as_str())
            && self.id_prefix.as_deref().is_none_or(|p| record.instance.as_str().starts_with(p))
            && self.created_from.is_none_or(|t| record.created_at >= t)
            && self.created_before.is_none_or(|t| record.created_at < t)
            && self.completed_before.is_none_or(|t| record.completed_at.is_some_and(|c| c < t))
            && !(self.roots_only && record.parent.is_some())
    }
}

/// One page of a listing.
#[derive(Debug, Clone, Default)]
pub struct InstancePage {
    /// The instances.
    pub items: Vec<InstanceRecord>,
    /// Where the next page starts; `None` at the end.
    pub next: Option<PageCursor>,
}
