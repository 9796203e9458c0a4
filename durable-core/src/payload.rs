//! User values as bytes, and the converter between the two.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// The encoded form of a user value. The engine never looks inside.
///
/// An absent value is `Option<Payload>::None`; an empty payload is something else.
#[derive(Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Payload(Bytes);

impl Payload {
    /// Wraps encoded bytes.
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        Self(bytes.into())
    }

    /// The encoded bytes.
    pub fn bytes(&self) -> &Bytes {
        &self.0
    }

    /// Gives the encoded bytes away.
    pub fn into_bytes(self) -> Bytes {
        self.0
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no bytes at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Payload {
    /// Shows the size only: payloads may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payload({} bytes)", self.0.len())
    }
}

/// A user value could not be encoded or decoded.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {type_name}: {source}")]
pub struct ConvertError {
    action: &'static str,
    type_name: &'static str,
    #[source]
    source: serde_json::Error,
}

/// Encodes a user value as JSON, so that people and other languages can read it.
///
/// # Errors
/// [`ConvertError`] when the value has no JSON form, e.g. a map with non-text keys.
pub fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Payload, ConvertError> {
    let mut out = Vec::with_capacity(64);
    serde_json::to_writer(&mut out, value).map_err(|source| ConvertError {
        action: "encode",
        type_name: std::any::type_name::<T>(),
        source,
    })?;
    Ok(Payload(Bytes::from(out)))
}

/// Decodes a user value from JSON. Nesting is limited to 128 levels.
///
/// # Errors
/// [`ConvertError`] when the bytes are not JSON of this type.
pub fn decode<T: DeserializeOwned>(payload: &Payload) -> Result<T, ConvertError> {
    serde_json::from_slice(&payload.0).map_err(|source| ConvertError {
        action: "decode",
        type_name: std::any::type_name::<T>(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_never_shows_content() {
        assert_eq!(format!("{:?}", encode("s3cret").unwrap()), "Payload(8 bytes)");
    }

    #[test]
    fn a_wrong_type_is_a_typed_error_that_names_it() {
        let err = decode::<u32>(&encode("text").unwrap()).unwrap_err();
        assert!(err.to_string().contains("cannot decode u32"), "{err}");
    }
}
