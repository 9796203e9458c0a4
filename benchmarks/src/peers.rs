//! The programs in `benchmarks/peers`, run as cases of the table: same workloads, same rows.

use std::path::Path;
use std::process::Command;

use crate::report::Measured;

/// A peer and how many orchestrations of `hello5` and `fanout100` it is given: what takes about a
/// quarter of a minute, by earlier runs.
struct Peer {
    program: &'static str,
    /// At 1, and at 16, 100 and 400 in flight.
    hello5: (usize, usize),
    /// 0: it has none.
    fanout100: usize,
    /// What has to be set for it to run.
    needs: Option<&'static str>,
}

const SERVER: Option<&str> = Some("RESTATE_SERVER");

const PEERS: [Peer; 6] = [
    Peer {
        program: "target/release/peer-duroxide",
        hello5: (200, 800),
        fanout100: 60,
        needs: None,
    },
    Peer {
        program: "durust/target/release/peer-durust",
        hello5: (400, 2_000),
        fanout100: 80,
        needs: None,
    },
    Peer {
        program: "target/release/peer-durare",
        hello5: (3_000, 10_000),
        fanout100: 500,
        needs: None,
    },
    Peer {
        program: "target/release/peer-durare-full",
        hello5: (2_000, 5_000),
        fanout100: 300,
        needs: None,
    },
    Peer {
        program: "target/release/peer-restate",
        hello5: (300, 4_000),
        fanout100: 300,
        needs: SERVER,
    },
    Peer {
        program: "target/release/peer-restate-steps",
        hello5: (1_000, 10_000),
        fanout100: 0,
        needs: SERVER,
    },
];

impl Peer {
    /// Workload, in flight, count.
    fn cases(&self) -> Vec<(&'static str, usize, usize)> {
        let (alone, loaded) = self.hello5;
        let mut cases = vec![("hello5", 1, alone)];
        cases.extend([16, 100, 400].map(|in_flight| ("hello5", in_flight, loaded)));
        cases.extend((self.fanout100 > 0).then_some(("fanout100", 10, self.fanout100)));
        cases.push(("chain2000", 1, 1));
        cases
    }

    /// Why it cannot run, if it cannot.
    fn missing(&self, folder: &Path) -> Option<String> {
        if !folder.join(self.program).exists() {
            return Some("it is not built".to_owned());
        }
        let unset = self.needs.filter(|name| std::env::var_os(name).is_none())?;
        Some(format!("{unset} is not set"))
    }
}

/// One repetition of all peers that are there; each case is a process of its own.
pub(crate) fn run(folder: &Path, file: &Path) -> Result<Vec<Measured>, Box<dyn std::error::Error>> {
    let mut rows: Vec<Measured> = Vec::new();
    for peer in &PEERS {
        if let Some(why) = peer.missing(folder) {
            eprintln!("skipped: {}: {why}", peer.program);
            continue;
        }
        for (workload, in_flight, count) in peer.cases() {
            let status = Command::new(folder.join(peer.program).canonicalize()?)
                .arg(workload)
                .args(["--in-flight", &in_flight.to_string(), "--count", &count.to_string()])
                .arg("--json")
                .arg(file)
                .status()?;
            if !status.success() {
                // A peer that gives up under load is worth knowing, and no reason to stop.
                eprintln!("failed: {} {workload} at {in_flight}: {status}", peer.program);
                continue;
            }
            let measured: Vec<Measured> = serde_json::from_slice(&std::fs::read(file)?)?;
            rows.extend(measured);
        }
    }
    Ok(rows)
}
