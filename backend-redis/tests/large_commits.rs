//! Turns that are committed in pieces, and what is left when that is cut short.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod engine;
mod server;

use std::future::Future;
use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use conformance_tests::by_hand;
use durable_core::backend::{Backend, CommitOutcome, ReceiveActivities, TurnCommit, TurnWork};
use durable_core::client::Client;
use durable_core::ids::{InstanceId, MessageId, QueueName, WorkerId};
use durable_core::model::Failure;
use durable_core::replay::NamedOrchestration;
use server::Server;

const TASKS: u64 = 1_000;
const SHORT: Duration = Duration::from_millis(300);

/// A future that is dropped when it has been woken that many times.
struct Cut<F> {
    inner: Pin<Box<F>>,
    polls: usize,
}

impl<F: Future> Future for Cut<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.polls == 0 {
            return Poll::Ready(None);
        }
        self.polls -= 1;
        self.inner.as_mut().poll(cx).map(Some)
    }
}

async fn turn(backend: &dyn Backend, wait: Duration) -> Option<TurnWork> {
    by_hand::turn(backend, (10, SHORT), wait).await
}

/// A turn that schedules many tasks, gives one of them up, and sends itself a message.
fn large(work: &TurnWork) -> TurnCommit {
    let envelope = |seq: u64| by_hand::envelope(work, seq);
    TurnCommit {
        cancelled: vec![MessageId::of_action(work.execution, 1)],
        activities: (1..=TASKS + 1).map(envelope).collect(),
        messages: vec![envelope(TASKS + 2)],
        ..by_hand::nothing(work)
    }
}

/// How many tasks come out until there is a turn again, which there is only after all of them.
async fn tasks_before_the_turn(backend: &dyn Backend) -> (u64, TurnWork) {
    let again = turn(backend, engine::LONG).await.unwrap();
    let mut tasks = 0;
    loop {
        let request = ReceiveActivities {
            max: 1_000,
            lease_for: engine::LONG,
            wait: Duration::ZERO,
            queues: vec![QueueName::default()],
            worker: WorkerId(1),
        };
        match backend.receive_activities(request).await.unwrap().len() as u64 {
            0 => return (tasks, again),
            some => tasks += some,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_turn_that_is_cut_short_happens_wholly_or_not_at_all() {
    if !server::available() {
        return;
    }
    let server = Server::start(&[]);
    let backend = engine::connect(server.settings("p")).await.unwrap();
    let (mut wholly, mut not_at_all) = (0, 0);
    for polls in 0.. {
        let id: InstanceId = format!("i-{polls}").parse().unwrap();
        by_hand::create(&*backend, &id).await;
        let work = turn(&*backend, engine::LONG).await.unwrap();
        let commit = large(&work);
        let done = Cut { inner: Box::pin(backend.commit_turns(vec![commit.clone()])), polls };
        let done = done.await;
        let (tasks, again) = tasks_before_the_turn(&*backend).await;
        assert_eq!(again.lease.instance, id);
        match again.events {
            0 => {
                not_at_all += 1;
                assert_eq!(tasks, 0, "cut after {polls} wake-ups");
                assert_eq!(again.messages.len(), 1, "the start message");
            }
            _ => {
                wholly += 1;
                assert_eq!(tasks, TASKS, "cut after {polls} wake-ups");
                assert_eq!(again.messages.len(), 1, "the message to itself");
            }
        }
        if let Some(mut outcomes) = done {
            assert_eq!(outcomes.remove(0).unwrap(), CommitOutcome::Applied);
            // Repeated, it changes nothing.
            let again = backend.commit_turns(vec![commit]).await.remove(0).unwrap();
            assert_eq!(again, CommitOutcome::Applied);
            break;
        }
        // It is not to be in the way of the next one.
        by_hand::applied(&*backend, TurnCommit { chunk: None, ..by_hand::nothing(&again) }).await;
    }
    assert!(wholly > 1 && not_at_all > 1, "cut {wholly} times behind and {not_at_all} before");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wide_fan_out_survives_the_death_of_the_server() {
    if !server::available() {
        return;
    }
    let mut server = Server::start(&[]);
    let backend = engine::connect(server.settings("p")).await.unwrap();
    let client = Client::new(backend.clone());
    let fan: NamedOrchestration<u32, u32, Failure> = NamedOrchestration::new("fan").unwrap();
    for n in 0..4 {
        client.start(fan.clone(), 3_000).id(format!("i-{n}")).send().await.unwrap();
    }
    let worker = engine::worker(backend.clone()).await;
    // In the midst of it: some tasks are out.
    while server.ask(&["EXISTS", "p:{hub-0}:q:default"]).is_none_or(|a| !a.contains(":1")) {
        tokio::task::yield_now().await;
    }
    server.kill();
    server.restart();
    for n in 0..4 {
        assert_eq!(engine::result(&client, &format!("i-{n}")).await, 3_000 * 3_001 / 2);
    }
    worker.shutdown().await;
}

/// The most commands that one script may run.
const COMMANDS_MAX: usize = 2_000;

/// Sees every command of a server.
struct Monitor {
    lines: Lines<BufReader<TcpStream>>,
}

impl Monitor {
    fn start(server: &Server) -> Self {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, server.port())).unwrap();
        stream.write_all(b"MONITOR\r\n").unwrap();
        let mut lines = BufReader::new(stream).lines();
        assert_eq!(lines.next().unwrap().unwrap(), "+OK");
        Self { lines }
    }

    /// The most commands that one script ran, and its first one.
    fn largest(self, server: &Server) -> (usize, String) {
        server.must(&["ECHO", "the end"]);
        let (mut largest, mut run) = ((0, String::new()), (0, String::new()));
        let lines = self.lines.map(Result::unwrap);
        for line in lines.take_while(|line| !line.ends_with("\"ECHO\" \"the end\"")) {
            if !line.contains(" lua] ") {
                run = (0, String::new());
                continue;
            }
            // Every script begins by asking for the time.
            if line.ends_with("lua] \"TIME\"") {
                run = (0, String::new());
            }
            if run.0 == 1 {
                run.1 = line;
            }
            run.0 += 1;
            if run.0 > largest.0 {
                largest = run.clone();
            }
        }
        largest
    }
}

const MANY: u64 = 3_000;

/// Receives until the timers are gone.
async fn clean_up(server: &Server, backend: &dyn Backend) -> Vec<TurnWork> {
    let mut works = Vec::new();
    while server.must(&["ZCARD", "p:{hub-0}:tm"]).trim() != ":0" {
        works.extend(turn(backend, Duration::ZERO).await);
    }
    works
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_ends_with_thousands_of_things_ends_in_small_scripts() {
    if !server::available() {
        return;
    }
    let server = Server::start(&[]);
    let backend = engine::connect(server.settings("p")).await.unwrap();
    let backend = &*backend;
    let monitor = Monitor::start(&server);
    let id: InstanceId = "i".parse().unwrap();
    by_hand::end_with_many(backend, &id, MANY, async || clean_up(&server, backend).await).await;
    let (count, first) = monitor.largest(&server);
    assert!((100..=COMMANDS_MAX).contains(&count), "a script of {count} commands: {first}");
    let left = server.must(&["EVAL", "return redis.call('KEYS', 'p:*')", "0"]);
    let known = ["p:{hub-0}:hub", "p:{hub-0}:no", "p:{hub-0}:rd"];
    let others = left.lines().filter(|line| line.starts_with("p:") && !known.contains(line));
    assert_eq!(others.collect::<Vec<_>>(), Vec::<&str>::new());
}
