//! Partitions: the parts of a hub whose keys lie together.

use durable_core::ids::{HubName, InstanceId};

use crate::keys;
use crate::slot::slot;

/// One partition of a hub.
#[derive(Debug)]
pub(crate) struct Partition {
    pub(crate) number: u16,
    /// What its keys begin with.
    pub(crate) base: Vec<u8>,
    /// Where its keys lie in a Cluster.
    pub(crate) slot: u16,
    /// In a Cluster, a second key that never exists and that every script names beside `base`,
    /// which never exists either. While a slot moves, its keys are at two nodes: the old one
    /// refuses what names missing keys, the new one what names several of which some are missing.
    /// So no script runs on half of the keys.
    pub(crate) guard: Option<Vec<u8>>,
}

impl Partition {
    pub(crate) fn new(prefix: &str, hub: &HubName, number: u16, is_cluster: bool) -> Self {
        let base = keys::base(prefix, hub, number);
        let guard = is_cluster.then(|| [base.as_slice(), b"~"].concat());
        Self { number, slot: slot(&base), guard, base }
    }

    /// All partitions of a hub.
    pub(crate) fn all(prefix: &str, hub: &HubName, count: u16, is_cluster: bool) -> Vec<Self> {
        (0..count.max(1)).map(|n| Self::new(prefix, hub, n, is_cluster)).collect()
    }
}

/// In which of so many partitions an instance lives. Stored hubs depend on it: it never changes.
pub(crate) fn number_of(instance: &InstanceId, count: usize) -> usize {
    if count <= 1 {
        return 0;
    }
    // The high half of the product is a number below `count`; the cast loses nothing.
    let hash = u64::from(crc32c::crc32c(instance.as_str().as_bytes()));
    usize::try_from((hash * count as u64) >> 32).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instances_stay_where_they_are_and_are_spread() {
        let mut counts = [0; 16];
        for n in 0..16_000 {
            counts[number_of(&format!("order-{n}").parse().unwrap(), 16)] += 1;
        }
        assert!(counts.iter().all(|count| (800..1_200).contains(count)), "{counts:?}");
        let known = ["a", "order-7", "\u{e9}"].map(|id| number_of(&id.parse().unwrap(), 64));
        assert_eq!(known, [48, 26, 6]);
        assert_eq!(number_of(&"a".parse().unwrap(), 1), 0);
    }

    #[test]
    fn keys_of_a_partition_share_its_slot() {
        let hub = HubName::default();
        let partitions = Partition::all("p:", &hub, 16, true);
        for partition in &partitions {
            assert_eq!(slot(partition.guard.as_ref().unwrap()), partition.slot);
        }
        let thirds = [0, 1, 2].map(|n| partitions.iter().filter(|p| p.slot / 5_462 == n).count());
        assert!(thirds.iter().all(|count| *count >= 2), "{thirds:?}");
    }
}
