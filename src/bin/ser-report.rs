//! ser-report
fn main() {}
