//! Compensation: undo what was done, newest first.

use std::future::Future;
use std::pin::Pin;

use crate::model::Failure;
use crate::replay::context::OrchestrationContext;
use crate::replay::refs::ActivityRef;
use crate::replay::task_error::TaskError;

type Undo = Box<
    dyn FnOnce(OrchestrationContext) -> Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>>
        + Send,
>;

/// A list of compensations, run newest first when the business process cannot finish.
///
/// Register the compensation *before* the step it undoes, so that a step which took effect
/// but failed to report is undone too; compensations therefore must tolerate that there is
/// nothing to undo.
pub struct Saga {
    ctx: OrchestrationContext,
    undo: Vec<Undo>,
}

impl std::fmt::Debug for Saga {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Saga").field("compensations", &self.undo.len()).finish_non_exhaustive()
    }
}

impl Saga {
    pub(in crate::replay) fn new(ctx: OrchestrationContext) -> Self {
        Self { ctx, undo: Vec::new() }
    }

    /// Adds an activity as compensation. It is called only by [`roll_back`](Self::roll_back).
    pub fn compensate<A>(&mut self, activity: A, input: A::Input)
    where
        A: ActivityRef + Send + 'static,
        A::Input: Send + 'static,
        A::Output: Send + 'static,
    {
        self.undo.push(Box::new(move |ctx| {
            let answer = ctx.call(activity, input);
            Box::pin(async move {
                match answer.await {
                    Ok(_) => Ok(()),
                    Err(error) => Err(TaskError::into(error)),
                }
            })
        }));
    }

    /// Adds any code as compensation.
    pub fn compensate_with<F, Fut>(&mut self, undo: F)
    where
        F: FnOnce(OrchestrationContext) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        self.undo.push(Box::new(move |ctx| Box::pin(undo(ctx))));
    }

    /// Runs all compensations, newest first, one after the other. A failing one does not stop
    /// the others.
    ///
    /// # Errors
    /// The failures, in the order they happened.
    pub async fn roll_back(mut self) -> Result<(), Vec<Failure>> {
        let mut failures = Vec::new();
        while let Some(undo) = self.undo.pop() {
            if let Err(failure) = undo(self.ctx.clone()).await {
                failures.push(failure);
            }
        }
        if failures.is_empty() { Ok(()) } else { Err(failures) }
    }

    /// Forgets all compensations: the process has finished.
    pub fn commit(mut self) {
        self.undo.clear();
    }
}
