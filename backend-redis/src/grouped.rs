//! Several items in one script.
//!
//! What a script costs to begin is more than what most items cost in it. Items of one script are
//! not one atomic unit in the sense of the contract: each is checked and answered by itself.

use std::collections::BTreeMap;

use durable_core::backend::BackendResult;
use redis::Value;

use crate::args::Args;
use crate::backend::RedisBackend;
use crate::error::Effect;
use crate::large_commit::PARTS_MAX;
use crate::link::{Call, unexpected};
use crate::partition::Partition;
use crate::reply::outcome;
use crate::scripts::Script;

/// Most items in one script; bounds how long it blocks the server.
const ITEMS_MAX: usize = 32;

/// A verb that has a script for one item and a script for several.
pub(crate) struct Verb<'a, T> {
    pub(crate) operation: &'static str,
    pub(crate) one: &'a Script,
    pub(crate) several: &'a Script,
    /// What the numbers that the scripts answer stand for.
    pub(crate) outcomes: &'a [T],
}

/// Where the next group ends.
fn group_end<I>(items: &[I], weight: impl Fn(&I) -> usize) -> usize {
    let mut parts = 0;
    for (n, item) in items.iter().take(ITEMS_MAX).enumerate() {
        parts += weight(item);
        if n > 0 && parts > PARTS_MAX {
            return n;
        }
    }
    items.len().min(ITEMS_MAX)
}

/// Which items go into one script: those of one partition, in order.
fn groups(homes: &[u16], weights: &[usize]) -> Vec<Vec<usize>> {
    let mut by_home: BTreeMap<u16, Vec<usize>> = BTreeMap::new();
    for (n, home) in homes.iter().enumerate() {
        by_home.entry(*home).or_default().push(n);
    }
    let mut groups = Vec::new();
    for here in by_home.into_values() {
        let mut rest = here.as_slice();
        while !rest.is_empty() {
            let (group, others) = rest.split_at(group_end(rest, |n| weights[*n]));
            groups.push(group.to_vec());
            rest = others;
        }
    }
    groups
}

impl RedisBackend {
    /// Applies a verb to all items, in groups whose weights stay small, in one round trip.
    /// `home` says in which partition an item belongs.
    pub(crate) async fn grouped<'a, I: Sync, T: Copy + Sync>(
        &'a self,
        verb: &Verb<'_, T>,
        items: &[I],
        home: impl Fn(&I) -> &'a Partition + Send + Sync,
        weight: impl Fn(&I) -> usize + Send + Sync,
        args: impl Fn(Args, &I) -> Args + Send + Sync,
    ) -> Vec<BackendResult<T>> {
        let one = |item: &I| args(Args::of(verb.one, home(item)), item);
        if items.len() <= 1 {
            return self.each(verb.operation, verb.one, items, verb.outcomes, one).await;
        }
        let homes: Vec<u16> = items.iter().map(|i| home(i).home.number).collect();
        let weights: Vec<usize> = items.iter().map(weight).collect();
        let groups = groups(&homes, &weights);
        let call = |group: &Vec<usize>| {
            let home = self.numbered(homes[group[0]]);
            let items: Vec<Args> = group.iter().map(|n| one(&items[*n])).collect();
            Args::of_several(verb.several, home, &items).into_call()
        };
        let calls: Vec<Call> = groups.iter().map(call).collect();
        let answers = self.all(verb.operation, Effect::Writes, verb.several, calls).await;
        let mut outcomes: Vec<Option<BackendResult<T>>> = Vec::new();
        outcomes.resize_with(items.len(), || None);
        for (group, answer) in groups.into_iter().zip(answers) {
            let found = match answer {
                Ok(answer) => read_group(verb, group.len(), answer),
                Err(_) => {
                    // One of them may have spoilt it for the others. Repeating is always safe.
                    let items: Vec<&I> = group.iter().map(|n| &items[*n]).collect();
                    let one = |item: &&I| one(item);
                    self.each(verb.operation, verb.one, &items, verb.outcomes, one).await
                }
            };
            for (n, outcome) in group.into_iter().zip(found) {
                outcomes[n] = Some(outcome);
            }
        }
        outcomes.into_iter().map(|o| o.unwrap_or_else(|| Err(unexpected(verb.operation)))).collect()
    }
}

fn read_group<T: Copy>(verb: &Verb<'_, T>, count: usize, answer: Value) -> Vec<BackendResult<T>> {
    match answer {
        Value::Array(answers) if answers.len() == count => {
            answers.iter().map(|a| outcome(verb.operation, a, verb.outcomes)).collect()
        }
        _ => (0..count).map(|_| Err(unexpected(verb.operation))).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_bounded_by_items_and_by_weight() {
        assert_eq!(group_end(&[1; 100], |w| *w), ITEMS_MAX);
        assert_eq!(group_end(&[1; 3], |w| *w), 3);
        assert_eq!(group_end(&[PARTS_MAX - 50, 50, 50], |w| *w), 2);
        assert_eq!(group_end(&[PARTS_MAX, 1], |w| *w), 1);
        assert_eq!(group_end(&[PARTS_MAX * 2, 1], |w| *w), 1);
    }

    #[test]
    fn each_group_is_of_one_partition() {
        let groups = groups(&[3, 1, 3, 1, 3], &[1, 1, PARTS_MAX, 1, 1]);
        assert_eq!(groups, vec![vec![1, 3], vec![0], vec![2], vec![4]]);
    }
}
