//! A check: a name, the rule it proves, what it needs, and how it runs.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::sync::Arc;

use durable_core::backend::{BackendError, Capabilities, Durability};
use durable_core::env::{BoxFuture, Elapsed};
use durable_core::ids::InvalidId;

use crate::driver::Hub;

/// Why a check failed: what was expected and what was seen.
#[derive(Debug)]
pub struct Failure(String);

impl Failure {
    /// A failure with that explanation.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<BackendError> for Failure {
    fn from(error: BackendError) -> Self {
        Self(format!("unexpected error: {error} ({:?}, {:?})", error.applied(), error.advice()))
    }
}

impl From<durable_core::error::Error> for Failure {
    fn from(error: durable_core::error::Error) -> Self {
        Self(format!("unexpected error: {error} ({:?})", error.kind()))
    }
}

impl From<Elapsed> for Failure {
    fn from(error: Elapsed) -> Self {
        Self(error.to_string())
    }
}

impl From<InvalidId> for Failure {
    fn from(error: InvalidId) -> Self {
        Self(error.to_string())
    }
}

/// The result of a check or of a step in it.
pub type Checked<T = ()> = Result<T, Failure>;

/// Fails the check unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $($text:tt)+) => {
        if !$condition {
            return Err($crate::check::Failure::new(format!($($text)+)));
        }
    };
}

/// Fails the check unless both sides are equal; the text says what they are.
macro_rules! ensure_eq {
    ($found:expr, $expected:expr, $($text:tt)+) => {
        // A match keeps temporaries alive until the comparison is done.
        match (&$found, &$expected) {
            (found, expected) => {
                if found != expected {
                    let what = format!($($text)+);
                    let text = format!("{what}: found {found:?}, expected {expected:?}");
                    return Err($crate::check::Failure::new(text));
                }
            }
        }
    };
}

/// What a check needs of an adapter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Need {
    /// Nothing in particular.
    Nothing,
    /// Waiting calls return by notification.
    Push,
    /// Several handles on one hub.
    MultiProcess,
    /// Messages arrive in the very commit that sends them.
    InstantDelivery,
    /// What was acknowledged survives closing.
    Reopen,
    /// The clock can be moved.
    InjectedClock,
    /// Listings show a commit at once.
    ConsistentListing,
}

impl Need {
    /// Why an adapter cannot run checks with this need; `None` when it can.
    pub fn missing(self, capabilities: &Capabilities) -> Option<&'static str> {
        let (has, why) = match self {
            Self::Nothing => (true, ""),
            Self::Push => (capabilities.push, "no push: waiting calls poll"),
            Self::MultiProcess => (capabilities.multi_process, "one process per hub"),
            Self::InstantDelivery => {
                (capabilities.instant_delivery, "messages are relayed after the commit")
            }
            Self::Reopen => {
                (capabilities.durability != Durability::Process, "the data lives in the process")
            }
            Self::InjectedClock => (capabilities.injected_clock, "the clock cannot be moved"),
            Self::ConsistentListing => (capabilities.consistent_listing, "listings lag"),
        };
        (!has).then_some(why)
    }
}

type Run = dyn Fn(Hub) -> BoxFuture<'static, Checked> + Send + Sync;

/// One check of the suite.
#[derive(Clone)]
pub struct Check {
    /// The area, e.g. `leases`.
    pub area: &'static str,
    /// What is asserted, in words.
    pub name: Cow<'static, str>,
    /// The contract rule that it proves, e.g. `C2`.
    pub rule: &'static str,
    /// What it needs of the adapter.
    pub need: Need,
    run: Arc<Run>,
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Check({} {})", self.full_name(), self.rule)
    }
}

impl Check {
    /// A check from its parts.
    pub fn new<F, Fut>(
        area: &'static str,
        name: impl Into<Cow<'static, str>>,
        rule: &'static str,
        need: Need,
        run: F,
    ) -> Self
    where
        F: Fn(Hub) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Checked> + Send + 'static,
    {
        Self { area, name: name.into(), rule, need, run: Arc::new(move |hub| Box::pin(run(hub))) }
    }

    /// Area and name, as the test runner shows them.
    pub fn full_name(&self) -> String {
        format!("{}::{}", self.area, self.name)
    }

    /// Runs the check on an empty hub.
    pub fn run(&self, hub: Hub) -> BoxFuture<'static, Checked> {
        (self.run)(hub)
    }
}

/// The checks of one area: `area!("name"; C1 function, C2 other needs Push, …)`.
macro_rules! area {
    (@need) => { $crate::check::Need::Nothing };
    (@need $need:ident) => { $crate::check::Need::$need };
    ($area:literal; $($rule:ident $function:ident $(needs $need:ident)?),+ $(,)?) => {
        vec![$($crate::check::Check::new(
            $area, stringify!($function), stringify!($rule), area!(@need $($need)?), $function,
        )),+]
    };
}
