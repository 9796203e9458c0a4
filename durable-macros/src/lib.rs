//! `#[activity]` and `#[orchestration]`: an `async fn` as a typed reference that can be run.
//!
//! Used through the `durable` crate, which re-exports both with their documentation.

mod expand;
mod options;
mod signature;

use proc_macro::TokenStream;

use expand::Kind;

/// Makes an `async fn` an activity.
///
/// The function becomes a value of its own name that can be registered with a worker and
/// called from an orchestration: `ctx.call(charge, order)`. Its first parameter may be an
/// `ActivityContext`; the others are its input: none is `()`, one is itself, several are a
/// tuple. It returns `Result<T, E>`. The function itself stays callable as `charge::call(…)`,
/// for tests.
///
/// `#[activity(name = "…")]` registers it under another name.
#[proc_macro_attribute]
pub fn activity(options: TokenStream, item: TokenStream) -> TokenStream {
    expand::expand(Kind::Activity, options.into(), item.into()).into()
}

/// Makes an `async fn` an orchestration.
///
/// The function becomes a value of its own name that can be registered with a worker, started
/// by a client and called as a child. Its first parameter is an `OrchestrationContext`; the
/// others are its input: none is `()`, one is itself, several are a tuple. It returns
/// `Result<T, E>`.
///
/// `#[orchestration(name = "…", version = "…")]` registers it under another name or version.
#[proc_macro_attribute]
pub fn orchestration(options: TokenStream, item: TokenStream) -> TokenStream {
    expand::expand(Kind::Orchestration, options.into(), item.into()).into()
}
