//! An emulator as a process of its own, which ends when this one does, however that happens.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

/// Kills the process whose number it gets when its input ends.
const WATCHDOG: &str = r#"read -r line; kill -9 "$1" 2> /dev/null"#;

pub(crate) struct Process {
    child: Child,
    watchdog: Child,
    _dir: tempfile::TempDir,
}

impl Process {
    /// Runs what `command` makes of a free port until it listens there; again if it ends before.
    pub(crate) fn start(command: impl Fn(u16, &std::path::Path) -> Command) -> (Self, String) {
        let mut last = String::new();
        for _ in 0..5 {
            let port = free_port();
            let dir = tempfile::Builder::new().prefix("durable-aws-").tempdir().unwrap();
            let log = dir.path().join("log");
            let file = File::create(&log).unwrap();
            let child = command(port, dir.path())
                .current_dir(dir.path())
                .stdin(Stdio::null())
                .stdout(file.try_clone().unwrap())
                .stderr(file)
                .spawn()
                .unwrap();
            let watchdog = Command::new("sh")
                .args(["-c", WATCHDOG, "watchdog", &child.id().to_string()])
                .stdin(Stdio::piped())
                .spawn()
                .unwrap();
            let mut process = Self { child, watchdog, _dir: dir };
            if process.listens(port) {
                return (process, format!("http://127.0.0.1:{port}"));
            }
            last = std::fs::read_to_string(&log).unwrap_or_default();
        }
        panic!("the emulator does not start: {last}")
    }

    fn listens(&mut self, port: u16) -> bool {
        loop {
            // Somebody else may have taken the port in the meantime; then the process ends.
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
                return true;
            }
            std::thread::yield_now();
        }
    }
}

fn free_port() -> u16 {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    free.local_addr().unwrap().port()
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.watchdog.kill();
        let _ = self.watchdog.wait();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
