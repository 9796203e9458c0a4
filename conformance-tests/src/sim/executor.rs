//! A single-threaded executor whose schedule, clock and randomness come from one seed.
//!
//! Tasks belong to processes. A process can be killed, with everything it was doing, or
//! paused, as a virtual machine or a long garbage collection pauses it. Which of the ready tasks
//! runs next is drawn: other seeds see other interleavings.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use durable_core::env::BoxFuture;

use super::rng::Rng;

/// Number of a process.
pub(super) type Pid = u32;

type TaskId = usize;

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// What was waited for has happened.
    Done,
    /// Nothing is ready and no timer runs: nothing can ever happen again.
    Deadlock,
    /// The limit of simulated time or of steps was reached.
    Limit,
}

struct Slot {
    pid: Pid,
    future: Option<BoxFuture<'static, ()>>,
    waker: Waker,
}

struct TaskWaker {
    task: TaskId,
    queued: AtomicBool,
    woken: Arc<Mutex<Vec<TaskId>>>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        if !self.queued.swap(true, Ordering::Relaxed) {
            lock(&self.woken).push(self.task);
        }
    }
}

struct State {
    now: u64,
    steps: u64,
    rng: Rng,
    tasks: Vec<Option<(Slot, Arc<TaskWaker>)>>,
    ready: Vec<TaskId>,
    timers: BTreeMap<(u64, u64), Waker>,
    timer_count: u64,
    /// Paused processes: until when, and their tasks that would be ready.
    paused: BTreeMap<Pid, (u64, Vec<TaskId>)>,
    processes: Pid,
}

/// The executor.
pub(super) struct Executor {
    state: Mutex<State>,
    woken: Arc<Mutex<Vec<TaskId>>>,
}

