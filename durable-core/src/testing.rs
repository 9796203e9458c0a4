//! For the tests of users: replay stored histories against new code.
//!
//! Export histories of running instances once
//! ([`InstanceHandle::history`](crate::client::InstanceHandle::history)), keep them with the tests, and check
//! every change of an orchestration against them before it is deployed.

use std::sync::Arc;

use crate::ids::{ExecutionId, InstanceId};
use crate::model::{BlockReport, HistoryEvent};
use crate::registry::Registry;
use crate::replay::{Execution, Handlers, Identity, TurnEnd};

/// Replays histories against the code of a registry.
#[derive(Debug)]
pub struct ReplayChecker {
    registry: Arc<Registry>,
}

/// Why a history does not fit the code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// The code takes other steps; a worker would block the instance with this report.
    #[error("{0}")]
    Mismatch(Box<BlockReport>),
    /// The registry does not serve the orchestration.
    #[error("orchestration `{name}` version `{version}` is not registered")]
    NotRegistered {
        /// What it is called.
        name: String,
        /// Its version.
        version: String,
    },
}

impl ReplayChecker {
    /// A checker for this code.
    pub fn new(registry: Registry) -> Self {
        Self { registry: Arc::new(registry) }
    }

    /// Replays one history.
    ///
    /// # Errors
    /// [`ReplayError`] when a worker with this code could not go on with the instance.
    pub fn check(
        &self,
        instance: InstanceId,
        execution: ExecutionId,
        history: Vec<HistoryEvent>,
    ) -> Result<(), ReplayError> {
        let identity = Identity { instance, execution };
        let handlers = Arc::clone(&self.registry) as Arc<dyn Handlers>;
        let mut replayed = Execution::new(identity, handlers, None);
        match replayed.replay(history) {
            Err(end) => match *end {
                TurnEnd::Blocked(report) => Err(ReplayError::Mismatch(Box::new(report))),
                TurnEnd::NotServed { name, version } => {
                    Err(ReplayError::NotRegistered { name, version })
                }
                _ => Ok(()),
            },
            Ok(()) => Ok(()),
        }
    }
}
