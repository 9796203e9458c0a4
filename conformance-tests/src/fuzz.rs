//! Hostile bytes for decoders: a seeded mutator that knows what stored bytes look like.
//!
//! A [`Target`] is a decoder with examples of what it reads. Its examples are bent, cut, joined
//! and filled with lengths that lie; the checksum is made right again half of the time, so that
//! mutations reach what lies behind it. Whatever comes, the decoder must return, and must not
//! take much more memory than it was given bytes.
//!
//! `FUZZ_INPUTS` sets how many inputs each target gets, `FUZZ_SEED` repeats a run.

use std::fmt::{self, Write as _};
use std::panic::AssertUnwindSafe;

use crate::manual_env::{GOLDEN, mix};

/// Inputs of each target unless `FUZZ_INPUTS` says otherwise.
const INPUTS: u64 = 4_000;

/// Numbers that lengths and kinds are likely to get wrong.
const LIARS: [u64; 12] = [
    0,
    1,
    0x7f,
    0xfb,
    0xffff,
    0x7fff_ffff,
    0xffff_ffff,
    0xffff_fffe,
    1 << 40,
    1 << 62,
    u64::MAX,
    u64::MAX - 1,
];

/// A decoder and examples of what it reads.
pub struct Target<'a> {
    /// Its name.
    pub name: &'static str,
    /// Valid inputs.
    pub examples: Vec<Vec<u8>>,
    /// Makes the checksum right again.
    pub reseal: fn(&mut [u8]),
    /// Bytes that decoding may take besides those in proportion to the input.
    pub bytes_at_rest: u64,
    /// How often its own length an input may take.
    pub bytes_per_byte: u64,
    /// Decodes; whether the bytes were accepted.
    pub decode: &'a dyn Fn(&[u8]) -> bool,
    /// Runs something and tells how many bytes it held at most.
    pub measure: fn(&mut dyn FnMut()) -> u64,
}

impl fmt::Debug for Target<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({})", self.name)
    }
}

/// What became of the inputs of some targets.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Fuzzed {
    /// How many there were.
    pub inputs: u64,
    /// How many were accepted, being valid still or again.
    pub accepted: u64,
}

fn variable(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or(default))
}

/// Gives every target its inputs, and panics with the first that breaks it.
///
/// # Panics
/// When a decoder panics, takes too much memory, or does not read its own examples.
pub fn fuzz(targets: &[Target<'_>]) -> Fuzzed {
    let (inputs, seed) = (variable("FUZZ_INPUTS", INPUTS), variable("FUZZ_SEED", 0x5eed));
    let mut all = Fuzzed::default();
    for target in targets {
        let mut fuzzed = target.examples(seed);
        let mut random = Random(seed ^ target.name.bytes().fold(0, |n, b| mix(n ^ u64::from(b))));
        while fuzzed.inputs < inputs {
            let input = target.mutated(&mut random);
            fuzzed.accepted += u64::from(target.try_one(&input, seed));
            fuzzed.inputs += 1;
        }
        assert!(fuzzed.accepted * 5 < fuzzed.inputs * 4, "{}: mutations are too tame", target.name);
        all.inputs += fuzzed.inputs;
        all.accepted += fuzzed.accepted;
    }
    all
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(GOLDEN);
        (mix(self.0) % bound.max(1) as u64) as usize
    }
}

