//! The shared suite over DynamoDB and SQS, as an emulator has them.

mod emulator;
mod suite;

fn main() -> std::process::ExitCode {
    conformance_tests::main("aws", suite::of_emulator())
}
