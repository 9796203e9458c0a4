//! The names of attributes that the table definition and its index know.

/// Partition key.
pub(crate) const PK: &str = "pk";

/// Sort key.
pub(crate) const SK: &str = "sk";

/// The index of instances: only their heads carry its keys.
pub(crate) const INDEX: &str = "index";

/// Partition key of the index.
pub(crate) const INDEX_SHARD: &str = "gs";

/// Sort key of the index: the instance id.
pub(crate) const INDEX_ID: &str = "gi";

/// Status of an instance, as a number; projected into the index.
pub(crate) const STATUS: &str = "st";

/// When the table may remove an item by itself, in seconds.
pub(crate) const EXPIRES: &str = "xp";
