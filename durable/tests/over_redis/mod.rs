//! The main job over Redis, served by several processes of which one is killed.

use std::net::{Ipv4Addr, TcpListener};
use std::process::Child;

use super::*;

/// A process that ends with the test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn quietly(mut command: Command) -> Process {
    Process(
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap(),
    )
}

/// A server of its own in a folder; `None` where none is installed, unless one is demanded.
fn server(folder: &Path) -> Option<(Process, String)> {
    let installed = Command::new("redis-server").arg("--version").output().is_ok();
    let required = std::env::var_os("CONFORMANCE_REQUIRE").is_some_and(|v| v == "1");
    assert!(installed || !required, "redis-server is not installed");
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = free.local_addr().unwrap().port().to_string();
    drop(free);
    let mut command = Command::new("redis-server");
    command.args(["--bind", "127.0.0.1", "--port", &port, "--save", "", "--appendonly", "yes"]);
    command.arg("--dir").arg(folder);
    installed.then(|| (quietly(command), format!("redis://127.0.0.1:{port}")))
}

fn over(folder: &Path, url: &str, role: &str) -> Command {
    let mut command = program(folder);
    command.args(["--backend", url, role]);
    command
}

#[test]
fn several_processes_end_with_the_same_report_though_one_is_killed() {
    let straight = tempfile::tempdir().unwrap();
    orders(straight.path(), 120);
    finish(straight.path());
    let folder = tempfile::tempdir().unwrap();
    orders(folder.path(), 120);
    let Some((_server, url)) = server(folder.path()) else { return };
    let worker = || quietly(over(folder.path(), &url, "--workers-only"));
    let mut workers: Vec<Process> = (0..3).map(|_| worker()).collect();
    let deadline = TokioEnv::shared().now() + Duration::from_secs(60);
    let starter = loop {
        // The server may not listen yet; then workers end as well.
        let mut starter = quietly(over(folder.path(), &url, "--start-only"));
        let charged = || fs::metadata(folder.path().join("ledger.csv")).is_ok_and(|f| f.len() > 0);
        while !charged() && starter.0.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        if charged() {
            break starter;
        }
        assert!(TokioEnv::shared().now() < deadline, "nothing begins");
        workers = (0..3).map(|_| worker()).collect();
    };
    // In the midst of it; what it had on loan is done by the others.
    drop(workers.pop());
    let mut starter = starter;
    assert!(starter.0.wait().unwrap().success(), "the job did not end well");
    assert_eq!(report(folder.path()), report(straight.path()));
    assert_eq!(booked(folder.path(), "ledger.csv"), booked(straight.path(), "ledger.csv"));
}
