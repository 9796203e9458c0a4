//! Blocks of history: written before the head that makes them count.
//!
//! A block counts when its first event lies before the tail in the head, which begins where the
//! blocks end. Blocks of commits that were not applied are overwritten by whoever holds the
//! instance next: every block begins where a tail has begun, hence nothing that does not count
//! stands before one that does.

use bytes::Bytes;
use durable_core::backend::{BackendError, BackendErrorKind, BackendResult, HistoryChunk};
use durable_core::ids::{InstanceId, LeaseToken};

use crate::blobs;
use crate::hub::Hub;
use crate::item::{self, Item};
use crate::schema::{PK, SK, partition};
use crate::table::{Written, text};
use crate::tail;
use crate::update::{Update, binary, id, number};
use durable_core::backend::sealed::{Damaged, Decoded, Get, Put};

/// How often a leftover is taken out of the way.
const TRIES: usize = 5;

/// Sort key of a part of a large block.
pub(crate) fn part(block: &str, token: LeaseToken, n: usize) -> String {
    format!("{block}#{token}#{n:06}")
}

/// Bytes of a block that fit beside its head.
const INLINE: usize = 350 * 1_024;

/// A checksum over what a block says, so that damage is noticed.
pub(crate) fn checksum(events: u32, bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&events.to_le_bytes()), bytes)
}

/// Where the chunks of a block end.
fn seal_cuts(chunks: &[HistoryChunk]) -> Vec<u8> {
    let mut p = Put::with_capacity(32);
    p.list(chunks, |p, chunk| {
        p.u32(chunk.events);
        p.u32(u32::try_from(chunk.bytes.len()).unwrap_or(u32::MAX));
    });
    p.seal()
}

/// The chunks of a block.
fn cut(mut content: Bytes, cuts: Bytes) -> Decoded<Vec<HistoryChunk>> {
    let mut g = Get::unseal(cuts)?;
    let cuts = g.list(8, |g| Ok((g.u32()?, g.u32()? as usize)))?;
    g.end()?;
    let mut chunks = Vec::with_capacity(cuts.len());
    for (events, length) in cuts {
        if events == 0 || length > content.len() {
            return Err(Damaged("a chunk is cut behind the end"));
        }
        chunks.push(HistoryChunk { events, bytes: content.split_to(length) });
    }
    if content.is_empty() { Ok(chunks) } else { Err(Damaged("bytes are left over")) }
}

impl Hub {
    /// Writes a block; `false` when the loan is not current any more.
    pub(crate) async fn stage(
        &self,
        operation: &'static str,
        instance: &InstanceId,
        token: LeaseToken,
        sort_key: &str,
        chunks: &[HistoryChunk],
    ) -> BackendResult<bool> {
        let pk = partition(instance);
        let events = u32::try_from(tail::events(chunks)).unwrap_or(u32::MAX);
        let content: Bytes = match chunks {
            [one] => one.bytes.clone(),
            several => several.iter().flat_map(|chunk| &chunk.bytes).copied().collect(),
        };
        let mut item: Item = [
            (PK.to_owned(), text(&pk)),
            (SK.to_owned(), text(sort_key)),
            ("lt".to_owned(), id(token.0)),
            ("e".to_owned(), number(u64::from(events))),
            ("n".to_owned(), number(content.len() as u64)),
            ("c".to_owned(), number(u64::from(checksum(events, &content)))),
        ]
        .into();
        if chunks.len() > 1 {
            item.insert("k".to_owned(), binary(seal_cuts(chunks)));
        }
        if content.len() <= INLINE {
            item.insert("b".to_owned(), binary(content));
        } else {
            let parts = blobs::parts(&pk, &content, |n| part(sort_key, token, n));
            self.table.put_all(operation, parts).await?;
        }
        self.stage_item(operation, instance, token, item).await
    }

    /// Writes an item that only counts with a commit under this loan.
    pub(crate) async fn stage_item(
        &self,
        operation: &'static str,
        instance: &InstanceId,
        token: LeaseToken,
        item: Item,
    ) -> BackendResult<bool> {
        let mut leftover = None;
        for _ in 0..TRIES {
            let mut condition = Update::default();
            let mine = condition.value(id(token.0));
            let mut allowed = format!("(attribute_not_exists(pk) OR lt={mine}");
            if let Some(leftover) = leftover {
                let leftover = condition.value(id(leftover));
                allowed.push_str(&format!(" OR lt={leftover}"));
            }
            condition.when(&format!("{allowed})"));
            let old = match self.table.put(operation, item.clone(), condition).await? {
                Written::Done(_) => return Ok(true),
                Written::Refused(old) => old,
            };
            // Somebody's commit was not applied, or it is this one that is late: only who has
            // the loan now may take it away.
            let head = self.head(operation, instance).await?;
            if head.and_then(|h| h.loan).is_none_or(|loan| loan.token != token) {
                return Ok(false);
            }
            leftover = old.and_then(|old| item::id(&old, "lt").ok().flatten());
        }
        let text = "a block of history is written by several at once";
        Err(BackendError::new(BackendErrorKind::Unavailable, operation, text))
    }

    /// The content of a block whose item was read; `None` when it is not what was written.
    pub(crate) async fn block(
        &self,
        operation: &'static str,
        item: &Item,
    ) -> BackendResult<Option<Vec<HistoryChunk>>> {
        let number = |name| item::number(item, name).ok().flatten();
        let Some((events, length, sum)) = number("e")
            .zip(number("n"))
            .zip(number("c"))
            .map(|((events, length), sum)| (events, length, sum))
        else {
            return Ok(None);
        };
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let bytes: Option<Bytes> = match item::bytes(item, "b").ok().flatten() {
            Some(bytes) => Some(bytes),
            None => self.parts_of(operation, item, length).await?,
        };
        let events = u32::try_from(events).unwrap_or(0);
        let sound = bytes
            .filter(|b| b.len() == length && u64::from(checksum(events, b)) == sum && events > 0);
        Ok(sound.and_then(|bytes| match item::bytes(item, "k").ok()? {
            None => Some(vec![HistoryChunk { events, bytes }]),
            Some(cuts) => cut(bytes, cuts).ok().filter(|c| tail::events(c) == u64::from(events)),
        }))
    }

    async fn parts_of(
        &self,
        operation: &'static str,
        item: &Item,
        length: usize,
    ) -> BackendResult<Option<Bytes>> {
        let text = |name| item::text(item, name).ok().flatten();
        let token = item::id(item, "lt").ok().flatten();
        let Some(((pk, sk), token)) = text(PK).zip(text(SK)).zip(token) else { return Ok(None) };
        let count = blobs::part_count(length);
        let range = (part(sk, LeaseToken(token), 0), part(sk, LeaseToken(token), count));
        let (parts, _) =
            self.table.range(operation, pk, (&range.0, &range.1), count.max(1)).await?;
        Ok(blobs::join(&parts, length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_cut_as_it_was_joined() {
        let chunk = |events, text: &'static str| HistoryChunk { events, bytes: text.into() };
        let chunks = [chunk(1, "one"), chunk(5, ""), chunk(2, "three")];
        let cuts = Bytes::from(seal_cuts(&chunks));
        assert_eq!(cut("onethree".into(), cuts.clone()), Ok(chunks.to_vec()));
        assert!(cut("onethre".into(), cuts.clone()).is_err());
        assert!(cut("onethreee".into(), cuts).is_err());
    }
}
