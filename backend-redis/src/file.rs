//! The append-only file of a server that has just started.
//!
//! When the power goes, the file may end in the midst of a transaction. A server that loads it with
//! `aof-load-truncated yes`, the default, forgets the transaction but leaves its first commands in
//! the file, and appends behind them. Whoever loads that file next applies them, as a part of the
//! transaction that follows: half of a commit comes back. Once the server has begun to write its
//! file anew it appends to another one, where nothing precedes.

use redis::{Cmd, RedisResult, Value};

use crate::wire::Wire;

/// Has the file written anew if that was not begun since the server started; to be called before
/// anything else is sent to it. Whether it need not be called again before the server starts anew.
pub(crate) async fn renew(wire: &Wire) -> RedisResult<bool> {
    let mut info = Cmd::new();
    info.arg("INFO").arg("persistence");
    let info = match wire.send([&info]).await?.pop() {
        Some(Value::BulkString(text)) => String::from_utf8_lossy(&text).into_owned(),
        Some(Value::VerbatimString { text, .. }) => text,
        _ => return Ok(false),
    };
    let says = |line: &str| info.lines().any(|found| found.trim() == line);
    if says("loading:1") {
        return Ok(false);
    }
    // The time that the last one took; there was none.
    if !says("aof_enabled:1") || !says("aof_last_rewrite_time_sec:-1") {
        return Ok(true);
    }
    if says("aof_rewrite_in_progress:1") {
        return Ok(true);
    }
    let answer = wire.send([&redis::cmd("BGREWRITEAOF")]).await?.pop();
    let error = match answer {
        Some(Value::ServerError(error)) => error,
        // It only begins when another child of the server has ended.
        Some(Value::SimpleString(text)) if text.contains("scheduled") => return Ok(false),
        _ => return Ok(true),
    };
    let said = error.details().unwrap_or_default();
    // Another process was faster.
    if said.contains("in progress") {
        return Ok(true);
    }
    tracing::warn!(
        error = said,
        "the server's append-only file cannot be written anew after its start: allow \
         `BGREWRITEAOF`, or set `aof-load-truncated no`; else the next restart may bring back \
         half of what was cut off with the power"
    );
    // The server said no, and will say so again.
    Ok(error.code() == "NOPERM")
}
