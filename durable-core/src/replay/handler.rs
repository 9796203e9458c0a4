//! What a turn runs: user code behind a plain interface.

use std::sync::Arc;

use super::context::OrchestrationContext;
use crate::env::BoxFuture;
use crate::ids::Name;
use crate::model::Failure;
use crate::payload::Payload;

/// What user code ends with.
pub type HandlerResult = Result<Option<Payload>, Failure>;

/// Orchestration code with encoded input and output.
pub trait OrchestrationHandler: Send + Sync {
    /// The future of one execution. Called once per replay from the start.
    fn run(
        &self,
        ctx: OrchestrationContext,
        input: Option<Payload>,
    ) -> BoxFuture<'static, HandlerResult>;
}

/// Finds the code for a name and version.
pub trait Handlers: Send + Sync {
    /// The code, or `None` when this worker does not serve it.
    fn orchestration(&self, name: &Name, version: &str) -> Option<Arc<dyn OrchestrationHandler>>;

    /// The names served, for error messages.
    fn orchestration_names(&self) -> Vec<String>;
}
