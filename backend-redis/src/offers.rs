//! Word left by calls that wait, for calls of the same process that bring what they wait for.
//!
//! Handing work over by the bell costs a commit, a ring, a look and its answer. A commit that knows
//! what a waiting call would ask for asks it in its own script and hands the answer over.

use durable_core::backend::sealed::Decoded;
use durable_core::backend::{ActivityWork, TurnWork};
use durable_core::ids::QueueName;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::args::Args;
use crate::loans::{Lent, Loans};
use crate::orchestration_queue::TurnsRest;
use crate::reply::Reply;
use crate::taking::{Bell, LookRest, Taking};

/// What was taken for a call that waited.
pub(crate) struct Given<T: Lent, R> {
    /// The partition it is of.
    pub(crate) home: u16,
    /// How often its bell had rung before.
    pub(crate) rings: u64,
    pub(crate) works: Loans<T>,
    pub(crate) rest: R,
}

/// What a waiting call asks for.
pub(crate) struct Offer<T: Lent, R> {
    number: u64,
    pub(crate) operation: &'static str,
    pub(crate) bell: Bell,
    pub(crate) args: Args,
    queues: Vec<QueueName>,
    pub(crate) read: fn(Reply) -> Decoded<(Vec<T>, R)>,
    pub(crate) answer: oneshot::Sender<Given<T, R>>,
}

/// The offers of calls that wait.
pub(crate) struct Offers<T: Lent, R> {
    open: Mutex<Open<T, R>>,
}

struct Open<T: Lent, R> {
    next: u64,
    offers: Vec<Offer<T, R>>,
}

/// An offer that was made.
pub(crate) struct Made<T: Lent, R> {
    number: u64,
    /// Ends without an answer when nothing could be taken.
    pub(crate) given: oneshot::Receiver<Given<T, R>>,
}

impl<T: Lent, R> Default for Offers<T, R> {
    fn default() -> Self {
        Self { open: Mutex::new(Open { next: 0, offers: Vec::new() }) }
    }
}

impl<T: Lent, R: Send + 'static> Offers<T, R> {
    /// Leaves word of what a call asks for.
    pub(crate) fn make<K>(&self, taking: &K, args: Args) -> Made<T, R>
    where
        K: Taking<Work = T, Rest = R>,
    {
        let (answer, given) = oneshot::channel();
        let mut open = self.open.lock();
        // Of calls that were dropped while they waited.
        open.offers.retain(|offer| !offer.answer.is_closed());
        let number = open.next;
        open.next += 1;
        open.offers.push(Offer {
            number,
            operation: K::OPERATION,
            bell: K::BELL,
            args,
            queues: taking.queues().to_vec(),
            read: K::read,
            answer,
        });
        Made { number, given }
    }

    /// Takes an offer back. `false` when somebody has accepted it: then the answer is under way.
    pub(crate) fn withdraw(&self, made: &Made<T, R>) -> bool {
        let mut open = self.open.lock();
        let place = open.offers.iter().position(|offer| offer.number == made.number);
        place.map(|n| open.offers.swap_remove(n)).is_some()
    }

    /// Accepts the youngest offer that fits.
    pub(crate) fn accept(&self, fits: impl Fn(&[QueueName]) -> bool) -> Option<Offer<T, R>> {
        let mut open = self.open.lock();
        let fit = |offer: &Offer<T, R>| !offer.answer.is_closed() && fits(&offer.queues);
        let place = open.offers.iter().rposition(fit)?;
        Some(open.offers.swap_remove(place))
    }
}

/// The offers of one hub in this process.
#[derive(Default)]
pub(crate) struct AllOffers {
    pub(crate) turns: Offers<TurnWork, TurnsRest>,
    pub(crate) activities: Offers<ActivityWork, LookRest>,
}
