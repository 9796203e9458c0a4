//! `cargo xtask tidy`: the repository's own rules.
//!
//! Each rule is one file with one function from the files to what is wrong with them, and
//! runs as a test too: `cargo test -p xtask` names the rule that was broken.

mod documentation;
mod layers;
mod manifests;
mod paths;
mod size;

use std::fmt;

use crate::workspace::{TextFile, text_files};

/// A place where a rule is broken.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    path: String,
    line: usize,
    what: String,
}

impl Finding {
    fn new(file: &TextFile, line: usize, what: impl Into<String>) -> Self {
        Self { path: file.path.clone(), line, what: what.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

type Rule = fn(&[TextFile]) -> Vec<Finding>;

const RULES: [(&str, Rule); 9] = [
    ("no file over 800 lines", size::check),
    ("modules of the core only use what lies below them", layers::core_modules),
    ("replay is pure", layers::replay_is_pure),
    ("adapters never look into envelopes", layers::adapters),
    ("one file decodes", layers::one_decoder),
    ("crates depend downwards only", manifests::dependencies),
    ("every crate forbids unsafe code", manifests::unsafe_code),
    ("no paths of one machine", paths::check),
    ("pages are listed, links lead somewhere, codes have pages", documentation::check),
];

/// Checks all rules and prints what is broken; whether nothing is.
pub(crate) fn run() -> bool {
    println!("\ntidy");
    let files = text_files();
    let mut passed = true;
    for (name, rule) in RULES {
        let findings = rule(&files);
        println!("  {} {name}", if findings.is_empty() { "ok    " } else { "BROKEN" });
        for finding in &findings {
            println!("         {finding}");
        }
        passed &= findings.is_empty();
    }
    passed
}

#[cfg(test)]
mod tests {
    use super::{RULES, Rule, TextFile, text_files};

    /// A file that exists only in a test.
    pub(super) fn file(path: &str, text: &str) -> TextFile {
        TextFile { path: path.to_owned(), text: text.to_owned() }
    }

    fn assert_holds(wanted: Rule) {
        let files = text_files();
        let findings: Vec<String> = wanted(&files).iter().map(ToString::to_string).collect();
        assert!(findings.is_empty(), "{}", findings.join("\n"));
    }

    macro_rules! rule_tests {
        ($($name:ident: $rule:path;)*) => {
            $(#[test] fn $name() { assert_holds($rule); })*

            #[test]
            fn every_rule_is_tested() {
                assert_eq!(RULES.len(), [$(stringify!($name)),*].len());
            }
        };
    }

    rule_tests! {
        no_file_over_800_lines: super::size::check;
        core_modules_use_what_lies_below: super::layers::core_modules;
        replay_is_pure: super::layers::replay_is_pure;
        adapters_never_look_into_envelopes: super::layers::adapters;
        one_file_decodes: super::layers::one_decoder;
        crates_depend_downwards_only: super::manifests::dependencies;
        every_crate_forbids_unsafe_code: super::manifests::unsafe_code;
        no_paths_of_one_machine: super::paths::check;
        documentation_holds_together: super::documentation::check;
    }
}
