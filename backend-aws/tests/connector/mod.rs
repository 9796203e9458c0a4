//! Between the SDK and the wire: what sees, counts and spoils the requests of the adapter.

#![allow(dead_code, unused_imports, reason = "each test file uses another part of it")]
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod faults;
mod plan;
mod recorder;
mod wire;

pub(crate) use faults::Faults;
pub(crate) use plan::{Fault, Plan};
pub(crate) use recorder::Recorder;
pub(crate) use wire::{Answer, Layer, Request, Wire, plain, through};
