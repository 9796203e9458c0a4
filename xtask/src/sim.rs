//! `cargo xtask sim --seeds N [--from S]`: the simulation, for as long as you like.

use crate::shell::cargo;

/// Runs the seeds; `None` when the arguments make no sense, else whether all held.
pub(crate) fn run(arguments: &[&str]) -> Option<bool> {
    let (seeds, from) = parse(arguments)?;
    let variables = [("SIM_SEEDS", seeds), ("SIM_FROM", from)];
    let variables: Vec<(&str, &str)> =
        variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let test = ["test", "--package", "conformance-tests", "--test", "sim"];
    let what = ["--", "every_seed_keeps_every_promise", "--exact", "--nocapture"];
    Some(cargo(&[test.as_slice(), &what].concat(), &variables))
}

/// Number of seeds and the first of them.
fn parse(arguments: &[&str]) -> Option<(String, String)> {
    let number = |text: &str| text.parse::<u64>().ok().map(|number| number.to_string());
    match arguments {
        ["--seeds", seeds] => Some((number(seeds)?, "0".to_owned())),
        ["--seeds", seeds, "--from", from] | ["--from", from, "--seeds", seeds] => {
            Some((number(seeds)?, number(from)?))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn both_orders_are_understood_and_nonsense_is_not() {
        let expected = Some(("5".to_owned(), "7".to_owned()));
        assert_eq!(parse(&["--seeds", "5", "--from", "7"]), expected);
        assert_eq!(parse(&["--from", "7", "--seeds", "5"]), expected);
        assert_eq!(parse(&["--seeds", "5"]), Some(("5".to_owned(), "0".to_owned())));
        assert_eq!(parse(&["--seeds", "many"]), None);
        assert_eq!(parse(&[]), None);
    }
}
