//! The documentation holds together.

use std::collections::BTreeSet;

use super::Finding;
use crate::workspace::TextFile;

const BOOK: &str = "docs/src/";
const SUMMARY: &str = "docs/src/SUMMARY.md";
const ERRORS: &str = "docs/src/errors/";
/// What every error page answers.
const ERROR_HEADINGS: [&str; 3] = ["## Cause", "## Fix", "## Common mistakes"];

pub(super) fn check(files: &[TextFile]) -> Vec<Finding> {
    let paths: BTreeSet<&str> = files.iter().map(|file| &*file.path).collect();
    let mut findings = unlisted_pages(files);
    for file in files.iter().filter(|file| file.path.ends_with(".md")) {
        findings.extend(dead_links(file, &paths));
        findings.extend(incomplete_error_page(file));
        findings.extend(broken_includes(file, files));
    }
    for file in
        files.iter().filter(|file| file.path.ends_with(".rs") && !file.path.starts_with("xtask/"))
    {
        findings.extend(codes_without_page(file, &paths));
    }
    findings
}

/// Pages of the book that its table of contents forgot.
fn unlisted_pages(files: &[TextFile]) -> Vec<Finding> {
    let Some(summary) = files.iter().find(|file| file.path == SUMMARY) else {
        return Vec::new();
    };
    let listed: BTreeSet<String> =
        links(&summary.text).into_iter().map(|(_, link)| resolve(SUMMARY, &link)).collect();
    let pages =
        files.iter().filter(|file| file.path.starts_with(BOOK) && file.path.ends_with(".md"));
    pages
        .filter(|file| file.path != SUMMARY && !listed.contains(&file.path))
        .map(|file| Finding::new(file, 1, "not listed in SUMMARY.md"))
        .collect()
}

/// Code that a page includes, as `{{#include path:anchor}}`, and that is not there.
fn broken_includes(file: &TextFile, files: &[TextFile]) -> Vec<Finding> {
    let included = |line: &str| {
        let inside = line.trim().strip_prefix("{{#include ")?.strip_suffix("}}")?;
        let (path, anchor) = inside.split_once(':')?;
        Some((resolve(&file.path, path), anchor.to_owned()))
    };
    let missing = |(path, anchor): &(String, String)| {
        let begin = format!("ANCHOR: {anchor}\n");
        let end = format!("ANCHOR_END: {anchor}\n");
        let found = files.iter().find(|other| other.path == *path);
        found.is_none_or(|other| !other.text.contains(&begin) || !other.text.contains(&end))
    };
    let lines = file.text.lines().enumerate();
    lines
        .filter_map(|(at, line)| included(line).filter(missing).map(|what| (at, what)))
        .map(|(at, (path, anchor))| {
            Finding::new(
                file,
                at + 1,
                format!("includes `{anchor}` of `{path}`, which is not there"),
            )
        })
        .collect()
}

fn dead_links(file: &TextFile, paths: &BTreeSet<&str>) -> Vec<Finding> {
    let exists = |target: &str| {
        let folder = format!("{target}/");
        target.is_empty()
            || paths.contains(target)
            || paths.range(&*folder..).next().is_some_and(|p| p.starts_with(&folder))
    };
    links(&file.text)
        .into_iter()
        .filter(|(_, link)| {
            !link.contains("://") && !link.starts_with('#') && !link.starts_with("mailto:")
        })
        .filter(|(_, link)| !exists(&resolve(&file.path, link)))
        .map(|(line, link)| Finding::new(file, line, format!("dead link `{link}`")))
        .collect()
}

fn incomplete_error_page(file: &TextFile) -> Vec<Finding> {
    if !file.path.starts_with(ERRORS) || file.path.ends_with("README.md") {
        return Vec::new();
    }
    let missing =
        ERROR_HEADINGS.iter().filter(|heading| !file.text.lines().any(|line| line == **heading));
    missing.map(|heading| Finding::new(file, 1, format!("no section `{heading}`"))).collect()
}

/// Codes such as `DT0001` that the source prints and nobody explains.
fn codes_without_page(file: &TextFile, paths: &BTreeSet<&str>) -> Vec<Finding> {
    let lines = file.text.lines().enumerate();
    let codes =
        lines.flat_map(|(at, line)| codes(line).into_iter().map(move |code| (at + 1, code)));
    codes
        .filter(|(_, code)| !paths.contains(&*format!("{ERRORS}{code}.md")))
        .map(|(line, code)| Finding::new(file, line, format!("`{code}` has no page in {ERRORS}")))
        .collect()
}

fn codes(line: &str) -> Vec<String> {
    let candidates = line.match_indices("DT").filter_map(|(at, _)| line.get(at..at + 6));
    candidates
        .filter(|code| code[2..].bytes().all(|b| b.is_ascii_digit()))
        .map(str::to_owned)
        .collect()
}

/// Targets of `[text](target)`, with line numbers, outside code blocks.
fn links(markdown: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut in_code = false;
    for (at, line) in markdown.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if in_code {
            continue;
        }
        let targets =
            line.match_indices("](").filter_map(|(from, _)| line[from + 2..].split(')').next());
        found.extend(targets.map(|target| (at + 1, target.to_owned())));
    }
    found
}

/// A link's path from the root, without its anchor.
fn resolve(from: &str, link: &str) -> String {
    let link = link.split('#').next().unwrap_or_default();
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            name => parts.push(name),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::super::tests::file;
    use super::{check, codes, resolve};

    #[test]
    fn forgotten_pages_dead_links_and_missing_sections_are_found() {
        let summary = || file("docs/src/SUMMARY.md", "[A](a.md)\n");
        let page = |text: &str| file("docs/src/a.md", text);
        assert!(check(&[summary(), page("[s](SUMMARY.md#x) [w](https://x.y)")]).is_empty());
        assert_eq!(check(&[summary(), page("[gone](gone.md)")]).len(), 1);
        assert_eq!(check(&[summary(), page(""), file("docs/src/b.md", "")]).len(), 1);
        let errors = file("docs/src/errors/DT0001.md", "## Cause\n## Fix\n");
        assert_eq!(check(&[page(""), errors]).len(), 1);
    }

    #[test]
    fn code_that_is_included_must_be_there() {
        let code = || file("a/b.rs", "// ANCHOR: x\nfn f() {}\n// ANCHOR_END: x\n");
        let page = |text: &str| file("docs/a.md", text);
        assert!(check(&[code(), page("{{#include ../a/b.rs:x}}")]).is_empty());
        assert_eq!(check(&[code(), page("{{#include ../a/b.rs:y}}")]).len(), 1);
        assert_eq!(check(&[code(), page("{{#include b.rs:x}}")]).len(), 1);
    }

    #[test]
    fn codes_in_source_need_a_page() {
        assert_eq!(codes("\"DT0001: x\" DTx DT12"), ["DT0001"]);
        assert_eq!(check(&[file("a/src/lib.rs", "\"DT0099\"")]).len(), 1);
    }

    #[test]
    fn links_resolve_against_their_page() {
        assert_eq!(resolve("docs/src/guide/a.md", "../errors/x.md#y"), "docs/src/errors/x.md");
        assert_eq!(resolve("README.md", "backend-sled/"), "backend-sled");
    }
}
