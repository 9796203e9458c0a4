//! Activities and workflows. durust wants one named struct as input of each.

use serde::{Deserialize, Serialize};

/// Input of everything here.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Number {
    pub(crate) n: u64,
}

#[durust::activity(name = "increment")]
pub(crate) async fn increment(input: Number) -> durust::Result<u64> {
    Ok(input.n + 1)
}

#[durust::activity(name = "link")]
pub(crate) async fn link(input: Number) -> durust::Result<u64> {
    peers_common::mark();
    Ok(input.n + 1)
}

#[durust::workflow(name = "hello5", version = 1)]
pub(crate) async fn hello5(input: Number) -> durust::Result<u64> {
    let mut n = input.n;
    for _ in 0..5 {
        n = durust::call_activity!(increment(Number { n })).task_queue("steps").await?;
    }
    Ok(n)
}

#[durust::workflow(name = "fanout", version = 1)]
pub(crate) async fn fanout(input: Number) -> durust::Result<u64> {
    let mut calls = Vec::new();
    for n in 0..input.n {
        let call =
            durust::call_activity!(increment(Number { n })).task_queue("steps").spawn().await?;
        calls.push(call.result());
    }
    Ok(durust::join_all(calls).await?.into_iter().sum())
}

#[durust::workflow(name = "chain", version = 1)]
pub(crate) async fn chain(input: Number) -> durust::Result<u64> {
    let mut n = 0;
    for _ in 0..input.n {
        n = durust::call_activity!(link(Number { n })).task_queue("steps").await?;
    }
    Ok(n)
}
