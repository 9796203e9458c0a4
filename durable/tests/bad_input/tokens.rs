//! Tokens that prove nothing: every verb that takes a lease, with every kind of wrong token.
//!
//! Each row has a hub of its own, in which one loan is current. The wrong token gets the
//! outcome that the row says, nothing in the store changes, and the rightful holder goes on.

use std::sync::Arc;
use std::time::Duration;

use durable::backend::{
    ActivityCommit, ActivityLease, Backend, Envelope, HistoryChunk, ReceiveActivities,
    ReceiveTracking, ReceiveTurns, RenewActivity, TrackingLease, TurnCommit, TurnLease, TurnWork,
};
use durable::client::Client;
use durable::ids::{ExecutionId, HubName, InstanceId, LeaseToken, MessageId, QueueName, WorkerId};
use durable::time::Timestamp;

use crate::table::fingerprint;
use crate::world::waits;

/// What is called with the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    CommitTurns,
    RenewTurns,
    AbandonTurns,
    CommitActivities,
    RenewActivities,
    AbandonActivities,
    AckTracking,
}

/// What is wrong with the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Token {
    /// The loan ran out, and somebody else holds it.
    Stale,
    /// The loan ran out, and nobody holds it.
    GivenBack,
    /// One bit differs from the current one.
    Guessed,
    Zero,
    /// The current token of another instance of the hub.
    OfAnotherInstance,
    /// The current token of the instance of the same name in another hub.
    OfAnotherHub,
    /// The current token, with an instance that does not exist.
    ForNobody,
    /// The loan ended by its own commit.
    Spent,
}

use Token::{ForNobody, GivenBack, Guessed, OfAnotherHub, OfAnotherInstance, Spent, Stale, Zero};
use Verb::{
    AbandonActivities, AbandonTurns, AckTracking, CommitActivities, CommitTurns, RenewActivities,
    RenewTurns,
};

/// Verb, token, and the exact outcome.
#[rustfmt::skip]
pub(crate) const ROWS: [(Verb, Token, &str); 55] = [
    (CommitTurns, Stale, "Ok(LeaseLost)"),
    (CommitTurns, GivenBack, "Ok(LeaseLost)"),
    (CommitTurns, Guessed, "Ok(LeaseLost)"),
    (CommitTurns, Zero, "Ok(LeaseLost)"),
    (CommitTurns, OfAnotherInstance, "Ok(LeaseLost)"),
    (CommitTurns, OfAnotherHub, "Ok(LeaseLost)"),
    (CommitTurns, ForNobody, "Ok(LeaseLost)"),
    // Rule T3: a commit whose answer was lost is repeated, and has no further effect.
    (CommitTurns, Spent, "Ok(Applied)"),
    (RenewTurns, Stale, "Ok(Lost)"),
    (RenewTurns, GivenBack, "Ok(Lost)"),
    (RenewTurns, Guessed, "Ok(Lost)"),
    (RenewTurns, Zero, "Ok(Lost)"),
    (RenewTurns, OfAnotherInstance, "Ok(Lost)"),
    (RenewTurns, OfAnotherHub, "Ok(Lost)"),
    (RenewTurns, ForNobody, "Ok(Lost)"),
    (RenewTurns, Spent, "Ok(Lost)"),
    (AbandonTurns, Stale, "Ok(Lost)"),
    (AbandonTurns, GivenBack, "Ok(Lost)"),
    (AbandonTurns, Guessed, "Ok(Lost)"),
    (AbandonTurns, Zero, "Ok(Lost)"),
    (AbandonTurns, OfAnotherInstance, "Ok(Lost)"),
    (AbandonTurns, OfAnotherHub, "Ok(Lost)"),
    (AbandonTurns, ForNobody, "Ok(Lost)"),
    (AbandonTurns, Spent, "Ok(Lost)"),
    (CommitActivities, Stale, "Ok(LeaseLost)"),
    (CommitActivities, GivenBack, "Ok(LeaseLost)"),
    (CommitActivities, Guessed, "Ok(LeaseLost)"),
    (CommitActivities, Zero, "Ok(LeaseLost)"),
    (CommitActivities, OfAnotherInstance, "Ok(LeaseLost)"),
    (CommitActivities, OfAnotherHub, "Ok(LeaseLost)"),
    (CommitActivities, ForNobody, "Ok(LeaseLost)"),
    (CommitActivities, Spent, "Ok(LeaseLost)"),
    (RenewActivities, Stale, "Ok(Lost)"),
    (RenewActivities, GivenBack, "Ok(Lost)"),
    (RenewActivities, Guessed, "Ok(Lost)"),
    (RenewActivities, Zero, "Ok(Lost)"),
    (RenewActivities, OfAnotherInstance, "Ok(Lost)"),
    (RenewActivities, OfAnotherHub, "Ok(Lost)"),
    // A task that is gone is one whose result nobody wants: a store forgets what was cancelled.
    (RenewActivities, ForNobody, "Ok(Cancelled)"),
    (RenewActivities, Spent, "Ok(Cancelled)"),
    (AbandonActivities, Stale, "Ok(Lost)"),
    (AbandonActivities, GivenBack, "Ok(Lost)"),
    (AbandonActivities, Guessed, "Ok(Lost)"),
    (AbandonActivities, Zero, "Ok(Lost)"),
    (AbandonActivities, OfAnotherInstance, "Ok(Lost)"),
    (AbandonActivities, OfAnotherHub, "Ok(Lost)"),
    (AbandonActivities, ForNobody, "Ok(Lost)"),
    (AbandonActivities, Spent, "Ok(Lost)"),
    (AckTracking, Stale, "Ok(Lost)"),
    (AckTracking, Guessed, "Ok(Lost)"),
    (AckTracking, Zero, "Ok(Lost)"),
    (AckTracking, OfAnotherInstance, "Ok(Lost)"),
    (AckTracking, OfAnotherHub, "Ok(Lost)"),
    (AckTracking, ForNobody, "Ok(Lost)"),
    (AckTracking, Spent, "Ok(Lost)"),
];

