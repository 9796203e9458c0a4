//! Task hubs on DynamoDB and SQS, shared by any number of processes; no servers to run.
//!
//! The truth is in one DynamoDB table per hub. Three SQS standard queues carry wake-ups; they may
//! lose, repeat or reorder them without harm. An instance is one item: every verb of the contract
//! is one conditional update of it, which compares the lease token, so a commit is applied wholly
//! or not at all. Time is the injected clock. See `DESIGN.md` beside this crate for the layout,
//! for what a crash leaves and for what a step costs.

mod admin;
mod backend;
mod client;
mod config;
mod error;
mod names;
mod schema;
mod store;
mod url;

pub use backend::AwsBackend;
pub use config::{AwsCredentials, AwsSettings};
pub use store::AwsStore;
