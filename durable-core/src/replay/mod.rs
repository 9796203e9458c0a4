//! Running orchestration code over its history: pure, without I/O, clock or runtime.
//!
//! Start at [`turn`]: it runs a turn. [`context`] is what users write against; the files in
//! [`machines`] are the operations it offers; `core` is the state both share; `executor`
//! polls the user's future; [`mismatch`] words the reports when code and history disagree.

pub mod action;
pub mod context;
mod core;
mod executor;
pub mod handler;
pub mod machines;
pub mod mismatch;
pub mod refs;
pub mod task_error;
pub mod turn;
mod waker;

pub use context::OrchestrationContext;
pub(crate) use executor::panic_failure;
pub use handler::{HandlerResult, Handlers, OrchestrationHandler};
pub use machines::{Saga, TimedOut};
pub use refs::{ActivityRef, NamedActivity, NamedOrchestration, OrchestrationRef};
pub use task_error::{TaskError, UserError};
pub use turn::{Execution, Identity, TurnEnd, TurnOutcome, run_turn};
pub use waker::ForeignWake;