/// A loan of any of the three kinds.
#[derive(Debug, Clone)]
enum Loan {
    Turn(TurnLease, ExecutionId, u64),
    Activity(ActivityLease, ExecutionId),
    Tracking(TrackingLease),
}

impl Loan {
    fn token(&self) -> LeaseToken {
        match self {
            Self::Turn(lease, ..) => lease.token,
            Self::Activity(lease, _) => lease.token,
            Self::Tracking(lease) => lease.token,
        }
    }

    fn with(&self, new: LeaseToken) -> Self {
        let mut loan = self.clone();
        match &mut loan {
            Self::Turn(lease, ..) => lease.token = new,
            Self::Activity(lease, _) => lease.token = new,
            Self::Tracking(lease) => lease.token = new,
        }
        loan
    }

    fn of_nobody(&self) -> Self {
        let nobody = InstanceId::new("nobody").unwrap();
        let mut loan = self.clone();
        match &mut loan {
            Self::Turn(lease, ..) => lease.instance = nobody,
            Self::Activity(lease, _) => {
                (lease.instance, lease.task) = (nobody, MessageId::random(99));
            }
            Self::Tracking(lease) => {
                (lease.instance, lease.record) = (nobody, MessageId::random(99));
            }
        }
        loan
    }
}

const LONG: Duration = Duration::from_secs(600);
const SHORT: Duration = Duration::from_millis(20);

/// One kind of loan in one hub.
struct Bench {
    backend: Arc<dyn Backend>,
    verb: Verb,
}

