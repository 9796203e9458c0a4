//! Lists what in this crate proves which guarantee, one a line: kind, area, name, guarantees.

#![allow(clippy::print_stdout, reason = "a list for a program")]

fn main() {
    for proof in conformance_tests::evidence::proofs() {
        println!("{}\t{}\t{}\t{}", proof.kind, proof.area, proof.name, proof.guarantees.join(" "));
    }
}
