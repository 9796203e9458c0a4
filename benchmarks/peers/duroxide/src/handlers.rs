//! Activities and orchestrations.

use duroxide::runtime::registry::ActivityRegistry;
use duroxide::{ActivityContext, OrchestrationContext, OrchestrationRegistry};

pub(crate) const HELLO5: &str = "hello5";
pub(crate) const FANOUT: &str = "fanout";
pub(crate) const CHAIN: &str = "chain";
const INCREMENT: &str = "increment";
const LINK: &str = "link";

pub(crate) fn activities() -> ActivityRegistry {
    ActivityRegistry::builder()
        .register_typed(INCREMENT, |_: ActivityContext, n: u64| async move { Ok(n + 1) })
        .register_typed(LINK, |_: ActivityContext, n: u64| async move {
            peers_common::mark();
            Ok(n + 1)
        })
        .build()
}

pub(crate) fn orchestrations() -> OrchestrationRegistry {
    OrchestrationRegistry::builder()
        .register_typed(HELLO5, |ctx: OrchestrationContext, n: u64| async move {
            let mut n = n;
            for _ in 0..5 {
                n = ctx.schedule_activity_typed::<u64, u64>(INCREMENT, &n).await?;
            }
            Ok(n)
        })
        .register_typed(FANOUT, |ctx: OrchestrationContext, width: u64| async move {
            let calls = (0..width)
                .map(|n| ctx.schedule_activity_typed::<u64, u64>(INCREMENT, &n))
                .collect();
            let mut sum = 0;
            for value in ctx.join(calls).await {
                sum += value?;
            }
            Ok::<u64, String>(sum)
        })
        .register_typed(CHAIN, |ctx: OrchestrationContext, length: u64| async move {
            let mut n = 0;
            for _ in 0..length {
                n = ctx.schedule_activity_typed::<u64, u64>(LINK, &n).await?;
            }
            Ok(n)
        })
        .build()
}
