//! The list of checks, by area.

mod activity_commit;
mod activity_queue;
mod cancel_safety;
mod concurrency;
mod dedupe;
mod durability;
mod errors;
mod foreign_hubs;
mod generations;
mod handles;
mod history_store;
mod holds;
mod hostile;
mod leases;
mod limits;
mod orchestration_queue;
mod ordering;
mod paging;
mod placeholders;
mod purge;
mod reuse;
mod timers;
mod tracking_queue;
mod turn_commit;
mod watch;

use crate::check::Check;

/// Every check of the suite, whatever it needs.
pub fn checks() -> Vec<Check> {
    [
        orchestration_queue::list(),
        activity_queue::list(),
        tracking_queue::list(),
        history_store::list(),
        turn_commit::list(),
        activity_commit::list(),
        leases::list(),
        timers::list(),
        ordering::list(),
        dedupe::list(),
        generations::list(),
        holds::list(),
        placeholders::list(),
        reuse::list(),
        watch::list(),
        limits::list(),
        errors::list(),
        paging::list(),
        purge::list(),
        concurrency::list(),
        cancel_safety::list(),
        durability::list(),
        foreign_hubs::list(),
        handles::list(),
        hostile::list(),
        crate::model::list(),
        crate::scenarios::list(),
    ]
    .concat()
}
