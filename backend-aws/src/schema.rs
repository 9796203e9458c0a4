//! Keys of items, and the names of attributes that the definition of the table knows.

use durable_core::ids::{ExecutionId, InstanceId};

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

/// Sort key of the head of an instance.
pub(crate) const HEAD: &str = "M";

/// Shards of the index of instances.
pub(crate) const INDEX_SHARDS: u32 = 8;

/// Partition key of everything that belongs to an instance. Ids are at most 256 bytes long and
/// keys are compared byte by byte, so nothing needs to be escaped.
pub(crate) fn partition(instance: &InstanceId) -> String {
    format!("i{}", instance.as_str())
}

/// The shard of the index that an instance is in. Part of the stored format.
pub(crate) fn shard(instance: &InstanceId) -> String {
    (crc32c::crc32c(instance.as_str().as_bytes()) % INDEX_SHARDS).to_string()
}

/// Sort key of a block of history, by the number of its first event.
pub(crate) fn block(execution: ExecutionId, first: u64) -> String {
    format!("T#{execution}#{first:012}")
}

/// The number of the first event of the block whose sort key, or that of a part of it, this is.
pub(crate) fn first_event(sort_key: &str) -> Option<u64> {
    sort_key.split('#').nth(2)?.parse().ok()
}

/// Sort keys between which all blocks of a generation from an event on lie.
pub(crate) fn blocks(execution: ExecutionId, from: u64) -> (String, String) {
    (block(execution, from), format!("T#{execution}#~"))
}

/// Sort key of a generation whose history is kept.
pub(crate) fn generation(number: u64) -> String {
    format!("G#{number:012}")
}

/// Sort key of a part of a large value.
pub(crate) fn blob(key: u128, part: usize) -> String {
    format!("B#{key:032x}#{part:06}")
}

/// Between these lie all pages.
pub(crate) const PAGES: (&str, &str) = ("P#", "P#~");

/// Sort key of a page.
pub(crate) fn page(stamp: u64, unique: u128, number: usize) -> String {
    format!("P#{stamp:020}#{unique:032x}#{number:06}")
}
