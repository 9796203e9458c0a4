//! Durable orchestrations for Rust.
//!
//! An orchestration is an ordinary `async fn`. Every decision it takes is stored before it
//! takes effect, so when a process dies at any point, another replays the code over its
//! history and goes on exactly where it stopped, for runs that last milliseconds or months.
//!
//! ```
//! use durable::prelude::*;
//!
//! #[activity]
//! async fn greet(name: String) -> Result<String, Failure> {
//!     Ok(format!("Hello {name}"))
//! }
//!
//! #[orchestration]
//! async fn hello(ctx: OrchestrationContext, name: String) -> Result<String, Failure> {
//!     Ok(ctx.call(greet, name).await?)
//! }
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), durable::Error> {
//! let backend = durable::connect("memory:").await?; // or "sled:./data"
//! let worker = Worker::builder(backend.clone()).activity(greet).orchestration(hello).start().await?;
//! let client = Client::new(backend);
//! let handle = client.start(hello, "Ada".to_string()).id("hello-1").send().await?;
//! assert_eq!(handle.result().await?, "Hello Ada");
//! worker.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! # Where to look
//! | question | item |
//! |---|---|
//! | What can an orchestration do? | [`OrchestrationContext`](replay::OrchestrationContext) |
//! | What does an activity know? | [`ActivityContext`](activity::ActivityContext) |
//! | How are instances started and managed? | [`Client`](client::Client), [`InstanceHandle`](client::InstanceHandle) |
//! | How is work served? | [`Worker`](worker::Worker) |
//! | Which stores are there? | [`connect`] |

mod connect;

pub use connect::{ConnectOptions, connect, connect_with};
pub use durable_core::error::{Error, ErrorKind};
pub use durable_core::model::{Failure, FailureKind, RetryPolicy};
pub use durable_core::{
    activity, backend, client, env, hot, ids, limits, memory, model, payload, registry, replay,
    telemetry, testing, time, worker,
};
#[cfg(feature = "macros")]
pub use durable_macros::{activity, orchestration};

/// What most programs need.
pub mod prelude {
    pub use crate::activity::ActivityContext;
    pub use crate::backend::{InstanceQuery, OrchestrationStatus, ReusePolicy};
    pub use crate::client::{Client, InstanceHandle};
    pub use crate::model::{Failure, FailureKind, RetryPolicy};
    pub use crate::replay::{
        NamedActivity, NamedOrchestration, OrchestrationContext, Saga, TaskError, TimedOut,
    };
    pub use crate::worker::{Worker, WorkerOptions};
    #[cfg(feature = "macros")]
    pub use durable_macros::{activity, orchestration};
}

#[doc(hidden)]
pub mod __private {
    pub use durable_core::activity::{Activity, ActivityContext};
    pub use durable_core::env::BoxFuture;
    pub use durable_core::ids::Name;
    pub use durable_core::macro_support::{Returned, StaticName};
    pub use durable_core::registry::Orchestration;
    pub use durable_core::replay::{ActivityRef, OrchestrationContext, OrchestrationRef};
}

/// The snippets of README and guide, compiled as documentation tests.
#[cfg(all(doctest, feature = "macros", feature = "sled"))]
mod guide {
    #[doc = include_str!("../../README.md")]
    struct Readme;
    #[doc = include_str!("../../docs/src/guide/getting-started.md")]
    struct GettingStarted;
    #[doc = include_str!("../../docs/src/guide/orchestrations.md")]
    struct Orchestrations;
    #[doc = include_str!("../../docs/src/guide/activities.md")]
    struct Activities;
    #[doc = include_str!("../../docs/src/guide/timers.md")]
    struct Timers;
    #[doc = include_str!("../../docs/src/guide/events.md")]
    struct Events;
    #[doc = include_str!("../../docs/src/guide/children.md")]
    struct Children;
    #[doc = include_str!("../../docs/src/guide/continue-as-new.md")]
    struct ContinueAsNew;
    #[doc = include_str!("../../docs/src/guide/retries.md")]
    struct Retries;
    #[doc = include_str!("../../docs/src/guide/errors.md")]
    struct Errors;
    #[doc = include_str!("../../docs/src/guide/versioning.md")]
    struct Versioning;
    #[doc = include_str!("../../docs/src/guide/client.md")]
    struct Client;
    #[doc = include_str!("../../docs/src/guide/workers.md")]
    struct Workers;
    #[doc = include_str!("../../docs/src/guide/testing.md")]
    struct Testing;
}
