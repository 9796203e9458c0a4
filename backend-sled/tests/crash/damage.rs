//! Copies of a store are damaged: that is reported, or does no harm.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use durable_core::env::{TokioEnv, timeout};

use crate::acknowledged::{Acknowledged, spawn_child};
use crate::random::Random;
use crate::verdict::Verdict;
use crate::{EXAMINE, LONG, variable};

fn copy(from: &Path, to: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            files.extend(copy(&entry.path(), &target));
        } else {
            std::fs::copy(entry.path(), &target).unwrap();
            files.push(target);
        }
    }
    files
}

/// Damages one file in one place and says how.
fn damage(file: &Path, random: &mut Random) -> String {
    let mut bytes = std::fs::read(file).unwrap();
    let name = file.file_name().unwrap().to_string_lossy().into_owned();
    let at = random.below(bytes.len().max(1) as u64) as usize;
    let what = match random.below(3) {
        0 => {
            bytes[at] ^= 1 << random.below(8);
            format!("a bit of byte {at} of {name}")
        }
        1 => {
            bytes.truncate(at);
            format!("{name} cut to {at}")
        }
        _ => {
            let begin = at / 512 * 512;
            let end = (begin + 512).min(bytes.len());
            bytes[begin..end].fill(0);
            format!("sector {begin}..{end} of {name} zeroed")
        }
    };
    std::fs::write(file, bytes).unwrap();
    what
}

/// Proves G1, G16.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damage_is_reported_and_never_silent() {
    let mut random = Random::seeded();
    let original = tempfile::tempdir().unwrap();
    let mut acknowledged = Acknowledged::default();
    for checkpoint in [20_000, u64::MAX] {
        let child = spawn_child(original.path(), acknowledged.next(), checkpoint, "");
        acknowledged.listen_then_kill(child, 120);
    }
    let mut counts = BTreeMap::new();
    let mutations = variable("MUTATIONS", 40);
    for round in 1..=mutations {
        let folder = tempfile::tempdir().unwrap();
        let mut files = copy(original.path(), folder.path());
        files.retain(|file| file.metadata().unwrap().len() > 0);
        files.sort_unstable();
        let file = files[random.below(files.len() as u64) as usize].clone();
        let what = damage(&file, &mut random);
        let verdict = examine_in_child(folder.path(), &acknowledged).await;
        let name = match &verdict {
            Verdict::Whole => "whole",
            Verdict::Reported => "reported",
            Verdict::Silent(why) => panic!("{what}: {why}"),
        };
        *counts.entry(name).or_insert(0) += 1;
        if round % 200 == 0 {
            println!("{round} of {mutations} damaged copies: {counts:?}");
        }
    }
    let count = |verdict| counts.get(verdict).copied().unwrap_or(0);
    println!(
        "summary sled-damage: sled: {mutations} copies of a store, each with a flipped bit, a cut or \
         a zeroed sector | {} unharmed, {} reported, none silent, none hung",
        count("whole"),
        count("reported")
    );
}

/// sled may bring down threads of its own over a damaged file: that is seen from outside.
async fn examine_in_child(folder: &Path, acknowledged: &Acknowledged) -> Verdict {
    let list: Vec<_> = acknowledged.instances.iter().map(|(n, k)| format!("{n} {k}")).collect();
    let list_file = folder.join("acknowledged");
    std::fs::write(&list_file, list.join("\n")).unwrap();
    let mut command = tokio::process::Command::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", "examiner", "--nocapture"]).env(EXAMINE, folder);
    let output = timeout(&*TokioEnv::shared(), LONG, command.kill_on_drop(true).output()).await;
    let Ok(output) = output else { return Verdict::Silent("it hangs".to_owned()) };
    let output = output.unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    match text.lines().find_map(|line| line.strip_prefix("verdict ")) {
        Some("Whole") => Verdict::Whole,
        Some("Reported") => Verdict::Reported,
        Some(other) => Verdict::Silent(other.to_owned()),
        None => Verdict::Silent(format!(
            "{}: {text}{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        )),
    }
}
