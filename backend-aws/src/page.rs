//! Pages: items beside the head for what is too much for it.

use std::sync::Arc;

use durable_core::backend::sealed::Decoded;

use crate::head::Load;
use crate::item::{self, Item};
use crate::schema;

/// A page: its sort key, and what waits in it.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    pub(crate) key: Arc<str>,
    pub(crate) load: Load,
}

impl Page {
    pub(crate) fn read(from: &Item) -> Decoded<Self> {
        let key = item::text(from, schema::SK)?.unwrap_or_default();
        Ok(Self { key: Arc::from(key), load: Load::read(from)? })
    }

    pub(crate) fn is_empty(&self) -> bool {
        let load = &self.load;
        load.inbox.is_empty() && load.delayed.is_empty() && load.tasks.is_empty()
    }
}
