//! Rules of the backend contract, and the guarantees that rest on them.

/// What a rule of the contract serves; nothing for a rule that is not known.
#[rustfmt::skip]
pub fn guarantees_of_rule(rule: &str) -> &'static [&'static str] {
    match rule {
        // Of the whole contract.
        "C1" => &["G16", "G18"],
        "C2" => &["G6"],
        "C3" => &["G4"],
        "C4" => &["G3", "G7"],
        "C5" => &["G7", "G14"],
        "C6" => &["G8"],
        "C7" => &["G9"],
        "C8" => &["L1"],
        "C9" => &["G12"],
        "C10" => &["G10"],
        "C11" => &["G4", "G7"],
        "C12" => &["G1"],
        // Of the commit of a turn and of an activity.
        "T1" => &["G3", "G6"],
        "T2" => &["G7", "L1"],
        "T3" => &["G3", "G4"],
        "T4" => &["G7"],
        "T5" => &["G4", "G5"],
        "T6" => &["G3", "G7"],
        "A1" => &["G5", "G6"],
        "A2" => &["G3", "G5"],
        // Of the orchestration queue.
        "O1" => &["G2"],
        "O2" => &["G17"],
        "O3" => &["G2", "G7"],
        "O4" => &["G2", "G14"],
        "O5" => &["G7", "G10"],
        "O6" => &["G2", "G7"],
        "O7" => &["G7", "G15"],
        "O8" => &["G2", "L2"],
        "O9" => &["G2", "L1"],
        "O10" => &["G7", "G11"],
        "O11" => &["G7", "G12", "L3"],
        "O12" => &["L1"],
        "O13" => &["G3", "G6"],
        // Of the activity queue.
        "Q1" => &["G5", "L2"],
        "Q2" => &["G6", "G12"],
        "Q3" => &["L1"],
        "Q4" => &["G10", "G13"],
        "Q5" => &["G6", "G13"],
        "Q6" => &["G6", "G12", "L3"],
        // Of the history store.
        "H1" => &["G3", "G16"],
        "H2" | "H3" | "H4" | "H6" => &["G17"],
        "H5" => &["G14"],
        // Of the tracking queue.
        "K1" => &["G7"],
        "K2" => &["G6"],
        _ => &[],
    }
}
