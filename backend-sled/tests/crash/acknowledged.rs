//! The child as its parent sees it: what it said was acknowledged, and its death.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::{CHECKPOINT, FIRST, FOLDER, STEPS};

/// How a process dies that aborts.
const SIGABRT: i32 = 6;

pub(crate) fn spawn_child(folder: &Path, first: u64, checkpoint: u64, prefix: &str) -> Child {
    let program = std::env::current_exe().unwrap();
    let run = format!("{prefix} exec '{}' --ignored --exact child --nocapture", program.display());
    Command::new("sh")
        .args(["-c", &run])
        .env(FOLDER, folder)
        .env(FIRST, first.to_string())
        .env(CHECKPOINT, checkpoint.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// What the child was told is safe.
#[derive(Debug, Default, Clone)]
pub(crate) struct Acknowledged {
    /// Instance number to how far it is known to be: 1 started, 2 event sent, 3 done.
    pub(crate) instances: BTreeMap<u64, u8>,
    pub(crate) errors: Vec<String>,
    pub(crate) opened: bool,
}

impl Acknowledged {
    fn hear(&mut self, line: &str) {
        let words: Vec<_> = line.split_whitespace().collect();
        let number = || words[1].parse::<u64>().unwrap();
        match words.first().copied() {
            Some("open") => self.opened = true,
            Some("started") => drop(self.instances.insert(number(), 1)),
            Some("sent") => drop(self.instances.insert(number(), 2)),
            Some("done") => {
                let value: u64 = words[2].parse().unwrap();
                assert_eq!(value, number() + u64::from(STEPS) + 1, "{line}");
                self.instances.insert(number(), 3);
            }
            Some("error") => self.errors.push(line.to_owned()),
            _ => {}
        }
    }

    pub(crate) fn next(&self) -> u64 {
        self.instances.keys().next_back().map_or(0, |last| last + 1)
    }

    /// Listens until the child has said so many lines of its own, then kills it. Whether it died
    /// by itself before.
    pub(crate) fn listen_then_kill(&mut self, mut child: Child, lines: u64) -> bool {
        let mut reader = BufReader::new(child.stdout.take().unwrap());
        let mut heard = 0;
        let mut line = String::new();
        let mut over = false;
        while heard < lines && !over {
            over = reader.read_line(&mut line).unwrap() == 0;
            heard += u64::from(line.starts_with("started") || line.starts_with("done"));
            self.hear(&line);
            line.clear();
        }
        let _ = child.kill();
        // What it said before it died counts; a line without its end was not said.
        while reader.read_line(&mut line).unwrap() > 0 {
            if line.ends_with('\n') {
                self.hear(&line);
            }
            line.clear();
        }
        let died = child.wait().unwrap();
        died.signal() == Some(SIGABRT)
    }
}
