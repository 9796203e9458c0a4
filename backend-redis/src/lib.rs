//! Task hubs on a Redis or Valkey server, shared by any number of processes.
//!
//! The server holds everything: each verb of the contract is one Lua script, which checks the
//! lease token and all else before its first write, so a commit is applied wholly or not at all.
//! Time is the server's. Waiting calls are woken over a subscription, and look by themselves
//! every now and then in case a ring was lost. See `DESIGN.md` beside this crate for the keys,
//! for what a crash leaves and for what a step costs.

mod activity_queue;
mod along;
mod args;
mod backend;
mod check_server;
mod cluster;
mod config;
mod doorbell;
mod error;
mod file;
#[cfg(test)]
mod fuzz;
mod grouped;
mod history_store;
mod keys;
mod large_commit;
mod link;
mod listing;
mod loans;
mod node;
mod offers;
mod orchestration_queue;
mod partition;
mod quiet;
mod receive;
mod relay;
mod reply;
mod routed;
mod scripts;
mod sentinel;
mod slot;
mod store;
mod taking;
#[cfg(feature = "tls")]
mod tls;
mod tracking_queue;
mod url;
mod values;
mod wire;

pub use backend::RedisBackend;
pub use config::{RedisAddress, RedisDurability, RedisLogin, RedisServers, RedisSettings};
pub use store::RedisStore;
