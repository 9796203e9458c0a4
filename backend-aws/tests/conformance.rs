//! The shared suite over DynamoDB and SQS, as an emulator has them. `AWS_FAULTS` is a seed: then
//! requests go wrong now and then, as they do on the way to the services and inside them.

mod connector;
mod emulator;
mod suite;

use std::process::ExitCode;

fn main() -> ExitCode {
    let Ok(seed) = std::env::var("AWS_FAULTS") else {
        return conformance_tests::main("aws", suite::of_emulator(None));
    };
    let Ok(seed) = seed.parse() else { panic!("AWS_FAULTS={seed}: a number is wanted") };
    let faults = suite::faults(seed);
    let code = conformance_tests::main("aws", suite::of_emulator(Some(faults.clone())));
    println!("faults: seed {seed}, {}", suite::summary(&faults));
    code
}
