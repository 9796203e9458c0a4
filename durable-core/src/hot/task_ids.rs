//! The tasks of one instance.

use foldhash::{HashSet, HashSetExt};

use crate::ids::MessageId;

/// Up to so many are kept in place: most instances have one task at a time.
const FEW: usize = 4;

/// A set of tasks that is small as long as it has few. One pointer wide, because a million
/// instances that wait have none.
#[derive(Debug, Default)]
pub(super) struct TaskIds(Option<Box<Ids>>);

#[derive(Debug)]
enum Ids {
    Few([Option<MessageId>; FEW]),
    Many(HashSet<MessageId>),
}

impl TaskIds {
    /// `false` if it was there already.
    pub(super) fn insert(&mut self, id: MessageId) -> bool {
        let ids = self.0.get_or_insert_with(|| Box::new(Ids::Few([None; FEW])));
        match &mut **ids {
            Ids::Few(few) if few.contains(&Some(id)) => return false,
            Ids::Few(few) => match few.iter_mut().find(|place| place.is_none()) {
                Some(place) => *place = Some(id),
                None => {
                    let mut many = HashSet::with_capacity(4 * FEW);
                    many.extend(few.iter().flatten());
                    many.insert(id);
                    **ids = Ids::Many(many);
                }
            },
            Ids::Many(many) => return many.insert(id),
        }
        true
    }

    pub(super) fn remove(&mut self, id: MessageId) {
        match self.0.as_deref_mut() {
            None => {}
            Some(Ids::Few(few)) => {
                few.iter_mut().filter(|place| **place == Some(id)).for_each(|place| *place = None);
            }
            Some(Ids::Many(many)) => drop(many.remove(&id)),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        match self.0.as_deref() {
            None => true,
            Some(Ids::Few(few)) => few.iter().all(Option::is_none),
            Some(Ids::Many(many)) => many.is_empty(),
        }
    }

    /// In no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = MessageId> {
        let (few, many) = match self.0.as_deref() {
            None => (None, None),
            Some(Ids::Few(few)) => (Some(few.iter().flatten()), None),
            Some(Ids::Many(many)) => (None, Some(many.iter())),
        };
        few.into_iter().flatten().chain(many.into_iter().flatten()).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_and_many_are_the_same_set() {
        let mut ids = TaskIds::default();
        let id = |seq| MessageId { source: 1, seq };
        for seq in 0..3 * FEW as u64 {
            assert!(ids.is_empty() == (seq == 0));
            assert!(ids.insert(id(seq)) && !ids.insert(id(seq)));
        }
        ids.remove(id(5));
        ids.remove(id(5));
        let mut left: Vec<_> = ids.iter().map(|id| id.seq).collect();
        left.sort_unstable();
        assert_eq!(left, (0..3 * FEW as u64).filter(|seq| *seq != 5).collect::<Vec<_>>());
        for seq in left {
            ids.remove(id(seq));
        }
        assert!(ids.is_empty());
    }
}
