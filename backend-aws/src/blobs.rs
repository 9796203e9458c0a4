//! Content that is too large to stand where it belongs: parts in items of their own, written
//! before whatever refers to them.

use bytes::{Bytes, BytesMut};
use durable_core::backend::BackendResult;
use durable_core::backend::sealed::Damaged;
use durable_core::ids::InstanceId;

use crate::hub::Hub;
use crate::item::{self, Item};
use crate::schema::{self, PK, SK, partition};
use crate::table::{damaged, text};
use crate::update::binary;
use crate::values::Body;

/// Content up to this stands inline. A change of an item costs a write unit for each kilobyte of
/// the whole item.
pub(crate) const INLINE_MAX: usize = 1_024;

/// Bytes of one part; an item may have 400 KB.
const PART: usize = 350 * 1_024;

/// Parts of `bytes` as items of a partition, by the sort keys that `sort_key` gives.
pub(crate) fn parts(pk: &str, bytes: &Bytes, sort_key: impl Fn(usize) -> String) -> Vec<Item> {
    let part = |(n, part): (usize, &[u8])| {
        [
            (PK.to_owned(), text(pk)),
            (SK.to_owned(), text(sort_key(n))),
            ("b".to_owned(), binary(part)),
        ]
        .into()
    };
    bytes.chunks(PART).enumerate().map(part).collect()
}

/// How many parts so many bytes have.
pub(crate) fn part_count(length: usize) -> usize {
    length.div_ceil(PART)
}

/// Puts parts together again; `None` when one is missing.
pub(crate) fn join(items: &[Item], length: usize) -> Option<Bytes> {
    let mut whole = BytesMut::with_capacity(length);
    for item in items {
        whole.extend_from_slice(&item::bytes(item, "b").ok()??);
    }
    (whole.len() == length).then(|| whole.freeze())
}

impl Body {
    pub(crate) fn length(&self) -> usize {
        match self {
            Self::Inline(bytes) => bytes.len(),
            Self::Blob(_, length) => usize::try_from(*length).unwrap_or(usize::MAX),
        }
    }
}

impl Hub {
    /// A body for this content, which is durable when it is large.
    pub(crate) async fn body(
        &self,
        operation: &'static str,
        instance: &InstanceId,
        content: &Bytes,
    ) -> BackendResult<Body> {
        if content.len() <= INLINE_MAX {
            return Ok(Body::Inline(content.clone()));
        }
        let key = self.env.random_u128();
        let items = parts(&partition(instance), content, |n| schema::blob(key, n));
        self.table.put_all(operation, items).await?;
        Ok(Body::Blob(key, content.len() as u64))
    }

    /// The contents of bodies.
    pub(crate) async fn bodies(
        &self,
        operation: &'static str,
        instance: &InstanceId,
        bodies: Vec<&Body>,
    ) -> BackendResult<Vec<Bytes>> {
        let mut contents = Vec::with_capacity(bodies.len());
        for body in bodies {
            contents.push(match body {
                Body::Inline(bytes) => bytes.clone(),
                Body::Blob(key, _) => self.blob(operation, instance, *key, body.length()).await?,
            });
        }
        Ok(contents)
    }

    async fn blob(
        &self,
        operation: &'static str,
        instance: &InstanceId,
        key: u128,
        length: usize,
    ) -> BackendResult<Bytes> {
        let range = (schema::blob(key, 0), schema::blob(key, 999_999));
        let count = part_count(length);
        let pk = partition(instance);
        let (items, _) =
            self.table.range(operation, &pk, (&range.0, &range.1), count.max(1)).await?;
        join(&items, length)
            .ok_or_else(|| damaged(operation, "a large value", &Damaged("a part is missing")))
    }

    /// Removes blobs that nothing refers to any more. What stays behind goes with the instance.
    pub(crate) async fn forget(&self, instance: &InstanceId, bodies: Vec<&Body>) {
        let pk = partition(instance);
        let keys: Vec<_> = bodies
            .iter()
            .filter_map(|body| body.blob().map(|key| (key, part_count(body.length()))))
            .flat_map(|(key, count)| (0..count).map(move |n| schema::blob(key, n)))
            .map(|sk| (pk.clone(), sk))
            .collect();
        if keys.is_empty() {
            return;
        }
        if let Err(error) = self.table.delete_all("forget", keys).await {
            tracing::debug!(%error, "a large value was not removed; it goes with its instance");
        }
    }
}
