//! The operations that orchestration code can await, one file each.

mod activity;
mod attempt;
mod child;
mod event;
mod op;
mod result;
mod saga;
mod timeout;
mod timer;

pub use activity::{ActivityBuilder, ActivityCall};
pub use child::{ChildBuilder, ChildCall};
pub use event::EventWait;
pub use saga::Saga;
pub use timeout::{TimedOut, Timeout};
pub use timer::Timer;

pub(super) use op::Op;
