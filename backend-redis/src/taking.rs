//! What a call asks for that waits for work.

use std::future::Future;
use std::time::Duration;

use durable_core::backend::sealed::Decoded;
use durable_core::ids::QueueName;

use crate::args::Args;
use crate::backend::RedisBackend;
use crate::loans::{Lent, Loans};
use crate::offers::Offers;
use crate::partition::Partition;
use crate::reply::Reply;
use crate::scripts::Script;

/// Which bell a queue has.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Bell {
    Turns,
    Activities,
    Tracking,
}

/// What one look at a queue of a partition found.
pub(crate) struct Look<T: Lent> {
    pub(crate) works: Loans<T>,
    pub(crate) rest: LookRest,
}

/// What it left.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LookRest {
    /// There is more for others.
    pub(crate) more: bool,
    /// When to look again at the latest.
    pub(crate) next: Option<Duration>,
}

/// A verb that hands out work on loan, with what its caller wants.
pub(crate) trait Taking: Send + Sync {
    type Work: Lent;
    /// What else is in the answer.
    type Rest: Send + 'static;
    const OPERATION: &'static str;
    const BELL: Bell;

    fn script() -> &'static Script;

    /// Reads the answer.
    fn read(reply: Reply) -> Decoded<(Vec<Self::Work>, Self::Rest)>;

    /// Where waiting calls leave word of what they ask for.
    fn offers(_backend: &RedisBackend) -> Option<&Offers<Self::Work, Self::Rest>> {
        None
    }

    /// How much is wanted at most.
    fn max(&self) -> usize;

    /// How long to wait for it.
    fn wait(&self) -> Duration;

    fn queues(&self) -> &[QueueName] {
        &[]
    }

    /// What the script wants to know, to hand out so much.
    fn args(&self, backend: &RedisBackend, args: Args, max: usize) -> Args;

    /// Sees to the rest of an answer.
    fn settle(
        &self,
        backend: &RedisBackend,
        home: &Partition,
        rest: Self::Rest,
    ) -> impl Future<Output = LookRest> + Send;
}
