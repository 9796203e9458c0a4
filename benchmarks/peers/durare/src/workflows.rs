//! Workflows of local steps; durare queues whole workflows, not steps.

use durare::{DurableContext, Result};
use futures_util::future::try_join_all;

#[durare::workflow]
async fn hello5(ctx: DurableContext, n: u64) -> Result<u64> {
    let mut n = n;
    for _ in 0..5 {
        n = ctx.step("increment", move || async move { Ok(n + 1) }).await?;
    }
    Ok(n)
}

#[durare::workflow]
async fn fanout(ctx: DurableContext, width: u64) -> Result<u64> {
    let steps =
        (0..width).map(|n| ctx.step("increment", move || async move { Ok::<u64, _>(n + 1) }));
    Ok(try_join_all(steps).await?.into_iter().sum())
}

#[durare::workflow]
async fn chain(ctx: DurableContext, length: u64) -> Result<u64> {
    let mut n = 0;
    for _ in 0..length {
        n = ctx
            .step("link", move || async move {
                peers_common::mark();
                Ok(n + 1)
            })
            .await?;
    }
    Ok(n)
}
