//! `cargo xtask cost --backend aws`: what a step of an orchestration costs, counted from real calls.

use crate::shell::cargo;

/// `None` when the arguments make no sense, else whether the limits are kept.
pub(crate) fn run(arguments: &[&str]) -> Option<bool> {
    let ["--backend", "aws"] = arguments else { return None };
    let test = ["test", "--package", "backend-aws", "--test", "cost", "--", "--nocapture"];
    Some(cargo(&test, &[("INSTANCES", "20"), ("STEPS", "50")]))
}
