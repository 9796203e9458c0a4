//! Finds what proves guarantees: in the suite, which lists its own, and in tests whose
//! documentation says `Proves G1, G16.`

use super::Proof;
use crate::shell::cargo_output;
use crate::workspace::{TextFile, text_files};

/// Everything; `None` when the suite cannot be asked.
pub(super) fn proofs() -> Option<Vec<Proof>> {
    // All features, as in the tests: nothing is built twice for this.
    let (ran, listed) =
        cargo_output(&["run", "--quiet", "--all-features", "--example", "evidence"], &[])?;
    if !ran {
        return None;
    }
    let mut proofs: Vec<Proof> = listed.lines().filter_map(of_line).collect();
    proofs.extend(text_files().iter().flat_map(of_file));
    Some(proofs)
}

fn of_line(line: &str) -> Option<Proof> {
    let fields: Vec<&str> = line.split('\t').collect();
    let [kind, area, name, guarantees] = fields.as_slice() else { return None };
    Some(Proof {
        kind: (*kind).to_owned(),
        area: (*area).to_owned(),
        name: (*name).to_owned(),
        guarantees: guarantees.split(' ').map(str::to_owned).collect(),
    })
}

/// Tests of a file whose documentation says what they prove.
fn of_file(file: &TextFile) -> Vec<Proof> {
    let mut proofs = Vec::new();
    let mut said: Option<Vec<String>> = None;
    if !file.path.ends_with(".rs") || file.path.starts_with("xtask/") {
        return proofs;
    }
    for line in file.text.lines().map(str::trim_start) {
        if let Some(list) = line.strip_prefix("/// Proves ") {
            let list = list.trim_end_matches('.').split(", ");
            said = Some(list.map(str::to_owned).collect());
        } else if let Some(name) = function(line)
            && let Some(guarantees) = said.take()
        {
            let (kind, area) = ("test".to_owned(), file.path.clone());
            proofs.push(Proof { kind, area, name: name.to_owned(), guarantees });
        }
    }
    proofs
}

fn function(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("fn ").or_else(|| line.strip_prefix("async fn "))?;
    rest.split('(').next()
}

#[cfg(test)]
mod tests {
    use super::{of_file, of_line};
    use crate::workspace::TextFile;

    #[test]
    fn a_test_says_what_it_proves() {
        let text = "/// Words.\n/// Proves G1, L2.\n#[test]\nfn one() {}\n\nfn two() {}\n\
                    /// Proves G3.\n#[tokio::test]\nasync fn three() {}\n";
        let file = TextFile { path: "a/tests/b.rs".to_owned(), text: text.to_owned() };
        let found: Vec<_> = of_file(&file).into_iter().map(|p| (p.name, p.guarantees)).collect();
        let expected = |name: &str, list: &[&str]| {
            (name.to_owned(), list.iter().map(|&g| g.to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(found, [expected("one", &["G1", "L2"]), expected("three", &["G3"])]);
    }

    #[test]
    fn a_line_of_the_suite_has_four_fields() {
        assert_eq!(of_line("check\tleases\ta\tG1 G2").unwrap().guarantees, ["G1", "G2"]);
        assert_eq!(of_line("warning: something"), None);
    }
}
