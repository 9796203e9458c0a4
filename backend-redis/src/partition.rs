//! Partitions: the parts of a hub whose keys lie together.

use durable_core::ids::{HubName, InstanceId};

use crate::keys;
use crate::slot::slot;

/// Where keys lie.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Home {
    /// Which partition.
    pub(crate) number: u16,
    /// How many there are.
    count: u16,
    /// Its slot in a Cluster.
    pub(crate) slot: u16,
}

impl Home {
    /// The number of another partition, if that is where an instance lives.
    pub(crate) fn elsewhere(self, instance: &InstanceId) -> Option<u16> {
        if self.count == 1 {
            return None;
        }
        Some(number_of(instance, self.count)).filter(|number| *number != self.number)
    }
}

/// One partition of a hub.
#[derive(Debug)]
pub(crate) struct Partition {
    pub(crate) home: Home,
    /// What its keys begin with.
    pub(crate) base: Vec<u8>,
    /// In a Cluster, a second key that never exists and that every script names beside `base`,
    /// which never exists either. While a slot moves, its keys are at two nodes: the old one
    /// refuses what names missing keys, the new one what names several of which some are missing.
    /// So no script runs on half of the keys.
    pub(crate) guard: Option<Vec<u8>>,
}

impl Partition {
    pub(crate) fn new(
        prefix: &str,
        hub: &HubName,
        number: u16,
        count: u16,
        is_cluster: bool,
    ) -> Self {
        let base = keys::base(prefix, hub, number);
        let guard = is_cluster.then(|| [base.as_slice(), b"~"].concat());
        let home = Home { number, count, slot: slot(&base) };
        Self { home, guard, base }
    }

    /// All partitions of a hub.
    pub(crate) fn all(prefix: &str, hub: &HubName, count: u16, is_cluster: bool) -> Vec<Self> {
        let count = count.max(1);
        (0..count).map(|n| Self::new(prefix, hub, n, count, is_cluster)).collect()
    }
}

/// In which of so many partitions an instance lives. Stored hubs depend on it: it never changes.
pub(crate) fn number_of(instance: &InstanceId, count: u16) -> u16 {
    if count <= 1 {
        return 0;
    }
    // The high half of the product is a number below `count`; the cast loses nothing.
    let hash = u64::from(crc32c::crc32c(instance.as_str().as_bytes()));
    u16::try_from((hash * u64::from(count)) >> 32).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instances_stay_where_they_are_and_are_spread() {
        let mut counts = [0; 16];
        for n in 0..16_000 {
            let id = format!("order-{n}").parse().unwrap();
            counts[usize::from(number_of(&id, 16))] += 1;
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
            assert_eq!(slot(partition.guard.as_ref().unwrap()), partition.home.slot);
        }
        let thirds =
            [0, 1, 2].map(|n| partitions.iter().filter(|p| p.home.slot / 5_462 == n).count());
        assert!(thirds.iter().all(|count| *count >= 2), "{thirds:?}");
    }
}
