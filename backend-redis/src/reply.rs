//! Answers of scripts, read part by part.

use bytes::Bytes;
use durable_core::backend::BackendResult;
use durable_core::backend::sealed::{Damaged, Decoded};
use redis::Value;

use crate::error::damaged;
use crate::link::unexpected;

/// A flat answer.
#[derive(Debug)]
pub(crate) struct Reply {
    parts: std::vec::IntoIter<Value>,
}

const SHORT: Damaged = Damaged("the answer has fewer or other parts than it should");

impl Reply {
    pub(crate) fn new(operation: &'static str, answer: Value) -> BackendResult<Self> {
        match answer {
            Value::Array(parts) => Ok(Self { parts: parts.into_iter() }),
            _ => Err(unexpected(operation)),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.parts.as_slice().is_empty()
    }

    /// The next part; `None` when the server has none there.
    pub(crate) fn option(&mut self) -> Decoded<Option<Bytes>> {
        match self.parts.next() {
            Some(Value::BulkString(bytes)) => Ok(Some(Bytes::from(bytes))),
            Some(Value::Int(n)) => Ok(Some(Bytes::from(n.to_string()))),
            Some(Value::Nil) => Ok(None),
            _ => Err(SHORT),
        }
    }

    pub(crate) fn bytes(&mut self) -> Decoded<Bytes> {
        self.option()?.ok_or(SHORT)
    }

    pub(crate) fn signed(&mut self) -> Decoded<i64> {
        let bytes = self.bytes()?;
        let text = std::str::from_utf8(&bytes).ok();
        text.and_then(|t| t.parse().ok()).ok_or(Damaged("a number is not in decimal digits"))
    }

    /// A number that is not negative; negative ones stand for none.
    pub(crate) fn number(&mut self) -> Decoded<Option<u64>> {
        Ok(u64::try_from(self.signed()?).ok())
    }
}

/// The outcome that a script answers by number.
pub(crate) fn outcome<T: Copy>(
    operation: &'static str,
    answer: &Value,
    outcomes: &[T],
) -> BackendResult<T> {
    match answer {
        Value::Int(n) => {
            let outcome = usize::try_from(*n).ok().and_then(|n| outcomes.get(n)).copied();
            outcome.ok_or_else(|| unexpected(operation))
        }
        _ => Err(unexpected(operation)),
    }
}

/// The error for an answer that cannot be read.
pub(crate) fn read<T>(
    operation: &'static str,
    what: &str,
    decoded: Decoded<T>,
) -> BackendResult<T> {
    decoded.map_err(|why| damaged(operation, what, &why))
}
