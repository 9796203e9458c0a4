//! When the steps of a chain ran.

use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Of the chain that runs now. One place for the process: the steps of some peers are plain
/// functions that can hold nothing.
static MARKS: Mutex<Vec<Instant>> = Mutex::new(Vec::new());

/// Remembers that a step of a chain ran now. Ours reads the recorded time of each turn, which
/// costs nothing there; peers would pay for that with one more event a step, so steps mark it.
pub fn mark() {
    if let Ok(mut marks) = MARKS.lock() {
        marks.push(Instant::now());
    }
}

/// Time per step of the first 200 steps and of the last 200, then forgets them.
pub(crate) fn take() -> Option<(Duration, Duration)> {
    let marks = std::mem::take(&mut *MARKS.lock().ok()?);
    let last = marks.len().checked_sub(1)?;
    let step = |from: usize| {
        let to = (from + 200).min(last);
        (marks[to] - marks[from]) / (to - from).max(1) as u32
    };
    Some((step(0), step(last.saturating_sub(200))))
}
