//! Several items in one script.
//!
//! What a script costs to begin is more than what most items cost in it. Items of one script are
//! not one atomic unit in the sense of the contract: each is checked and answered by itself.

use durable_core::backend::BackendResult;
use redis::{Cmd, Value};

use crate::args::Args;
use crate::backend::RedisBackend;
use crate::error::Effect;
use crate::large_commit::PARTS_MAX;
use crate::link::unexpected;
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

impl RedisBackend {
    /// Applies a verb to all items, in groups whose weights stay small, in one round trip.
    pub(crate) async fn grouped<I: Sync, T: Copy + Sync>(
        &self,
        verb: &Verb<'_, T>,
        items: &[I],
        weight: impl Fn(&I) -> usize + Send + Sync,
        args: impl Fn(Args, &I) -> Args + Send + Sync,
    ) -> Vec<BackendResult<T>> {
        if items.len() <= 1 {
            return self.each(verb.operation, verb.one, items, verb.outcomes, args).await;
        }
        let (mut groups, mut rest) = (Vec::new(), items);
        while !rest.is_empty() {
            let (group, others) = rest.split_at(group_end(rest, &weight));
            groups.push(group);
            rest = others;
        }
        let call = |group: &&[I]| {
            let items: Vec<Args> = group.iter().map(|i| args(self.args(verb.one), i)).collect();
            Args::of_several(verb.several, self.base(), &items).into_cmd()
        };
        let calls: Vec<Cmd> = groups.iter().map(call).collect();
        let answers = self.all(verb.operation, Effect::Writes, verb.several, calls).await;
        let mut outcomes = Vec::with_capacity(items.len());
        for (group, answer) in groups.into_iter().zip(answers) {
            outcomes.extend(match answer {
                Ok(answer) => read_group(verb, group.len(), answer),
                // One of them may have spoilt it for the others. Repeating is always safe.
                Err(_) => self.each(verb.operation, verb.one, group, verb.outcomes, &args).await,
            });
        }
        outcomes
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
}
