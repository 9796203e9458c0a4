//! The backend contract as an executable suite: run it against any adapter.
//!
//! An adapter's test file is three lines, with `harness = false` in its manifest:
//!
//! ```no_run
//! use conformance_tests::{fixture, main};
//! # use durable_core::backend::{Backend, BackendResult, Capabilities};
//! # use std::sync::Arc;
//! # struct MyBackend;
//! # impl MyBackend {
//! #     const CAPABILITIES: Capabilities = Capabilities::new("mine");
//! #     async fn open(_: &std::path::Path, _: durable_core::ids::HubName, _: durable_core::env::SharedEnv)
//! #         -> BackendResult<Arc<dyn Backend>> { unimplemented!() }
//! # }
//! fn main_() -> std::process::ExitCode {
//!     main("mine", fixture(MyBackend::CAPABILITIES, |place, hub, env| async move {
//!         MyBackend::open(&place.dir, hub, env).await
//!     }))
//! }
//! ```
//!
//! Every check is a test of its own, named `area::what_must_hold`. Checks that the adapter's
//! capabilities rule out are shown as ignored, with the reason. So are all of them when the
//! fixture says that its store is not there ([`FnFixture::unless`]); with [`REQUIRE`] set to 1
//! they fail instead.
//!
//! The chapter "Write your own backend" of the book in `docs` builds an adapter step by step.

pub mod by_hand;
#[macro_use]
pub mod check;
mod checks;
mod driver;
pub mod evidence;
pub mod faults;
pub mod fixture;
pub mod fuzz;
pub mod hollow;
pub mod manual_env;
pub mod memory;
mod model;
pub mod mutants;
mod runner;
mod scenarios;
pub mod sim;
pub mod tamper;

pub use check::{Check, Checked, Failure, Need};
pub use checks::checks;
pub use driver::Hub;
pub use faults::{Fault, FaultPlan, FaultyBackend};
pub use fixture::{Fixture, FnFixture, Place, Store, Timings, fixture};
pub use manual_env::ManualEnv;
pub use runner::{REQUIRE, main, run_check, run_checks};
