//! Bytes of values: little endian, length-prefixed, checked on the way back.

use bytes::Bytes;

/// Why bytes are not what they should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Damaged(pub(crate) &'static str);

pub(crate) type Decoded<T> = Result<T, Damaged>;

/// Builds a value.
#[derive(Debug, Default)]
pub(crate) struct Put {
    pub(crate) out: Vec<u8>,
}

impl Put {
    pub(crate) fn u8(&mut self, n: u8) {
        self.out.push(n);
    }

    pub(crate) fn bool(&mut self, b: bool) {
        self.u8(u8::from(b));
    }

    pub(crate) fn u32(&mut self, n: u32) {
        self.out.extend_from_slice(&n.to_le_bytes());
    }

    pub(crate) fn u64(&mut self, n: u64) {
        self.out.extend_from_slice(&n.to_le_bytes());
    }

    pub(crate) fn u128(&mut self, n: u128) {
        self.out.extend_from_slice(&n.to_le_bytes());
    }

    /// Lengths are bounded by the limits of the core, far below what 32 bits hold.
    pub(crate) fn len(&mut self, n: usize) {
        self.u32(u32::try_from(n).unwrap_or(u32::MAX));
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.len(bytes.len());
        self.out.extend_from_slice(bytes);
    }

    pub(crate) fn option<T>(&mut self, value: Option<T>, put: impl FnOnce(&mut Self, T)) {
        self.bool(value.is_some());
        if let Some(value) = value {
            put(self, value);
        }
    }

    pub(crate) fn list<T>(&mut self, items: &[T], put: impl Fn(&mut Self, &T)) {
        self.len(items.len());
        for item in items {
            put(self, item);
        }
    }
}

/// Reads a value.
#[derive(Debug)]
pub(crate) struct Get {
    rest: Bytes,
}

impl Get {
    pub(crate) fn new(bytes: Bytes) -> Self {
        Self { rest: bytes }
    }

    fn take(&mut self, n: usize) -> Decoded<Bytes> {
        if n > self.rest.len() {
            return Err(Damaged("a length points behind the end"));
        }
        Ok(self.rest.split_to(n))
    }

    fn array<const N: usize>(&mut self) -> Decoded<[u8; N]> {
        let bytes = self.take(N)?;
        bytes.as_ref().try_into().map_err(|_| Damaged("too short"))
    }

    pub(crate) fn u8(&mut self) -> Decoded<u8> {
        Ok(self.array::<1>()?[0])
    }

    pub(crate) fn bool(&mut self) -> Decoded<bool> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Damaged("a truth value is neither 0 nor 1")),
        }
    }

    pub(crate) fn u32(&mut self) -> Decoded<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(crate) fn u64(&mut self) -> Decoded<u64> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    pub(crate) fn u128(&mut self) -> Decoded<u128> {
        Ok(u128::from_le_bytes(self.array()?))
    }

    pub(crate) fn bytes(&mut self) -> Decoded<Bytes> {
        let n = self.u32()? as usize;
        // Copied, so that a small part does not keep a large group in memory.
        Ok(Bytes::copy_from_slice(&self.take(n)?))
    }

    pub(crate) fn text(&mut self) -> Decoded<String> {
        String::from_utf8(self.bytes()?.into()).map_err(|_| Damaged("a text is not UTF-8"))
    }

    pub(crate) fn option<T>(
        &mut self,
        get: impl FnOnce(&mut Self) -> Decoded<T>,
    ) -> Decoded<Option<T>> {
        if self.bool()? { get(self).map(Some) } else { Ok(None) }
    }

    /// A list of items that take at least so many bytes each: a count that cannot be true is
    /// refused before there is memory for it.
    pub(crate) fn list<T>(
        &mut self,
        item_bytes_min: usize,
        get: impl Fn(&mut Self) -> Decoded<T>,
    ) -> Decoded<Vec<T>> {
        let n = self.u32()? as usize;
        if n > self.rest.len() / item_bytes_min {
            return Err(Damaged("a list is longer than its bytes"));
        }
        let mut items = Vec::with_capacity(n);
        for _ in 0..n {
            items.push(get(self)?);
        }
        Ok(items)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn end(self) -> Decoded<()> {
        if self.rest.is_empty() { Ok(()) } else { Err(Damaged("bytes are left over")) }
    }
}

const FORMAT: u8 = 1;

/// Puts format and checksum before a body.
pub(crate) fn seal(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() + 5);
    out.push(FORMAT);
    out.extend_from_slice(&crc32c::crc32c(body).to_le_bytes());
    out.extend_from_slice(body);
    out
}

/// Checks format and checksum.
pub(crate) fn unseal(value: &[u8]) -> Decoded<Get> {
    let Some((header, body)) = value.split_first_chunk::<5>() else {
        return Err(Damaged("shorter than a header"));
    };
    if header[0] != FORMAT {
        return Err(Damaged("written in another format; upgrade this program"));
    }
    if crc32c::crc32c(body) != u32::from_le_bytes([header[1], header[2], header[3], header[4]]) {
        return Err(Damaged("its checksum does not match"));
    }
    Ok(Get::new(Bytes::copy_from_slice(body)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_bit_is_noticed() {
        let sealed = seal(b"some body");
        for bit in 0..sealed.len() * 8 {
            let mut damaged = sealed.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(unseal(&damaged).is_err(), "bit {bit}");
        }
        assert!(unseal(&sealed).is_ok());
    }

    #[test]
    fn lengths_beyond_the_end_are_errors() {
        let mut get = Get::new(Bytes::from_static(&[0xff, 0xff, 0xff, 0xff, 1]));
        assert!(get.bytes().is_err());
        let mut get = Get::new(Bytes::from_static(&[0xff, 0xff, 0xff, 0xff, 1]));
        assert!(get.list(1, Get::u8).is_err());
    }
}