impl Target<'_> {
    /// The examples themselves, and each with a lying length at each place.
    fn examples(&self, seed: u64) -> Fuzzed {
        let mut fuzzed = Fuzzed::default();
        for example in &self.examples {
            assert!(self.try_one(example, seed), "{}: an example is refused", self.name);
            for at in 0..example.len() {
                for form in LYING_LENGTHS {
                    let mut input = example[..at].to_vec();
                    input.extend_from_slice(form);
                    input.extend_from_slice(example.get(at + form.len()..).unwrap_or_default());
                    (self.reseal)(&mut input);
                    fuzzed.accepted += u64::from(self.try_one(&input, seed));
                    fuzzed.inputs += 1;
                }
            }
        }
        fuzzed
    }

    fn mutated(&self, random: &mut Random) -> Vec<u8> {
        let example = |random: &mut Random| &self.examples[random.below(self.examples.len())];
        let mut input = example(random).clone();
        for _ in 0..=random.below(4) {
            mutate(&mut input, example(random), random);
        }
        if random.below(4) > 0 {
            (self.reseal)(&mut input);
        }
        input
    }

    /// Decodes one input under watch; whether it was accepted.
    fn try_one(&self, input: &[u8], seed: u64) -> bool {
        let mut accepted = false;
        let mut run = || accepted = (self.decode)(input);
        let mut bytes = 0;
        let ran = std::panic::catch_unwind(AssertUnwindSafe(|| bytes = (self.measure)(&mut run)));
        let bound = self.bytes_at_rest + self.bytes_per_byte * input.len() as u64;
        if ran.is_err() || bytes > bound {
            let what = if ran.is_err() { "panics".to_owned() } else { format!("takes {bytes}") };
            let name = self.name;
            panic!(
                "{name} {what} with FUZZ_SEED={seed} over {} bytes: {}",
                input.len(),
                hex(input)
            );
        }
        accepted
    }
}

/// Little-endian 32 bits, and the forms that bincode's variable lengths have.
const LYING_LENGTHS: [&[u8]; 5] = [
    &[0xff; 4],
    &[0xff, 0xff, 0xff, 0x7f],
    &[0xfb, 0xff, 0xff],
    &[0xfc, 0xff, 0xff, 0xff, 0x03],
    &[0xfd, 0, 0, 0, 0, 0, 0, 0, 0x40],
];

/// Changes one thing.
fn mutate(input: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    let at = random.below(input.len());
    let until = at + random.below((input.len() - at.min(input.len())).min(64) + 1);
    match random.below(9) {
        0 if !input.is_empty() => input[at] ^= 1 << random.below(8),
        1 if !input.is_empty() => input[at] = LIARS[random.below(LIARS.len())] as u8,
        2 => input.truncate(at),
        3 => input.insert(at, random.below(256) as u8),
        4 => drop(input.drain(at..until)),
        5 => {
            let part = input[at..until].to_vec();
            input.splice(at..at, part);
        }
        6 => {
            let from = random.below(other.len());
            input.truncate(at);
            input.extend_from_slice(&other[from..]);
        }
        7 => {
            let number = LIARS[random.below(LIARS.len())].to_le_bytes();
            let width = [2, 4, 8][random.below(3)];
            let end = (at + width).min(input.len());
            input.splice(at..end, number[..width].iter().copied());
        }
        _ => {
            let form = LYING_LENGTHS[random.below(LYING_LENGTHS.len())];
            let end = (at + form.len()).min(input.len());
            input.splice(at..end, form.iter().copied());
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().take(2_048).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::{Target, fuzz};

    fn target<'a>(
        decode: &'a dyn Fn(&[u8]) -> bool,
        measure: fn(&mut dyn FnMut()) -> u64,
    ) -> Target<'a> {
        Target {
            name: "test",
            examples: vec![vec![3, 1, 2, 3], vec![0]],
            reseal: |_| {},
            bytes_at_rest: 100,
            bytes_per_byte: 1,
            decode,
            measure,
        }
    }

    fn free(run: &mut dyn FnMut()) -> u64 {
        run();
        0
    }

    /// A length and as many bytes.
    fn careful(input: &[u8]) -> bool {
        input.split_first().is_some_and(|(n, rest)| rest.len() == usize::from(*n))
    }

    #[test]
    fn a_careful_decoder_passes() {
        let fuzzed = fuzz(&[target(&careful, free)]);
        assert!(fuzzed.accepted > 100 && fuzzed.inputs > fuzzed.accepted * 2, "{fuzzed:?}");
    }

    #[test]
    #[should_panic(expected = "test panics with FUZZ_SEED")]
    fn a_decoder_that_trusts_a_length_is_found() {
        fuzz(&[target(&|input| !input.is_empty() && input[usize::from(input[0])] < 200, free)]);
    }

    #[test]
    #[should_panic(expected = "test takes 1000000 with FUZZ_SEED")]
    fn a_decoder_that_takes_too_much_is_found() {
        fuzz(&[target(&careful, |run| {
            run();
            1_000_000
        })]);
    }

    #[test]
    #[should_panic(expected = "an example is refused")]
    fn examples_must_be_valid() {
        fuzz(&[target(&|_| false, free)]);
    }
}
