//! `cargo xtask torture --backend NAME [--kills N] [--mutations M] [--pauses P]
//! [--server-kills K] [--seed S] [--record]`: real
//! processes are killed, real files damaged.

use crate::campaign::{self, Options};

/// A campaign of an adapter. Its tests hear how long to run by the variables `KILLS`, `MUTATIONS`
/// and `SEED`, and answer with summaries.
struct Campaign {
    backend: &'static str,
    package: &'static str,
    features: &'static str,
    /// What the program under test is built with.
    profile: &'static str,
    test: &'static str,
    /// Names of tests: all that contain one of these.
    filters: &'static [&'static str],
}

/// Adapters that have one. To add yours, add a row, and the kinds of its summaries to the record.
const CAMPAIGNS: [Campaign; 3] = [
    Campaign {
        backend: "sled",
        package: "backend-sled",
        features: "crash-points",
        profile: "release",
        test: "crash",
        filters: &["killed_again_and_again", "damage_is_reported"],
    },
    Campaign {
        backend: "redis",
        package: "backend-redis",
        features: "",
        profile: "release",
        test: "torture",
        filters: &["killed"],
    },
    Campaign {
        backend: "aws",
        package: "backend-aws",
        features: "",
        // The SDK takes long to optimise; the network is the slower part, and the checks of a
        // build for tests are on.
        profile: "dev",
        test: "kills",
        filters: &["killed_and_paused_workers"],
    },
];

/// Runs it; `None` when the arguments make no sense, else whether all held.
pub(crate) fn run(arguments: &[&str]) -> Option<bool> {
    let options = Options::parse(
        arguments,
        &["backend", "kills", "mutations", "pauses", "server-kills", "seed"],
    )?;
    let name = options.text("backend")?;
    let campaign = CAMPAIGNS.iter().find(|campaign| campaign.backend == name)?;
    let mut variables = vec![
        ("KILLS", options.number("kills", 100)?.to_string()),
        ("MUTATIONS", options.number("mutations", 100)?.to_string()),
        ("PAUSES", options.number("pauses", 40)?.to_string()),
        ("SERVER_KILLS", options.number("server-kills", 40)?.to_string()),
    ];
    if options.text("seed").is_some() {
        variables.push(("SEED", options.number("seed", 0)?.to_string()));
    }
    let mut words = vec!["test", "--profile", campaign.profile, "--package", campaign.package];
    words.extend(["--features", campaign.features, "--test", campaign.test, "--"]);
    words.extend(campaign.filters);
    // One after the other: both keep the disk busy. Some are too long for every change.
    words.extend(["--nocapture", "--test-threads=1", "--include-ignored"]);
    Some(campaign::run(&words, &variables, options.record))
}
