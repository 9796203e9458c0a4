//! The tail of a history: what the last turns have added, kept in the head while it costs nothing
//! there.
//!
//! An update of an item is charged by the kilobyte of the whole item, begun ones in full. What is
//! left of the last one has room for small turns; only when it is used up they go into a block of
//! their own, all in one.

use bytes::Bytes;
use durable_core::backend::sealed::{Damaged, Decoded, Get, Put};
use durable_core::backend::{BackendResult, HistoryChunk, TurnCommit};
use foldhash::HashSet;

use crate::blobs::INLINE_MAX;
use crate::commit_turn::OPERATION;
use crate::head::{Head, Task};
use crate::schema;
use crate::table::damaged;
use crate::update::{Update, binary};
use crate::values::{Body, Message, RecordBody};
use crate::weight::{self, UNIT};

/// A tail has no more than this, however large its head is.
const TAIL_MAX: usize = 1_024;

/// Bytes of a head beside what is counted one by one: names and numbers.
const HEAD_FIXED: usize = 105;

/// Chunks as they stand in a head.
pub(crate) fn seal(chunks: &[HistoryChunk]) -> Vec<u8> {
    let mut p = Put::with_capacity(64);
    p.list(chunks, |p, chunk| {
        p.u32(chunk.events);
        p.bytes(&chunk.bytes);
    });
    p.seal()
}

pub(crate) fn unseal(value: Bytes) -> Decoded<Vec<HistoryChunk>> {
    let mut g = Get::unseal(value)?;
    let chunks = g.list(8, |g| Ok(HistoryChunk { events: g.u32()?, bytes: g.bytes()? }))?;
    g.end()?;
    if chunks.iter().any(|chunk| chunk.events == 0) {
        return Err(Damaged("a chunk has no events"));
    }
    Ok(chunks)
}

pub(crate) fn events(chunks: &[HistoryChunk]) -> u64 {
    chunks.iter().map(|chunk| u64::from(chunk.events)).sum()
}

/// Blocks to be written before the head, and the tail that the head has then.
#[derive(Debug)]
pub(crate) struct Ending {
    /// Sort keys and contents.
    pub(crate) blocks: Vec<(String, Vec<HistoryChunk>)>,
    /// The new tail; `None` leaves it as it is.
    tail: Option<Vec<HistoryChunk>>,
}

impl Ending {
    /// What a commit does with its history.
    pub(crate) fn plan(commit: &TurnCommit, head: &Head) -> BackendResult<Self> {
        let mut old = head.tail().map_err(|why| damaged(OPERATION, "a history", &why))?;
        let first = head.events.saturating_sub(events(&old));
        old.extend(commit.chunk.clone());
        let mut ending = Self { blocks: Vec::new(), tail: None };
        let kept = match &commit.next {
            None if commit.chunk.is_none() => return Ok(ending),
            None => old,
            Some(next) => {
                // The history of a generation that nobody keeps need not be written any more.
                if next.keep_history && !old.is_empty() {
                    ending.blocks.push((schema::block(commit.execution, first), old));
                }
                vec![next.chunk.clone()]
            }
        };
        if fits(&kept, head_weight(commit, head)) {
            ending.tail = Some(kept);
        } else {
            let (execution, first) =
                commit.next.as_ref().map_or((commit.execution, first), |n| (n.execution, 0));
            ending.blocks.push((schema::block(execution, first), kept));
            ending.tail = Some(Vec::new());
        }
        Ok(ending)
    }

    /// Its part of the update of the head.
    pub(crate) fn update(&self, update: &mut Update) {
        match self.tail.as_deref() {
            None => {}
            Some([]) => update.remove("tl"),
            Some(chunks) => update.set("tl", binary(seal(chunks))),
        }
    }
}

/// Whether chunks find room in the last kilobyte of a head of `weight` bytes without them.
fn fits(chunks: &[HistoryChunk], weight: usize) -> bool {
    let more = 11 + chunks.iter().map(|chunk| chunk.bytes.len() + 8).sum::<usize>();
    more <= TAIL_MAX && (weight + more).div_ceil(UNIT) <= weight.div_ceil(UNIT)
}

/// About how many bytes the head will have after the commit, without a tail.
fn head_weight(commit: &TurnCommit, head: &Head) -> usize {
    let at_end = commit.record.as_ref().is_some_and(|record| record.status.is_terminal());
    let record = commit.record.as_ref().map_or(head.record.len(), |record| {
        let details = Body::Inline(record.details.slice(..record.details.len().min(INLINE_MAX)));
        RecordBody::seal(record, &details).len()
    });
    let base = HEAD_FIXED + 2 * head.instance.as_str().len() + record;
    if at_end {
        return base;
    }
    let gone: HashSet<_> = commit.consumed.iter().chain(&commit.cancelled).copied().collect();
    let stays = |task: &&Task| commit.next.is_none() && !gone.contains(&task.id);
    let tasks = head.load.tasks.iter().filter(stays).map(Task::weight);
    let new_tasks = commit.activities.iter().map(weight::of_task);
    let messages = head.load.inbox.iter().chain(&head.load.delayed);
    let messages = messages.filter(|m| !gone.contains(&m.id)).map(Message::weight);
    let own = commit.messages.iter().filter(|m| m.target == head.instance);
    let all = tasks.chain(new_tasks).chain(messages).chain(own.map(weight::of_message));
    base + all.sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(events: u32, length: usize) -> HistoryChunk {
        HistoryChunk { events, bytes: Bytes::from(vec![7; length]) }
    }

    #[test]
    fn tails_come_back() {
        for chunks in [vec![], vec![chunk(1, 0)], vec![chunk(3, 9), chunk(1, 200)]] {
            assert_eq!(unseal(Bytes::from(seal(&chunks))), Ok(chunks));
        }
        assert!(unseal(Bytes::from(seal(&[chunk(0, 1)]))).is_err());
    }

    #[test]
    fn a_tail_takes_what_the_last_kilobyte_has_left() {
        assert!(fits(&[chunk(1, 200)], 700));
        assert!(!fits(&[chunk(1, 200), chunk(1, 200)], 700));
        assert!(fits(&[chunk(1, 200), chunk(1, 200)], 1_500));
        assert!(!fits(&[chunk(1, 1_020)], 1_025), "more than a tail may have");
    }
}
