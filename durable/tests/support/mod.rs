//! Finding and running the examples that cargo built beside the tests.

use std::path::PathBuf;

/// The program of an example. Cargo builds examples whenever it builds all tests.
pub(crate) fn example(name: &str) -> PathBuf {
    let mut folder = std::env::current_exe().unwrap();
    folder.pop();
    if folder.ends_with("deps") {
        folder.pop();
    }
    let program = folder.join("examples").join(name);
    assert!(
        program.exists(),
        "{} is not built: run `cargo build -p durable --examples`",
        program.display()
    );
    program
}
