//! The suite over the small adapter of the chapter "Write your own backend".

#[path = "adapter/mod.rs"]
#[allow(unreachable_pub, reason = "in the chapter it is a crate")]
mod shelf;

// ANCHOR: fixture
use std::sync::Arc;

use conformance_tests::fixture;
use shelf::{Shelf, Shelves, Step};

const STEP: Step = Step::Rings;

fn main() -> std::process::ExitCode {
    let shelves = Arc::new(Shelves::default());
    let fixture = fixture(Shelf::capabilities(STEP), move |place, hub, env| {
        let shelf = shelves.open(&place.name, hub, env, STEP);
        async move { Ok(shelf as Arc<_>) }
    });
    conformance_tests::main("shelf", fixture)
}
// ANCHOR_END: fixture
