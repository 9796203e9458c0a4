//! What an orchestration takes in machine instructions, counted by valgrind: the same on a busy
//! machine as on a quiet one.

use std::process::Command;

use crate::workloads::COUNTED;

/// Orchestrations of the two runs; what only the start of the program takes is in both.
const COUNTS: [u64; 2] = [2_000, 6_000];

/// Counts, and says how many instructions one more orchestration takes.
pub(crate) fn run() -> Result<(), Box<dyn std::error::Error>> {
    let [few, many] = COUNTS;
    let each = (count(many)? - count(few)?) / (many - few);
    println!("hello5 in memory, 100 in flight, one thread: {each} instructions each");
    Ok(())
}

fn count(orchestrations: u64) -> Result<u64, Box<dyn std::error::Error>> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe()?)
        .args([COUNTED, "--backend", "memory:", "--in-flight", "100"])
        .args(["--count", &orchestrations.to_string()])
        .output()
        .map_err(|e| format!("valgrind: {e}; install the package valgrind"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let collected = said.lines().find_map(|line| line.split_once("Collected : "));
    let number = collected.and_then(|(_, number)| number.trim().parse().ok());
    number.ok_or_else(|| format!("valgrind gave no count:\n{said}").into())
}
