//! Which code may use which.

use super::Finding;
use crate::source::{code_only, first_segments};
use crate::workspace::TextFile;

const CORE: &str = "durable-core/src/";

/// The modules of `durable-core`, lowest first. A module uses itself and those before it.
const ORDER: [&str; 16] = [
    "limits",
    "ids",
    "time",
    "env",
    "payload",
    "telemetry",
    // What adapters implement. It carries opaque bytes and so lies below the model.
    "backend",
    "model",
    "replay",
    // The error of clients and workers wraps what may fail below.
    "error",
    "hot",
    "memory",
    "activity",
    "registry",
    "client",
    "worker",
];

/// Uses that the order would allow and that are wrong nevertheless: (module, what it must not see).
const FORBIDDEN: [(&str, &str); 5] = [
    ("replay", "backend"),
    ("hot", "model"),
    ("hot", "replay"),
    ("memory", "model"),
    ("memory", "replay"),
];

/// `crate::` paths in `durable-core` point downwards.
pub(super) fn core_modules(files: &[TextFile]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| file.path.starts_with(CORE)) {
        let module = module_of(&file.path);
        // The root lists all modules; support of tests and macros sits on top of everything.
        if matches!(module, "lib" | "testing" | "macro_support") {
            continue;
        }
        let Some(rank) = rank(module) else {
            findings.push(Finding::new(
                file,
                1,
                format!("`{module}` has no place in the order of modules"),
            ));
            continue;
        };
        for (line, used) in uses(file) {
            let above = rank_of_use(&used).is_some_and(|used| used > rank);
            if above || FORBIDDEN.contains(&(module, &used)) {
                findings.push(Finding::new(
                    file,
                    line,
                    format!("`{module}` must not use `{used}`"),
                ));
            }
        }
    }
    findings
}

/// No runtime, clock, thread or I/O in the part that decides.
pub(super) fn replay_is_pure(files: &[TextFile]) -> Vec<Finding> {
    const IMPURE: [&str; 7] =
        ["tokio::", "std::fs", "std::net", "std::thread", "SystemTime", "Instant::", "async_trait"];
    let replay = files.iter().filter(|file| file.path.starts_with("durable-core/src/replay/"));
    replay
        .flat_map(|file| mentions(file, &IMPURE, "replay is pure: no runtime, clock or I/O"))
        .collect()
}

/// Adapters move envelopes; the model and replay are none of their business.
pub(super) fn adapters(files: &[TextFile]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let of_adapters =
        |file: &&TextFile| file.path.starts_with("backend-") && file.path.contains("/src/");
    for file in files.iter().filter(of_adapters).filter(|file| file.path.ends_with(".rs")) {
        for (line, used) in first_segments(&production_code(&file.text), "durable_core") {
            if matches!(used.as_str(), "model" | "replay") {
                findings.push(Finding::new(
                    file,
                    line,
                    format!("an adapter must not use `{used}`"),
                ));
            }
        }
    }
    findings
}

/// Bytes become engine records in one file, which checks them first.
pub(super) fn one_decoder(files: &[TextFile]) -> Vec<Finding> {
    let others = files
        .iter()
        .filter(|file| file.path.ends_with(".rs") && file.path != "durable-core/src/model/wire.rs");
    others.flat_map(|file| mentions(file, &["bincode::"], "only model/wire.rs decodes")).collect()
}

fn mentions(file: &TextFile, words: &[&str], why: &str) -> Vec<Finding> {
    let code = production_code(&file.text);
    let lines = code.lines().enumerate();
    lines
        .flat_map(|(at, line)| {
            words.iter().filter(move |word| line.contains(**word)).map(move |w| (at, w))
        })
        .map(|(at, word)| Finding::new(file, at + 1, format!("`{word}`: {why}")))
        .collect()
}

/// The code before a file's unit tests, without comments and literals.
fn production_code(text: &str) -> String {
    let mut code = code_only(text);
    if let Some(at) = code.find("#[cfg(test)]\nmod ") {
        code.truncate(at);
    }
    code
}

fn module_of(path: &str) -> &str {
    let inside = path.strip_prefix(CORE).unwrap_or(path);
    inside.split(['/', '.']).next().unwrap_or(inside)
}

fn rank(module: &str) -> Option<usize> {
    ORDER.iter().position(|known| *known == module)
}

/// The rank of something used: test support is above all, other names are not modules.
fn rank_of_use(used: &str) -> Option<usize> {
    if used == "testing" { Some(ORDER.len()) } else { rank(used) }
}

/// The modules a file names, by `crate::` or by climbing up to the root with `super::`.
fn uses(file: &TextFile) -> Vec<(usize, String)> {
    let code = production_code(&file.text);
    let mut found = first_segments(&code, "crate");
    let inside = file.path.strip_prefix(CORE).unwrap_or(&file.path);
    let depth = inside.matches('/').count() + usize::from(!inside.ends_with("/mod.rs"));
    found.extend(first_segments(&code, &vec!["super"; depth].join("::")));
    found
}

#[cfg(test)]
mod tests {
    use super::super::tests::file;
    use super::{adapters, core_modules, one_decoder, replay_is_pure};

    fn findings_for(path: &str, text: &str) -> usize {
        core_modules(&[file(path, text)]).len()
    }

    #[test]
    fn upward_uses_are_found_in_every_spelling() {
        assert_eq!(findings_for("durable-core/src/model/event.rs", "use crate::ids::X;"), 0);
        assert_eq!(findings_for("durable-core/src/model/event.rs", "use crate::worker::X;"), 1);
        assert_eq!(findings_for("durable-core/src/ids.rs", "use crate::{limits::A, model::B};"), 1);
        assert_eq!(
            findings_for("durable-core/src/model/event.rs", "use super::super::replay::X;"),
            1
        );
        assert_eq!(findings_for("durable-core/src/ids.rs", "use super::client::X;"), 1);
        assert_eq!(findings_for("durable-core/src/worker/mod.rs", "use crate::testing::X;"), 1);
    }

    #[test]
    fn siblings_stay_apart_and_new_modules_need_a_place() {
        assert_eq!(findings_for("durable-core/src/replay/turn.rs", "use crate::backend::X;"), 1);
        assert_eq!(findings_for("durable-core/src/backend/mod.rs", "use crate::replay::X;"), 1);
        assert_eq!(findings_for("durable-core/src/surprise.rs", ""), 1);
    }

    #[test]
    fn comments_and_unit_tests_may_say_anything() {
        let text =
            "//! [`crate::worker`]\n\n#[cfg(test)]\nmod tests {\n use crate::memory::X;\n}\n";
        assert_eq!(findings_for("durable-core/src/ids.rs", text), 0);
    }

    #[test]
    fn impure_replay_nosy_adapters_and_second_decoders_are_found() {
        let replay =
            file("durable-core/src/replay/x.rs", "async fn f() { tokio::task::yield_now().await }");
        assert_eq!(replay_is_pure(&[replay]).len(), 1);
        let adapter = file("backend-x/src/a.rs", "use durable_core::{backend::A, model::B};");
        assert_eq!(adapters(&[adapter]).len(), 1);
        let decoder = file("backend-x/src/a.rs", "bincode::decode(x)");
        assert_eq!(one_decoder(&[decoder]).len(), 1);
    }
}
