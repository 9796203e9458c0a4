//! What is where in this repository.

use std::fs;
use std::path::{Path, PathBuf};

/// Folders that hold no source of ours.
const SKIPPED: [&str; 4] = [".git", "target", "node_modules", "book"];

/// A text file of the repository.
#[derive(Debug)]
pub(crate) struct TextFile {
    /// Its path from the root, with forward slashes.
    pub(crate) path: String,
    /// Its contents.
    pub(crate) text: String,
}

/// The folder of the workspace manifest.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or_else(|| Path::new("."))
}

/// Every text file, in the order of their paths. Files that are not UTF-8 are left out.
pub(crate) fn text_files() -> Vec<TextFile> {
    let mut files = Vec::new();
    collect(root(), &mut files);
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

fn collect(folder: &Path, files: &mut Vec<TextFile>) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries {
        let path = entry.path();
        if SKIPPED.iter().any(|skipped| entry.file_name() == *skipped) {
            continue;
        }
        if path.is_dir() {
            collect(&path, files);
        } else if let Ok(text) = fs::read_to_string(&path) {
            files.push(TextFile { path: relative(&path), text });
        }
    }
}

fn relative(path: &Path) -> String {
    let path: PathBuf = path.strip_prefix(root()).unwrap_or(path).into();
    path.to_string_lossy().replace('\\', "/")
}

/// The names of a crate's features, by the folder of its manifest.
pub(crate) fn features(folder: &str) -> Vec<String> {
    let manifest = fs::read_to_string(root().join(folder).join("Cargo.toml")).unwrap_or_default();
    keys(&manifest, "features")
}

/// The keys of one table of a TOML text. Knows only what manifests here use: one key per
/// line at the start of the line, and `[table.key]` headings.
pub(crate) fn keys(toml: &str, table: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut inside = false;
    let subtable = format!("{table}.");
    for line in toml.lines() {
        if let Some(heading) = line.strip_prefix('[') {
            let heading = heading.trim_start_matches('[').split(']').next().unwrap_or_default();
            inside = heading == table;
            found.extend(heading.strip_prefix(&subtable).map(str::to_owned));
            continue;
        }
        let is_key = line.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '"');
        if inside && is_key {
            let key = line.split(['=', '.', ' ']).next().unwrap_or_default();
            found.push(key.trim_matches('"').to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{keys, text_files};

    #[test]
    fn keys_of_a_table_are_found_in_both_spellings() {
        let toml = "[package]\nname = \"x\"\n\n[dependencies]\na.workspace = true\nb = { path = \"b\" }\n\
                    # c = 1\n\n[dependencies.d]\nversion = \"1\"\n";
        assert_eq!(keys(toml, "dependencies"), ["a", "b", "d"]);
        assert_eq!(keys(toml, "features"), Vec::<String>::new());
    }

    #[test]
    fn the_walk_finds_this_file_and_nothing_built() {
        let files = text_files();
        assert!(files.iter().any(|file| file.path == "xtask/src/workspace.rs"));
        assert!(!files.iter().any(|file| file.path.starts_with("target/")));
    }
}
