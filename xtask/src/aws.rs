//! `cargo xtask aws …`: emulators for the AWS adapter, and hubs on AWS.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::shell::{cargo, cargo_child};
use crate::workspace;

/// The emulator of both services in one process. Tests know its place.
const MINISTACK: &str = "ministack==1.5.33";
/// Amazon's own emulator of DynamoDB, as a package that carries it.
const DYNAMODB_LOCAL: &str = "amplify-dynamodb-simulator@2.9.30";

/// Runs one of the commands; `None` when the arguments make no sense.
pub(crate) fn run(arguments: &[&str]) -> Option<bool> {
    match arguments {
        ["install"] => Some(ministack()),
        ["install", "--dynamodb-local"] => Some(ministack() && dynamodb_local()),
        ["emulator"] => Some(emulator("fast")),
        ["emulator", "--emulator", name] => Some(emulator(name)),
        ["main-job", "--release", rest @ ..] => Some(main_job(&["--release"], rest)),
        ["main-job", rest @ ..] => Some(main_job(&[], rest)),
        [what @ ("create-hub" | "delete-hub"), url] => Some(hub(what, url)),
        _ => None,
    }
}

const EMULATOR: [&str; 5] = ["--quiet", "--package", "backend-aws", "--example", "aws_emulator"];

const MAIN_JOB: [&str; 7] = [
    "--package",
    "durable",
    "--no-default-features",
    "--features",
    "aws,macros",
    "--example",
    "order_fulfilment",
];

/// Runs until it is told to end.
fn emulator(name: &str) -> bool {
    cargo(&[&["run"], &EMULATOR[..]].concat(), &[("AWS_EMULATOR", name)])
}

/// Starts the emulator of the tests, lets the main job run on it, and ends it.
fn main_job(profile: &[&str], arguments: &[&str]) -> bool {
    let Some(mut emulator) = cargo_child(&[&["run"], profile, &EMULATOR[..]].concat()) else {
        return false;
    };
    let mut url = String::new();
    let said = emulator.stdout.take().map(|out| BufReader::new(out).read_line(&mut url));
    let url = url.trim();
    let done = matches!(said, Some(Ok(_))) && url.starts_with("aws://") && {
        let job = [&["run"], profile, &MAIN_JOB[..], &["--", "--backend", url], arguments];
        cargo(&job.concat(), &[])
    };
    // It ends with its input.
    drop(emulator.stdin.take());
    emulator.wait().is_ok() && done
}

fn hub(what: &str, url: &str) -> bool {
    let features = ["--features", "credentials", "--example", "aws_hub", "--", what, url];
    cargo(&[["run", "--quiet", "--package", "backend-aws"].as_slice(), &features].concat(), &[])
}

/// `target/emulators`: beside what was built, and gone with it.
fn folder() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    target.unwrap_or_else(|| workspace::root().join("target")).join("emulators")
}

/// Whether this version is there already; it is noted beside what was installed.
fn is_installed(place: &Path, version: &str) -> bool {
    std::fs::read_to_string(place.join("installed")).is_ok_and(|found| found == version)
}

fn note(place: &Path, version: &str) -> bool {
    std::fs::write(place.join("installed"), version).is_ok()
}

fn ministack() -> bool {
    let place = folder().join("ministack");
    if is_installed(&place, MINISTACK) {
        return true;
    }
    let python = place.join("bin").join("python");
    let venv = ["-m", "venv", "--clear"].map(str::to_owned);
    program("python3", &[&venv[..], &[place.display().to_string()]].concat(), workspace::root())
        && program(
            &python.display().to_string(),
            &["-m", "pip", "install", "--quiet", MINISTACK].map(str::to_owned),
            workspace::root(),
        )
        && note(&place, MINISTACK)
}

fn dynamodb_local() -> bool {
    let place = folder().join("dynamodb-local");
    if is_installed(&place, DYNAMODB_LOCAL) {
        return true;
    }
    let archive = "amplify-dynamodb-simulator-2.9.30.tgz";
    std::fs::create_dir_all(&place).is_ok()
        && program("npm", &["pack", "--silent", DYNAMODB_LOCAL].map(str::to_owned), &place)
        && program("tar", &["-xzf", archive].map(str::to_owned), &place)
        && note(&place, DYNAMODB_LOCAL)
}

fn program(name: &str, arguments: &[String], folder: &Path) -> bool {
    println!("\n$ {name} {}", arguments.join(" "));
    match Command::new(name).args(arguments).current_dir(folder).status() {
        Ok(status) => status.success(),
        Err(error) => {
            eprintln!("{name} did not start: {error}");
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::run;

    #[test]
    fn nonsense_is_not_understood() {
        for arguments in
            [&["instal"][..], &["create-hub"], &["emulator", "fast"], &["main-jobs"], &[]]
        {
            assert_eq!(run(arguments), None, "{arguments:?}");
        }
    }
}
