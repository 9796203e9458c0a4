//! The engine of a durable task framework: model, backend contract, replay, worker and client.
pub mod activity;
pub mod backend;
pub mod env;
pub mod ids;
pub mod limits;
pub mod model;
pub mod payload;
pub mod registry;
pub mod replay;
pub mod time;
