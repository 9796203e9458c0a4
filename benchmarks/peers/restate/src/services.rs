//! The services: steps to call, and handlers that call them or run them themselves.

use restate_sdk::prelude::*;

/// What the handlers of [`Calls`] call.
pub(crate) struct Steps;

#[service]
impl Steps {
    #[handler]
    async fn increment(&self, _ctx: Context<'_>, n: u64) -> HandlerResult<u64> {
        Ok(n + 1)
    }

    #[handler]
    async fn link(&self, _ctx: Context<'_>, n: u64) -> HandlerResult<u64> {
        peers_common::mark();
        Ok(n + 1)
    }
}

/// Each step is a durable call: the server routes it, starts it and journals its result.
pub(crate) struct Calls;

#[service]
impl Calls {
    #[handler]
    async fn hello5(&self, ctx: Context<'_>, n: u64) -> HandlerResult<u64> {
        let mut n = n;
        for _ in 0..5 {
            n = ctx.service_client::<StepsClient>().increment(n).call().await?;
        }
        Ok(n)
    }

    #[handler]
    async fn fanout(&self, ctx: Context<'_>, width: u64) -> HandlerResult<u64> {
        let mut calls = DurableFuturesUnordered::new();
        for n in 0..width {
            calls.push(ctx.service_client::<StepsClient>().increment(n).call());
        }
        let mut sum = 0;
        while let Some((_, value)) = calls.next().await? {
            sum += value?;
        }
        Ok(sum)
    }

    #[handler]
    async fn chain(&self, ctx: Context<'_>, length: u64) -> HandlerResult<u64> {
        let mut n = 0;
        for _ in 0..length {
            n = ctx.service_client::<StepsClient>().link(n).call().await?;
        }
        Ok(n)
    }
}

/// Each step runs in the handler; the server journals its result. No fan-out here:
/// what `ctx.run` gives is no `DurableFuture`, and only those can be joined.
pub(crate) struct Local;

#[service]
impl Local {
    #[handler]
    async fn hello5(&self, ctx: Context<'_>, n: u64) -> HandlerResult<u64> {
        let mut n = n;
        for _ in 0..5 {
            n = ctx.run(move || async move { Ok(n + 1) }).await?;
        }
        Ok(n)
    }

    #[handler]
    async fn chain(&self, ctx: Context<'_>, length: u64) -> HandlerResult<u64> {
        let mut n = 0;
        for _ in 0..length {
            let step = ctx.run(move || async move {
                peers_common::mark();
                Ok(n + 1)
            });
            n = step.await?;
        }
        Ok(n)
    }
}
