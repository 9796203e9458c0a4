//! No Rust file is longer than a reader's patience.

use super::Finding;
use crate::workspace::TextFile;

const LINES_MAX: usize = 800;

pub(super) fn check(files: &[TextFile]) -> Vec<Finding> {
    let rust = files.iter().filter(|file| file.path.ends_with(".rs"));
    rust.filter_map(|file| {
        let lines = file.text.lines().count();
        let what = format!("{lines} lines; split it by purpose, {LINES_MAX} is the most");
        (lines > LINES_MAX).then(|| Finding::new(file, LINES_MAX, what))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::file;
    use super::check;

    #[test]
    fn the_801st_line_is_one_too_many() {
        assert!(check(&[file("a.rs", &"x\n".repeat(800))]).is_empty());
        assert_eq!(check(&[file("a.rs", &"x\n".repeat(801))]).len(), 1);
        assert!(check(&[file("a.md", &"x\n".repeat(801))]).is_empty());
    }
}
