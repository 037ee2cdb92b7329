//! ser-fit
fn main() {}
