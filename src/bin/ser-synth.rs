//! ser-synth
fn main() {}
