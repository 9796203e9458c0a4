//! What is stored and sent: plain data, no behaviour.
//!
//! [`event`] lists what history records, [`message`] what travels on the orchestration
//! queue, [`task`] on the activity queue, [`tracking`] on the tracking queue. [`wire`] is
//! the one place that knows their byte form.

pub mod details;
pub mod event;
pub mod failure;
mod first_record;
pub mod message;
pub mod retry;
pub mod task;
pub mod tracking;
pub mod wire;

pub(crate) use details::check_tags;
pub use details::{BlockReport, RecordDetails};
pub use event::HistoryEvent;
pub use failure::{Failure, FailureKind};
pub(crate) use first_record::{first_record, first_record_in_parts};
pub use message::Message;
pub use retry::RetryPolicy;
pub use task::ActivityTask;
pub use tracking::TrackingRecord;
