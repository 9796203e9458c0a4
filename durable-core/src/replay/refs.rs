//! Typed references to activities and orchestrations: a name together with the types it
//! takes and returns, so that a call with the wrong type does not compile.

use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::task_error::UserError;
use crate::ids::{InvalidId, Name};

/// Something that can be called as an activity.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an activity",
    label = "not an activity",
    note = "put #[activity] on the function, or refer to one by name with `NamedActivity::<Input, Output, Error>::new`"
)]
pub trait ActivityRef {
    /// What it takes.
    type Input: Serialize;
    /// What it returns.
    type Output: DeserializeOwned;
    /// What it fails with.
    type Error: UserError;

    /// The name it is registered under.
    fn activity_name(&self) -> Name;
}

/// Something that can be started as an orchestration.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an orchestration",
    label = "not an orchestration",
    note = "put #[orchestration] on the function, or refer to one by name with `NamedOrchestration::<Input, Output, Error>::new`"
)]
pub trait OrchestrationRef {
    /// What it takes.
    type Input: Serialize;
    /// What it returns.
    type Output: DeserializeOwned;
    /// What it fails with.
    type Error: UserError;

    /// The name it is registered under.
    fn orchestration_name(&self) -> Name;

    /// The version to start; empty for the unversioned one.
    fn orchestration_version(&self) -> &str {
        ""
    }
}

macro_rules! named {
    ($(#[$doc:meta])* $ty:ident) => {
        $(#[$doc])*
        pub struct $ty<I, O, E> {
            name: Name,
            version: String,
            types: PhantomData<fn(I) -> (O, E)>,
        }

        impl<I, O, E> Clone for $ty<I, O, E> {
            fn clone(&self) -> Self {
                Self { name: self.name.clone(), version: self.version.clone(), types: PhantomData }
            }
        }

        impl<I, O, E> std::fmt::Debug for $ty<I, O, E> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($ty)).field("name", &self.name).field("version", &self.version).finish()
            }
        }

        impl<I, O, E> $ty<I, O, E> {
            /// A reference by name.
            ///
            /// # Errors
            /// [`InvalidId`] when the text cannot be a name.
            pub fn new(name: &str) -> Result<Self, InvalidId> {
                Ok(Self { name: Name::new(name)?, version: String::new(), types: PhantomData })
            }
        }
    };
}

named!(
    /// An activity known by name only, e.g. because another service runs it.
    NamedActivity
);
named!(
    /// An orchestration known by name only.
    NamedOrchestration
);

impl<I, O, E> NamedOrchestration<I, O, E> {
    /// The same orchestration in a given version.
    #[must_use]
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = version.into();
        self
    }
}

impl<I: Serialize, O: DeserializeOwned, E: UserError> ActivityRef for NamedActivity<I, O, E> {
    type Input = I;
    type Output = O;
    type Error = E;

    fn activity_name(&self) -> Name {
        self.name.clone()
    }
}

impl<I: Serialize, O: DeserializeOwned, E: UserError> OrchestrationRef
    for NamedOrchestration<I, O, E>
{
    type Input = I;
    type Output = O;
    type Error = E;

    fn orchestration_name(&self) -> Name {
        self.name.clone()
    }

    fn orchestration_version(&self) -> &str {
        &self.version
    }
}
