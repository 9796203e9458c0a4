//! The suite over the reference adapter.

fn main() -> std::process::ExitCode {
    conformance_tests::main("memory", conformance_tests::memory::MemoryFixture)
}
