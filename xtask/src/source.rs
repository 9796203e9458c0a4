//! Reading Rust source just well enough to judge its imports.

/// The text with comments and the contents of string literals replaced by spaces. Line breaks
/// stay, so line numbers hold.
pub(crate) fn code_only(text: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < characters.len() {
        let end = blank_end(&characters, at);
        if end > at {
            out.extend(characters[at..end].iter().map(|c| if *c == '\n' { '\n' } else { ' ' }));
            at = end;
        } else {
            out.push(characters[at]);
            at += 1;
        }
    }
    out
}

/// Where a comment or literal that begins at `at` ends; `at` itself when none begins there.
fn blank_end(text: &[char], at: usize) -> usize {
    let next = text.get(at + 1).copied();
    let in_word = at > 0 && (text[at - 1].is_alphanumeric() || text[at - 1] == '_');
    match text[at] {
        '/' if next == Some('/') => find(text, at, &['\n']),
        '/' if next == Some('*') => block_comment_end(text, at),
        '"' => string_end(text, at),
        'r' if !in_word && matches!(next, Some('"' | '#')) => raw_string_end(text, at),
        '\'' if next == Some('\\') => find(text, at + 3, &['\'']) + 1,
        '\'' if text.get(at + 2) == Some(&'\'') => at + 3,
        _ => at,
    }
    .min(text.len())
}

fn find(text: &[char], from: usize, wanted: &[char]) -> usize {
    let rest = text.get(from..).unwrap_or_default();
    rest.windows(wanted.len()).position(|w| w == wanted).map_or(text.len(), |found| from + found)
}

fn block_comment_end(text: &[char], at: usize) -> usize {
    let (mut depth, mut at) = (1, at + 2);
    while depth > 0 && at + 1 < text.len() {
        match (text[at], text[at + 1]) {
            ('/', '*') => (depth, at) = (depth + 1, at + 2),
            ('*', '/') => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    if depth > 0 { text.len() } else { at }
}

fn string_end(text: &[char], at: usize) -> usize {
    let mut at = at + 1;
    while at < text.len() && text[at] != '"' {
        at += if text[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

fn raw_string_end(text: &[char], at: usize) -> usize {
    let hashes = text[at + 1..].iter().take_while(|c| **c == '#').count();
    let opening = at + 1 + hashes;
    if text.get(opening) != Some(&'"') {
        return at;
    }
    let mut closing = vec!['"'];
    closing.resize(hashes + 1, '#');
    find(text, opening + 1, &closing) + closing.len()
}

/// What follows `prefix::` directly, with line numbers: `["a", "b"]` for `crate::a` and for
/// `crate::{a::X, b}`, when the prefix is `crate`.
pub(crate) fn first_segments(code: &str, prefix: &str) -> Vec<(usize, String)> {
    let wanted = format!("{prefix}::");
    let mut found = Vec::new();
    for (at, _) in code.match_indices(&wanted) {
        let before = code[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
            continue;
        }
        let line = 1 + code[..at].matches('\n').count();
        let rest = &code[at + wanted.len()..];
        found.extend(leading_names(rest).into_iter().map(|name| (line, name)));
    }
    found
}

/// The name a path goes on with, or all names when it goes on with a group.
fn leading_names(rest: &str) -> Vec<String> {
    let Some(group) = rest.strip_prefix('{') else {
        return vec![word(rest)];
    };
    let mut names = vec![word(group)];
    let mut depth = 1;
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => names.push(word(&group[at + 1..])),
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

fn word(text: &str) -> String {
    text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

#[cfg(test)]
mod tests {
    use super::{code_only, first_segments};

    #[test]
    fn comments_and_literals_are_blank_and_lines_stay() {
        let text = "a // crate::x\n/* crate::y /* */\n */ b(\"crate::z \\\" q\", r#\"crate::w\"#, '\"', 'c') <'a>";
        let code = code_only(text);
        assert!(!code.contains("crate"), "{code}");
        assert_eq!(code.matches('\n').count(), text.matches('\n').count());
        assert!(code.contains('b') && code.contains("<'a>"), "{code}");
    }

    #[test]
    fn plain_and_grouped_paths_are_found() {
        let code =
            "use crate::a::B;\nuse crate::{b::{c, d}, e,\n  f as g};\nmy_crate::h; x::crate::i";
        let expected = [(1, "a"), (2, "b"), (2, "e"), (2, "f")];
        let found = first_segments(code, "crate");
        assert_eq!(found, expected.map(|(line, name)| (line, name.to_owned())));
    }

    #[test]
    fn unfinished_text_ends_without_panic() {
        for text in ["\"", "r#\"", "/*", "'\\", "//", "r#", "'", "crate::{"] {
            let _ = first_segments(&code_only(text), "crate");
        }
    }
}
