//! The paranoid mode: after every turn, replay the whole history from nothing and compare.

use std::sync::Arc;

use super::commit_builder::Prepared;
use super::orchestration_dispatcher::TurnRan;
use super::session::{LoadError, load_history, load_record};
use super::shared::Shared;
use crate::backend::{HistoryChunk, OrchestrationStatus, TurnWork};
use crate::model::BlockReport;
use crate::model::wire;
use crate::replay::{Execution, Handlers, Identity, TurnEnd};
use crate::time::Timestamp;

/// Lets the commit through only if a replay of old and new events takes the same decisions.
pub(super) async fn check(
    shared: &Arc<Shared>,
    work: &TurnWork,
    prepared: Prepared,
    now: Timestamp,
) -> TurnRan {
    let chunk = prepared.commit.chunk.clone();
    match replay_all(shared, work, chunk).await {
        Ok(None) => TurnRan::Commit(prepared),
        Ok(Some(report)) => match load_record(shared, work).await {
            Ok((record, details)) => {
                let status = OrchestrationStatus::Blocked;
                let commit = super::commit_builder::set_aside(
                    shared, work, record, details, status, report, now,
                );
                TurnRan::Commit(Prepared { commit, keep: None })
            }
            Err(_) => TurnRan::Abandon(shared.options.blocked_retry),
        },
        Err(_) => TurnRan::Abandon(shared.options.blocked_retry),
    }
}

async fn replay_all(
    shared: &Arc<Shared>,
    work: &TurnWork,
    chunk: Option<HistoryChunk>,
) -> Result<Option<BlockReport>, LoadError> {
    let Some(chunk) = chunk else {
        return Ok(None);
    };
    let mut history = Vec::new();
    if work.events > 0 {
        history = load_history(shared, work).await?;
    }
    history.extend(wire::decode_chunk(&chunk)?);
    let identity = Identity { instance: work.lease.instance.clone(), execution: work.execution };
    let mut execution =
        Execution::new(identity, Arc::clone(&shared.handlers) as Arc<dyn Handlers>, None);
    match execution.replay(history) {
        Err(end) => match *end {
            TurnEnd::Blocked(report) => Ok(Some(report)),
            _ => Ok(None),
        },
        Ok(()) => Ok(None),
    }
}
