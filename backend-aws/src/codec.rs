//! Bytes of values: little endian, length-prefixed, checked on the way back.

use bytes::Bytes;

/// Why bytes are not what they should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Damaged(pub(crate) &'static str);

pub(crate) type Decoded<T> = Result<T, Damaged>;

/// Version of the form of values.
const FORMAT: u8 = 1;

/// Format and checksum.
const HEADER: usize = 5;

/// Builds a value: format, checksum of all that follows, content.
#[derive(Debug)]
pub(crate) struct Put {
    out: Vec<u8>,
}

impl Put {
    pub(crate) fn with_capacity(content: usize) -> Self {
        let mut out = Vec::with_capacity(content + HEADER);
        out.extend_from_slice(&[FORMAT, 0, 0, 0, 0]);
        Self { out }
    }

    pub(crate) fn u8(&mut self, n: u8) {
        self.out.push(n);
    }

    pub(crate) fn u32(&mut self, n: u32) {
        self.out.extend_from_slice(&n.to_le_bytes());
    }

    pub(crate) fn u64(&mut self, n: u64) {
        self.out.extend_from_slice(&n.to_le_bytes());
    }

    pub(crate) fn u128(&mut self, n: u128) {
        self.out.extend_from_slice(&n.to_be_bytes());
    }

    /// Without length, as the last part.
    pub(crate) fn rest(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// Lengths are bounded by the limits of the core, far below what 32 bits hold.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.u32(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        self.rest(bytes);
    }

    pub(crate) fn option<T>(&mut self, value: Option<T>, put: impl FnOnce(&mut Self, T)) {
        self.u8(u8::from(value.is_some()));
        if let Some(value) = value {
            put(self, value);
        }
    }

    pub(crate) fn seal(mut self) -> Vec<u8> {
        if let Some((header, content)) = self.out.split_first_chunk_mut::<HEADER>() {
            header[1..].copy_from_slice(&crc32c::crc32c(content).to_le_bytes());
        }
        self.out
    }
}

/// Reads a value.
#[derive(Debug)]
pub(crate) struct Get {
    rest: Bytes,
}

impl Get {
    /// Checks format and checksum.
    pub(crate) fn unseal(mut value: Bytes) -> Decoded<Self> {
        let Some((header, content)) = value.split_first_chunk::<HEADER>() else {
            return Err(Damaged("shorter than a header"));
        };
        if header[0] != FORMAT {
            return Err(Damaged("written in another format; upgrade this program"));
        }
        if crc32c::crc32c(content).to_le_bytes() != header[1..] {
            return Err(Damaged("its checksum does not match"));
        }
        Ok(Self { rest: value.split_off(HEADER) })
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

    pub(crate) fn u8(&mut self) -> Decoded<u8> {
        Ok(self.array::<1>()?[0])
    }

    pub(crate) fn u32(&mut self) -> Decoded<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(crate) fn u64(&mut self) -> Decoded<u64> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    pub(crate) fn u128(&mut self) -> Decoded<u128> {
        Ok(u128::from_be_bytes(self.array()?))
    }

    pub(crate) fn bytes(&mut self) -> Decoded<Bytes> {
        let n = self.u32()? as usize;
        self.take(n)
    }

    pub(crate) fn text(&mut self) -> Decoded<String> {
        String::from_utf8(self.bytes()?.into()).map_err(|_| Damaged("a text is not UTF-8"))
    }

    pub(crate) fn flag(&mut self) -> Decoded<bool> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Damaged("a truth value is neither 0 nor 1")),
        }
    }

    pub(crate) fn option<T>(
        &mut self,
        get: impl FnOnce(&mut Self) -> Decoded<T>,
    ) -> Decoded<Option<T>> {
        if self.flag()? { get(self).map(Some) } else { Ok(None) }
    }

    pub(crate) fn end(self) -> Decoded<()> {
        if self.rest.is_empty() { Ok(()) } else { Err(Damaged("bytes are left over")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let mut put = Put::with_capacity(0);
        put.bytes(b"some");
        put.u128(7);
        let sealed = put.seal();
        let mut get = Get::unseal(Bytes::from(sealed.clone())).unwrap();
        assert_eq!((get.bytes().unwrap().as_ref(), get.u128().unwrap()), (&b"some"[..], 7));
        assert_eq!(get.end(), Ok(()));
        for bit in 0..sealed.len() * 8 {
            let mut damaged = sealed.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(Get::unseal(Bytes::from(damaged)).is_err(), "bit {bit}");
        }
        for cut in 0..sealed.len() {
            assert!(Get::unseal(Bytes::copy_from_slice(&sealed[..cut])).is_err(), "cut at {cut}");
        }
    }
}
