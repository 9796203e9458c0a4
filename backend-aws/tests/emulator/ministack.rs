//! MiniStack, which `cargo xtask aws install` puts where it is looked for.

use std::path::PathBuf;
use std::process::Command;

use super::child::Process;

/// Its interpreter. The script beside it names the place where it was installed, and the folder
/// may have been moved or copied since.
fn program() -> PathBuf {
    super::installed("ministack").join("bin").join("python")
}

pub(crate) fn missing() -> Option<String> {
    let hint = "MiniStack is not installed: run `cargo xtask aws install` (needs python3-venv)";
    (!program().exists()).then(|| hint.to_owned())
}

pub(crate) fn start() -> (Process, String) {
    Process::start(|port, _dir| {
        let mut command = Command::new(program());
        command
            .args(["-m", "ministack"])
            .env("BIND_HOST", "127.0.0.1")
            .env("GATEWAY_PORT", port.to_string())
            .env("SERVICES", "dynamodb,sqs")
            .env("LOG_LEVEL", "ERROR");
        command
    })
}
