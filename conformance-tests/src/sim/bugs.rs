//! Bugs that an engine might have, put between the engine and its backend.

use super::world::MakeBug;

/// A bug, and the invariants that may catch it.
#[derive(Clone, Copy)]
pub struct EngineBug {
    /// What is wrong.
    pub name: &'static str,
    /// The invariants of which one must be found violated.
    pub caught_by: &'static [&'static str],
    pub(super) make: MakeBug,
}

impl std::fmt::Debug for EngineBug {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "EngineBug({})", self.name)
    }
}
