//! What each scenario shows, by its number or, where it has none, by its name.

/// A scenario shows at least that what was begun comes to its right end.
const FALLBACK: &[&str] = &["G1", "L1"];

#[rustfmt::skip]
const SHOWN: [(&str, &[&str]); 45] = [
    ("s01", &["G1"]),
    ("s02", &["G1", "G5"]),
    ("s03", &["G3", "G5"]),
    ("s04", &["G3"]),
    ("s05", &["G3", "G5"]),
    ("s06", &["G4", "G5"]),
    ("s07", &["G3", "G5"]),
    ("s08", &["G3"]),
    ("s09", &["G1", "L1"]),
    ("s10", &["G5", "G6"]),
    ("s11", &["G11", "G12"]),
    ("s12", &["G17"]),
    ("s13", &["G1", "G3"]),
    ("s14", &["G2"]),
    ("s15", &["G3"]),
    ("s16", &["G3", "G5"]),
    ("s17", &["G1", "G13"]),
    ("s18", &["G1", "L1"]),
    ("s19", &["G17"]),
    ("s20", &["G7"]),
    ("s21", &["G7", "G8"]),
    ("s23", &["G3", "G7"]),
    ("s24", &["G7", "G8"]),
    ("s25", &["G7"]),
    ("s26", &["G7", "G10"]),
    ("s27", &["G7", "G9"]),
    ("s28", &["G7"]),
    ("s29", &["G9"]),
    ("s30", &["G5", "G9"]),
    ("s31", &["G9"]),
    ("s32", &["G9"]),
    ("s33", &["G3", "G14"]),
    ("s34", &["G10", "G13"]),
    ("s35", &["G7", "G8"]),
    ("s36", &["G9"]),
    ("s37", &["G2", "G14"]),
    ("s38", &["G2"]),
    ("s39", &["G2", "G14"]),
    ("s43", &["G3", "G5"]),
    ("s44", &["G3", "G16"]),
    ("s46", &["G5"]),
    ("s47", &["G3", "G5"]),
    ("s48", &["G3", "G5"]),
    ("s50", &["G11"]),
    ("s51", &["G4", "L1"]),
];

#[rustfmt::skip]
const MORE: [(&str, &[&str]); 13] = [
    ("s52", &["G6", "L2"]),
    ("s53", &["G5", "G6", "L2"]),
    ("s59", &["G2"]),
    ("s61", &["L1"]),
    ("s64", &["L2", "L3"]),
    ("s66", &["G15", "G16"]),
    ("s69", &["G17"]),
    ("s70", &["G3", "G17"]),
    ("s71", &["G14"]),
    ("s73", &["G17"]),
    ("s74", &["G11", "G18"]),
    ("sagas", &["G3", "G5"]),
    ("an_activity_past_its_time_limit_fails", &["G5", "G9"]),
];

/// The guarantees of a scenario by the name of its check.
pub(super) fn guarantees(check: &str) -> &'static [&'static str] {
    let scenario = check.split("::").next().unwrap_or(check);
    let known = |key: &str| {
        scenario.strip_prefix(key).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
    };
    let found = SHOWN.iter().chain(&MORE).find(|(key, _)| known(key));
    found.map_or(FALLBACK, |(_, guarantees)| *guarantees)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{FALLBACK, MORE, SHOWN, guarantees};

    #[test]
    fn a_scenario_is_found_by_its_number() {
        assert_eq!(guarantees("s38_of_forty_equal_starts_one_succeeds::sticky"), ["G2"]);
        assert_eq!(guarantees("s380_unknown::sticky"), FALLBACK);
    }

    #[test]
    fn every_row_has_a_scenario() {
        let names: BTreeSet<String> = crate::checks()
            .into_iter()
            .filter(|check| check.area == "scenarios")
            .map(|check| check.name.into_owned())
            .collect();
        for (key, _) in SHOWN.iter().chain(&MORE) {
            assert!(names.iter().any(|name| name.starts_with(key)), "{key}");
        }
    }
}
