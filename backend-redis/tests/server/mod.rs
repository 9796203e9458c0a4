//! A Redis server of a test: on a free port, in a folder of its own, gone with the test.

#![allow(dead_code, reason = "each test file uses another part of it")]
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

pub(crate) mod cluster;
pub(crate) mod proxy;
pub(crate) mod sentinel;

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use backend_redis::RedisSettings;

/// Runs the server, again with every line of input, until the input ends, which it does when this
/// process does, however that happens; then removes the folder.
const KEEPER: &str = r#"
dir=$1; program=$2; shift 2
start() {
    "$program" "$@" > "$dir/log" 2>&1 < /dev/null &
    echo $! > "$dir/pid"
}
start "$@"
while read -r line; do start "$@"; done
kill -9 "$(cat "$dir/pid")" 2> /dev/null
rm -rf "$dir"
"#;

const REDIS: &str = "redis-server";

/// Says where Valkey's server is when it is not on the path.
const VALKEY: &str = "VALKEY_SERVER";

fn runs(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output();
    found.is_ok_and(|output| output.status.success())
}

/// Why there can be no server here.
pub(crate) fn missing() -> Option<String> {
    let text = "redis-server is not installed (Debian: apt-get install redis-server)";
    (!runs(REDIS)).then(|| text.to_owned())
}

/// Valkey's server. Not every distribution has it, so it is demanded only where somebody has said
/// where it is.
pub(crate) fn valkey() -> Result<String, String> {
    let said = std::env::var(VALKEY);
    let program = said.clone().unwrap_or_else(|_| "valkey-server".to_owned());
    if runs(&program) {
        return Ok(program);
    }
    assert!(said.is_err(), "`{program}`, of the variable {VALKEY}, does not run");
    Err(format!("valkey-server is not installed; {VALKEY} may say where it is"))
}

/// Whether there can be a server; where the environment demands one, it is an error if not.
pub(crate) fn available() -> bool {
    let Some(reason) = missing() else { return true };
    let required = std::env::var_os("CONFORMANCE_REQUIRE").is_some_and(|v| v == "1");
    assert!(!required, "{reason}");
    false
}

/// Whether each test gets a process of its own. Suites that would start whole clusters then are
/// left to `cargo xtask verify`, which runs them in one process each.
pub(crate) fn one_process_per_test() -> bool {
    std::env::var_os("NEXTEST").is_some()
}

/// A port that nobody listens on, at least for now.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// A running server.
pub(crate) struct Server {
    keeper: Child,
    dir: PathBuf,
    port: u16,
}

impl Server {
    /// Starts a server with an append-only file and these further arguments.
    pub(crate) fn start(further: &[&str]) -> Self {
        Self::start_program(REDIS, further)
    }

    /// The same with another program.
    pub(crate) fn start_program(program: &str, further: &[&str]) -> Self {
        for _ in 0..10 {
            if let Some(server) = Self::try_start(program, further) {
                return server;
            }
        }
        panic!("cannot start {program}")
    }

    fn try_start(program: &str, further: &[&str]) -> Option<Self> {
        let dir = tempfile::Builder::new().prefix("durable-redis-").tempdir().unwrap().keep();
        let port = free_port();
        let port_text = port.to_string();
        let own =
            ["--bind", "127.0.0.1", "--port", &port_text, "--save", "", "--appendonly", "yes"];
        let mut arguments: Vec<String> = own.iter().map(|a| (*a).to_owned()).collect();
        arguments.extend(["--dir".to_owned(), dir.display().to_string()]);
        arguments.extend(further.iter().map(|a| (*a).to_owned()));
        let keeper = Self::keep(&dir, program, &arguments);
        let mut server = Self { keeper, dir, port };
        // Somebody else may have taken the port in the meantime.
        server.answers().then_some(server)
    }

