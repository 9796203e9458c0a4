//! Parts of documents that a command writes, between two marks.

use std::fs;

use crate::workspace;

/// A generated part.
pub(crate) struct Part {
    /// The document.
    pub(crate) path: &'static str,
    /// The name in its marks.
    pub(crate) name: &'static str,
    /// What must be between them.
    pub(crate) text: String,
}

/// Puts the part into its document; whether that worked.
pub(crate) fn write(part: &Part) -> bool {
    let path = workspace::root().join(part.path);
    let Some((document, new)) = both(part) else { return false };
    document == new || fs::write(path, new).is_ok()
}

/// Whether the document holds the part as it must be.
pub(crate) fn check(part: &Part) -> bool {
    let same = both(part).is_some_and(|(document, new)| document == new);
    if !same {
        eprintln!("{}: the part `{}` is not up to date", part.path, part.name);
    }
    same
}

/// The document as it is and as it should be.
fn both(part: &Part) -> Option<(String, String)> {
    let document = fs::read_to_string(workspace::root().join(part.path)).ok()?;
    let new = replaced(&document, part.name, &part.text);
    if new.is_none() {
        eprintln!("{}: the marks of the part `{}` are missing", part.path, part.name);
    }
    Some((document, new?))
}

fn replaced(document: &str, name: &str, text: &str) -> Option<String> {
    let (begin, end) = (format!("<!-- begin: {name}"), format!("<!-- end: {name} -->"));
    let (head, rest) = document.split_once(&begin)?;
    let (comment, rest) = rest.split_once("-->\n")?;
    let (_, tail) = rest.split_once(&end)?;
    Some(format!("{head}{begin}{comment}-->\n\n{}\n\n{end}{tail}", text.trim()))
}

#[cfg(test)]
mod tests {
    use super::replaced;

    #[test]
    fn only_what_is_between_the_marks_changes() {
        let document = "a\n<!-- begin: x, by hand -->\nold\n<!-- end: x -->\nb\n";
        let new = replaced(document, "x", "new\n").unwrap();
        assert_eq!(new, "a\n<!-- begin: x, by hand -->\n\nnew\n\n<!-- end: x -->\nb\n");
        assert_eq!(replaced(&new, "x", "new").as_deref(), Some(&*new));
        assert_eq!(replaced(document, "y", "new"), None);
    }
}