impl std::fmt::Debug for Executor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Executor")
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Executor {
    pub(super) fn new(seed: u64) -> Arc<Self> {
        let state = State {
            now: 0,
            steps: 0,
            rng: Rng::new(seed),
            tasks: Vec::new(),
            ready: Vec::new(),
            timers: BTreeMap::new(),
            timer_count: 0,
            paused: BTreeMap::new(),
            processes: 0,
        };
        Arc::new(Self { state: Mutex::new(state), woken: Arc::default() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Microseconds since the beginning.
    pub(super) fn now(&self) -> u64 {
        self.state().now
    }

    pub(super) fn random(&self) -> u64 {
        self.state().rng.next()
    }

    /// A new, empty process.
    pub(super) fn process(&self) -> Pid {
        let mut state = self.state();
        state.processes += 1;
        state.processes
    }

    pub(super) fn spawn(&self, pid: Pid, future: BoxFuture<'static, ()>) {
        let mut state = self.state();
        let task = state.tasks.len();
        let waker = Arc::new(TaskWaker {
            task,
            queued: AtomicBool::new(true),
            woken: Arc::clone(&self.woken),
        });
        let slot = Slot { pid, future: Some(future), waker: Waker::from(Arc::clone(&waker)) };
        state.tasks.push(Some((slot, waker)));
        state.ready.push(task);
    }

    /// Drops all tasks of a process where they are.
    pub(super) fn kill(&self, pid: Pid) {
        self.drop_tasks(|of| of == pid);
    }

    /// Drops all tasks.
    pub(super) fn shut_down(&self) {
        self.drop_tasks(|_| true);
    }

    fn drop_tasks(&self, of: impl Fn(Pid) -> bool) {
        let mut dead = Vec::new();
        for slot in &mut self.state().tasks {
            if slot.as_ref().is_some_and(|(slot, _)| of(slot.pid)) {
                dead.push(slot.take());
            }
        }
        // Destructors run outside the lock: they may wake others.
        drop(dead);
    }

    /// Lets no task of a process run for so many microseconds.
    pub(super) fn pause(&self, pid: Pid, micros: u64) {
        let mut state = self.state();
        let until = state.now + micros;
        state.paused.entry(pid).or_insert((until, Vec::new())).0 = until;
    }

    /// Registers or moves a timer; answers with its key.
    pub(super) fn set_timer(&self, at: u64, old: Option<(u64, u64)>, waker: &Waker) -> (u64, u64) {
        let mut state = self.state();
        let key = old.unwrap_or_else(|| {
            state.timer_count += 1;
            (at, state.timer_count)
        });
        state.timers.insert(key, waker.clone());
        key
    }

    pub(super) fn clear_timer(&self, key: (u64, u64)) {
        self.state().timers.remove(&key);
    }

    /// Runs until `done` says so, but not past the limits.
    pub(super) fn run(&self, until: u64, steps: u64, mut done: impl FnMut() -> bool) -> Ended {
        loop {
            if done() {
                return Ended::Done;
            }
            let next = {
                let mut state = self.state();
                if state.steps >= steps {
                    return Ended::Limit;
                }
                state.next_task(&self.woken)
            };
            match next {
                Some(task) => self.poll(task),
                None => match self.advance(until) {
                    Some(()) => {}
                    None if self.now() >= until => return Ended::Limit,
                    None => return Ended::Deadlock,
                },
            }
        }
    }

    fn poll(&self, task: TaskId) {
        let taken = {
            let mut state = self.state();
            state.steps += 1;
            let slot = state.tasks.get_mut(task).and_then(Option::as_mut);
            slot.and_then(|(slot, waker)| {
                waker.queued.store(false, Ordering::Relaxed);
                Some((slot.future.take()?, slot.waker.clone()))
            })
        };
        let Some((mut future, waker)) = taken else { return };
        let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
        let mut state = self.state();
        let slot = state.tasks.get_mut(task);
        match (polled, slot) {
            (Poll::Pending, Some(Some((slot, _)))) => slot.future = Some(future),
            (Poll::Ready(()), Some(slot)) => {
                let ended = slot.take();
                drop(state);
                drop((ended, future));
            }
            // Killed by itself while it ran.
            _ => {
                drop(state);
                drop(future);
            }
        }
    }

    /// Moves the clock to the next thing that happens, if it happens before the limit.
    fn advance(&self, until: u64) -> Option<()> {
        let mut due = Vec::new();
        {
            let mut state = self.state();
            let timer = state.timers.first_key_value().map(|((at, _), _)| *at);
            let pause = state.paused.values().map(|(until, _)| *until).min();
            let next = [timer, pause].into_iter().flatten().min()?;
            if next > until {
                state.now = until;
                return None;
            }
            state.now = state.now.max(next);
            let now = state.now;
            while let Some(entry) = state.timers.first_entry() {
                if entry.key().0 > now {
                    break;
                }
                due.push(entry.remove());
            }
            let over: Vec<Pid> =
                state.paused.iter().filter(|(_, (at, _))| *at <= now).map(|(p, _)| *p).collect();
            for pid in over {
                if let Some((_, tasks)) = state.paused.remove(&pid) {
                    state.ready.extend(tasks);
                }
            }
        }
        due.into_iter().for_each(Waker::wake);
        Some(())
    }
}

impl State {
    /// Draws the next task to run.
    fn next_task(&mut self, woken: &Mutex<Vec<TaskId>>) -> Option<TaskId> {
        let mut woken = lock(woken);
        // Some primitives of tokio wake in an order of their own drawing.
        woken.sort_unstable();
        self.ready.append(&mut woken);
        drop(woken);
        while !self.ready.is_empty() {
            let at = usize::try_from(self.rng.below(self.ready.len() as u64)).unwrap_or(0);
            let task = self.ready.swap_remove(at);
            let pid = match self.tasks.get(task) {
                Some(Some((slot, _))) => slot.pid,
                _ => continue,
            };
            match self.paused.get_mut(&pid) {
                Some((_, parked)) => parked.push(task),
                None => return Some(task),
            }
        }
        None
    }
}
