//! The suite over the small adapter of the chapter "Write your own backend".

mod adapter;

// ANCHOR: fixture
use std::sync::Arc;

use adapter::{Shelf, Shelves, Step};
use conformance_tests::fixture;

fn main() -> std::process::ExitCode {
    let shelves = Arc::new(Shelves::default());
    let fixture = fixture(Shelf::capabilities(Step::Rings), move |place, hub, env| {
        let shelf = shelves.open(&place.name, hub, env, Step::Rings);
        async move { Ok(shelf as Arc<_>) }
    });
    conformance_tests::main("shelf", fixture)
}
// ANCHOR_END: fixture
