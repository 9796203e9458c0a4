//! What the attribute macros expand to. Not for users.

use std::sync::OnceLock;

use crate::ids::Name;
use crate::replay::UserError;

/// A name that is parsed once.
#[derive(Debug)]
pub struct StaticName {
    text: &'static str,
    name: OnceLock<Name>,
}

impl StaticName {
    /// A name that the macro has checked.
    pub const fn new(text: &'static str) -> Self {
        Self { text, name: OnceLock::new() }
    }

    /// The name.
    pub fn get(&self) -> Name {
        #[expect(
            clippy::expect_used,
            reason = "the macro checked the name, or took a Rust identifier"
        )]
        self.name
            .get_or_init(|| Name::new(self.text).expect("a name that the macro has checked"))
            .clone()
    }
}

/// What an activity or orchestration returns: `Result<Value, Error>`, also behind an alias.
#[diagnostic::on_unimplemented(
    message = "an activity or orchestration returns `Result<T, E>`, not `{Self}`",
    note = "`E` must be storable and printable: serde's Serialize and Deserialize, and Display; `durable::Failure` is the simplest"
)]
pub trait Returned {
    /// What it returns.
    type Value;
    /// What it fails with.
    type Error: UserError;
}

impl<T, E: UserError> Returned for Result<T, E> {
    type Value = T;
    type Error = E;
}