    fn keep(dir: &Path, program: &str, arguments: &[String]) -> Child {
        Command::new("sh")
            .arg("-c")
            .arg(KEEPER)
            .arg("keeper")
            .arg(dir)
            .arg(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    /// Whether the server comes to answer, and is this one.
    fn answers(&mut self) -> bool {
        let dir = self.dir.display().to_string();
        loop {
            if let Some(found) = self.ask(&["CONFIG", "GET", "dir"])
                && !found.contains("LOADING")
            {
                return found.contains(&dir);
            }
            let log = std::fs::read_to_string(self.dir.join("log")).unwrap_or_default();
            if log.contains("Failed listening") || self.keeper.try_wait().unwrap().is_some() {
                return false;
            }
            std::thread::yield_now();
        }
    }

    /// Sends one command; the lines of its answer that come at once.
    pub(crate) fn ask(&self, command: &[&str]) -> Option<String> {
        ask_port(self.port, command)
    }

    /// Sends a command that must succeed.
    pub(crate) fn must(&self, command: &[&str]) -> String {
        let answer = self.ask(command).unwrap();
        assert!(!answer.starts_with('-'), "{command:?}: {answer}");
        answer
    }

    /// A value of its configuration.
    pub(crate) fn config(&self, name: &str) -> String {
        self.must(&["CONFIG", "GET", name]).lines().last().unwrap().to_owned()
    }

    /// Settings for this server, with a prefix of its own.
    pub(crate) fn settings(&self, name: &str) -> RedisSettings {
        let mut settings = RedisSettings::new("127.0.0.1", self.port);
        settings.prefix = format!("{name}:");
        settings
    }

    /// Where the files are that it appends to.
    pub(crate) fn append_dir(&self) -> PathBuf {
        self.dir.join("appendonlydir")
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Kills the server as a crash would.
    pub(crate) fn kill(&self) {
        let pid = std::fs::read_to_string(self.dir.join("pid")).unwrap();
        let status = Command::new("kill").args(["-9", pid.trim()]).status().unwrap();
        assert!(status.success(), "the server was not running");
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok() {
            std::thread::yield_now();
        }
    }

    /// Sends a signal to its process.
    pub(crate) fn signal(&self, signal: &str) {
        let pid = std::fs::read_to_string(self.dir.join("pid")).unwrap();
        let status = Command::new("kill").args([signal, pid.trim()]).status().unwrap();
        assert!(status.success(), "the server was not running");
    }

    /// Starts the server again on what it left. A file that was torn and then was not the last
    /// one any more is mended by one start, and loaded by the next.
    pub(crate) fn restart(&mut self) {
        let log = self.dir.join("log");
        for _ in 0..2 {
            let _ = std::fs::remove_file(&log);
            self.begin_restart();
            loop {
                if self.ask(&["PING"]).is_some_and(|answer| answer.contains("PONG")) {
                    return;
                }
                let said = std::fs::read_to_string(&log).unwrap_or_default();
                if said.contains("the truncated file is not the last file") {
                    break;
                }
                // While it was away, a connection to somewhere else has got its port.
                if said.contains("Failed listening") {
                    let _ = std::fs::remove_file(&log);
                    self.begin_restart();
                }
                std::thread::yield_now();
            }
        }
        panic!("the server does not start again");
    }

    /// Lets the server start again, without waiting for it.
    pub(crate) fn begin_restart(&mut self) {
        self.keeper.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
    }
}

/// The file that a server appends to now: the one with the highest number.
pub(crate) fn append_file(dir: &Path) -> PathBuf {
    let number = |path: &PathBuf| {
        let name = path.file_name()?.to_str()?;
        name.strip_prefix("appendonly.aof.")?.strip_suffix(".incr.aof")?.parse::<u64>().ok()
    };
    let files = std::fs::read_dir(dir).unwrap().filter_map(|entry| Some(entry.ok()?.path()));
    let (_, newest) = files.filter_map(|path| Some((number(&path)?, path))).max().unwrap();
    newest
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// Waits until a replica has all that the primary has.
pub(crate) fn caught_up(primary: &Server, replica: &Server) {
    let offset = |server: &Server, name: &str| {
        let info = server.ask(&["INFO", "replication"]).unwrap_or_default();
        info.lines().find_map(|line| line.strip_prefix(name).map(str::to_owned))
    };
    loop {
        let there = offset(replica, "slave_repl_offset:");
        if there.is_some() && there == offset(primary, "master_repl_offset:") {
            return;
        }
        std::thread::yield_now();
    }
}

/// Sends one command to a port; the lines of the answer that come at once.
pub(crate) fn ask_port(port: u16, command: &[&str]) -> Option<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
    let mut text = format!("*{}\r\n", command.len());
    for part in command {
        text.push_str(&format!("${}\r\n{part}\r\n", part.len()));
    }
    // The error of a second command marks the end of the answer to the first.
    text.push_str("*1\r\n$4\r\nNONE\r\n");
    stream.write_all(text.as_bytes()).ok()?;
    let mut answer = String::new();
    for line in BufReader::new(stream).lines() {
        let line = line.ok()?;
        if line.starts_with("-ERR unknown command 'NONE'") {
            return Some(answer);
        }
        answer.push_str(&line);
        answer.push('\n');
    }
    None
}

/// One server for all tests of this process.
pub(crate) fn shared() -> &'static Server {
    static SHARED: OnceLock<Server> = OnceLock::new();
    SHARED.get_or_init(|| Server::start(&[]))
}