impl Bench {
    /// Starts an instance and borrows what the verb is about.
    async fn lend(&self, instance: &str, lease_for: Duration) -> Loan {
        let client = Client::new(Arc::clone(&self.backend));
        client.start(waits(), String::new()).id(instance).send().await.unwrap();
        if matches!(self.verb, CommitTurns | RenewTurns | AbandonTurns) {
            return self.borrow(lease_for, LONG).await.unwrap();
        }
        let work = self.turns(LONG, LONG).await.pop().unwrap();
        let consumed = work.messages.iter().map(|message| message.id).collect();
        let id = &work.lease.instance;
        let envelope = |n| Envelope::new(MessageId::random(n), id.clone(), 0, "x".into());
        let numbers = if instance == "i" { (1, 2) } else { (3, 4) };
        let mut commit = commit(work.lease.clone(), work.execution, work.events);
        commit.consumed = consumed;
        commit.activities =
            vec![Envelope { execution: Some(work.execution), ..envelope(numbers.0) }];
        commit.tracking = Some(envelope(numbers.1));
        let answer = self.backend.commit_turns(vec![commit]).await;
        assert_eq!(format!("{answer:?}"), "[Ok(Applied)]");
        self.borrow(lease_for, LONG).await.unwrap()
    }

    async fn turns(&self, lease_for: Duration, wait: Duration) -> Vec<TurnWork> {
        let request =
            ReceiveTurns { max: 1, messages_max: 100, lease_for, wait, worker: WorkerId(7) };
        self.backend.receive_turns(request).await.unwrap()
    }

    /// What there is to borrow, if anything.
    async fn borrow(&self, lease_for: Duration, wait: Duration) -> Option<Loan> {
        match self.verb {
            CommitTurns | RenewTurns | AbandonTurns => {
                let work = self.turns(lease_for, wait).await.pop()?;
                Some(Loan::Turn(work.lease, work.execution, work.events))
            }
            CommitActivities | RenewActivities | AbandonActivities => {
                let queues = vec![QueueName::default()];
                let worker = WorkerId(7);
                let request = ReceiveActivities { max: 1, lease_for, wait, queues, worker };
                let work = self.backend.receive_activities(request).await.unwrap().pop()?;
                Some(Loan::Activity(work.lease, work.execution))
            }
            AckTracking => {
                let request = ReceiveTracking { max: 1, lease_for, wait };
                let work = self.backend.receive_tracking(request).await.unwrap().pop()?;
                Some(Loan::Tracking(work.lease))
            }
        }
    }

    /// Calls the verb with a loan; its outcome.
    async fn call(&self, verb: Verb, loan: &Loan) -> String {
        let backend = &self.backend;
        match (verb, loan.clone()) {
            (CommitTurns, Loan::Turn(lease, execution, events)) => {
                let commit = commit(lease, execution, events);
                text(backend.commit_turns(vec![commit]).await)
            }
            (RenewTurns, Loan::Turn(lease, ..)) => {
                text(backend.renew_turns(vec![lease], LONG).await)
            }
            (AbandonTurns, Loan::Turn(lease, ..)) => {
                text(backend.abandon_turns(vec![lease], Duration::ZERO).await)
            }
            (CommitActivities, Loan::Activity(lease, execution)) => {
                let completion = Envelope {
                    execution: Some(execution),
                    ..Envelope::new(MessageId::random(5), lease.instance.clone(), 0, "done".into())
                };
                text(backend.commit_activities(vec![ActivityCommit { lease, completion }]).await)
            }
            (RenewActivities, Loan::Activity(lease, _)) => {
                let renewal =
                    RenewActivity { lease, lease_for: LONG, progress: Some("half".into()) };
                text(backend.renew_activities(vec![renewal]).await)
            }
            (AbandonActivities, Loan::Activity(lease, _)) => {
                text(backend.abandon_activities(vec![lease], Duration::ZERO).await)
            }
            (AckTracking, Loan::Tracking(lease)) => text(backend.ack_tracking(vec![lease]).await),
            (verb, loan) => panic!("{verb:?} takes no {loan:?}"),
        }
    }

    /// The verb that ends the loan as its holder wants to.
    fn ending(&self) -> Verb {
        match self.verb {
            CommitTurns | RenewTurns | AbandonTurns => CommitTurns,
            CommitActivities | RenewActivities | AbandonActivities => CommitActivities,
            AckTracking => AckTracking,
        }
    }

