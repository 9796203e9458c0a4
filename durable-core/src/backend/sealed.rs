//! Values as bytes, with a checksum: what adapters store beside the envelopes.
//!
//! A sealed value is `format (1 byte) | CRC32C of the rest (4 bytes) | content`, all numbers
//! little endian, all lengths in 32 bits. A value that was cut, or in which a bit flipped, does
//! not unseal. Not for events and messages: those come to an adapter as bytes already.
//!
//! ```
//! use durable_core::backend::sealed::{Get, Put};
//!
//! let mut put = Put::default();
//! put.u64(7);
//! put.bytes(b"some bytes");
//! let stored = put.seal();
//!
//! let mut get = Get::unseal(stored.into())?;
//! assert_eq!(get.u64()?, 7);
//! assert_eq!(get.bytes()?.as_ref(), b"some bytes");
//! get.end()?;
//! # Ok::<(), durable_core::backend::sealed::Damaged>(())
//! ```

use bytes::Bytes;

/// Version of the form of values.
const FORMAT: u8 = 1;

/// Format and checksum.
const HEADER: usize = 5;

/// Why bytes are not the value they should be. An adapter answers its callers with an error of
/// kind [`Corrupt`](super::BackendErrorKind::Corrupt) that says which value it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Damaged(pub &'static str);

/// What was read, or why it could not be.
pub type Decoded<T> = Result<T, Damaged>;

/// Builds a value.
#[derive(Debug)]
pub struct Put {
    out: Vec<u8>,
}

impl Default for Put {
    fn default() -> Self {
        Self::with_capacity(0)
    }
}

impl Put {
    /// With room for so many bytes of content.
    pub fn with_capacity(content: usize) -> Self {
        let mut out = Vec::with_capacity(content + HEADER);
        out.extend_from_slice(&[FORMAT, 0, 0, 0, 0]);
        Self { out }
    }

    /// Bytes of content so far.
    pub fn len(&self) -> usize {
        self.out.len() - HEADER
    }

    /// Whether there is no content yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A number of one byte.
    pub fn u8(&mut self, n: u8) {
        self.out.push(n);
    }

    /// A number of four bytes.
    pub fn u32(&mut self, n: u32) {
        self.rest(&n.to_le_bytes());
    }

    /// A number of eight bytes.
    pub fn u64(&mut self, n: u64) {
        self.rest(&n.to_le_bytes());
    }

    /// A number of sixteen bytes.
    pub fn u128(&mut self, n: u128) {
        self.rest(&n.to_le_bytes());
    }

    /// A truth value, in a byte.
    pub fn flag(&mut self, flag: bool) {
        self.u8(u8::from(flag));
    }

    /// Bytes without their length: only as the last part, where the end of the value tells it.
    pub fn rest(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// Bytes after their length. More than 4 GiB, which the limits of the core keep far away,
    /// make a value that does not unseal.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.rest(bytes);
    }

    /// A flag, then the value if there is one.
    pub fn option<T>(&mut self, value: Option<T>, put: impl FnOnce(&mut Self, T)) {
        self.flag(value.is_some());
        if let Some(value) = value {
            put(self, value);
        }
    }

    /// A count, then each item.
    pub fn list<T>(&mut self, items: &[T], put: impl Fn(&mut Self, &T)) {
        self.count(items.len());
        for item in items {
            put(self, item);
        }
    }

    fn count(&mut self, n: usize) {
        self.u32(u32::try_from(n).unwrap_or(u32::MAX));
    }

    /// The value, with its checksum.
    pub fn seal(mut self) -> Vec<u8> {
        if let Some((header, content)) = self.out.split_first_chunk_mut::<HEADER>() {
            header[1..].copy_from_slice(&crc32c::crc32c(content).to_le_bytes());
        }
        self.out
    }
}

/// Reads a value. Whatever the bytes are, it answers with an error at worst, and takes memory in
/// proportion to them.
#[derive(Debug)]
pub struct Get {
    rest: Bytes,
    apart: bool,
}

impl Get {
    /// Checks format and checksum.
    ///
    /// # Errors
    /// The bytes are not a value of this format, or were damaged since they were sealed.
    pub fn unseal(mut value: Bytes) -> Decoded<Self> {
        let Some((header, content)) = value.split_first_chunk::<HEADER>() else {
            return Err(Damaged("shorter than a header"));
        };
        if header[0] != FORMAT {
            return Err(Damaged("written in another format; upgrade this program"));
        }
        if crc32c::crc32c(content).to_le_bytes() != header[1..] {
            return Err(Damaged("its checksum does not match"));
        }
        Ok(Self { rest: value.split_off(HEADER), apart: false })
    }

    /// From here on [`bytes`](Self::bytes) copies what it reads, so that a small part that is
    /// kept for long does not keep all of a large value in memory.
    #[must_use]
    pub fn apart(mut self) -> Self {
        self.apart = true;
        self
    }

    fn take(&mut self, n: usize) -> Decoded<Bytes> {
        if n > self.rest.len() {
            return Err(Damaged("a length points behind the end"));
        }
        Ok(self.rest.split_to(n))
    }

