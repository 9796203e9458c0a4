//! Reading attributes of items.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use bytes::Bytes;
use durable_core::backend::sealed::{Damaged, Decoded};
use durable_core::time::Timestamp;

/// An item as the service answers it.
pub(crate) type Item = HashMap<String, AttributeValue>;

pub(crate) fn bytes_of(value: &AttributeValue) -> Decoded<Bytes> {
    let blob = value.as_b().map_err(|_| Damaged("an attribute is not binary"))?;
    Ok(Bytes::copy_from_slice(blob.as_ref()))
}

pub(crate) fn bytes(item: &Item, name: &str) -> Decoded<Option<Bytes>> {
    item.get(name).map(bytes_of).transpose()
}

pub(crate) fn number(item: &Item, name: &str) -> Decoded<Option<u64>> {
    let Some(value) = item.get(name) else { return Ok(None) };
    let text = value.as_n().map_err(|_| Damaged("an attribute is not a number"))?;
    text.parse().map(Some).map_err(|_| Damaged("a number is out of range"))
}

pub(crate) fn time(item: &Item, name: &str) -> Decoded<Option<Timestamp>> {
    Ok(number(item, name)?.map(Timestamp::from_micros))
}

pub(crate) fn id(item: &Item, name: &str) -> Decoded<Option<u128>> {
    let Some(bytes) = bytes(item, name)? else { return Ok(None) };
    let bytes: [u8; 16] =
        bytes.as_ref().try_into().map_err(|_| Damaged("a token is not 16 bytes long"))?;
    Ok(Some(u128::from_be_bytes(bytes)))
}

pub(crate) fn text<'a>(item: &'a Item, name: &str) -> Decoded<Option<&'a str>> {
    let Some(value) = item.get(name) else { return Ok(None) };
    value.as_s().map(|s| Some(s.as_str())).map_err(|_| Damaged("an attribute is not a text"))
}

pub(crate) fn list<'a>(item: &'a Item, name: &str) -> Decoded<&'a [AttributeValue]> {
    let Some(value) = item.get(name) else { return Ok(&[]) };
    value.as_l().map(Vec::as_slice).map_err(|_| Damaged("an attribute is not a list"))
}

pub(crate) fn map<'a>(item: &'a Item, name: &str) -> Decoded<Option<&'a Item>> {
    let Some(value) = item.get(name) else { return Ok(None) };
    value.as_m().map(Some).map_err(|_| Damaged("an attribute is not a map"))
}
