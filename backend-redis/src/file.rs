//! The append-only file of a server that has just started.
//!
//! When the power goes, the file may end in the midst of a transaction. A server that loads it with
//! `aof-load-truncated yes`, the default, forgets the transaction but leaves its first commands in
//! the file, and appends behind them. Whoever loads that file next applies them, as a part of the
//! transaction that follows: half of a commit comes back. A file that is written anew has no such
//! commands.

use redis::aio::ConnectionManager;
use redis::{Cmd, RedisResult, Value};

/// Has the file written anew if that was not done since the server started. Whether it need not be
/// looked at again before the server starts anew.
pub(crate) async fn renew(server: &mut ConnectionManager) -> bool {
    let mut info = Cmd::new();
    info.arg("INFO").arg("persistence");
    let Ok(info) = info.query_async::<String>(server).await else { return false };
    let says = |line: &str| info.lines().any(|found| found.trim() == line);
    if says("loading:1") {
        return false;
    }
    // The time that the last one took; there was none.
    if !says("aof_enabled:1") || !says("aof_last_rewrite_time_sec:-1") {
        return true;
    }
    if says("aof_rewrite_in_progress:1") || says("aof_rewrite_scheduled:1") {
        return true;
    }
    let renewed: RedisResult<Value> = redis::cmd("BGREWRITEAOF").query_async(server).await;
    match renewed {
        Ok(_) => true,
        // Another process was faster.
        Err(error) if error.to_string().contains("in progress") => true,
        Err(error) => {
            tracing::warn!(
                %error,
                "the server's append-only file cannot be written anew after its start: allow \
                 `BGREWRITEAOF`, or set `aof-load-truncated no`; else the next restart may bring \
                 back half of what was cut off with the power"
            );
            // The server said no, and will say so again.
            error.code().is_some_and(|code| code == "NOPERM")
        }
    }
}