    fn array<const N: usize>(&mut self) -> Decoded<[u8; N]> {
        self.take(N)?.as_ref().try_into().map_err(|_| Damaged("too short"))
    }

    /// What [`Put::u8`] wrote.
    ///
    /// # Errors
    /// Too few bytes are left, as with all that follows.
    pub fn u8(&mut self) -> Decoded<u8> {
        Ok(self.array::<1>()?[0])
    }

    /// What [`Put::u32`] wrote.
    pub fn u32(&mut self) -> Decoded<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// What [`Put::u64`] wrote.
    pub fn u64(&mut self) -> Decoded<u64> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// What [`Put::u128`] wrote.
    pub fn u128(&mut self) -> Decoded<u128> {
        Ok(u128::from_le_bytes(self.array()?))
    }

    /// What [`Put::flag`] wrote.
    pub fn flag(&mut self) -> Decoded<bool> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Damaged("a truth value is neither 0 nor 1")),
        }
    }

    /// All that is left.
    pub fn rest(self) -> Bytes {
        self.rest
    }

    /// What [`Put::bytes`] wrote.
    pub fn bytes(&mut self) -> Decoded<Bytes> {
        let n = self.u32()? as usize;
        let part = self.take(n)?;
        Ok(if self.apart { Bytes::copy_from_slice(&part) } else { part })
    }

    /// What [`Put::bytes`] wrote, as a text.
    pub fn text(&mut self) -> Decoded<String> {
        let n = self.u32()? as usize;
        String::from_utf8(self.take(n)?.into()).map_err(|_| Damaged("a text is not UTF-8"))
    }

    /// What [`Put::option`] wrote.
    pub fn option<T>(&mut self, get: impl FnOnce(&mut Self) -> Decoded<T>) -> Decoded<Option<T>> {
        if self.flag()? { get(self).map(Some) } else { Ok(None) }
    }

    /// What [`Put::list`] wrote, of items that take at least so many bytes each: a count that
    /// cannot be true is refused before there is memory for it.
    pub fn list<T>(
        &mut self,
        item_bytes_min: usize,
        get: impl Fn(&mut Self) -> Decoded<T>,
    ) -> Decoded<Vec<T>> {
        let n = self.u32()? as usize;
        if n > self.rest.len() / item_bytes_min.max(1) {
            return Err(Damaged("a list is longer than its bytes"));
        }
        let mut items = Vec::with_capacity(n);
        for _ in 0..n {
            items.push(get(self)?);
        }
        Ok(items)
    }

    /// Whether all was read.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// Bytes are left that nobody read.
    pub fn end(self) -> Decoded<()> {
        if self.is_empty() { Ok(()) } else { Err(Damaged("bytes are left over")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed() -> Vec<u8> {
        let mut put = Put::default();
        assert!(put.is_empty());
        put.bytes(b"some");
        put.u8(1);
        put.u32(2);
        put.u64(3);
        put.u128(4);
        put.option(Some(true), Put::flag);
        put.list(&[5, 6], |put, n| put.u64(*n));
        assert_eq!(put.len(), 4 + 4 + 1 + 4 + 8 + 16 + 2 + 4 + 16);
        put.rest(b"content");
        put.seal()
    }

    #[test]
    fn what_was_put_comes_back() {
        for apart in [false, true] {
            let mut get = Get::unseal(Bytes::from(sealed())).unwrap();
            get.apart = apart;
            assert_eq!(get.text().unwrap(), "some");
            assert_eq!((get.u8(), get.u32(), get.u64(), get.u128()), (Ok(1), Ok(2), Ok(3), Ok(4)));
            assert_eq!(get.option(Get::flag), Ok(Some(true)));
            assert_eq!(get.list(8, Get::u64), Ok(vec![5, 6]));
            assert_eq!(get.rest().as_ref(), b"content");
        }
    }

    #[test]
    fn parts_read_apart_do_not_hold_the_value() {
        let mut get = Get::unseal(Bytes::from(sealed())).unwrap().apart();
        let (part, rest) = (get.bytes().unwrap(), get.rest());
        assert!(part.is_unique(), "the part shares the memory of the value");
        assert!(!rest.is_empty());
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let sealed = sealed();
        for bit in 0..sealed.len() * 8 {
            let mut damaged = sealed.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(Get::unseal(Bytes::from(damaged)).is_err(), "bit {bit}");
        }
        for cut in 0..sealed.len() {
            assert!(Get::unseal(Bytes::copy_from_slice(&sealed[..cut])).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn lengths_beyond_the_end_are_errors() {
        let mut put = Put::default();
        put.u32(u32::MAX);
        put.u8(1);
        let value = Bytes::from(put.seal());
        let get = || Get::unseal(value.clone()).unwrap();
        assert_eq!(get().bytes(), Err(Damaged("a length points behind the end")));
        assert_eq!(get().list(1, Get::u8), Err(Damaged("a list is longer than its bytes")));
        assert_eq!(get().list(0, Get::u8), Err(Damaged("a list is longer than its bytes")));
        assert_eq!(get().end(), Err(Damaged("bytes are left over")));
    }
}
