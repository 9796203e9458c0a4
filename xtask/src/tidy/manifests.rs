//! What crates may depend on, and what each must declare.

use super::Finding;
use crate::workspace::{TextFile, keys};

/// Crates that talk to a store. The core knows none of them.
const STORES: [&str; 9] =
    ["sled", "redis", "aws", "fred", "sqlx", "rusqlite", "redb", "fjall", "rocksdb"];

/// Our own crates that sit above the core.
const ABOVE_CORE: [&str; 4] = ["durable", "durable-macros", "conformance-tests", "backend"];

/// Dependencies point downwards, also those of tests.
pub(super) fn dependencies(files: &[TextFile]) -> Vec<Finding> {
    let manifests = files.iter().filter(|file| file.path.ends_with("/Cargo.toml"));
    manifests
        .flat_map(|file| {
            let folder = file.path.trim_end_matches("/Cargo.toml");
            let bad = all_dependencies(file).into_iter().filter(move |name| !allowed(folder, name));
            bad.map(move |name| {
                Finding::new(file, 1, format!("`{folder}` must not depend on `{name}`"))
            })
        })
        .collect()
}

fn all_dependencies(file: &TextFile) -> Vec<String> {
    let tables = ["dependencies", "dev-dependencies", "build-dependencies"];
    tables.iter().flat_map(|table| keys(&file.text, table)).collect()
}

fn allowed(folder: &str, dependency: &str) -> bool {
    let is = |family: &str| {
        dependency == family
            || dependency.strip_prefix(family).is_some_and(|rest| rest.starts_with('-'))
    };
    let adapter = dependency.starts_with("backend-");
    match folder {
        "durable-core" => {
            let own = dependency.starts_with("durable") || ABOVE_CORE.iter().any(|name| is(name));
            !own && !STORES.iter().any(|store| is(store))
        }
        "durable-macros" => !dependency.starts_with("durable") && !adapter,
        "conformance-tests" => !adapter && !matches!(dependency, "durable" | "durable-macros"),
        "xtask" => false,
        _ if folder.starts_with("backend-") => {
            !adapter && !matches!(dependency, "durable" | "durable-macros")
        }
        _ => true,
    }
}

/// Every crate takes the workspace's lints, and those forbid unsafe code; or its root says so.
pub(super) fn unsafe_code(files: &[TextFile]) -> Vec<Finding> {
    let text_of = |path: &str| files.iter().find(|file| file.path == path).map(|file| &*file.text);
    let workspace_forbids = text_of("Cargo.toml").is_some_and(|text| {
        let table = text.split("[workspace.lints.rust]").nth(1).unwrap_or_default();
        let table = table.split("\n[").next().unwrap_or_default();
        table.lines().any(|line| line.trim() == "unsafe_code = \"forbid\"")
    });
    let forbids_itself = |folder: &str| {
        ["lib.rs", "main.rs"].iter().any(|root| {
            text_of(&format!("{folder}/src/{root}"))
                .is_some_and(|text| text.contains("#![forbid(unsafe_code)]"))
        })
    };
    let crates = files
        .iter()
        .filter(|file| file.path.ends_with("/Cargo.toml") && file.text.contains("[package]"));
    crates
        .filter(|file| {
            let inherits = file.text.contains("[lints]\nworkspace = true");
            let folder = file.path.trim_end_matches("/Cargo.toml");
            !(inherits && workspace_forbids || forbids_itself(folder))
        })
        .map(|file| {
            Finding::new(file, 1, "unsafe code is not forbidden: add `[lints] workspace = true`")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::file;
    use super::{allowed, dependencies, unsafe_code};

    #[test]
    fn upward_and_sideways_dependencies_are_found() {
        for (folder, dependency, expected) in [
            ("durable-core", "serde", true),
            ("durable-core", "sled", false),
            ("durable-core", "aws-sdk-sqs", false),
            ("durable-core", "conformance-tests", false),
            ("durable-core", "durable-macros", false),
            ("backend-sled", "durable-core", true),
            ("backend-sled", "conformance-tests", true),
            ("backend-sled", "backend-redis", false),
            ("backend-sled", "durable", false),
            ("conformance-tests", "durable-core", true),
            ("conformance-tests", "backend-sled", false),
            ("durable", "backend-aws", true),
            ("xtask", "serde", false),
        ] {
            assert_eq!(allowed(folder, dependency), expected, "{folder} -> {dependency}");
        }
        let manifest =
            file("durable-core/Cargo.toml", "[dev-dependencies]\nsled.workspace = true\n");
        assert_eq!(dependencies(&[manifest]).len(), 1);
    }

    #[test]
    fn a_crate_without_the_lints_is_found() {
        let crate_without = || file("a/Cargo.toml", "[package]\n");
        let crate_with = || file("a/Cargo.toml", "[package]\n\n[lints]\nworkspace = true\n");
        let forbidding =
            || file("Cargo.toml", "[workspace.lints.rust]\nunsafe_code = \"forbid\"\n");
        let lax = || file("Cargo.toml", "[workspace.lints.rust]\nunsafe_code = \"warn\"\n");
        assert_eq!(unsafe_code(&[forbidding(), crate_without()]).len(), 1);
        assert_eq!(unsafe_code(&[lax(), crate_with()]).len(), 1);
        assert_eq!(unsafe_code(&[forbidding(), crate_with()]).len(), 0);
        let root = file("a/src/lib.rs", "#![forbid(unsafe_code)]\n");
        assert_eq!(unsafe_code(&[lax(), crate_without(), root]).len(), 0);
    }
}
