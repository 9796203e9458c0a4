//! The engine of a durable task framework.
//!
//! Orchestrations are ordinary `async fn`s. Every decision they take is stored as a history
//! event before it takes effect; when a process dies, another replays the code over its
//! history and goes on exactly where it stopped.
//!
//! # Where to look
//! | question | module |
//! |---|---|
//! | What runs a turn? | [`replay::turn`] |
//! | What do users write against? | [`replay::OrchestrationContext`], [`activity::ActivityContext`], [`client::Client`], [`worker::Worker`] |
//! | What does a storage adapter implement? | [`backend`] |
//! | What is stored and sent? | [`model`] |
//! | Where are the loops? | [`worker`] |
//! | Which limits are there? | [`limits`] |
//!
//! Deliberately absent: any storage driver, any clock or randomness outside [`mod@env`], any
//! decoding of events outside [`model::wire`].

pub mod activity;
pub mod backend;
pub mod client;
pub mod env;
pub mod error;
pub mod hot;
pub mod ids;
pub mod limits;
#[doc(hidden)]
pub mod macro_support;
pub mod memory;
pub mod model;
pub mod payload;
pub mod registry;
pub mod replay;
pub mod telemetry;
pub mod testing;
pub mod time;
pub mod worker;
