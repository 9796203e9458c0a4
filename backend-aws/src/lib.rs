//! Task hubs on DynamoDB and SQS, shared by any number of processes; no servers to run.
//!
//! The truth is in one DynamoDB table per hub. Three SQS standard queues carry wake-ups; they may
//! lose, repeat or reorder them without harm. An instance is one item: every verb of the contract
//! is one conditional update of it, which compares the lease token, so a commit is applied wholly
//! or not at all. Time is the injected clock. See `DESIGN.md` beside this crate for the layout,
//! for what a crash leaves and for what a step costs.

mod acquire;
mod activity_queue;
mod admin;
mod again;
mod backend;
mod blobs;
mod bring_out;
mod claim;
mod client;
mod commit_turn;
mod complete;
mod config;
mod deliver;
mod desk;
mod doorbell;
mod error;
mod far;
mod head;
mod hints;
mod history_store;
mod hub;
mod item;
mod later;
mod listing;
mod loan_ends;
mod names;
mod note;
mod orchestration_queue;
mod outbox;
mod pace;
mod page;
mod poll;
mod purge;
mod read_history;
mod receive;
mod schema;
mod sqs;
mod stage;
mod store;
mod sweep;
mod table;
mod tail;
mod tasks;
mod timers;
mod tracking_queue;
mod turn_update;
mod update;
mod url;
mod values;
mod weight;

pub use backend::AwsBackend;
pub use config::{AwsCredentials, AwsSettings};
pub use store::AwsStore;