    /// Ends a loan as its holder wants to.
    async fn end(&self, loan: &Loan) {
        let outcome = self.call(self.ending(), loan).await;
        assert!(["Ok(Applied)", "Ok(Done)"].contains(&outcome.as_str()), "{outcome}");
    }

    /// Gives a loan back, or lets it run out where it cannot be given back.
    async fn give_back(&self, loan: &Loan) {
        let verb = match loan {
            Loan::Turn(..) => AbandonTurns,
            Loan::Activity(..) => AbandonActivities,
            Loan::Tracking(_) => return,
        };
        assert_eq!(self.call(verb, loan).await, "Ok(Done)");
    }
}

fn text<T: std::fmt::Debug>(mut answers: Vec<T>) -> String {
    assert_eq!(answers.len(), 1);
    format!("{:?}", answers.pop().unwrap())
}

fn commit(lease: TurnLease, execution: ExecutionId, expected_events: u64) -> TurnCommit {
    TurnCommit {
        chunk: Some(HistoryChunk { events: 1, bytes: "event".into() }),
        ..TurnCommit::new(lease, execution, expected_events, Timestamp::EPOCH)
    }
}

/// The loan with the wrong token, and the loan that is current, if any is.
async fn loans(bench: &Bench, other: &Bench, token: Token) -> (Loan, Option<Loan>) {
    match token {
        Stale => {
            let stale = bench.lend("i", SHORT).await;
            let current = bench.borrow(LONG, LONG).await.unwrap();
            (stale, Some(current))
        }
        GivenBack => {
            let loan = bench.lend("i", LONG).await;
            bench.give_back(&loan).await;
            (loan, None)
        }
        Spent => {
            let loan = bench.lend("i", LONG).await;
            bench.end(&loan).await;
            (loan, None)
        }
        Guessed => {
            let loan = bench.lend("i", LONG).await;
            (loan.with(LeaseToken(loan.token().0 ^ 1)), Some(loan))
        }
        Zero => {
            let loan = bench.lend("i", LONG).await;
            (loan.with(LeaseToken(0)), Some(loan))
        }
        OfAnotherInstance => {
            let loan = bench.lend("i", LONG).await;
            if bench.verb == AckTracking {
                // While records are on loan there may be no more to borrow.
                bench.end(&loan).await;
                let next = bench.lend("j", LONG).await;
                return (next.with(loan.token()), Some(next));
            }
            let neighbour = bench.lend("j", LONG).await;
            (loan.with(neighbour.token()), Some(loan))
        }
        OfAnotherHub => {
            let loan = bench.lend("i", LONG).await;
            let foreign = other.lend("i", LONG).await;
            (loan.with(foreign.token()), Some(loan))
        }
        ForNobody => {
            let loan = bench.lend("i", LONG).await;
            (loan.of_nobody(), Some(loan))
        }
    }
}

/// Tries every row on a store; `open` opens a hub of it.
pub(crate) async fn try_all(store: &str, open: impl Fn(&HubName) -> Arc<dyn Backend>) {
    let mut wrong = String::new();
    for (number, (verb, token, expected)) in ROWS.iter().enumerate() {
        let bench =
            |name: String| Bench { backend: open(&HubName::new(name).unwrap()), verb: *verb };
        let (here, there) = (bench(format!("row-{number}")), bench(format!("other-{number}")));
        let (bad, current) = loans(&here, &there, *token).await;
        let before = fingerprint(&here.backend).await;
        let outcome = here.call(*verb, &bad).await;
        if outcome != *expected {
            wrong += &format!("WRONG\t{store}\t{verb:?}\t{token:?}\t{outcome}\n");
        }
        let what = format!("{store}: {verb:?} with a token that is {token:?}");
        assert_eq!(before, fingerprint(&here.backend).await, "{what} has changed the store");
        match current {
            Some(loan) => {
                let free = here.borrow(LONG, Duration::ZERO).await;
                assert!(free.is_none(), "{what} has ended the loan of another: {free:?}");
                here.end(&loan).await;
            }
            None if *token == GivenBack => {
                let loan = here.borrow(LONG, LONG).await.unwrap();
                here.end(&loan).await;
            }
            None => {}
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}
