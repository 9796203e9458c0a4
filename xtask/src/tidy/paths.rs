//! Nothing in the repository names a place on somebody's machine.

use super::Finding;
use crate::workspace::TextFile;

/// The first folder of paths that exist on one machine only. Written in parts, so that this
/// file does not break its own rule.
const HOMES: [&str; 5] = ["home", "root", "Users", "work", "farm"];

pub(super) fn check(files: &[TextFile]) -> Vec<Finding> {
    let texts = files.iter().filter(|file| !file.path.ends_with(".lock"));
    texts
        .flat_map(|file| {
            let lines = file.text.lines().enumerate();
            lines.filter_map(move |(at, line)| {
                let home = HOMES.iter().find(|home| names_path(line, home))?;
                Some(Finding::new(file, at + 1, format!("a path of one machine (`{home}`)")))
            })
        })
        .collect()
}

/// Whether an absolute path below `home` begins somewhere in the line.
fn names_path(line: &str, home: &str) -> bool {
    let wanted = format!("/{home}/");
    line.match_indices(&wanted).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '}' | '*'))
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::file;
    use super::check;

    #[test]
    fn absolute_paths_are_found_and_relative_ones_are_not() {
        let absolute = format!("see /{}/me/x", "home");
        let relative = format!("see src/{}/me/x", "home");
        assert_eq!(check(&[file("a.md", &absolute)]).len(), 1);
        assert!(check(&[file("a.md", &relative)]).is_empty());
        assert!(check(&[file("Cargo.lock", &absolute)]).is_empty());
    }
}
